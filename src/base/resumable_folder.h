// ResumableFolder: files that take long to make, put into place when all is done. A run that is cut
// off leaves a hidden folder beside the final place, and the next one that wants the same goes on.
//
//   OCELLI_ASSIGN(auto work, ResumableFolder::open("model-q4", identity));
//   OCELLI_ASSIGN(auto file, work.file("model.safetensors"));
//   write what lies behind file.done(), with file.checkpoint() from time to time
//   OCELLI_TRY(file.finish());
//   OCELLI_TRY(work.commit());
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace ocelli::base {

// A file of a ResumableFolder.
class ResumableFile {
 public:
  ResumableFile(ResumableFile&& other) noexcept { *this = std::move(other); }
  ResumableFile& operator=(ResumableFile&& other) noexcept;
  ~ResumableFile();

  // Bytes that an earlier run left for sure; writing begins behind them.
  uint64_t done() const { return done_; }
  uint64_t written() const { return written_; }  // done() included
  const std::string& path() const { return path_; }

  Status write(std::span<const std::byte> bytes);
  // What was written so far is on disk and counts, also after a crash.
  Status checkpoint();
  // Replaces bytes that were written.
  Status patch(uint64_t offset, std::span<const std::byte> bytes);
  // Everything to disk. A finished file is done() as a whole when it is opened again.
  Status finish();

 private:
  friend class ResumableFolder;
  ResumableFile() = default;

  std::string path_;
  int fd_ = -1;
  uint64_t done_ = 0, written_ = 0;
};

class ResumableFolder {
 public:
  // Goes on with the hidden folder that a run with the same `identity` (any text) left beside
  // `path`, else begins anew. kUsage where another process is at it. Folders above that are missing
  // are made; nothing is said about `path` itself yet.
  static Result<ResumableFolder> open(const std::string& path, std::string_view identity);

  ResumableFolder(ResumableFolder&& other) noexcept { *this = std::move(other); }
  ResumableFolder& operator=(ResumableFolder&& other) noexcept;
  // Leaves the hidden folder where it is, unless nothing was ever written.
  ~ResumableFolder();

  bool resumed() const { return resumed_; }
  // `name` without slashes.
  std::string path_of(std::string_view name) const { return work_ + "/" + std::string(name); }
  Result<ResumableFile> file(std::string_view name);

  // The folder becomes `path`. What stands there is an error, unless it is an empty folder or
  // `replace` says otherwise.
  Status commit(bool replace = false);
  // One file becomes `target`, over what stands there.
  Status commit_file(std::string_view name, const std::string& target);
  // Nothing is left.
  void discard();

 private:
  ResumableFolder() = default;
  void close_lock();

  std::string path_, work_;
  int lock_ = -1;
  bool resumed_ = false;
};

// Whether nothing stands at `path`, or an empty folder.
bool is_free_for_folder(const std::string& path);

}  // namespace ocelli::base
