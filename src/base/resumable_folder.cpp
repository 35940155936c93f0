#include "base/resumable_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <filesystem>
#include <utility>

#include "base/check.h"
#include "base/file.h"

namespace ocelli::base {
namespace {

namespace fs = std::filesystem;

constexpr unsigned kFolderMode = 0755, kFileMode = 0644;
constexpr size_t kMaxStateBytes = 1 << 16;
constexpr char kLock[] = ".lock", kIdentity[] = ".identity", kJournal[] = ".done";

std::string parent_of(const std::string& path) {
  const std::string parent = fs::path(path).parent_path().string();
  return parent.empty() ? "." : parent;
}

Status sync_folder(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return errno == EACCES ? Status() : errno_error(errno, "open", path);
  const int rc = fsync(fd), number = errno;
  close(fd);
  if (rc != 0 && number != EINVAL && number != EROFS) return errno_error(number, "write", path);
  return {};
}

// Everything of a folder but the lock.
void empty_folder(const std::string& path) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(path, error)) {
    std::error_code ignored;
    if (entry.path().filename() != kLock) fs::remove_all(entry.path(), ignored);
  }
}

}  // namespace

bool is_free_for_folder(const std::string& path) {
  std::error_code error;
  return !fs::exists(fs::symlink_status(path, error)) || fs::is_empty(path, error);
}

// --- a file ---

ResumableFile& ResumableFile::operator=(ResumableFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(fd_, other.fd_);
  std::swap(done_, other.done_);
  std::swap(written_, other.written_);
  return *this;
}

ResumableFile::~ResumableFile() {
  if (fd_ >= 0) close(fd_);
}

Status ResumableFile::write(std::span<const std::byte> bytes) {
  OCELLI_CHECK(fd_ >= 0, "write() before finish()");
  while (!bytes.empty()) {
    constexpr size_t kMostAtOnce = size_t{1} << 30;
    const ssize_t put =
        pwrite(fd_, bytes.data(), std::min(bytes.size(), kMostAtOnce), off_t(written_));
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return errno_error(errno, "write", path_);
    bytes = bytes.subspan(size_t(put));
    written_ += uint64_t(put);
  }
  return {};
}

Status ResumableFile::checkpoint() {
  OCELLI_CHECK(fd_ >= 0, "checkpoint() before finish()");
  if (fdatasync(fd_) != 0) return errno_error(errno, "write", path_);
  done_ = written_;
  return write_file_atomically(path_ + kJournal, std::to_string(written_), kFileMode);
}

Status ResumableFile::patch(uint64_t offset, std::span<const std::byte> bytes) {
  OCELLI_CHECK(offset + bytes.size() <= written_, "bytes that were written");
  while (!bytes.empty()) {
    const ssize_t put = pwrite(fd_, bytes.data(), bytes.size(), off_t(offset));
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return errno_error(errno, "write", path_);
    bytes = bytes.subspan(size_t(put));
    offset += uint64_t(put);
  }
  return {};
}

Status ResumableFile::finish() {
  OCELLI_TRY(checkpoint());
  if (fchmod(fd_, kFileMode) != 0 || fsync(fd_) != 0) return errno_error(errno, "write", path_);
  if (close(std::exchange(fd_, -1)) != 0) return errno_error(errno, "write", path_);
  return {};
}

// --- the folder ---

