#include "base/atomic_folder.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <utility>

#include "base/file.h"

namespace ocelli::base {
namespace {

namespace fs = std::filesystem;

// "a/b" of "a/b/": without slashes at the end.
std::string trimmed(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return path;
}

std::string parent_of(const std::string& path) {
  const std::string parent = fs::path(path).parent_path().string();
  return parent.empty() ? "." : parent;
}

// Whether a folder stands there with nothing in it, or nothing at all.
bool is_free(const std::string& path) {
  std::error_code error;
  return !fs::exists(fs::symlink_status(path, error)) || fs::is_empty(path, error);
}

}  // namespace

Status sync_folder(const std::string& path) {
  const int fd = open(path.empty() ? "." : path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return errno_error(errno, "open", path);
  const int rc = fsync(fd);
  const int number = errno;
  close(fd);
  // Some file systems cannot; the content of the files is on disk all the same.
  if (rc != 0 && number != EINVAL && number != EROFS) return errno_error(number, "write", path);
  return {};
}

Status remove_folder(const std::string& path) {
  std::error_code error;
  fs::remove_all(path, error);
  if (error) return errno_error(error.value(), "remove", path);
  return {};
}

Result<AtomicFolder> AtomicFolder::create(const std::string& path, bool replace) {
  AtomicFolder out;
  out.path_ = trimmed(path);
  out.replace_ = replace;
  if (out.path_.empty()) return fail(Code::kUsage, "the name of the folder is empty; name one");
  std::error_code error;
  const auto status = fs::status(out.path_, error);
  if (fs::exists(status) && !fs::is_directory(status))
    return fail(Code::kUsage, "is a file; name a folder", path);
  if (!replace && !is_free(out.path_))
    return fail(Code::kUsage, "the folder is there and not empty; name another one", path);
  const std::string parent = parent_of(out.path_);
  fs::create_directories(parent, error);
  if (error) return errno_error(error.value(), "make", parent);
  std::string name = parent + "/." + fs::path(out.path_).filename().string() + ".XXXXXX";
  if (!mkdtemp(name.data())) return errno_error(errno, "make a folder in", parent);
  out.temporary_ = name;
  return out;
}

AtomicFolder& AtomicFolder::operator=(AtomicFolder&& other) noexcept {
  discard();
  path_ = std::exchange(other.path_, {});
  temporary_ = std::exchange(other.temporary_, {});
  replace_ = other.replace_;
  return *this;
}

void AtomicFolder::discard() {
  if (temporary_.empty()) return;
  (void)remove_folder(temporary_);
  temporary_.clear();
}

Status AtomicFolder::commit() {
  if (chmod(temporary_.c_str(), 0755) != 0) return errno_error(errno, "set up", temporary_);
  OCELLI_TRY(sync_folder(temporary_));
  const std::string parent = parent_of(path_);
  if (rename(temporary_.c_str(), path_.c_str()) == 0) {  // nothing there, or an empty folder
    temporary_.clear();
    return sync_folder(parent);
  }
  if ((errno != ENOTEMPTY && errno != EEXIST) || !replace_)
    return errno_error(errno, "put into place", path_);
  if (renameat2(AT_FDCWD, temporary_.c_str(), AT_FDCWD, path_.c_str(), RENAME_EXCHANGE) != 0) {
    const std::string old = temporary_ + ".old";
    if (rename(path_.c_str(), old.c_str()) != 0) return errno_error(errno, "replace", path_);
    if (rename(temporary_.c_str(), path_.c_str()) != 0) {
      const int number = errno;
      if (rename(old.c_str(), path_.c_str()) != 0) return errno_error(errno, "replace", path_);
      return errno_error(number, "put into place", path_);
    }
    temporary_ = old;
  }
  OCELLI_TRY(sync_folder(parent));
  discard();  // what was there before
  return {};
}

}  // namespace ocelli::base
