// Rows F03 to F06, O01, O02, O05: what surrounds the program is odd or scarce.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "../cli/process.h"

namespace ocelli::hostile {
namespace {

using test::Finished;
using testing::HasSubstr;

const std::string kModel = test::fixture("models/smollm2");

// Under `sh -c "COMMANDS; exec PROGRAM..."`.
Finished under(const std::string& commands, std::vector<std::string> words) {
  return test::run(std::move(words), {.wrapper = {"sh", "-c", commands + "; exec \"$0\" \"$@\""}});
}
Finished ended_by(const std::string& end, std::vector<std::string> words) {
  return test::run(std::move(words), {.wrapper = {"sh", "-c", "exec \"$0\" \"$@\" " + end}});
}

TEST(Surroundings, NoHome) {
  const Finished f =
      test::run({"show", kModel}, {.wrapper = {"env", "-u", "HOME", "-u", "OCELLI_HOME"}});
  EXPECT_TRUE(f.status == 0 || f.status == 2) << f.status << f.err;
  EXPECT_EQ(under("cd \"$(mktemp -d)\" && rmdir \"$PWD\"", {"show", kModel}).status, 0);
}

TEST(Surroundings, ClosedAndFullOutputs) {
  for (const char* end : {">&-", ">/dev/full", "<&-  >/dev/full"}) {
    const Finished f = ended_by(end, {"show", kModel});
    EXPECT_GT(f.status, 0) << end;
    EXPECT_LT(f.status, 11) << end;
    EXPECT_THAT(f.err, HasSubstr("error: ")) << end;
  }
  EXPECT_EQ(ended_by("<&-", {"show", kModel}).status, 0);
  EXPECT_EQ(ended_by("2>&-", {"show", kModel}).status, 0);
}

TEST(Surroundings, TheLanguageOfTheMachineChangesNothing) {
  const std::vector<std::string> words{"show", kModel, "--json"};
  const std::string plain = test::run(words).out;
  EXPECT_THAT(plain, HasSubstr("264456"));
  for (const char* locale : {"de_DE.UTF-8", "tr_TR.UTF-8", "C", "nowhere"}) {
    const Finished f = test::run(words, {.environment = {{"LC_ALL", locale}, {"LANG", locale}}});
    EXPECT_EQ(f.out, plain) << locale;
  }
}

// From far too little memory to enough: an error or an answer, never a signal.
TEST(Surroundings, EveryAmountOfMemory) {
  if (*OCELLI_SANITIZE) GTEST_SKIP() << "24 checks skipped: a sanitizer needs memory of its own";
  int refused = 0, worked = 0;
  for (int64_t mib = 40, i = 0; i < 24; ++i, mib += mib * 2 / 5) {
    const Finished f =
        under("ulimit -v " + std::to_string(mib * 1024), {"show", "-t", "1", kModel});
    // 127: the system's loader had no room for the libraries.
    EXPECT_TRUE(f.status == 0 || f.status == 3 || f.status == 4 || f.status == 127)
        << mib << " MiB: " << f.status << " " << f.err;
    ++(f.status == 0 ? worked : refused);
  }
  std::printf("%d amounts of memory were too little, %d enough\n", refused, worked);
}

TEST(Surroundings, FewFilesAndASmallStack) {
  EXPECT_EQ(under("ulimit -n 16", {"show", kModel}).status, 0);
  EXPECT_EQ(under("ulimit -s 512", {"show", kModel}).status, 0);
}

// The n-th allocation and all behind it fail.
TEST(Surroundings, EveryAllocationMayFail) {
  if (*OCELLI_SANITIZE) GTEST_SKIP() << "60 checks skipped: a sanitizer allocates by itself";
  int refused = 0, worked = 0;
  for (int n = 1; n < 1'000'000 && worked == 0; n += 1 + n / 8) {
    const Finished f = test::run(
        {"show", "-t", "1", kModel},
        {.environment = {{"LD_PRELOAD", OCELLI_FAILALLOC}, {"FAIL_ALLOC", std::to_string(n)}}});
    // Before main() libraries set themselves up: what fails there is out of the program's hands.
    if (refused == 0 && !f.err.starts_with("error: ")) continue;
    EXPECT_TRUE(f.status == 0 || f.status == 2 || f.status == 3 || f.status == 4)
        << n << ": " << f.status << " " << f.err;
    if (f.status != 0) {
      EXPECT_THAT(f.err, testing::StartsWith("error: ")) << n;
    }
    ++(f.status == 0 ? worked : refused);
  }
  std::printf("%d allocations failed, each with an error\n", refused);
  EXPECT_GT(refused, 20);
  EXPECT_EQ(worked, 1);
}

}  // namespace
}  // namespace ocelli::hostile
