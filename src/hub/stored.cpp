#include "hub/stored.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <map>

#include "base/file.h"
#include "base/json.h"
#include "hub/selection.h"

namespace ocelli::hub {

using base::Code;
using base::fail;
using base::Result;

namespace {

constexpr size_t kMaxIndexBytes = size_t{64} << 20;
constexpr size_t kMaxRefBytes = 1024;

// "../../blobs/HASH" is "HASH".
std::string blob_of(const std::string& target) {
  std::string_view rest = target;
  while (rest.starts_with("../")) rest.remove_prefix(3);
  if (!rest.starts_with("blobs/")) return {};
  rest.remove_prefix(6);
  return rest.find('/') == rest.npos ? std::string(rest) : std::string();
}

void walk(const Directory& folder, const std::string& prefix, int depth,
          std::vector<SnapshotFile>& out) {
  const auto names = folder.names();
  if (!names.ok() || depth > kMaxFolderDepth) return;
  for (const std::string& name : *names) {
    struct stat about;
    if (fstatat(folder.fd(), name.c_str(), &about, AT_SYMLINK_NOFOLLOW) != 0) continue;
    if (S_ISDIR(about.st_mode)) {
      const auto below = folder.below(name, false);
      if (below.ok()) walk(*below, prefix + name + "/", depth + 1, out);
    } else if (!name.ends_with(".tmp") || name[0] != '.') {  // left by a link that was cut short
      const auto target = folder.link_target(name);
      out.push_back({prefix + name, target ? blob_of(*target) : "", folder.file_size(name)});
    }
  }
}

// Branch -> commit; branches may lie in folders (refs/pr/1).
void read_refs(const Directory& folder, const std::string& prefix, int depth,
               std::map<std::string, std::string>& out) {
  const auto names = folder.names();
  if (!names.ok() || depth > kMaxFolderDepth) return;
  for (const std::string& name : *names) {
    if (const auto below = folder.below(name, false); below.ok()) {
      read_refs(*below, prefix + name + "/", depth + 1, out);
      continue;
    }
    auto text = base::read_file(folder.path_of(name), kMaxRefBytes);
    if (!text.ok() || name.ends_with(".tmp")) continue;
    while (!text->empty() && (text->back() == '\n' || text->back() == ' ')) text->pop_back();
    if (is_commit(*text)) out[prefix + name] = *text;
  }
}

void read_blobs(const Directory& blobs, StoredRepo& out) {
  const auto names = blobs.names();
  if (!names.ok()) return;
  for (const std::string& name : *names) {
    struct stat about;
    if (fstatat(blobs.fd(), name.c_str(), &about, 0) != 0 || !S_ISREG(about.st_mode)) continue;
    out.bytes += about.st_size;
    out.last_used =
        std::max({out.last_used, int64_t(about.st_atim.tv_sec), int64_t(about.st_mtim.tv_sec)});
    if (name.ends_with(".incomplete")) out.incomplete.push_back(name);
  }
}

std::optional<StoredRepo> read_repo(const Directory& top, const std::string& repo) {
  const auto root = top.below(repo_folder(repo), false, true);
  if (!root.ok()) return std::nullopt;
  StoredRepo out;
  out.repo = repo;
  out.path = root->path();
  std::map<std::string, std::string> refs;
  if (const auto folder = root->below("refs", false); folder.ok()) read_refs(*folder, "", 0, refs);
  if (const auto blobs = root->below("blobs", false); blobs.ok()) read_blobs(*blobs, out);
  const auto snapshots = root->below("snapshots", false);
  const auto commits = snapshots.ok() ? snapshots->names() : Result(std::vector<std::string>());
  if (!commits.ok()) return out;
  for (const std::string& commit : *commits) {
    const auto folder = is_commit(commit) ? snapshots->below(commit, false)
                                          : Result<Directory>(fail(Code::kBadInput, "no commit"));
    if (!folder.ok()) continue;
    Snapshot snapshot{commit, folder->path(), {}, {}};
    for (const auto& [ref, of] : refs) {
      if (of == commit) snapshot.refs.push_back(ref);
    }
    walk(*folder, "", 0, snapshot.files);
    out.snapshots.push_back(std::move(snapshot));
  }
  return out;
}

bool has(const Snapshot& snapshot, std::string_view path) {
  return std::any_of(snapshot.files.begin(), snapshot.files.end(),
                     [&](const SnapshotFile& f) { return f.path == path && f.size; });
}

// The first of the shards that an index names and that is not here; "" where none is missing.
Result<std::string> missing_shard(const Snapshot& snapshot) {
  const std::string index = "model.safetensors.index.json";
  if (has(snapshot, "model.safetensors") || !has(snapshot, index)) return std::string();
  OCELLI_ASSIGN(const std::string text,
                base::read_file(snapshot.path + "/" + index, kMaxIndexBytes));
  OCELLI_ASSIGN(const base::Json json,
                base::Json::parse(text, {.max_bytes = kMaxIndexBytes}).in(index));
  const base::Json* const map = json.find("weight_map");
  if (!map || !map->is_object()) return std::string();
  for (const auto& [tensor, shard] : map->members()) {
    if (shard.is_string() && !has(snapshot, shard.as_string())) return shard.as_string();
  }
  return std::string();
}

base::Error incomplete(const StoredRepo& repo, const Reference& reference,
                       const std::string& what) {
  return fail(Code::kBadInput,
              "is not whole in the store: " + what + "; ocelli pull " + reference.text() +
                  " fetches what is missing",
              repo.repo);
}

}  // namespace

const Snapshot* StoredRepo::find(const std::string& revision) const {
  const std::string wanted = revision.empty() ? "main" : revision;
  for (const Snapshot& s : snapshots) {
    if (s.commit == wanted || std::find(s.refs.begin(), s.refs.end(), wanted) != s.refs.end())
      return &s;
  }
  return revision.empty() && snapshots.size() == 1 ? &snapshots[0] : nullptr;
}

Result<std::vector<StoredRepo>> stored_repos(const std::string& cache) {
  std::vector<StoredRepo> out;
  std::error_code ignored;
  if (!std::filesystem::is_directory(cache, ignored)) return out;
  OCELLI_ASSIGN(const Directory top, Directory::open(cache, false));
  OCELLI_ASSIGN(const std::vector<std::string> names, top.names());
  for (const std::string& name : names) {
    const auto repo = repo_of_folder(name);
    if (!repo) continue;
    if (auto read = read_repo(top, *repo)) out.push_back(std::move(*read));
  }
  std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.repo < b.repo; });
  return out;
}

