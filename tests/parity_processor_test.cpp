// Tiles and pixels of SmolVLM's picture processor against transformers' PIL processor, bit for bit.
// The fixture is described in tools/reference/README.md.
#include <gtest/gtest.h>

#include <cstring>

#include "base/file.h"
#include "base/hash.h"
#include "media/decode.h"
#include "models/smolvlm_processor.h"
#include "parity_pictures.h"

namespace ocelli::parity {
namespace {

using base::Json;

const Json& expected() {
  static const Json json = [] {
    const auto text = base::read_file(OCELLI_FIXTURES "/processor/expected.json", 1 << 22);
    return *Json::parse(*text);
  }();
  return json;
}

models::SmolVlmProcessor processor(const std::string& config, bool split) {
  const Json& values = *expected().find("configs")->find(config);
  models::SmolVlmProcessorConfig c;
  c.longest_edge = int(values.find("longest_edge")->as_int());
  c.tile = int(values.find("tile")->as_int());
  c.tokens_per_tile = values.find("image_seq_len")->as_int();
  c.rescale = 0.00392156862745098;
  c.split = split;
  return models::SmolVlmProcessor(c);
}

// Fails with the first pixel of a kept crop that is wrong, which says more than a hash.
void compare_crop(const Json& crop, const models::Tiles& tiles) {
  constexpr int kCrop = 6;  // pixels a side
  const int64_t tile = crop.find("tile")->as_int(), y0 = crop.find("y")->as_int(),
                x0 = crop.find("x")->as_int();
  const std::string& hex = crop.find("rgb")->as_string();
  for (int i = 0; i < kCrop * kCrop * 3; ++i) {
    const int64_t y = y0 + i / (kCrop * 3), x = x0 + i / 3 % kCrop, side = tiles.plan.side;
    const int wanted = std::stoi(hex.substr(size_t(2 * i), 2), nullptr, 16);
    const int got = tiles.rgb[size_t(((tile * side + y) * side + x) * 3 + i % 3)];
    ASSERT_EQ(got, wanted) << "tile " << tile << ", x " << x << ", y " << y << ", channel "
                           << i % 3;
  }
}

void compare(const media::Image& image, const Json& wanted) {
  const auto p = processor(wanted.find("config")->as_string(), wanted.find("split")->as_bool());
  const auto tiles = p.process(image);
  ASSERT_TRUE(tiles.ok()) << tiles.error().message();
  EXPECT_EQ(tiles->plan.rows, wanted.find("rows")->as_int());
  EXPECT_EQ(tiles->plan.cols, wanted.find("cols")->as_int());
  ASSERT_EQ(tiles->plan.tiles, wanted.find("tiles")->as_int());
  if (const Json* crops = wanted.find("crops")) {
    for (const Json& crop : crops->items()) compare_crop(crop, *tiles);
  }
  const size_t side = size_t(tiles->plan.side), numbers = 3 * side * side;
  ASSERT_EQ(tiles->rgb.size(), size_t(tiles->plan.tiles) * numbers);
  const auto bytes = std::as_bytes(std::span(tiles->rgb));
  for (size_t i = 0; i < size_t(tiles->plan.tiles); ++i) {
    ASSERT_EQ(base::sha256(bytes.subspan(i * numbers, numbers)).hex().substr(0, 16),
              wanted.find("tile_hashes")->items()[i].as_string())
        << "tile " << i;
  }
  EXPECT_EQ(base::sha256(bytes).hex(), wanted.find("tiles_sha256")->as_string());
  base::Sha256 pixels;
  std::vector<float> one(numbers);
  for (int64_t i = 0; i < tiles->plan.tiles; ++i) {
    p.normalize(*tiles, i, 1, one.data());
    pixels.update(std::as_bytes(std::span(one)));
  }
  EXPECT_EQ(pixels.finish().hex(), wanted.find("pixels_sha256")->as_string());
}

class Pictures : public testing::TestWithParam<size_t> {};

TEST_P(Pictures, PixelsAreEqual) {
  const Json& picture = expected().find("pictures")->items()[GetParam()];
  const media::Image image = formula_picture(picture);
  ASSERT_EQ(base::sha256(std::as_bytes(std::span(image.rgb))).hex(),
            picture.find("picture_sha256")->as_string())
      << "the formula itself differs";
  for (const Json& wanted : picture.find("cases")->items()) {
    SCOPED_TRACE(wanted.find("config")->as_string() +
                 (wanted.find("split")->as_bool() ? " split" : " whole"));
    compare(image, wanted);
  }
}

std::string name_of(const testing::TestParamInfo<size_t>& info) {
  const Json& p = expected().find("pictures")->items()[info.param];
  return std::to_string(p.find("width")->as_int()) + "x" +
         std::to_string(p.find("height")->as_int()) + "_" + p.find("kind")->as_string();
}

INSTANTIATE_TEST_SUITE_P(Parity, Pictures,
                         testing::Range(size_t{0}, expected().find("pictures")->size()), name_of);

// Files of every format and kind: decoded by us, compared after the processor.
TEST(ParityProcessor, FilesAreEqual) {
  const auto text = base::read_file(OCELLI_FIXTURES "/processor/files.json", 1 << 20);
  ASSERT_TRUE(text.ok());
  const auto records = Json::parse(*text);
  ASSERT_TRUE(records.ok());
  ASSERT_GE(records->size(), 12u);
  for (const Json& record : records->items()) {
    const std::string& name = record.find("file")->as_string();
    SCOPED_TRACE(name);
    const auto file = base::MappedFile::open(OCELLI_FIXTURES "/media/" + name);
    ASSERT_TRUE(file.ok());
    const auto image = media::decode(file->bytes());
    ASSERT_TRUE(image.ok()) << image.error().message();
    compare(*image, *record.find("case"));
  }
}

TEST(ParityProcessor, PromptTextIsEqual) {
  for (const Json& wanted : expected().find("expansions")->items()) {
    const int64_t seq = wanted.find("image_seq_len")->as_int();
    models::TilePlan plan;
    plan.rows = int(wanted.find("rows")->as_int());
    plan.cols = int(wanted.find("cols")->as_int());
    plan.tiles = plan.rows * plan.cols + 1;
    std::string text = wanted.find("text")->as_string(), run;
    for (int64_t i = 0; i < seq; ++i) run += "<image>";
    const std::string mark = "<image>{" + std::to_string(seq) + "}";
    for (size_t at = 0; (at = text.find(mark, at)) != text.npos; at += run.size())
      text.replace(at, mark.size(), run);
    EXPECT_EQ(processor(seq == 64 ? "2048/512" : "1536/384", true).prompt(plan), text);
  }
}

}  // namespace
}  // namespace ocelli::parity
