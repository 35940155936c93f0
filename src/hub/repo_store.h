// One repository in the Hub's cache folder, laid out as huggingface_hub does:
//
//   models--owner--name/blobs/HASH                     the bytes
//   models--owner--name/snapshots/COMMIT/config.json   -> ../../blobs/HASH
//   models--owner--name/refs/main                      the commit of a branch
//   .locks/models--owner--name/HASH.lock               taken while HASH is downloaded
//
// A download stands in blobs/HASH.incomplete until its hash is known to be right. A snapshot gets
// its links when all of its blobs are there, config.json last, and its ref after that: what can be
// found by name is whole.
#pragma once

#include "hub/directory.h"

namespace ocelli::hub {

class RepoStore {
 public:
  // Makes what is missing.
  static base::Result<RepoStore> create(const std::string& cache, const std::string& repo);

  const Directory& blobs() const { return blobs_; }
  base::Result<FileLock> lock(const std::string& blob, const base::CancelToken* cancel) const;

  // snapshots/COMMIT/PATH -> the blob.
  base::Status link(const std::string& commit, const std::string& path,
                    const std::string& blob) const;
  // refs/REVISION; nothing for a commit, which is its own name.
  base::Status set_ref(const std::string& revision, const std::string& commit) const;
  std::string snapshot_path(const std::string& commit) const;

 private:
  RepoStore(Directory root, Directory blobs, Directory locks)
      : root_(std::move(root)), blobs_(std::move(blobs)), locks_(std::move(locks)) {}
  Directory root_, blobs_, locks_;
};

}  // namespace ocelli::hub
