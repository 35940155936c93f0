// DiskCache: embeddings of pictures in a folder, by the hash of everything that decides them, for
// the next start of the program and for training.
//
// They tell what was in the pictures: the folder has mode 0700, its files 0600. A file is one
// picture's: 8 bytes "OCLFEAT1", two int64 (rows, columns), SHA-256 of the numbers, then rows *
// columns float32, so that an answer does not depend on whether the cache was warm. Its name is the
// key in hex, its time of change the last use.
//
// Nothing here fails: what cannot be read is a miss, what cannot be written is not kept. Several
// processes may use one folder, each with several threads.
#pragma once

#include <ctime>
#include <mutex>
#include <string>

#include "base/cache_folder.h"
#include "engine/image_cache.h"

namespace ocelli::engine {

inline constexpr int64_t kDiskCacheBytes = int64_t{4} << 30;

struct DiskCacheOptions {
  std::string folder = {};          // made when first needed; "": no cache
  int64_t bytes = kDiskCacheBytes;  // most that the folder may grow to; the least recently used go
  // Never remove what this object has used: one that goes round and round through more than fits
  // then finds what fits, and not nothing.
  bool keep_used = false;
};

class DiskCache {
 public:
  explicit DiskCache(DiskCacheOptions options);

  // Null when not there. A file that does not hold [rows, columns] undamaged is removed.
  std::shared_ptr<const Embeddings> find(const ImageKey& key, int64_t rows, int64_t columns);
  void insert(const ImageKey& key, const Embeddings& value, int64_t columns);

  int64_t hits() const;
  // Why nothing is written any more, a sentence; "" while all is well.
  std::string problem() const;

  // Where the program keeps it: "pictures" in base::cache_dir().
  static base::Result<std::string> default_folder();
  // What lies in a folder, to be told or cleared.
  static base::CacheFolder folder(std::string path);

 private:
  base::Status write(const ImageKey& key, const Embeddings& value, int64_t columns);
  bool make_room(int64_t bytes);

  mutable std::mutex mutex_;
  DiskCacheOptions options_;
  base::CacheFolder files_;
  timespec opened_{};
  bool prepared_ = false;
  int64_t used_ = -1;  // bytes in the folder as far as this object knows; -1: not counted yet
  int64_t hits_ = 0;
  std::string problem_;
};

}  // namespace ocelli::engine
