#include "train/features.h"

#include <sys/stat.h>

#include <algorithm>
#include <cstring>
#include <filesystem>

#include "base/file.h"
#include "base/folders.h"
#include "models/registry.h"

namespace ocelli::train {

using base::Digest256;
using base::Result;
using engine::PreparedImage;
using tensor::Context;
using tensor::Scratch;
using tensor::Tensor;

namespace {

constexpr char kMagic[] = "OCLFEAT1";
constexpr size_t kMagicBytes = 8;
constexpr size_t kHeader = kMagicBytes + 16 + 32;

int64_t folder_bytes(const std::string& folder) {
  int64_t sum = 0;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    std::error_code unreadable;
    const auto size = entry.file_size(unreadable);
    if (!unreadable) sum += int64_t(size);
  }
  return sum;
}

}  // namespace

Result<std::unique_ptr<Features>> Features::create(engine::Engine& engine,
                                                   const FeatureOptions& options) {
  std::unique_ptr<Features> f(new Features(engine, options));
  base::Sha256 hash;
  hash.update(engine.loaded().checkpoint.fingerprint().hex());
  const auto& weights = engine.options().weights;
  hash.update(weights ? encoding::name(*weights) : "as stored");
  hash.update(options.exact ? "exact" : "fast");
  hash.update(options.connector_trains ? "tower" : "connector");
  f->model_ = hash.finish();
  if (!options.folder.empty()) {
    OCELLI_TRY(base::make_folders(options.folder));
    f->on_disk_ = folder_bytes(options.folder);
  }
  return f;
}

int64_t Features::width() const {
  return options_.connector_trains ? engine_.info().vision->tower_width : engine_.info().hidden;
}

Digest256 Features::key(const PreparedImage& image) const {
  base::Sha256 hash;
  hash.update(std::as_bytes(std::span(model_.bytes)));
  hash.update(std::as_bytes(std::span(image.key.bytes)));
  return hash.finish();
}

std::string Features::path(const Digest256& key) const {
  return base::join_path(options_.folder, key.hex());
}

Features::Numbers Features::read_file(const Digest256& key, int64_t rows) const {
  if (options_.folder.empty()) return nullptr;
  const auto count = size_t(rows * width());
  const auto text = base::read_file(path(key), kHeader + count * sizeof(float));
  if (!text.ok() || text->size() != kHeader + count * sizeof(float)) return nullptr;
  const auto bytes = std::as_bytes(std::span(*text));
  int64_t shape[2];
  std::memcpy(shape, bytes.data() + kMagicBytes, sizeof shape);
  Digest256 stored;
  std::memcpy(stored.bytes.data(), bytes.data() + kMagicBytes + sizeof shape, 32);
  if (std::memcmp(bytes.data(), kMagic, kMagicBytes) != 0 || shape[0] != rows ||
      shape[1] != width() || stored != base::sha256(bytes.subspan(kHeader))) {
    return nullptr;
  }
  auto numbers = std::make_shared<engine::Embeddings>(count);
  std::memcpy(numbers->data(), bytes.data() + kHeader, count * sizeof(float));
  return numbers;
}

void Features::write_file(const Digest256& key, const engine::Embeddings& numbers) {
  const auto bytes = int64_t(kHeader + numbers.size() * sizeof(float));
  if (options_.folder.empty() || on_disk_ + bytes > options_.disk_bytes) return;
  const auto data = std::as_bytes(std::span(numbers));
  const int64_t shape[2] = {int64_t(numbers.size()) / width(), width()};
  const Digest256 digest = base::sha256(data);
  auto out = base::AtomicWriter::create(path(key));
  // What cannot be kept is computed again next time.
  if (!out.ok() || !out->write(std::string_view(kMagic, kMagicBytes)).ok() ||
      !out->write(std::as_bytes(std::span(shape))).ok() ||
      !out->write(std::as_bytes(std::span(digest.bytes))).ok() || !out->write(data).ok() ||
      !out->commit().ok()) {
    options_.folder.clear();
    return;
  }
  on_disk_ += bytes;
}

Result<Features::Numbers> Features::of(Context& c, const PreparedImage& image) {
  const Digest256 id = key(image);
  if (Numbers known = memory_.find(id)) return known;
  const int64_t per_tile = engine_.info().vision->tokens_per_tile;
  const int64_t tiles = image.tiles.plan.tiles, rows = tiles * per_tile;
  if (Numbers stored = read_file(id, rows)) {
    ++read_;
    memory_.insert(id, stored);
    return stored;
  }
  ++computed_;
  const int64_t side = engine_.info().vision->tile, tile = per_tile * width();
  auto numbers = std::make_shared<engine::Embeddings>(size_t(rows * width()));
  for (int64_t first = 0; first < tiles; first += engine_.tiles_together()) {
    if (c.cancel) OCELLI_TRY(c.cancel->check());
    const int64_t count = std::min(engine_.tiles_together(), tiles - first);
    const Scratch scratch(c.arena);
    Context plain{c.backend, c.arena, c.pool};
    plain.exact = options_.exact;
    plain.cancel = c.cancel;
    const Tensor pixels = plain.output({count, 3, side, side}, {});
    for (int64_t t = 0; t < count; ++t) {
      engine_.normalize(image, first + t, pixels.f32() + t * 3 * side * side);
    }
    const Tensor y = options_.connector_trains ? engine_.model().encode_tower(plain, pixels)
                                               : engine_.model().encode_tiles(plain, pixels);
    std::copy_n(y.f32(), count * tile, numbers->data() + first * tile);
  }
  if (c.cancel) OCELLI_TRY(c.cancel->check());  // before wrong numbers are kept
  write_file(id, *numbers);
  memory_.insert(id, numbers);
  return Numbers(numbers);
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
