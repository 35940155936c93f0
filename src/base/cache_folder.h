// CacheFolder: a folder of what can be made again, files or folders named by 64 hex digits each.
// The time of change of an entry is its last use; those used longest ago make room for others.
//
// The folder is its user's alone (mode 0700). Several processes may use one, each with several
// threads. What somebody holds (hold()) is not removed by others.
#pragma once

#include <ctime>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"

namespace ocelli::base {

class CacheFolder {
 public:
  enum class Kind { kFiles, kFolders };

  CacheFolder() = default;  // of nothing
  CacheFolder(std::string path, Kind kind) : path_(std::move(path)), kind_(kind) {}

  const std::string& path() const { return path_; }
  std::string path_of(const std::string& name) const { return path_ + "/" + name; }

  // Makes it, with permissions for this user only; an error where it belongs to another.
  Status prepare() const;

  struct Entry {
    std::string name;
    int64_t bytes = 0;  // of a folder those of all its files
    timespec used{};
  };
  struct Listing {
    std::vector<Entry> entries;
    std::vector<Entry> temporaries;  // of AtomicWriter, beside files
    int64_t bytes = 0;               // of both
  };
  // Nothing where there is no folder.
  Result<Listing> list() const;

  // Now is the last use of an entry.
  void touch(const std::string& name) const;

  // While this lives others do not remove the entry, a folder that is made if need be. Null where
  // the system cannot do that.
  using Hold = std::shared_ptr<const void>;
  Hold hold(const std::string& name) const;

  // Removes those used longest ago, as long as the rest takes more than `bytes` and `may_go` (if
  // any) says yes, and what killed processes left. Returns the bytes that are still there.
  int64_t shrink(Listing listing, int64_t bytes,
                 const std::function<bool(const Entry&)>& may_go = {}) const;

  struct Usage {
    int64_t entries = 0, bytes = 0;
  };
  Result<Usage> usage() const;
  // Removes every entry that nobody holds, and nothing that is not one; returns what went.
  Result<Usage> clear() const;

 private:
  Result<bool> remove(const std::string& name) const;

  std::string path_;
  Kind kind_ = Kind::kFiles;
};

bool earlier(const timespec& a, const timespec& b);
timespec file_time();  // of the clock that stamps files

}  // namespace ocelli::base
