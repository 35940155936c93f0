// ocelli cache, and what run leaves there.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "process.h"

namespace ocelli::test {
namespace {

using base::Json;
using testing::HasSubstr;

const std::string kPicture = fixture("media/444.jpg");

class CacheCommand : public testing::Test {
 protected:
  Json usage(const char* part = "pictures") const {
    return *run({"cache", "--json"}, {.environment = home()}).json().find(part);
  }
  std::string ask(std::vector<std::string> more = {}) const {
    std::vector<std::string> words{"run", kPicture, "What is this?", "-n", "4"};
    words.insert(words.end(), more.begin(), more.end());
    const Finished f = run(words, {.environment = home()});
    EXPECT_EQ(f.status, 0) << f.err;
    err_ = f.err;
    return f.out;
  }
  std::map<std::string, std::string> home() const { return {{"OCELLI_HOME", folder_.file("h")}}; }
  TemporaryFolder folder_;
  mutable std::string err_;
};

TEST_F(CacheCommand, KeepsShowsAndClears) {
  EXPECT_EQ(usage().find("entries")->as_int(), 0);
  const std::string first = ask();
  EXPECT_EQ(usage().find("entries")->as_int(), 1);
  const std::string path = usage().find("path")->as_string();
  EXPECT_EQ(path, folder_.file("h") + "/cache/pictures");
  EXPECT_EQ(fs::status(path).permissions(), fs::perms::owner_all);
  for (const auto& file : fs::directory_iterator(path)) {
    EXPECT_EQ(file.status().permissions(), fs::perms::owner_read | fs::perms::owner_write);
  }
  EXPECT_EQ(ask(), first);
  EXPECT_EQ(usage().find("entries")->as_int(), 1);
  EXPECT_THAT(run({"cache"}, {.environment = home()}).out, HasSubstr("/pictures: 1 picture, "));
  const Finished clear = run({"cache", "clear"}, {.environment = home()});
  EXPECT_EQ(clear.status, 0);
  EXPECT_THAT(clear.err, HasSubstr("removed 1 picture"));
  EXPECT_TRUE(fs::is_empty(path));
  EXPECT_EQ(run({"cache", "clean"}).status, 2);
  EXPECT_EQ(run({"cache", "clear", "models"}).status, 2);
}

TEST_F(CacheCommand, ConvertedWeightsToo) {
  const std::vector<std::string> words = {
      "run", "-m", fixture("models/smolvlm2-a"), "-p", "Hm?", "-n", "1", "--weights", "q8"};
  ASSERT_EQ(run(words, {.environment = home()}).status, 0);
  ask();
  EXPECT_EQ(usage("weights").find("entries")->as_int(), 1);
  EXPECT_GT(usage("weights").find("bytes")->as_int(), 1000);
  EXPECT_THAT(run({"cache"}, {.environment = home()}).out,
              HasSubstr("/weights: 1 converted model, "));
  EXPECT_EQ(run({"cache", "clear", "pictures"}, {.environment = home()}).status, 0);
  EXPECT_EQ(usage("pictures").find("entries")->as_int(), 0);
  EXPECT_EQ(usage("weights").find("entries")->as_int(), 1);
  const Finished clear = run({"cache", "clear"}, {.environment = home()});
  EXPECT_THAT(clear.err, HasSubstr("removed 1 converted model"));
  EXPECT_EQ(usage("weights").find("entries")->as_int(), 0);
}

TEST_F(CacheCommand, KeepsNothingWhereAskedNotTo) {
  ask({"--no-cache"});
  ask({"--cache-size", "0"});
  ask({"--cache-size", "1K"});
  auto forbidden = home();
  forbidden["OCELLI_NO_CACHE"] = "1";
  EXPECT_EQ(run({"run", kPicture, "Hm?", "-n", "1"}, {.environment = forbidden}).status, 0);
  EXPECT_EQ(usage().find("entries")->as_int(), 0);
}

TEST_F(CacheCommand, APlaceThatCannotBeWrittenCostsANoteOnly) {
  const std::string first = ask({"--no-cache"});
  fs::create_directories(folder_.file("h/cache"));
  std::ofstream(folder_.file("h/cache/pictures")) << "a file";
  EXPECT_EQ(ask(), first);
  EXPECT_THAT(err_, HasSubstr("pictures are not kept on disk: "));
  ask({"-q"});
  EXPECT_EQ(err_, "");
}

}  // namespace
}  // namespace ocelli::test
