#include "hub/verify.h"

#include <algorithm>
#include <map>

#include "hub/content_hash.h"
#include "hub/download.h"

namespace ocelli::hub {

using base::Result;
using base::Status;

namespace {

std::string file_name(const Snapshot& snapshot, const SnapshotFile& file) {
  return file.path + "@" + snapshot.commit.substr(0, 8);
}

// Blob -> a file that is it, for a person to recognise.
std::map<std::string, std::string> names_of_blobs(const StoredRepo& repo) {
  std::map<std::string, std::string> out;
  for (const Snapshot& s : repo.snapshots) {
    for (const SnapshotFile& f : s.files) {
      if (!f.blob.empty()) out.emplace(f.blob, file_name(s, f));
    }
  }
  return out;
}

void check_links(const StoredRepo& repo, Verified& out) {
  for (const Snapshot& s : repo.snapshots) {
    for (const SnapshotFile& f : s.files) {
      if (!f.size)
        out.problems.push_back({file_name(s, f), "is missing: its link leads to nothing"});
      if (f.size && f.blob.empty()) ++out.unknown;
    }
    // A shard that the index names; what has no config.json need not be a model.
    const bool is_model = std::any_of(s.files.begin(), s.files.end(),
                                      [](const auto& f) { return f.path == "config.json"; });
    const auto path = is_model && out.problems.empty()
                          ? model_path(repo, s, {repo.repo, "", "", ""})
                          : Result<std::string>(std::string());
    if (!path.ok()) out.problems.push_back({s.commit.substr(0, 8), path.error().what});
  }
}

}  // namespace

Result<Verified> verify_repo(const StoredRepo& repo, const base::CancelToken* cancel,
                             const std::function<void(int64_t)>& on_progress) {
  Verified out;
  check_links(repo, out);
  OCELLI_ASSIGN(const Directory root, Directory::open(repo.path, false));
  if (!root.has("blobs")) return out;
  OCELLI_ASSIGN(const Directory blobs, root.below("blobs", false));
  OCELLI_ASSIGN(const std::vector<std::string> names, blobs.names());
  const auto known = names_of_blobs(repo);
  for (const std::string& blob : names) {
    if (blob.ends_with(".incomplete")) {
      out.problems.push_back({blob, "is a download that was not finished"});
      continue;
    }
    if (!is_content_name(blob) || !blobs.file_size(blob)) {
      ++out.unknown;
      continue;
    }
    const int64_t before = out.bytes;
    const auto progress = [&](int64_t done) {
      if (on_progress) on_progress(before + done);
    };
    const auto named = known.find(blob);
    const std::string name = named == known.end() ? blob : named->second;
    const Result<std::string> hash = hash_file(blobs, blob, cancel, progress);
    if (!hash.ok() && hash.error().code == base::Code::kInterrupted) return hash.error();
    if (!hash.ok()) {
      out.problems.push_back({name, hash.error().what});
    } else if (*hash != blob) {
      out.problems.push_back({name, "is damaged: its hash is " + hash->substr(0, 12) + "..., not " +
                                        blob.substr(0, 12) + "..."});
    }
    ++out.files;
    out.bytes += *blobs.file_size(blob);
  }
  return out;
}

}  // namespace ocelli::hub
