// Whether what is in the cache is what the Hub has: every blob is named by its own hash.
#pragma once

#include <functional>

#include "base/cancel.h"
#include "hub/stored.h"

namespace ocelli::hub {

struct Problem {
  std::string file;  // "config.json@1a2b3c4d", or the blob where no snapshot names it
  std::string what;
};

struct Verified {
  int64_t files = 0, bytes = 0;  // hashed
  int64_t unknown = 0;           // files with no hash to compare with
  std::vector<Problem> problems;
};

// Reads every blob. Problems: another hash than the name says, a link that leads to nothing, a
// shard that is missing, a download that was not finished.
base::Result<Verified> verify_repo(const StoredRepo& repo, const base::CancelToken* cancel,
                                   const std::function<void(int64_t bytes)>& on_progress = {});

}  // namespace ocelli::hub
