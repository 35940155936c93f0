#include "engine/disk_cache.h"

#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "base/file.h"
#include "base/folders.h"

namespace ocelli::engine {

using base::CacheFolder;
using base::Digest256;
using base::Result;
using base::Status;

namespace {

constexpr char kMagic[] = "OCLFEAT1";
constexpr size_t kMagicBytes = 8;
constexpr size_t kHeader = kMagicBytes + 2 * sizeof(int64_t) + sizeof(Digest256);
// Eviction frees a tenth at a time, so that a full folder is not listed for every picture.
constexpr int64_t kFreedPart = 10;

// The numbers of a file, or null.
std::shared_ptr<Embeddings> parse(std::string_view text, int64_t rows, int64_t columns) {
  const auto count = size_t(rows * columns);
  if (text.size() != kHeader + count * sizeof(float)) return nullptr;
  const auto bytes = std::as_bytes(std::span(text));
  int64_t shape[2];
  std::memcpy(shape, bytes.data() + kMagicBytes, sizeof shape);
  Digest256 stored;
  std::memcpy(stored.bytes.data(), bytes.data() + kMagicBytes + sizeof shape, sizeof stored);
  if (text.substr(0, kMagicBytes) != kMagic || shape[0] != rows || shape[1] != columns ||
      stored != base::sha256(bytes.subspan(kHeader))) {
    return nullptr;
  }
  auto numbers = std::make_shared<Embeddings>(count);
  std::memcpy(numbers->data(), bytes.data() + kHeader, count * sizeof(float));
  return numbers;
}

}  // namespace

DiskCache::DiskCache(DiskCacheOptions options)
    : options_(std::move(options)), files_(folder(options_.folder)), opened_(base::file_time()) {}

std::shared_ptr<const Embeddings> DiskCache::find(const ImageKey& key, int64_t rows,
                                                  int64_t columns) {
  if (options_.folder.empty() || rows < 1 || columns < 1) return nullptr;
  const std::string name = key.hex(), file = files_.path_of(name);
  const auto text = base::read_file(file, kHeader + size_t(rows * columns) * sizeof(float));
  auto numbers = text.ok() ? parse(*text, rows, columns) : nullptr;
  if (!numbers) {
    unlink(file.c_str());  // where there is one at all
    return nullptr;
  }
  files_.touch(name);
  const std::lock_guard lock(mutex_);
  ++hits_;
  return numbers;
}

// Whether `bytes` more may be written.
bool DiskCache::make_room(int64_t bytes) {
  if (bytes > options_.bytes) return false;
  if (used_ >= 0 && used_ + bytes <= options_.bytes) return true;
  auto listed = files_.list();
  if (!listed.ok()) return false;
  int64_t most = options_.bytes;
  if (listed->bytes + bytes > most) most = std::max(most - most / kFreedPart, bytes);
  used_ = files_.shrink(std::move(*listed), most - bytes, [&](const CacheFolder::Entry& e) {
    return !options_.keep_used || base::earlier(e.used, opened_);
  });
  return used_ + bytes <= options_.bytes;
}

Status DiskCache::write(const ImageKey& key, const Embeddings& value, int64_t columns) {
  if (!prepared_) OCELLI_TRY(files_.prepare());
  prepared_ = true;
  const auto data = std::as_bytes(std::span(value));
  const auto bytes = int64_t(kHeader + data.size());
  if (!make_room(bytes)) return {};
  const int64_t shape[2] = {int64_t(value.size()) / columns, columns};
  const Digest256 digest = base::sha256(data);
  OCELLI_ASSIGN(base::AtomicWriter out, base::AtomicWriter::create(files_.path_of(key.hex())));
  OCELLI_TRY(out.write(std::string_view(kMagic, kMagicBytes)));
  OCELLI_TRY(out.write(std::as_bytes(std::span(shape))));
  OCELLI_TRY(out.write(std::as_bytes(std::span(digest.bytes))));
  OCELLI_TRY(out.write(data));
  OCELLI_TRY(out.commit());
  used_ += bytes;
  return {};
}

void DiskCache::insert(const ImageKey& key, const Embeddings& value, int64_t columns) {
  const std::lock_guard lock(mutex_);
  if (options_.folder.empty() || !problem_.empty() || value.empty()) return;
  const Status written = write(key, value, columns);
  if (!written.ok()) problem_ = written.error().message();
}

int64_t DiskCache::hits() const {
  const std::lock_guard lock(mutex_);
  return hits_;
}

std::string DiskCache::problem() const {
  const std::lock_guard lock(mutex_);
  return problem_;
}

Result<std::string> DiskCache::default_folder() {
  OCELLI_ASSIGN(const std::string cache, base::cache_dir());
  return base::join_path(cache, "pictures");
}

CacheFolder DiskCache::folder(std::string path) {
  return {std::move(path), CacheFolder::Kind::kFiles};
}

}  // namespace ocelli::engine
