// preprocessor_config.json as it should not be, and pictures of every shape.
#include "models/smolvlm_processor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "models/registry.h"

namespace ocelli::models {
namespace {

using base::Json;
using testing::AllOf;
using testing::HasSubstr;

// The config with one key replaced, or removed where value is "-".
Json with(const std::string& key, const std::string& value) {
  const Json base = Json::parse(R"({"do_resize": true, "do_image_splitting": true,
    "do_rescale": true, "do_normalize": true, "resample": 1, "rescale_factor": 0.00392156862745098,
    "size": {"longest_edge": 96}, "max_image_size": {"longest_edge": 32},
    "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]})")
                        .value();
  std::vector<Json::Member> members;
  for (const auto& member : base.members()) {
    if (member.first != key) members.push_back(member);
  }
  if (value != "-") members.emplace_back(key, Json::parse(value).value());
  return Json::object(std::move(members));
}

Json tokens(const std::string& value) {
  return Json::parse("{\"image_seq_len\": " + value + "}").value();
}

std::string error_of(const Json& preprocessor, const Json& processor = tokens("4")) {
  const auto config = SmolVlmProcessorConfig::parse(preprocessor, processor);
  if (config.ok()) return "";
  EXPECT_EQ(config.error().code, base::Code::kBadInput);
  return config.error().message();
}

SmolVlmProcessor processor(int longest_edge, int tile, bool split = true) {
  SmolVlmProcessorConfig c;
  c.longest_edge = longest_edge;
  c.tile = tile;
  c.split = split;
  c.tokens_per_tile = 4;
  return SmolVlmProcessor(c);
}

media::Image picture(int width, int height) {
  media::Image image;
  image.width = width;
  image.height = height;
  image.rgb.resize(size_t(width) * size_t(height) * 3);
  for (size_t i = 0; i < image.rgb.size(); ++i) image.rgb[i] = uint8_t(i * 7 + i / 251);
  return image;
}

TEST(SmolVlmProcessorConfig, WhatFilesLeaveOut) {
  const auto config = SmolVlmProcessorConfig::parse(Json::object(), Json());
  ASSERT_TRUE(config.ok()) << config.error().message();
  EXPECT_EQ(config->longest_edge, 4 * 364);
  EXPECT_EQ(config->tile, 364);
  EXPECT_TRUE(config->split);
  EXPECT_EQ(config->filter, media::Filter::kLanczos);
  EXPECT_EQ(config->tokens_per_tile, 169);
  EXPECT_EQ(config->rescale, 1.0 / 255);
  EXPECT_EQ(config->mean[2], 0.5f);
  for (const char* key : {"size", "max_image_size", "resample", "image_mean", "do_resize"}) {
    EXPECT_EQ(error_of(with(key, "null")), "") << key;
  }
  EXPECT_EQ(error_of(with("do_pad", "false")), "");
  EXPECT_EQ(error_of(with("image_processor_type", "\"Other\"")), "");
}

TEST(SmolVlmProcessorConfig, Sizes) {
  for (const char* key : {"size", "max_image_size"}) {
    for (const char* value :
         {"0", "-1", "2147483647", "4294967296", "1e300", "\"96\"", "1.5", "null", "true", "[]"}) {
      EXPECT_THAT(error_of(with(key, std::string("{\"longest_edge\": ") + value + "}")),
                  AllOf(HasSubstr(key), HasSubstr("longest_edge")))
          << value;
    }
    for (const char* value : {"96", "[96, 96]", "\"96\"", "true"}) {
      EXPECT_THAT(error_of(with(key, value)), AllOf(HasSubstr(key), HasSubstr("must be an object")))
          << value;
    }
    EXPECT_THAT(error_of(with(key, R"({"height": 96, "width": 96})")), HasSubstr("longest_edge"));
  }
  EXPECT_THAT(error_of(with("max_image_size", R"({"longest_edge": 1})")),
              AllOf(HasSubstr("(96)"), HasSubstr("more than 64 tiles of 1 pixels")));
  // One view of the whole may be smaller than a tile.
  EXPECT_EQ(error_of(with("size", R"({"longest_edge": 8})")), "");
}

TEST(SmolVlmProcessorConfig, FiltersAndSwitches) {
  for (const int id : {1, 2, 3}) EXPECT_EQ(error_of(with("resample", std::to_string(id))), "");
  for (const char* id : {"0", "4", "5", "-1", "9223372036854775807"}) {
    EXPECT_THAT(error_of(with("resample", id)), AllOf(HasSubstr("resample"), HasSubstr(id)));
  }
  for (const char* bad : {"\"lanczos\"", "1.0", "true"})
    EXPECT_THAT(error_of(with("resample", bad)), HasSubstr("resample"));
  for (const char* key : {"do_resize", "do_rescale", "do_normalize"}) {
    EXPECT_THAT(error_of(with(key, "false")), AllOf(HasSubstr(key), HasSubstr("not supported")));
    EXPECT_THAT(error_of(with(key, "0")), HasSubstr(key));
  }
  EXPECT_EQ(error_of(with("do_image_splitting", "false")), "");
  EXPECT_THAT(error_of(with("do_image_splitting", "1")), HasSubstr("do_image_splitting"));
}

TEST(SmolVlmProcessorConfig, MeansAndScales) {
  for (const char* key : {"image_mean", "image_std"}) {
    for (const char* bad :
         {"0.5", "[]", "[0.5]", "[0.5, 0.5]", "[1, 1, 1, 1]", "[1, 1, \"1\"]", "[1, 1, null]",
          "{\"a\": 1, \"b\": 2, \"c\": 3}", "[[1], [1], [1]]", "\"abc\""}) {
      EXPECT_THAT(error_of(with(key, bad)), AllOf(HasSubstr(key), HasSubstr("three"))) << bad;
    }
    EXPECT_NE(error_of(with(key, "[1, 1, 1e300]")), "");
  }
  EXPECT_EQ(error_of(with("image_mean", "[0, -1, 1]")), "");
  for (const char* bad : {"[0, 1, 1]", "[1, -0.5, 1]", "[1, 1, 1e-300]", "[1, 1, 1e-40]"})
    EXPECT_THAT(error_of(with("image_std", bad)), HasSubstr("image_std")) << bad;
  for (const char* bad : {"0", "-1", "1e300", "\"1/255\"", "[]"})
    EXPECT_THAT(error_of(with("rescale_factor", bad)), HasSubstr("rescale_factor")) << bad;
  EXPECT_EQ(error_of(with("rescale_factor", "1")), "");
  for (const char* bad : {"0", "-4", "1048577", "4294967296", "\"4\"", "4.5"})
    EXPECT_THAT(error_of(with("", "-"), tokens(bad)), HasSubstr("image_seq_len")) << bad;
}

// Every byte becomes a finite number: ((byte / 255) - mean) / std in float32.
TEST(SmolVlmProcessor, Normalizes) {
  const SmolVlmProcessor p(
      SmolVlmProcessorConfig::parse(with("image_mean", "[0, 0.25, 0.5]"), tokens("4")).value());
  const Tiles tiles = p.process(picture(40, 30)).value();
  std::vector<float> out(size_t(tiles.plan.tiles) * 3 * 32 * 32);
  p.normalize(tiles, 0, tiles.plan.tiles, out.data());
  const std::array<float, 3> mean{0, 0.25f, 0.5f};
  for (size_t t = 0; t < size_t(tiles.plan.tiles); ++t) {
    for (size_t i = 0; i < 32 * 32; ++i) {
      for (size_t c = 0; c < 3; ++c) {
        const float scaled = float(tiles.rgb[(t * 1024 + i) * 3 + c] * 0.00392156862745098);
        ASSERT_EQ(out[(t * 3 + c) * 1024 + i], (scaled - mean[c]) / 0.5f);
      }
    }
  }
  std::vector<float> second(3 * 32 * 32);
  p.normalize(tiles, 1, 1, second.data());
  EXPECT_TRUE(std::equal(second.begin(), second.end(), out.begin() + 3 * 32 * 32));
}

TEST(SmolVlmProcessor, ThePlanIsWhatIsMade) {
  const std::pair<int, int> sizes[] = {{1, 1},     {1, 2},     {2, 1},     {3, 1},     {31, 32},
                                       {32, 32},   {33, 32},   {96, 96},   {97, 13},   {500, 3},
                                       {1, 20000}, {20000, 1}, {32768, 1}, {1, 32768}, {30000, 2},
                                       {64, 1000}, {95, 94},   {3, 32767}, {640, 480}};
  for (const bool split : {true, false}) {
    const SmolVlmProcessor p = processor(96, 32, split);
    for (const auto& [width, height] : sizes) {
      SCOPED_TRACE(std::to_string(width) + "x" + std::to_string(height));
      const TilePlan plan = p.plan(width, height);
      EXPECT_EQ(plan.tiles, plan.rows * plan.cols + 1);
      EXPECT_EQ(plan.side, 32);
      EXPECT_GE(plan.resized_width, 1);
      EXPECT_LE(std::max(plan.rows, plan.cols), split ? 3 : 0);
      if (plan.rows > 0) {
        EXPECT_EQ(plan.resized_width, plan.cols * 32);
        EXPECT_EQ(plan.resized_height, plan.rows * 32);
      }
      const auto tiles = p.process(picture(width, height));
      ASSERT_TRUE(tiles.ok()) << tiles.error().message();
      EXPECT_EQ(tiles->plan.rows, plan.rows);
      EXPECT_EQ(tiles->plan.cols, plan.cols);
      EXPECT_EQ(tiles->plan.resized_width, plan.resized_width);
      EXPECT_EQ(tiles->plan.resized_height, plan.resized_height);
      EXPECT_EQ(tiles->plan.tiles, plan.tiles);
      EXPECT_EQ(tiles->rgb.size(), size_t(plan.tiles) * 32 * 32 * 3);
    }
  }
}

TEST(SmolVlmProcessor, PicturesThatAreNone) {
  const SmolVlmProcessor p = processor(96, 32);
  media::Image shorter = picture(40, 30);
  shorter.rgb.pop_back();
  for (const media::Image& image :
       {media::Image(), shorter, picture(32769, 1), picture(2, 65535)}) {
    const auto tiles = p.process(image);
    ASSERT_FALSE(tiles.ok());
    EXPECT_EQ(tiles.error().code, base::Code::kBadInput);
    EXPECT_THAT(tiles.error().message(),
                AllOf(HasSubstr(std::to_string(image.width)), HasSubstr("limit 32768")));
  }
}

// The plan of a size needs no pixels, and no size that a decoder lets through is too much for it.
TEST(SmolVlmProcessor, PlansOfExtremeSizes) {
  const SmolVlmProcessor p = processor(2048, 512);
  const int edges[] = {1, 2, 3, 100, 511, 512, 513, 4096, 4097, 65535, 1 << 24, 2147483647};
  for (const int width : edges) {
    for (const int height : edges) {
      const TilePlan plan = p.plan(width, height);
      EXPECT_GE(plan.tiles, 1);
      EXPECT_LE(plan.tiles, 17) << width << 'x' << height;
      EXPECT_EQ(std::max(plan.rows, plan.cols), 4);
    }
  }
}

TEST(SmolVlmProcessor, ThePromptHasATokenForEachEmbedding) {
  const SmolVlmProcessor p = processor(96, 32);
  for (const auto& [width, height] : {std::pair{10, 10}, {300, 10}, {50, 90}}) {
    const TilePlan plan = p.plan(width, height);
    const std::string prompt = p.prompt(plan);
    int64_t count = 0;
    for (size_t at = 0; (at = prompt.find("<image>", at)) != std::string::npos; ++at) ++count;
    EXPECT_EQ(count, plan.tiles * 4);
    EXPECT_THAT(prompt, HasSubstr("<row_" + std::to_string(plan.rows) + "_col_" +
                                  std::to_string(plan.cols) + ">"));
  }
}

TEST(SmolVlmProcessor, TheFingerprintTellsConfigsApart) {
  const auto of = [](const Json& json) {
    return SmolVlmProcessor(SmolVlmProcessorConfig::parse(json, tokens("4")).value()).fingerprint();
  };
  const std::string base = of(with("", "-"));
  EXPECT_EQ(of(with("do_pad", "true")), base);
  EXPECT_NE(of(with("size", R"({"longest_edge": 64})")), base);
  EXPECT_NE(of(with("max_image_size", R"({"longest_edge": 48})")), base);
  EXPECT_NE(of(with("do_image_splitting", "false")), base);
  EXPECT_NE(of(with("resample", "3")), base);
  EXPECT_NE(of(with("image_mean", "[0.5, 0.5, 0.4]")), base);
  EXPECT_NE(of(with("image_std", "[0.5, 0.25, 0.5]")), base);
  EXPECT_NE(of(with("rescale_factor", "0.004")), base);
}

// The same as a processor whose config has the shorter edge from the beginning, which is what the
// original does when it is given another "size".
TEST(SmolVlmProcessor, ALimitOfTilesIsTheRuleWithAShorterEdge) {
  struct Case {
    int width, height;
    int64_t most, tiles;
    int edge;
  };
  const Case cases[] = {{100, 100, 17, 17, 128}, {100, 100, 16, 10, 96}, {100, 100, 9, 5, 64},
                        {100, 100, 4, 1, 32},    {100, 100, 1, 1, 32},   {200, 100, 9, 9, 128},
                        {200, 100, 8, 7, 96},    {200, 100, 6, 3, 64},   {50, 400, 4, 4, 96},
                        {50, 400, 2, 1, 32}};
  for (const Case& c : cases) {
    SmolVlmProcessor limited = processor(128, 32);
    limited.limit_tiles(c.most);
    const SmolVlmProcessor small = processor(c.edge, 32);
    const std::string what = std::to_string(c.width) + "x" + std::to_string(c.height) + ", " +
                             std::to_string(c.most) + " tiles";
    EXPECT_EQ(limited.plan(c.width, c.height).tiles, c.tiles) << what;
    const Tiles a = limited.process(picture(c.width, c.height)).value();
    const Tiles b = small.process(picture(c.width, c.height)).value();
    EXPECT_EQ(a.plan.tiles, c.tiles) << what;
    EXPECT_EQ(a.rgb, b.rgb) << what;
    EXPECT_EQ(limited.prompt(a.plan), small.prompt(b.plan)) << what;
    // Without a limit, or with one that is not reached: the model's own.
    limited.limit_tiles(0);
    EXPECT_EQ(limited.plan(c.width, c.height).tiles,
              processor(128, 32).plan(c.width, c.height).tiles);
  }
}

// Whatever the shape: never more than asked for, and no fewer than the next longer edge forces.
TEST(SmolVlmProcessor, NoShapeExceedsTheLimit) {
  for (int width = 1; width < 900; width = width * 3 / 2 + 1) {
    for (int height = 1; height < 900; height = height * 3 / 2 + 1) {
      for (int64_t most = 1; most <= 18; ++most) {
        SmolVlmProcessor p = processor(4 * 32 - 5, 32);
        p.limit_tiles(most);
        const TilePlan plan = p.plan(width, height);
        ASSERT_LE(plan.tiles, most) << width << "x" << height;
        ASSERT_GE(plan.tiles, 1);
        ASSERT_EQ(plan.tiles, int64_t{plan.rows} * plan.cols + 1);
      }
    }
  }
}

}  // namespace
}  // namespace ocelli::models
