#include "base/file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace ocelli::base {
namespace {

class Fd {
 public:
  explicit Fd(int fd) : fd_(fd) {}
  ~Fd() {
    if (fd_ >= 0) close(fd_);
  }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

const char* kind_of(mode_t mode) {
  if (S_ISDIR(mode)) return "a folder";
  if (S_ISFIFO(mode)) return "a pipe";
  if (S_ISSOCK(mode)) return "a socket";
  return "a device";
}

// Fills `size` for a regular file; anything else is refused.
Status check_regular(int fd, const std::string& path, uint64_t& size) {
  struct stat about;
  if (fstat(fd, &about) != 0) return errno_error(errno, "look at", path);
  if (!S_ISREG(about.st_mode)) {
    return fail(Code::kBadInput,
                std::string("is ") + kind_of(about.st_mode) + ", not a file; give a file", path);
  }
  size = uint64_t(about.st_size);
  return {};
}

// O_NONBLOCK keeps open() of a pipe or a device from waiting; for regular files it means nothing.
int open_for_reading(const std::string& path) {
  int fd;
  do {
    fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  } while (fd < 0 && errno == EINTR);
  return fd;
}

Status check_name(const std::string& path) {
  if (path.empty()) return fail(Code::kBadInput, "the file name is empty; give a file");
  if (path.find('\0') != path.npos) {
    return fail(Code::kBadInput, "the file name holds a NUL byte; give a file", path);
  }
  return {};
}

std::string folder_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == path.npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

Error errno_error(int number, std::string_view action, std::string_view path) {
  const std::string doing = "cannot " + std::string(action) + ": ";
  switch (number) {
    case ENOENT:
      return fail(Code::kBadInput, "no such file or folder; check the name", path);
    case ENOTDIR:
      return fail(Code::kBadInput, "a part of the path is a file, not a folder; check the name",
                  path);
    case EACCES:
    case EPERM:
      return fail(Code::kBadInput, doing + "permission denied; check its owner and mode", path);
    case EISDIR:
      return fail(Code::kBadInput, "is a folder, not a file; give a file", path);
    case ENXIO:
      return fail(Code::kBadInput, "is a pipe, socket or device; give a file", path);
    case ELOOP:
      return fail(Code::kBadInput, "symbolic links lead in a circle; check the name", path);
    case ENAMETOOLONG:
      return fail(Code::kBadInput, "the name is too long; choose a shorter one", path);
    case EROFS:
      return fail(Code::kBadInput, doing + "the file system is read-only; choose another place",
                  path);
    case EEXIST:
      return fail(Code::kBadInput, "exists already; choose another name", path);
    case EMFILE:
    case ENFILE:
      return fail(Code::kDoesNotFit, doing + "too many open files; raise ulimit -n", path);
    case ENOSPC:
      return fail(Code::kDoesNotFit, doing + "the disk is full; free some space", path);
    case EDQUOT:
      return fail(Code::kDoesNotFit, doing + "the disk quota is used up; free some space", path);
    case EFBIG:
      return fail(Code::kDoesNotFit, doing + "the file would be too large; check ulimit -f", path);
    case ENOMEM:
      return fail(Code::kDoesNotFit, doing + "not enough memory; free some", path);
    case EIO:
      return fail(Code::kBadInput, doing + "the disk reports an error; check it", path);
    default:
      break;
  }
  char buffer[128];  // strerror_r in its GNU form returns the text
  return fail(Code::kBadInput, doing + strerror_r(number, buffer, sizeof buffer), path);
}

// From here on a file is worth large pages: a processor reads weights through pages of 4 KiB more
// slowly (`ocelli_micro` prints both speeds). File systems with large folios (ext4, XFS, Btrfs of
// recent Linux) read a mapping that asks for large pages as such, but keep what was written in
// small ones.
constexpr uint64_t kLargeFile = 8 << 20;

Result<MappedFile> MappedFile::open(const std::string& path) {
  OCELLI_TRY(check_name(path));
  const Fd fd(open_for_reading(path));
  if (fd.get() < 0) return errno_error(errno, "open", path);
  uint64_t size = 0;
  OCELLI_TRY(check_regular(fd.get(), path, size));
  MappedFile file;
  if (size == 0) return file;
  void* data = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd.get(), 0);
  if (data == MAP_FAILED) return errno_error(errno, "map into memory", path);
  file.data_ = static_cast<const std::byte*>(data);
  file.size_ = size;
  if (size >= kLargeFile) file.advise(0, size, MADV_HUGEPAGE, false);
  return file;
}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

MappedFile::~MappedFile() {
  if (data_) munmap(const_cast<std::byte*>(data_), size_);
}

// Whole pages that hold any of these bytes, or (`inside`) that hold nothing else.
void MappedFile::advise(size_t offset, size_t length, int advice, bool inside) const {
  if (offset >= size_) return;
  const auto page = size_t(sysconf(_SC_PAGESIZE));
  size_t end = offset + std::min(length, size_ - offset);
  size_t begin = offset / page * page;
  if (inside) {
    begin = (offset + page - 1) / page * page;
    if (end != size_) end = end / page * page;
  }
  if (begin < end) madvise(const_cast<std::byte*>(data_) + begin, end - begin, advice);
}

void MappedFile::advise_sequential() const {
  advise(0, size_, MADV_SEQUENTIAL, false);
}

void MappedFile::prefetch(size_t offset, size_t length) const {
  advise(offset, length, MADV_WILLNEED, false);
}

void MappedFile::release(size_t offset, size_t length) const {
  advise(offset, length, MADV_DONTNEED, true);
}

Result<std::string> read_file(const std::string& path, size_t max_bytes) {
  OCELLI_TRY(check_name(path));
  const Fd fd(open_for_reading(path));
  if (fd.get() < 0) return errno_error(errno, "open", path);
  uint64_t size = 0;
  OCELLI_TRY(check_regular(fd.get(), path, size));
  const auto too_large = [&](const std::string& bytes) {
    return fail(Code::kBadInput,
                "too large (" + bytes + " bytes, limit " + std::to_string(max_bytes) +
                    "); give a smaller file",
                path);
  };
  if (size > max_bytes) return too_large(std::to_string(size));
  // Files of /proc say 0, and a file may grow meanwhile: read until its end, not until its size.
  constexpr size_t kChunk = 64 << 10;
  std::string text;
  text.reserve(size + 1);
  for (;;) {
    const size_t have = text.size();
    text.resize(std::max<size_t>(have + (have < size ? size - have : kChunk), 1));
    const ssize_t got = read(fd.get(), text.data() + have, text.size() - have);
    text.resize(have + size_t(std::max<ssize_t>(got, 0)));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno_error(errno, "read", path);
    if (got == 0) return text;
    if (text.size() > max_bytes) return too_large("at least " + std::to_string(text.size()));
  }
}

Result<AtomicWriter> AtomicWriter::create(const std::string& path, unsigned mode) {
  OCELLI_TRY(check_name(path));
  struct stat about;
  if (stat(path.c_str(), &about) == 0 && !S_ISREG(about.st_mode)) {
    return fail(Code::kBadInput,
                std::string("is ") + kind_of(about.st_mode) + "; choose another name", path);
  }
  AtomicWriter writer;
  writer.path_ = path;
  writer.mode_ = mode;
  // mkostemp: O_EXCL, mode 0600, a name nobody guesses.
  std::string temporary = path + ".XXXXXX";
  writer.fd_ = mkostemp(temporary.data(), O_CLOEXEC);
  if (writer.fd_ < 0) return errno_error(errno, "create", path);
  writer.temporary_ = std::move(temporary);
  return writer;
}

AtomicWriter& AtomicWriter::operator=(AtomicWriter&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(temporary_, other.temporary_);
  std::swap(mode_, other.mode_);
  std::swap(fd_, other.fd_);
  std::swap(written_, other.written_);
  return *this;
}

Status AtomicWriter::write(std::span<const std::byte> bytes) {
  OCELLI_CHECK(fd_ >= 0, "write() before commit()");
  constexpr size_t kMostAtOnce = size_t{1} << 30;  // Linux takes no more than 2 GiB in one call
  while (!bytes.empty()) {
    const ssize_t put = ::write(fd_, bytes.data(), std::min(bytes.size(), kMostAtOnce));
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return errno_error(errno, "write", path_);
    bytes = bytes.subspan(size_t(put));
    written_ += uint64_t(put);
  }
  return {};
}

Status AtomicWriter::write(std::string_view text) {
  return write(std::span(reinterpret_cast<const std::byte*>(text.data()), text.size()));
}

Status AtomicWriter::commit() {
  OCELLI_CHECK(fd_ >= 0, "commit() once");
  const auto failed = [&](int number) {
    discard();
    return errno_error(number, "write", path_);
  };
  if (fchmod(fd_, mode_) != 0 || fsync(fd_) != 0) return failed(errno);
  // Who maps it gets large pages then; a hint that may be refused.
  if (written_ >= kLargeFile) posix_fadvise(fd_, 0, 0, POSIX_FADV_DONTNEED);
  // Some network file systems report a full disk only here.
  if (close(std::exchange(fd_, -1)) != 0) return failed(errno);
  if (rename(temporary_.c_str(), path_.c_str()) != 0) return failed(errno);
  temporary_.clear();
  const std::string folder = folder_of(path_);
  const Fd folder_fd(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  // A folder that may be written but not read cannot be synced; the file is in place all the same.
  if (folder_fd.get() < 0) return errno == EACCES ? Status() : failed(errno);
  if (fsync(folder_fd.get()) != 0 && errno != EINVAL && errno != EROFS) return failed(errno);
  return {};
}

void AtomicWriter::discard() {
  if (fd_ >= 0) close(std::exchange(fd_, -1));
  if (!temporary_.empty()) unlink(temporary_.c_str());
  temporary_.clear();
}

Status write_file_atomically(const std::string& path, std::string_view text, unsigned mode) {
  OCELLI_ASSIGN(AtomicWriter out, AtomicWriter::create(path, mode));
  OCELLI_TRY(out.write(text));
  return out.commit();
}

}  // namespace ocelli::base
