#include "models/smolvlm_processor.h"

#include <algorithm>
#include <cmath>

#include "media/limits.h"
#include "models/config.h"

namespace ocelli::models {

using base::Json;
using base::Result;

namespace {

constexpr int kMaxImageSize = 4096;  // MAX_IMAGE_SIZE of the original
constexpr int kMaxTilesPerSide = 64;
constexpr float kMaxPixel = 1e6f;  // of a normalized pixel; real ones are about 1

// {"longest_edge": n}
Result<int> read_edge(const Json& json, std::string_view key, int fallback) {
  const Json* size = json.find(key);
  if (!size || size->is_null()) return fallback;
  if (!size->is_object())
    return bad_config(std::string(key) + " must be an object with \"longest_edge\"");
  OCELLI_ASSIGN(const int64_t edge,
                std::move(size->get_int("longest_edge", {1, kMaxImage})).in(key));
  return int(edge);
}

Result<std::array<float, 3>> read_three(const Json& json, std::string_view key, bool positive) {
  std::array<float, 3> out{0.5f, 0.5f, 0.5f};
  const Json* list = json.find(key);
  if (!list || list->is_null()) return out;
  if (!list->is_array() || list->size() != 3)
    return bad_config(std::string(key) + " must list three numbers");
  for (size_t i = 0; i < 3; ++i) {
    const Json& item = list->items()[i];
    if (!item.is_number() || !std::isfinite(item.as_double()) ||
        (positive && item.as_double() <= 0)) {
      return bad_config(std::string(key) + " must list three " + (positive ? "positive " : "") +
                        "numbers");
    }
    out[i] = float(item.as_double());
  }
  return out;
}

// PIL's numbers for its filters.
Result<media::Filter> read_filter(const Json& json) {
  OCELLI_ASSIGN(const int64_t id, json.get_int("resample", {}, 1));
  switch (id) {
    case 1:
      return media::Filter::kLanczos;
    case 2:
      return media::Filter::kBilinear;
    case 3:
      return media::Filter::kBicubic;
    default:
      return bad_config("resample " + std::to_string(id) +
                        " is not supported; 1 (Lanczos), 2 (bilinear) and 3 (bicubic) are");
  }
}

base::Status expect_true(const Json& json, std::string_view key) {
  OCELLI_ASSIGN(const bool value, json.get_bool(key, true));
  return value ? base::Status() : bad_config(std::string(key) + " false is not supported");
}

}  // namespace

Result<SmolVlmProcessorConfig> SmolVlmProcessorConfig::parse(const Json& json,
                                                             const Json& processor) {
  SmolVlmProcessorConfig c;
  OCELLI_ASSIGN(c.longest_edge, read_edge(json, "size", 4 * 364));
  OCELLI_ASSIGN(c.tile, read_edge(json, "max_image_size", 364));
  OCELLI_ASSIGN(c.split, json.get_bool("do_image_splitting", true));
  OCELLI_ASSIGN(c.filter, read_filter(json));
  OCELLI_ASSIGN(c.rescale, json.get_double("rescale_factor", 1.0 / 255));
  OCELLI_ASSIGN(c.mean, read_three(json, "image_mean", false));
  OCELLI_ASSIGN(c.stddev, read_three(json, "image_std", true));
  for (const char* key : {"do_resize", "do_rescale", "do_normalize"})
    OCELLI_TRY(expect_true(json, key));
  OCELLI_ASSIGN(c.tokens_per_tile, processor.get_int("image_seq_len", {1, 1 << 20}, 169));
  if (c.longest_edge > c.tile * kMaxTilesPerSide) {
    return bad_config("size.longest_edge (" + std::to_string(c.longest_edge) +
                      ") gives more than " + std::to_string(kMaxTilesPerSide) + " tiles of " +
                      std::to_string(c.tile) + " pixels a side");
  }
  // Numbers that are fine one by one can still leave float32's range together.
  for (size_t i = 0; i < 3; ++i) {
    const bool in_range = c.rescale > 0 && c.stddev[i] > 0 && c.stddev[i] < kMaxPixel &&
                          std::abs(c.mean[i] / c.stddev[i]) < kMaxPixel &&
                          float(255 * c.rescale) / c.stddev[i] < kMaxPixel;
    if (!in_range) return bad_config("rescale_factor, image_mean and image_std give no pixels");
  }
  return c;
}

SmolVlmProcessor::SmolVlmProcessor(const SmolVlmProcessorConfig& config) : config_(config) {
  for (size_t channel = 0; channel < 3; ++channel) {
    for (size_t byte = 0; byte < 256; ++byte) {
      // rescale: float64 product, then float32; normalize: float32 throughout
      const auto scaled = float(double(byte) * config.rescale);
      normalized_[channel][byte] = (scaled - config.mean[channel]) / config.stddev[channel];
    }
  }
}

// _resize_output_size_rescale_to_max_len, then _resize_output_size_scale_below_upper_bound
SmolVlmProcessor::Size SmolVlmProcessor::first_resize(int width, int height, int edge) const {
  const double ratio = double(width) / double(height);
  Size s;
  if (width >= height) {
    s = {edge, int(double(edge) / ratio)};
    s.height += s.height % 2;
  } else {
    s = {int(double(edge) * ratio), edge};
    s.width += s.width % 2;
  }
  s = {std::max(s.width, 1), std::max(s.height, 1)};
  const double again = double(s.width) / double(s.height);
  if (s.width >= s.height && s.width > kMaxImageSize) {
    s = {kMaxImageSize, int(double(kMaxImageSize) / again)};
  } else if (s.height > s.width && s.height > kMaxImageSize) {
    s = {int(double(kMaxImageSize) * again), kMaxImageSize};
  }
  return {std::max(s.width, 1), std::max(s.height, 1)};
}

// resize_for_vision_encoder
SmolVlmProcessor::Size SmolVlmProcessor::tile_multiple(Size s) const {
  const double ratio = double(s.width) / double(s.height);
  const auto up = [&](int n) { return (n + config_.tile - 1) / config_.tile * config_.tile; };
  if (s.width >= s.height) {
    const int width = up(s.width);
    return {width, up(int(double(width) / ratio))};
  }
  const int height = up(s.height);
  return {up(int(double(height) * ratio)), height};
}

TilePlan SmolVlmProcessor::plan(int width, int height, int edge) const {
  const Size first = first_resize(width, height, edge);
  if (!config_.split) return {0, 0, config_.tile, config_.tile, 1, config_.tile};
  const Size s = tile_multiple(first);
  const bool cut = s.width > config_.tile || s.height > config_.tile;
  const int rows = cut ? s.height / config_.tile : 0, cols = cut ? s.width / config_.tile : 0;
  return {rows, cols, s.width, s.height, int64_t{rows} * cols + 1, config_.tile};
}

// The longest edge of the first resize: the config's, or the largest multiple of a tile below it
// that gives few enough. With one tile's edge there is one view, so it ends.
int SmolVlmProcessor::chosen_edge(int width, int height) const {
  int edge = config_.longest_edge;
  while (most_tiles_ > 0 && edge > config_.tile && plan(width, height, edge).tiles > most_tiles_)
    edge = (edge - 1) / config_.tile * config_.tile;
  return edge;
}

TilePlan SmolVlmProcessor::plan(int width, int height) const {
  return plan(width, height, chosen_edge(width, height));
}

Result<Tiles> SmolVlmProcessor::process(const media::Image& image,
                                        const media::ParallelFor& parallel) const {
  const auto side_ok = [](int n) { return n >= 1 && n <= media::kMaxSide; };
  if (!side_ok(image.width) || !side_ok(image.height) ||
      image.rgb.size() != image.row_bytes() * size_t(image.height)) {
    return base::fail(base::Code::kBadInput,
                      "a picture of " + std::to_string(image.width) + " x " +
                          std::to_string(image.height) + " pixels with " +
                          std::to_string(image.rgb.size()) + " bytes is not possible (limit " +
                          std::to_string(media::kMaxSide) + " pixels a side, 3 bytes a pixel)");
  }
  Tiles out;
  const int edge = chosen_edge(image.width, image.height);
  out.plan = plan(image.width, image.height, edge);
  const int side = config_.tile;
  const Size first = first_resize(image.width, image.height, edge);
  // Every resize rounds to bytes: the order and number of resizes decide the bits.
  const media::Image resized =
      media::resize(media::resize(image, first.width, first.height, config_.filter, parallel),
                    out.plan.resized_width, out.plan.resized_height, config_.filter, parallel);
  const auto row_bytes = size_t(side) * 3;
  out.rgb.reserve(size_t(out.plan.tiles) * row_bytes * size_t(side));
  for (int r = 0; r < out.plan.rows; ++r) {
    for (int c = 0; c < out.plan.cols; ++c) {
      for (int y = 0; y < side; ++y) {
        const size_t from = (size_t(r * side + y) * size_t(resized.width) + size_t(c * side)) * 3;
        out.rgb.insert(out.rgb.end(), resized.rgb.begin() + long(from),
                       resized.rgb.begin() + long(from + row_bytes));
      }
    }
  }
  // The view of the whole is made from the resized picture, not from the original.
  const media::Image whole = media::resize(resized, side, side, config_.filter, parallel);
  out.rgb.insert(out.rgb.end(), whole.rgb.begin(), whole.rgb.end());
  return out;
}

void SmolVlmProcessor::normalize(const Tiles& tiles, int64_t first, int64_t count,
                                 float* out) const {
  const auto plane = size_t(tiles.plan.side) * size_t(tiles.plan.side);
  for (auto t = size_t(first); t < size_t(first + count); ++t) {
    const uint8_t* rgb = &tiles.rgb[t * plane * 3];
    for (size_t channel = 0; channel < 3; ++channel, out += plane) {
      for (size_t i = 0; i < plane; ++i) out[i] = normalized_[channel][rgb[i * 3 + channel]];
    }
  }
}

// get_image_prompt_string
std::string SmolVlmProcessor::prompt(const TilePlan& plan) const {
  constexpr std::string_view kFake = "<fake_token_around_image>", kGlobal = "<global-img>";
  std::string tokens, out;
  for (int64_t i = 0; i < config_.tokens_per_tile; ++i) tokens += marker();
  for (int r = 1; r <= plan.rows; ++r) {
    for (int c = 1; c <= plan.cols; ++c) {
      out.append(kFake)
          .append("<row_" + std::to_string(r) + "_col_" + std::to_string(c) + ">")
          .append(tokens);
    }
    out += '\n';
  }
  if (plan.rows > 0) out += '\n';
  return out.append(kFake).append(kGlobal).append(tokens).append(kFake);
}

std::string SmolVlmProcessor::fingerprint() const {
  std::string text = "smolvlm " + std::to_string(config_.longest_edge) + ' ' +
                     std::to_string(config_.tile) + ' ' + std::to_string(config_.split) + ' ' +
                     std::to_string(int(config_.filter));
  for (const auto& channel : normalized_) {
    for (const size_t byte : {0, 127, 255}) text += ' ' + std::to_string(channel[byte]);
  }
  return text;
}

}  // namespace ocelli::models