Result<std::optional<StoredRepo>> stored_repo(const std::string& cache, const std::string& repo) {
  OCELLI_TRY(check_repo(repo));
  std::error_code ignored;
  if (!std::filesystem::is_directory(cache, ignored)) return std::optional<StoredRepo>();
  OCELLI_ASSIGN(const Directory top, Directory::open(cache, false));
  return read_repo(top, repo);
}

Result<std::string> model_path(const StoredRepo& repo, const Snapshot& snapshot,
                               const Reference& reference) {
  if (reference.tag.empty() && reference.file.empty() && has(snapshot, "config.json")) {
    for (const SnapshotFile& f : snapshot.files) {
      if (!f.size) return incomplete(repo, reference, base::printable(f.path, 100) + " is missing");
    }
    OCELLI_ASSIGN(const std::string shard, missing_shard(snapshot));
    if (!shard.empty())
      return incomplete(repo, reference, base::printable(shard, 100) + " is missing");
    return snapshot.path;
  }
  std::vector<RemoteFile> files;
  for (const SnapshotFile& f : snapshot.files) {
    if (f.size && lower(f.path).ends_with(".gguf")) files.push_back({f.path, *f.size, f.blob});
  }
  if (files.empty()) return incomplete(repo, reference, "it has no config.json and no GGUF file");
  OCELLI_ASSIGN(const std::vector<RemoteFile> chosen, select_files(files, reference, {}, {}));
  for (const RemoteFile& f : chosen) {
    if (!is_mmproj(f.path) || f.path == reference.file) return snapshot.path + "/" + f.path;
  }
  return incomplete(repo, reference, "it has no GGUF file but mmproj");
}

}  // namespace ocelli::hub
