#include "hub/directory.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <memory>
#include <thread>

#include "base/file.h"
#include "base/folders.h"

namespace ocelli::hub {

using base::Code;
using base::errno_error;
using base::fail;
using base::Result;
using base::Status;

namespace {

int retry_open(int folder, const std::string& name, int flags, unsigned mode) {
  int fd;
  do {
    fd = openat(folder, name.c_str(), flags | O_CLOEXEC, mode);
  } while (fd < 0 && errno == EINTR);
  return fd;
}

// A name beside `name` that nobody else uses: the process and a number of its own.
std::string temporary_name(const std::string& name) {
  static std::atomic<unsigned> next{0};
  return "." + name.substr(0, 200) + "." + std::to_string(getpid()) + "-" + std::to_string(next++) +
         ".tmp";
}

}  // namespace

Fd::~Fd() {
  if (fd_ >= 0) close(fd_);
}

Result<Directory> Directory::open(const std::string& path, bool create) {
  if (create) OCELLI_TRY(base::make_folders(path));
  Fd fd(retry_open(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0));
  if (fd.get() < 0) return errno_error(errno, "open the folder", path);
  return Directory(std::move(fd), path);
}

Result<Directory> Directory::below(const std::string& name, bool create, bool follow) const {
  OCELLI_CHECK(!name.empty() && name.find('/') == name.npos && name != "..", "one part of a path");
  // As the Hub's own library: others may share the cache, the umask decides.
  if (create && mkdirat(fd(), name.c_str(), 0777) != 0 && errno != EEXIST)
    return errno_error(errno, "create the folder", path_of(name));
  Fd fd_below(retry_open(fd(), name, O_RDONLY | O_DIRECTORY | (follow ? 0 : O_NOFOLLOW), 0));
  if (fd_below.get() < 0) return errno_error(errno, "open the folder", path_of(name));
  return Directory(std::move(fd_below), path_of(name));
}

bool Directory::has(const std::string& name) const {
  struct stat about;
  return fstatat(fd(), name.c_str(), &about, AT_SYMLINK_NOFOLLOW) == 0;
}

std::optional<int64_t> Directory::file_size(const std::string& name) const {
  struct stat about;
  if (fstatat(fd(), name.c_str(), &about, 0) != 0 || !S_ISREG(about.st_mode)) return std::nullopt;
  return int64_t(about.st_size);
}

std::optional<std::string> Directory::link_target(const std::string& name) const {
  std::string text(4096, '\0');
  const ssize_t size = readlinkat(fd(), name.c_str(), text.data(), text.size());
  if (size < 0 || size == ssize_t(text.size())) return std::nullopt;
  text.resize(size_t(size));
  return text;
}

Result<Fd> Directory::open_file(const std::string& name, int flags, unsigned mode) const {
  Fd file(retry_open(fd(), name, flags | O_NOCTTY | O_NONBLOCK, mode));
  if (file.get() < 0) return errno_error(errno, "open", path_of(name));
  struct stat about;
  if (fstat(file.get(), &about) != 0) return errno_error(errno, "look at", path_of(name));
  if (!S_ISREG(about.st_mode))
    return fail(Code::kBadInput, "is not a file; remove it", path_of(name));
  return file;
}

Status Directory::rename(const std::string& from, const std::string& to) const {
  if (renameat(fd(), from.c_str(), fd(), to.c_str()) == 0) return {};
  return errno_error(errno, "rename", path_of(from));
}

Status Directory::link(const std::string& target, const std::string& name) const {
  if (link_target(name) == target) return {};
  const std::string temporary = temporary_name(name);
  if (symlinkat(target.c_str(), fd(), temporary.c_str()) != 0)
    return errno_error(errno, "create a symbolic link", path_of(name));
  Status renamed = rename(temporary, name);
  if (!renamed.ok()) unlinkat(fd(), temporary.c_str(), 0);
  return renamed;
}

Status Directory::write(const std::string& name, std::string_view text) const {
  const std::string temporary = temporary_name(name);
  OCELLI_ASSIGN(const Fd file, open_file(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW));
  const auto put = [&]() -> Status {
    while (!text.empty()) {
      const ssize_t n = ::write(file.get(), text.data(), text.size());
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return errno_error(errno, "write", path_of(name));
      text.remove_prefix(size_t(n));
    }
    if (fsync(file.get()) != 0) return errno_error(errno, "write", path_of(name));
    return rename(temporary, name);
  };
  Status done = put();
  if (!done.ok()) unlinkat(fd(), temporary.c_str(), 0);
  return done;
}

Status Directory::remove(const std::string& name, bool folder) const {
  if (unlinkat(fd(), name.c_str(), folder ? AT_REMOVEDIR : 0) == 0 || errno == ENOENT) return {};
  return errno_error(errno, "remove", path_of(name));
}

Result<std::vector<std::string>> Directory::names() const {
  const int copy = retry_open(fd(), ".", O_RDONLY | O_DIRECTORY, 0);
  if (copy < 0) return errno_error(errno, "read the folder", path_);
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(fdopendir(copy), closedir);
  if (!stream) {
    close(copy);
    return errno_error(errno, "read the folder", path_);
  }
  std::vector<std::string> out;
  while (const dirent* entry = readdir(stream.get())) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") out.emplace_back(name);
  }
  std::sort(out.begin(), out.end());
  return out;
}

Status Directory::sync() const {
  if (fsync(fd()) == 0 || errno == EINVAL || errno == EROFS) return {};
  return errno_error(errno, "write", path_);
}

Result<std::optional<FileLock>> FileLock::try_take(const Directory& folder,
                                                   const std::string& name) {
  OCELLI_ASSIGN(Fd fd, folder.open_file(name, O_RDWR | O_CREAT | O_NOFOLLOW, 0664));
  int locked;
  do {
    locked = flock(fd.get(), LOCK_EX | LOCK_NB);
  } while (locked != 0 && errno == EINTR);
  if (locked == 0) return std::optional<FileLock>(FileLock(std::move(fd), true));
  if (errno == EWOULDBLOCK) return std::optional<FileLock>();
  if (errno == ENOSYS || errno == ENOLCK || errno == EOPNOTSUPP || errno == EINVAL)
    return std::optional<FileLock>(FileLock(std::move(fd), false));
  return errno_error(errno, "lock", folder.path_of(name));
}

Result<FileLock> FileLock::take(const Directory& folder, const std::string& name,
                                const base::CancelToken* cancel) {
  for (;;) {
    OCELLI_ASSIGN(std::optional<FileLock> lock, try_take(folder, name));
    if (lock) return std::move(*lock);
    if (cancel) OCELLI_TRY(cancel->check());
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
}

}  // namespace ocelli::hub
