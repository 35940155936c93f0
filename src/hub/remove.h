// Taking models out of the cache.
#pragma once

#include "hub/stored.h"

namespace ocelli::hub {

struct Removed {
  int64_t bytes = 0;  // freed
  int64_t kept = 0;   // bytes that other snapshots use
};

// Removes one snapshot, or with an empty `commit` the whole repository. Blobs that another snapshot
// uses stay. Refused (kUsage) while it is being downloaded or a process has one of its files
// mapped, unless `force`. What a kill leaves behind is a repository that is not found by name, or
// one that is whole; the next call takes the rest. Never follows a link, never leaves the folder.
base::Result<Removed> remove_snapshot(const std::string& cache, const StoredRepo& repo,
                                      const std::string& commit, bool force);

// Removes a folder that is no part of the cache, `name` ("a" or "owner/a") below `parent`. A
// symbolic link is removed itself, not what it leads to. Returns the bytes freed.
base::Result<int64_t> remove_folder(const std::string& parent, const std::string& name, bool force);

// Processes of this user that have a file below `folder` mapped or open, by number.
std::vector<int> users_of(const std::string& folder);

}  // namespace ocelli::hub
