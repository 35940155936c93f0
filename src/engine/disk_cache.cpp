#include "engine/disk_cache.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/file.h"
#include "base/folders.h"

namespace ocelli::engine {

using base::Code;
using base::Digest256;
using base::Result;
using base::Status;

namespace {

constexpr char kMagic[] = "OCLFEAT1";
constexpr size_t kMagicBytes = 8;
constexpr size_t kHeader = kMagicBytes + 2 * sizeof(int64_t) + sizeof(Digest256);
constexpr size_t kNameLength = 64;
// A temporary file that nobody has written to for so long belongs to a process that was killed.
constexpr time_t kAbandonedSeconds = 3600;
// Eviction frees a tenth at a time, so that a full folder is not listed for every picture.
constexpr int64_t kFreedPart = 10;

struct Entry {
  std::string path;
  int64_t bytes = 0;
  timespec used{};
};

bool earlier(const timespec& a, const timespec& b) {
  return a.tv_sec != b.tv_sec ? a.tv_sec < b.tv_sec : a.tv_nsec < b.tv_nsec;
}

// The clock that stamps files.
timespec file_time() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME_COARSE, &now);
  return now;
}

struct Listing {
  std::vector<Entry> entries, temporaries;
  int64_t bytes = 0;  // of both
};

// What AtomicWriter calls its file before it is in place: the name, a dot, six characters.
bool is_temporary(const std::string& name) {
  return name.size() == kNameLength + 7 && name[kNameLength] == '.' &&
         Digest256::from_hex(std::string_view(name).substr(0, kNameLength));
}

Result<Listing> list(const std::string& folder) {
  Listing out;
  DIR* const dir = opendir(folder.c_str());
  if (!dir) {
    return errno == ENOENT ? Result<Listing>(out) : base::errno_error(errno, "list", folder);
  }
  while (const dirent* const item = readdir(dir)) {
    const std::string name = item->d_name;
    const bool entry = name.size() == kNameLength && Digest256::from_hex(name);
    struct stat about;
    if ((!entry && !is_temporary(name)) ||
        fstatat(dirfd(dir), name.c_str(), &about, AT_SYMLINK_NOFOLLOW) != 0 ||
        !S_ISREG(about.st_mode)) {
      continue;
    }
    auto& where = entry ? out.entries : out.temporaries;
    where.push_back({base::join_path(folder, name), int64_t(about.st_size), about.st_mtim});
    out.bytes += where.back().bytes;
  }
  closedir(dir);
  return out;
}

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
    : options_(std::move(options)), opened_(file_time()) {}

std::string DiskCache::path(const ImageKey& key) const {
  return base::join_path(options_.folder, key.hex());
}

std::shared_ptr<const Embeddings> DiskCache::find(const ImageKey& key, int64_t rows,
                                                  int64_t columns) {
  if (options_.folder.empty() || rows < 1 || columns < 1) return nullptr;
  const std::string file = path(key);
  const auto text = base::read_file(file, kHeader + size_t(rows * columns) * sizeof(float));
  auto numbers = text.ok() ? parse(*text, rows, columns) : nullptr;
  if (!numbers) {
    unlink(file.c_str());  // where there is one at all
    return nullptr;
  }
  utimensat(AT_FDCWD, file.c_str(), nullptr, 0);  // now
  const std::lock_guard lock(mutex_);
  ++hits_;
  return numbers;
}

// The folder is this user's and nobody else's.
Status DiskCache::prepare() {
  if (prepared_) return {};
  const std::string& folder = options_.folder;
  OCELLI_TRY(base::make_folders(folder));
  struct stat about;
  if (stat(folder.c_str(), &about) != 0) return base::errno_error(errno, "look at", folder);
  if (about.st_uid != geteuid()) {
    return base::fail(Code::kUsage,
                      "belongs to another user; set OCELLI_CACHE to a folder of yours", folder);
  }
  if ((about.st_mode & 077) != 0 && chmod(folder.c_str(), 0700) != 0) {
    return base::errno_error(errno, "change the permissions of", folder);
  }
  prepared_ = true;
  return {};
}

// Whether `bytes` more may be written.
bool DiskCache::make_room(int64_t bytes) {
  if (bytes > options_.bytes) return false;
  if (used_ >= 0 && used_ + bytes <= options_.bytes) return true;
  auto listed = list(options_.folder);
  if (!listed.ok()) return false;
  used_ = listed->bytes;
  const timespec now = file_time();
  for (const Entry& e : listed->temporaries) {
    if (now.tv_sec - e.used.tv_sec > kAbandonedSeconds && unlink(e.path.c_str()) == 0)
      used_ -= e.bytes;
  }
  if (used_ + bytes <= options_.bytes) return true;
  std::sort(listed->entries.begin(), listed->entries.end(),
            [](const Entry& a, const Entry& b) { return earlier(a.used, b.used); });
  const int64_t target = std::max<int64_t>(options_.bytes - options_.bytes / kFreedPart, bytes);
  for (const Entry& e : listed->entries) {
    if (used_ + bytes <= target) break;
    if (options_.keep_used && !earlier(e.used, opened_)) break;
    if (unlink(e.path.c_str()) == 0 || errno == ENOENT) used_ -= e.bytes;
  }
  return used_ + bytes <= options_.bytes;
}

Status DiskCache::write(const ImageKey& key, const Embeddings& value, int64_t columns) {
  OCELLI_TRY(prepare());
  const auto data = std::as_bytes(std::span(value));
  const auto bytes = int64_t(kHeader + data.size());
  if (!make_room(bytes)) return {};
  const int64_t shape[2] = {int64_t(value.size()) / columns, columns};
  const Digest256 digest = base::sha256(data);
  OCELLI_ASSIGN(base::AtomicWriter out, base::AtomicWriter::create(path(key)));
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

Result<DiskCache::Usage> DiskCache::usage(const std::string& folder) {
  OCELLI_ASSIGN(const Listing listed, list(folder));
  return Usage{int64_t(listed.entries.size()), listed.bytes};
}

Result<DiskCache::Usage> DiskCache::clear(const std::string& folder) {
  OCELLI_ASSIGN(const Listing listed, list(folder));
  for (const auto* const some : {&listed.entries, &listed.temporaries}) {
    for (const Entry& e : *some) {
      if (unlink(e.path.c_str()) != 0 && errno != ENOENT)
        return base::errno_error(errno, "remove", e.path);
    }
  }
  return Usage{int64_t(listed.entries.size()), listed.bytes};
}

}  // namespace ocelli::engine
