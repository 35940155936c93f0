// Files: mapped for reading, read whole within a limit, written so that a crash leaves the old
// content or the new, never half of it. Folders of the program are in folders.h.
//
// Only regular files are opened: a folder, pipe, socket or device is refused without waiting for
// it. Errors are sentences with the path as their place.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace ocelli::base {

// A system call's error as a sentence with the right code, e.g. errno_error(ENOENT, "open", path)
// is "no such file or folder; check the name". ENOSPC, EDQUOT, EFBIG and ENOMEM are kDoesNotFit.
Error errno_error(int number, std::string_view action, std::string_view path);

// A file mapped into memory, read only. Copies nothing; pages come from disk when first touched.
// If somebody truncates the file while it is mapped, touching what is gone ends in SIGBUS.
class MappedFile {
 public:
  static Result<MappedFile> open(const std::string& path);

  MappedFile() = default;  // of no file: empty
  MappedFile(MappedFile&& other) noexcept { *this = std::move(other); }
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();

  std::span<const std::byte> bytes() const { return {data_, size_}; }
  std::string_view text() const { return {reinterpret_cast<const char*>(data_), size_}; }
  size_t size() const { return size_; }

  // Hints for the system; they change speed, never content, and cannot fail.
  void advise_sequential() const;                     // read ahead far
  void prefetch(size_t offset, size_t length) const;  // start reading these bytes now
  void release(size_t offset, size_t length) const;   // not needed soon; drop whole pages inside

 private:
  void advise(size_t offset, size_t length, int advice, bool inside) const;

  const std::byte* data_ = nullptr;
  size_t size_ = 0;
};

// The whole file. Larger than `max_bytes` is an error, found before anything is allocated.
Result<std::string> read_file(const std::string& path, size_t max_bytes);

// Writes a file beside its final place and moves it there at the end.
//
//   OCELLI_ASSIGN(AtomicWriter out, AtomicWriter::create(path));
//   OCELLI_TRY(out.write(header));
//   OCELLI_TRY(out.commit());          // without it nothing is left behind, the old file stays
class AtomicWriter {
 public:
  // The temporary file is made in path's folder with permissions 0600; commit() gives it `mode`.
  static Result<AtomicWriter> create(const std::string& path, unsigned mode = 0600);

  AtomicWriter(AtomicWriter&& other) noexcept { *this = std::move(other); }
  AtomicWriter& operator=(AtomicWriter&& other) noexcept;
  ~AtomicWriter() { discard(); }

  Status write(std::span<const std::byte> bytes);
  Status write(std::string_view text);
  uint64_t written() const { return written_; }

  // Content to disk, file into place, folder entry to disk. Afterwards the writer is closed.
  Status commit();

 private:
  AtomicWriter() = default;
  void discard();

  std::string path_, temporary_;
  unsigned mode_ = 0600;
  int fd_ = -1;
  uint64_t written_ = 0;
};

// write() and commit() in one.
Status write_file_atomically(const std::string& path, std::string_view text, unsigned mode = 0600);

}  // namespace ocelli::base
