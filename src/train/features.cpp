#include "train/features.h"

#include <algorithm>

#include "base/folders.h"
#include "models/registry.h"

namespace ocelli::train {

using base::Result;
using engine::PreparedImage;
using tensor::Context;
using tensor::Scratch;
using tensor::Tensor;

Result<std::unique_ptr<Features>> Features::create(engine::Engine& engine,
                                                   const FeatureOptions& options) {
  // Before hours of work, not in the middle of it.
  if (!options.folder.empty()) OCELLI_TRY(base::make_folders(options.folder));
  std::unique_ptr<Features> f(new Features(engine, options));
  if (options.in_8_bits && engine.info().vision) {
    if (!engine.adapters().empty()) {
      return base::fail(base::Code::kUsage,
                        "a frozen vision tower in 8 bits cannot have adapters; merge them first "
                        "(ocelli merge), or leave frozen_vision away");
    }
    OCELLI_ASSIGN(const base::Json config, base::Json::parse(engine.config_text()));
    OCELLI_ASSIGN(f->packed_,
                  models::copy_pictures_in(engine.loaded(), config, encoding::Encoding::kQ8,
                                           engine.backend(), engine.pool()));
    f->options_.exact = false;
  }
  return f;
}

int64_t Features::width() const {
  return options_.connector_trains ? engine_.info().vision->tower_width : engine_.info().hidden;
}

base::Digest256 Features::key(const PreparedImage& image) const {
  const auto stage =
      options_.connector_trains ? engine::PictureStage::kTower : engine::PictureStage::kConnector;
  const base::Digest256 id = engine_.picture_key(image, stage, options_.exact);
  if (!packed_) return id;
  base::Sha256 hash;  // the engine's own weights are others
  hash.update(id.bytes);
  hash.update("frozen in q8");
  return hash.finish();
}

Features::Numbers Features::compute(Context& c, const PreparedImage& image) const {
  const int64_t per_tile = engine_.info().vision->tokens_per_tile, tiles = image.tiles.plan.tiles;
  const int64_t side = engine_.info().vision->tile, tile = per_tile * width();
  auto numbers = std::make_shared<engine::Embeddings>(size_t(tiles * tile));
  for (int64_t first = 0; first < tiles && !c.cancelled(); first += engine_.tiles_together()) {
    const int64_t count = std::min(engine_.tiles_together(), tiles - first);
    const Scratch scratch(c.arena);
    Context plain{c.backend, c.arena, c.pool};
    plain.exact = options_.exact;
    plain.cancel = c.cancel;
    const Tensor pixels = plain.output({count, 3, side, side}, {});
    for (int64_t t = 0; t < count; ++t) {
      engine_.normalize(image, first + t, pixels.f32() + t * 3 * side * side);
    }
    const Tensor y = options_.connector_trains ? model().encode_tower(plain, pixels)
                                               : model().encode_tiles(plain, pixels);
    std::copy_n(y.f32(), count * tile, numbers->data() + first * tile);
  }
  return numbers;
}

Result<Features::Numbers> Features::of(Context& c, const PreparedImage& image) {
  const base::Digest256 id = key(image);
  if (Numbers known = memory_.find(id)) return known;
  const int64_t rows = image.tiles.plan.tiles * engine_.info().vision->tokens_per_tile;
  if (Numbers stored = disk_.find(id, rows, width())) {
    ++read_;
    memory_.insert(id, stored);
    return stored;
  }
  ++computed_;
  const Numbers numbers = compute(c, image);
  if (c.cancel) OCELLI_TRY(c.cancel->check());  // before wrong numbers are kept
  disk_.insert(id, *numbers, width());
  memory_.insert(id, numbers);
  return numbers;
}

Result<Tensor> Features::embeddings(Context& c, Images images) {
  int64_t rows = 0;
  for (const auto& image : images) {
    rows += image->tiles.plan.tiles * engine_.info().vision->tokens_per_tile;
  }
  const Tensor all = c.output({rows, width()}, {});
  float* at = all.f32();
  for (const auto& image : images) {
    OCELLI_ASSIGN(const Numbers numbers, of(c, *image));
    at = std::copy(numbers->begin(), numbers->end(), at);
  }
  return options_.connector_trains ? engine_.model().connect(c, all) : all;
}

Tensor Features::pixels(Context& c, Images images) const {
  int64_t tiles = 0;
  for (const auto& image : images) tiles += image->tiles.plan.tiles;
  const int64_t side = engine_.info().vision->tile;
  const Tensor all = c.output({tiles, 3, side, side}, {});
  float* at = all.f32();
  for (const auto& image : images) {
    for (int64_t t = 0; t < image->tiles.plan.tiles; ++t, at += 3 * side * side) {
      engine_.normalize(*image, t, at);
    }
  }
  return all;
}

}  // namespace ocelli::train
