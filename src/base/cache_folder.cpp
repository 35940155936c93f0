#include "base/cache_folder.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "base/file.h"
#include "base/folders.h"
#include "base/hash.h"

namespace ocelli::base {

namespace {

namespace fs = std::filesystem;

constexpr size_t kNameLength = 64;
// A temporary file that nobody has written to for so long belongs to a process that was killed.
constexpr time_t kAbandonedSeconds = 3600;

bool is_name(std::string_view name) {
  return name.size() == kNameLength && Digest256::from_hex(name);
}

// What AtomicWriter calls its file before it is in place: the name, a dot, six characters.
bool is_temporary(std::string_view name) {
  return name.size() == kNameLength + 7 && name[kNameLength] == '.' &&
         is_name(name.substr(0, kNameLength));
}

int64_t bytes_below(const std::string& folder) {
  int64_t bytes = 0;
  std::error_code error;
  for (fs::recursive_directory_iterator it(folder, error), end; !error && it != end;
       it.increment(error)) {
    struct stat about;
    if (lstat(it->path().c_str(), &about) == 0 && S_ISREG(about.st_mode))
      bytes += int64_t(about.st_size);
  }
  return bytes;
}

// A descriptor of a folder that is locked against removal as long as it is open.
struct Held {
  int fd = -1;
  ~Held() {
    if (fd >= 0) close(fd);
  }
};

int open_folder(const std::string& path) {
  return open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
}

// Whether what is open is what has the name: it may have been removed and made anew since.
bool is_at(int fd, const std::string& path) {
  struct stat open_one, named;
  return fstat(fd, &open_one) == 0 && lstat(path.c_str(), &named) == 0 &&
         open_one.st_ino == named.st_ino && open_one.st_dev == named.st_dev;
}

}  // namespace

bool earlier(const timespec& a, const timespec& b) {
  return a.tv_sec != b.tv_sec ? a.tv_sec < b.tv_sec : a.tv_nsec < b.tv_nsec;
}

timespec file_time() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME_COARSE, &now);
  return now;
}

Status CacheFolder::prepare() const {
  OCELLI_TRY(make_folders(path_));
  struct stat about;
  if (stat(path_.c_str(), &about) != 0) return errno_error(errno, "look at", path_);
  if (about.st_uid != geteuid()) {
    return fail(Code::kUsage, "belongs to another user; set OCELLI_CACHE to a folder of yours",
                path_);
  }
  if ((about.st_mode & 077) != 0 && chmod(path_.c_str(), 0700) != 0)
    return errno_error(errno, "change the permissions of", path_);
  return {};
}

Result<CacheFolder::Listing> CacheFolder::list() const {
  Listing out;
  DIR* const dir = opendir(path_.c_str());
  if (!dir) return errno == ENOENT ? Result<Listing>(out) : errno_error(errno, "list", path_);
  const bool files = kind_ == Kind::kFiles;
  while (const dirent* const item = readdir(dir)) {
    const std::string name = item->d_name;
    const bool entry = is_name(name);
    struct stat about;
    if ((!entry && !(files && is_temporary(name))) ||
        fstatat(dirfd(dir), name.c_str(), &about, AT_SYMLINK_NOFOLLOW) != 0 ||
        !(files ? S_ISREG(about.st_mode) : S_ISDIR(about.st_mode))) {
      continue;
    }
    const int64_t bytes = files ? int64_t(about.st_size) : bytes_below(path_of(name));
    (entry ? out.entries : out.temporaries).push_back({name, bytes, about.st_mtim});
    out.bytes += bytes;
  }
  closedir(dir);
  return out;
}

void CacheFolder::touch(const std::string& name) const {
  utimensat(AT_FDCWD, path_of(name).c_str(), nullptr, 0);  // now
}

CacheFolder::Hold CacheFolder::hold(const std::string& name) const {
  constexpr int kTries = 8;  // another process may remove it between two calls
  const std::string path = path_of(name);
  for (int i = 0; i < kTries; ++i) {
    if (!make_folders(path).ok()) return nullptr;
    auto held = std::make_shared<Held>();
    held->fd = open_folder(path);
    if (held->fd < 0 && errno == ENOENT) continue;
    if (held->fd < 0 || flock(held->fd, LOCK_SH) != 0) return nullptr;
    if (is_at(held->fd, path)) return held;
  }
  return nullptr;
}

// Whether it went; false where somebody holds it.
Result<bool> CacheFolder::remove(const std::string& name) const {
  const std::string path = path_of(name);
  if (kind_ == Kind::kFiles) {
    if (unlink(path.c_str()) == 0 || errno == ENOENT) return true;
    return errno_error(errno, "remove", path);
  }
  Held lock;
  lock.fd = open_folder(path);
  if (lock.fd < 0) return errno == ENOENT ? Result<bool>(true) : errno_error(errno, "open", path);
  if (flock(lock.fd, LOCK_EX | LOCK_NB) != 0 || !is_at(lock.fd, path)) return false;
  std::error_code error;
  fs::remove_all(path, error);  // who has a file of it mapped keeps that
  if (error) return errno_error(error.value(), "remove", path);
  return true;
}

int64_t CacheFolder::shrink(Listing listing, int64_t bytes,
                            const std::function<bool(const Entry&)>& may_go) const {
  const timespec now = file_time();
  for (const Entry& e : listing.temporaries) {
    if (now.tv_sec - e.used.tv_sec > kAbandonedSeconds && unlink(path_of(e.name).c_str()) == 0)
      listing.bytes -= e.bytes;
  }
  std::sort(listing.entries.begin(), listing.entries.end(),
            [](const Entry& a, const Entry& b) { return earlier(a.used, b.used); });
  for (const Entry& e : listing.entries) {
    if (listing.bytes <= bytes) break;
    if (may_go && !may_go(e)) continue;
    const auto went = remove(e.name);
    if (went.ok() && *went) listing.bytes -= e.bytes;
  }
  return listing.bytes;
}

Result<CacheFolder::Usage> CacheFolder::usage() const {
  OCELLI_ASSIGN(const Listing listed, list());
  return Usage{int64_t(listed.entries.size()), listed.bytes};
}

Result<CacheFolder::Usage> CacheFolder::clear() const {
  OCELLI_ASSIGN(const Listing listed, list());
  Usage out;
  for (const Entry& e : listed.temporaries) {
    if (unlink(path_of(e.name).c_str()) != 0 && errno != ENOENT)
      return errno_error(errno, "remove", path_of(e.name));
    out.bytes += e.bytes;
  }
  for (const Entry& e : listed.entries) {
    OCELLI_ASSIGN(const bool went, remove(e.name));
    if (!went) continue;
    ++out.entries;
    out.bytes += e.bytes;
  }
  return out;
}

}  // namespace ocelli::base
