// What an engine keeps of pictures: in memory for as long as it lives, on disk for the next one.
#include "engine/engine.h"

namespace ocelli::engine {

namespace {

// Of what is kept on disk. A release may round otherwise: its number is part of the name, too.
constexpr std::string_view kKeyFormat = "ocelli pictures 1 " OCELLI_VERSION;

void add(base::Sha256& hash, std::string_view text) {
  hash.update_u64(text.size());
  hash.update(text);
}

}  // namespace

// A picture's embeddings depend on the adapters of the tower and the connector.
ImageKey Engine::cache_key(const PreparedImage& image) const {
  if (!pictures_identity_) return image.key;
  base::Sha256 hash;
  hash.update(image.key.bytes);
  hash.update(pictures_identity_->bytes);
  return hash.finish();
}

base::Digest256 Engine::picture_key(const PreparedImage& image, PictureStage stage,
                                    bool exact) const {
  std::call_once(picture_model_once_, [&] {
    base::Sha256 hash;
    add(hash, kKeyFormat);
    add(hash, backend_->name());  // instruction sets round differently
    add(hash, config_text_);
    hash.update(loaded_.checkpoint.fingerprint().bytes);
    add(hash, options_.weights ? encoding::name(*options_.weights) : "as stored");
    add(hash, pack_for() ? "packed" : "plain");
    picture_model_ = hash.finish();
  });
  base::Sha256 hash;
  hash.update(picture_model_.bytes);
  hash.update(cache_key(image).bytes);
  hash.update_u64(uint64_t(stage));
  hash.update_u64(exact);
  return hash.finish();
}

std::shared_ptr<const Embeddings> Engine::known_embeddings(const PreparedImage& image) {
  auto known = image_cache_.find(cache_key(image));
  if (known || !disk_cache_) return known;
  known = disk_cache_->find(picture_key(image, PictureStage::kConnector, options_.exact),
                            image.tiles.plan.tiles * info().vision->tokens_per_tile, info().hidden);
  if (known) image_cache_.insert(cache_key(image), known);
  return known;
}

void Engine::keep_embeddings(const PreparedImage& image, std::shared_ptr<const Embeddings> value) {
  if (disk_cache_) {
    disk_cache_->insert(picture_key(image, PictureStage::kConnector, options_.exact), *value,
                        info().hidden);
  }
  image_cache_.insert(cache_key(image), std::move(value));
}

}  // namespace ocelli::engine
