// What is in the Hub's cache folder, whoever put it there. Reads only.
#pragma once

#include "hub/directory.h"
#include "hub/names.h"

namespace ocelli::hub {

inline constexpr int kMaxFolderDepth = 32;  // of folders inside a snapshot

struct SnapshotFile {
  std::string path;  // inside the snapshot
  // The blob that its link names; "" for a file of its own (a cache without links) or a link that
  // leads elsewhere.
  std::string blob;
  std::optional<int64_t> size;  // nothing where the link leads to nothing
};

struct Snapshot {
  std::string commit, path;
  std::vector<std::string> refs;  // branches and tags that mean it here
  std::vector<SnapshotFile> files;
};

struct StoredRepo {
  std::string repo, path;
  std::vector<Snapshot> snapshots;
  std::vector<std::string> incomplete;  // blobs that are being downloaded, or were
  int64_t bytes = 0;                    // on disk
  int64_t last_used = 0;  // seconds since 1970: of any blob, the latest reading or writing

  // By branch, tag or commit; "" is main or, where there is no such ref, the only snapshot. Null
  // where it is not here.
  const Snapshot* find(const std::string& revision) const;
};

// By name. None where the cache does not exist; a repository that cannot be read is left out.
base::Result<std::vector<StoredRepo>> stored_repos(const std::string& cache);
// Nothing where it is not here.
base::Result<std::optional<StoredRepo>> stored_repo(const std::string& cache,
                                                    const std::string& repo);

// What a snapshot can be loaded from: its folder where it has a config.json, else the GGUF file of
// `tag` (or of the Hub's usual choice, hub/selection.h). The error says what is missing and how to
// get it.
base::Result<std::string> model_path(const StoredRepo& repo, const Snapshot& snapshot,
                                     const Reference& reference);

}  // namespace ocelli::hub
