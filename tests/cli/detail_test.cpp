// How much of a picture the model sees: --max-tiles, --detail, --no-split.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "process.h"

namespace ocelli::test {
namespace {

using base::Json;
using testing::HasSubstr;
using testing::Not;

const std::string kPicture = fixture("media/444.jpg");
const std::string kModel = fixture("models/smolvlm2-a");

int64_t tiles(std::vector<std::string> more) {
  std::vector<std::string> words{"plan", kModel, "--picture", "400x400", "What?", "--json"};
  words.insert(words.end(), more.begin(), more.end());
  const Finished f = run(words);
  const Json* count = f.json().find("tiles");
  EXPECT_TRUE(count) << f.out << f.err;
  return count ? count->as_int() : -1;
}

TEST(Detail, TilesAreCountedBeforeAndAfter) {
  const int64_t all = tiles({});
  ASSERT_GT(all, 1);
  EXPECT_EQ(tiles({"--detail", "high"}), all);
  EXPECT_EQ(tiles({"--max-tiles", std::to_string(all)}), all);
  EXPECT_EQ(tiles({"--detail", "auto"}), all);
  EXPECT_EQ(tiles({"--detail", "low"}), 1);
  EXPECT_EQ(tiles({"--no-split"}), 1);
  EXPECT_EQ(tiles({"--max-tiles", "1"}), 1);
  const int64_t fewer = tiles({"--max-tiles", std::to_string(all - 1)});
  EXPECT_LT(fewer, all);
  EXPECT_EQ(tiles({"--detail", "auto", "--max-tiles", std::to_string(all - 1)}), fewer);
}

TEST(Detail, ThePromptIsThatOfFewerTiles) {
  const std::string whole = run({"run", kModel, kPicture, "What?", "--show-prompt"}).out;
  const std::string one =
      run({"run", kModel, kPicture, "What?", "--show-prompt", "--max-tiles", "1"}).out;
  EXPECT_THAT(whole, HasSubstr("<row_1_col_1>"));
  EXPECT_THAT(one, Not(HasSubstr("<row_1_col_1>")));
  EXPECT_THAT(one, HasSubstr("<global-img>"));
}

TEST(Detail, WhatDoesNotGoTogether) {
  for (const char* other : {"--no-split", "--max-tiles=3"}) {
    const Finished f = run({"run", kModel, kPicture, "What?", "--detail", "high", other});
    EXPECT_EQ(f.status, 2);
    EXPECT_THAT(f.err, HasSubstr("--detail auto"));
  }
  EXPECT_EQ(run({"run", kPicture, "What?", "--max-tiles", "0"}).status, 2);
  EXPECT_EQ(run({"run", kPicture, "What?", "--detail", "medium"}).status, 2);
}

}  // namespace
}  // namespace ocelli::test
