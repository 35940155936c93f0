// What the Hub's API says about a repository.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace ocelli::hub {

inline constexpr size_t kMaxAnswerBytes = size_t{16} << 20;  // of one answer of the API
inline constexpr size_t kMaxFiles = 50'000;                  // of one repository
inline constexpr int64_t kMaxFileBytes = int64_t{1} << 46;   // times kMaxFiles fits int64

// A file at a commit.
struct RemoteFile {
  std::string path;
  int64_t size = 0;  // bytes
  // The hash of its content and the name of its blob: SHA-256 of large files, git's SHA-1 of others
  // (hub/content_hash.h).
  std::string blob;
};

// {"sha": COMMIT, ...}: the answer to /api/models/NAME/revision/REVISION.
base::Result<std::string> parse_commit(std::string_view json);

// Adds one page of /api/models/NAME/tree/COMMIT?recursive=true:
//   [{"type": "file", "path", "size", "oid": SHA1, "lfs": {"oid": SHA256, "size"}}, ...]
// Entries of other types are left out. Any name that could lead outside of its folder
// (hub/names.h), size below 0 or hash that is none is an error.
base::Status parse_tree_page(std::string_view json, std::vector<RemoteFile>& files);

}  // namespace ocelli::hub
