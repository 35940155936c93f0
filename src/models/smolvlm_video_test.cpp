#include "models/smolvlm_video.h"

#include <gtest/gtest.h>

namespace ocelli::models {
namespace {

using base::Json;

Json parse(const char* text) {
  return Json::parse(text).value();
}

SmolVlmVideoConfig config_of(const char* text) {
  return SmolVlmVideoConfig::parse(parse(text), Json()).value();
}

std::string error_of(const char* text) {
  const auto config = SmolVlmVideoConfig::parse(parse(text), Json());
  return config.ok() ? "" : config.error().message();
}

// From transformers 4.53 on the size of pictures goes before that of videos.
TEST(SmolVlmVideo, SizeIsThatOfPicturesWhereThereIsOne) {
  constexpr const char* kBoth = R"({"size": {"longest_edge": 2048}, "video_sampling":
      {"fps": 2, "max_frames": 32, "video_size": {"longest_edge": 512}}})";
  constexpr const char* kVideo = R"({"video_sampling":
      {"fps": 0.5, "max_frames": 8, "video_size": {"longest_edge": 512}}})";
  EXPECT_EQ(config_of(kBoth).frame.longest_edge, 2048);
  EXPECT_EQ(config_of(kBoth).fps, 2);
  EXPECT_EQ(config_of(kBoth).max_frames, 32);
  EXPECT_EQ(config_of(kVideo).frame.longest_edge, 512);
  EXPECT_EQ(config_of(kVideo).fps, 0.5);
  EXPECT_EQ(config_of("{}").frame.longest_edge, 4 * 364);
  EXPECT_EQ(config_of("{}").fps, 1);
  EXPECT_EQ(config_of("{}").max_frames, 64);
}

TEST(SmolVlmVideo, NonsenseIsRefused) {
  EXPECT_NE(error_of(R"({"video_sampling": 3})"), "");
  EXPECT_NE(error_of(R"({"video_sampling": {"fps": 0}})"), "");
  EXPECT_NE(error_of(R"({"video_sampling": {"fps": 1e9}})"), "");
  EXPECT_NE(error_of(R"({"video_sampling": {"fps": "1"}})"), "");
  EXPECT_NE(error_of(R"({"video_sampling": {"max_frames": 0}})"), "");
  EXPECT_NE(error_of(R"({"video_sampling": {"max_frames": 65}})"), "");
  EXPECT_NE(error_of(R"({"video_sampling": {"video_size": {"longest_edge": 0}}})"), "");
}

TEST(SmolVlmVideo, WishesAreChecked) {
  const SmolVlmVideoProcessor run(config_of("{}"));
  media::VideoInfo info;
  info.frames = 100;
  info.fps = 10;
  info.seconds = 10;
  const auto sample = [&](std::optional<double> fps, std::optional<int64_t> most) {
    return run.sample(info, {fps, most});
  };
  EXPECT_EQ(sample({}, {}).value().size(), 10u);
  EXPECT_EQ(sample(0.3, {}).value(), (std::vector<int64_t>{0, 49, 99}));
  EXPECT_EQ(sample({}, 1).value(), (std::vector<int64_t>{10}))
      << "a second is left out at both ends";
  for (const double fps : {0.0, -1.0, 1e9}) EXPECT_FALSE(sample(fps, {}).ok()) << fps;
  for (const int64_t most : {0, 65}) EXPECT_FALSE(sample({}, most).ok()) << most;
}

// transformers' own example: nine frames of a clip of nine seconds.
TEST(SmolVlmVideo, WordsAndTimes) {
  EXPECT_EQ(number_words(9), "nine");
  EXPECT_EQ(number_words(19), "nineteen");
  EXPECT_EQ(number_words(20), "twenty");
  EXPECT_EQ(number_words(64), "sixty-four");
  EXPECT_EQ(duration_text(0.99), "0:00:00");
  EXPECT_EQ(duration_text(9.3), "0:00:09");
  EXPECT_EQ(duration_text(3600), "1:00:00");
  EXPECT_EQ(duration_text(86399), "23:59:59");
  EXPECT_EQ(duration_text(90061), "1 day, 1:01:01");
  EXPECT_EQ(duration_text(172800), "2 days, 0:00:00");
}

}  // namespace
}  // namespace ocelli::models
