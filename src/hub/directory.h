// Folders held open, so that what is written goes below them whatever happens to the path.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/cancel.h"
#include "base/result.h"

namespace ocelli::hub {

class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Fd();
  int get() const { return fd_; }

 private:
  int fd_ = -1;
};

class Directory {
 public:
  // `path` may be a symbolic link to a folder. `create` makes it and those around it.
  static base::Result<Directory> open(const std::string& path, bool create);
  // The folder `name` (one part of a path) below; a symbolic link is refused unless `follow`.
  base::Result<Directory> below(const std::string& name, bool create, bool follow = false) const;
  // Whether there is anything of this name, and its size where it is (or leads to) a file.
  bool has(const std::string& name) const;
  std::optional<int64_t> file_size(const std::string& name) const;
  // Where a symbolic link leads, as it is written; nothing where it is none.
  std::optional<std::string> link_target(const std::string& name) const;

  base::Result<Fd> open_file(const std::string& name, int flags, unsigned mode = 0666) const;
  base::Status rename(const std::string& from, const std::string& to) const;
  // A symbolic link, in one step also where one is there already.
  base::Status link(const std::string& target, const std::string& name) const;
  // A small file, in one step.
  base::Status write(const std::string& name, std::string_view text) const;
  base::Status remove(const std::string& name, bool folder = false) const;
  // What is in it without "." and "..", sorted.
  base::Result<std::vector<std::string>> names() const;
  // Its entries to disk.
  base::Status sync() const;

  int fd() const { return fd_.get(); }
  const std::string& path() const { return path_; }
  std::string path_of(const std::string& name) const { return path_ + "/" + name; }

 private:
  Directory(Fd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}
  Fd fd_;
  std::string path_;  // for messages
};

// An advisory lock on a file, the way Python's filelock takes it (flock), given back at the end or
// when the process dies. Waits until it is free or `cancel` is requested.
class FileLock {
 public:
  static base::Result<FileLock> take(const Directory& folder, const std::string& name,
                                     const base::CancelToken* cancel);
  // Nothing where somebody else has it.
  static base::Result<std::optional<FileLock>> try_take(const Directory& folder,
                                                        const std::string& name);
  // False where the file system has no locks: then others may be at work too.
  bool exclusive() const { return exclusive_; }

 private:
  explicit FileLock(Fd fd, bool exclusive) : fd_(std::move(fd)), exclusive_(exclusive) {}
  Fd fd_;
  bool exclusive_;
};

}  // namespace ocelli::hub
