// --memory: what a limit changes, and what it says where it cannot be kept.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "process.h"

namespace ocelli::test {
namespace {

using testing::HasSubstr;

TEST(Memory, ALimitIsKept) {
  const int64_t limit = int64_t{600} << 20;
  const Finished f = run({"run", fixture("media/444.jpg"), "What shape do you see?", "--memory",
                          "600M", "--no-cache", "--json"});
  ASSERT_EQ(f.status, 0) << f.err;
  EXPECT_LT(f.json().find("peak_memory_bytes")->as_int(), limit);
  const Finished free =
      run({"run", fixture("media/444.jpg"), "What shape do you see?", "--no-cache", "--json"});
  EXPECT_EQ(f.json().find("answer")->as_string(), free.json().find("answer")->as_string());
}

TEST(Memory, OneThatIsTooSmallIsRefusedWithNumbers) {
  for (const char* command : {"run", "plan"}) {
    const Finished f = run({command, "What shape do you see?", "--memory", "3MiB"});
    EXPECT_EQ(f.status, 4);
    EXPECT_THAT(f.err, HasSubstr("limit 3 MiB"));
    EXPECT_THAT(f.err, HasSubstr("weights"));
  }
}

TEST(Memory, SizesAreReadAsPeopleWriteThem) {
  for (const char* size : {"2", "1.5", "2G", "2g", "2GiB", "2000M", "2000mb", "0.5T"}) {
    EXPECT_EQ(run({"plan", "What?", "--memory", size}).status, 0) << size;
  }
  for (const char* size : {"", "M", "-1", "0", "x", "2 G", "2GG", "nan", "1e30"}) {
    const Finished f = run({"plan", "What?", "--memory", size});
    EXPECT_EQ(f.status, 2) << size;
  }
}

}  // namespace
}  // namespace ocelli::test
