#include "engine/image_cache.h"

namespace ocelli::engine {
namespace {
int64_t size_of(const Embeddings& e) {
  return int64_t(e.size() * sizeof(float));
}
}  // namespace

std::shared_ptr<const Embeddings> ImageCache::find(const ImageKey& key) {
  const std::lock_guard lock(mutex_);
  const auto it = by_key_.find(key);
  if (it == by_key_.end()) return nullptr;
  entries_.splice(entries_.begin(), entries_, it->second);
  return it->second->value;
}

void ImageCache::insert(const ImageKey& key, std::shared_ptr<const Embeddings> value) {
  const std::lock_guard lock(mutex_);
  const int64_t size = size_of(*value);
  if (size > capacity_ || by_key_.count(key)) return;
  entries_.push_front({key, std::move(value)});
  by_key_[key] = entries_.begin();
  bytes_ += size;
  shrink();
}

void ImageCache::shrink() {
  while (bytes_ > capacity_) {
    bytes_ -= size_of(*entries_.back().value);
    by_key_.erase(entries_.back().key);
    entries_.pop_back();
  }
}

void ImageCache::set_capacity(int64_t bytes) {
  const std::lock_guard lock(mutex_);
  capacity_ = bytes;
  shrink();
}

void ImageCache::clear() {
  const std::lock_guard lock(mutex_);
  entries_.clear();
  by_key_.clear();
  bytes_ = 0;
}

int64_t ImageCache::bytes() const {
  const std::lock_guard lock(mutex_);
  return bytes_;
}

}  // namespace ocelli::engine
