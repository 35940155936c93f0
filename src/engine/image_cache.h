// ImageCache: picture embeddings in memory, by content and preprocessing. Thread-safe.
#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "base/hash.h"

namespace ocelli::engine {

using ImageKey = base::Digest256;
using Embeddings = std::vector<float>;  // [tokens, D]

class ImageCache {
 public:
  explicit ImageCache(int64_t capacity_bytes) : capacity_(capacity_bytes) {}
  // Null when not there. Counts as used.
  std::shared_ptr<const Embeddings> find(const ImageKey& key);
  // Forgets the least recently used ones beyond the capacity; one that is larger is not kept.
  void insert(const ImageKey& key, std::shared_ptr<const Embeddings> value);
  void clear();
  void set_capacity(int64_t bytes);
  int64_t bytes() const;

 private:
  struct Entry {
    ImageKey key;
    std::shared_ptr<const Embeddings> value;
  };
  mutable std::mutex mutex_;
  std::list<Entry> entries_;  // most recently used first
  std::map<ImageKey, std::list<Entry>::iterator> by_key_;
  void shrink();  // with the lock held
  int64_t capacity_, bytes_ = 0;
};

}  // namespace ocelli::engine