Result<ResumableFolder> ResumableFolder::open(const std::string& path, std::string_view identity) {
  ResumableFolder out;
  out.path_ = path;
  while (out.path_.size() > 1 && out.path_.back() == '/') out.path_.pop_back();
  if (out.path_.empty()) return fail(Code::kUsage, "the name is empty; name a file or a folder");
  const std::string parent = parent_of(out.path_);
  const std::string work = parent + "/." + fs::path(out.path_).filename().string() + ".part";
  std::error_code error;
  fs::create_directories(work, error);
  if (error) return errno_error(error.value(), "make", work);
  const std::string lock = work + "/" + kLock;
  out.lock_ = ::open(lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (out.lock_ < 0) return errno_error(errno, "create", lock);
  if (flock(out.lock_, LOCK_EX | LOCK_NB) != 0) {
    return fail(Code::kUsage, "another process is writing this; wait for it, or choose another name",
                path);
  }
  out.work_ = work;
  const std::string wanted(identity);
  const auto left = read_file(out.path_of(kIdentity), kMaxStateBytes);
  out.resumed_ = left.ok() && *left == wanted;
  if (out.resumed_) return out;
  empty_folder(work);
  OCELLI_TRY(write_file_atomically(out.path_of(kIdentity), wanted));
  return out;
}

ResumableFolder& ResumableFolder::operator=(ResumableFolder&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(work_, other.work_);
  std::swap(lock_, other.lock_);
  std::swap(resumed_, other.resumed_);
  return *this;
}

ResumableFolder::~ResumableFolder() {
  if (!work_.empty()) {
    bool content = false;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(work_, error)) {
      const std::string name = entry.path().filename().string();
      content = content || (name != kLock && name != kIdentity);
    }
    if (!content) discard();
  }
  close_lock();
}

void ResumableFolder::close_lock() {
  if (lock_ >= 0) close(std::exchange(lock_, -1));
}

Result<ResumableFile> ResumableFolder::file(std::string_view name) {
  OCELLI_CHECK(!work_.empty() && name.find('/') == name.npos, "a file of an open folder");
  ResumableFile out;
  out.path_ = path_of(name);
  out.fd_ = ::open(out.path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, kFileMode);
  if (out.fd_ < 0) return errno_error(errno, "create", out.path_);
  struct stat about;
  if (fstat(out.fd_, &about) != 0) return errno_error(errno, "read", out.path_);
  const auto journal = read_file(out.path_ + kJournal, kMaxStateBytes);
  uint64_t done = 0;
  if (journal.ok()) std::from_chars(journal->data(), journal->data() + journal->size(), done);
  if (done > uint64_t(about.st_size)) done = 0;  // somebody else's doing
  if (ftruncate(out.fd_, off_t(done)) != 0) return errno_error(errno, "write", out.path_);
  out.done_ = out.written_ = done;
  return out;
}

Status ResumableFolder::commit(bool replace) {
  OCELLI_CHECK(!work_.empty(), "commit() once");
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(work_, error)) {
    const std::string name = entry.path().filename().string();
    std::error_code ignored;
    if (name == kIdentity || name.ends_with(kJournal)) fs::remove(entry.path(), ignored);
  }
  OCELLI_TRY(sync_folder(work_));
  if (!replace && !is_free_for_folder(path_)) {
    return fail(Code::kUsage, "the folder is there and not empty; name another one", path_);
  }
  if (chmod(work_.c_str(), kFolderMode) != 0) return errno_error(errno, "set up", work_);
  fs::remove(path_of(kLock), error);
  const std::string old = work_ + ".old";
  const bool aside = replace && !is_free_for_folder(path_);
  if (aside) {
    fs::remove_all(old, error);
    if (rename(path_.c_str(), old.c_str()) != 0) return errno_error(errno, "replace", path_);
  }
  if (rename(work_.c_str(), path_.c_str()) != 0) {
    const int number = errno;
    if (aside && rename(old.c_str(), path_.c_str()) != 0) {
      return errno_error(errno, "put back", path_);
    }
    return errno_error(number, "put into place", path_);
  }
  work_.clear();
  close_lock();
  if (aside) fs::remove_all(old, error);
  return sync_folder(parent_of(path_));
}

Status ResumableFolder::commit_file(std::string_view name, const std::string& target) {
  const std::string from = path_of(name);
  if (rename(from.c_str(), target.c_str()) != 0)
    return errno_error(errno, "put into place", target);
  return sync_folder(parent_of(target));
}

void ResumableFolder::discard() {
  if (work_.empty()) return;
  std::error_code error;
  fs::remove_all(work_, error);
  work_.clear();
  close_lock();
}

}  // namespace ocelli::base
