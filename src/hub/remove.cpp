#include "hub/remove.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <set>

namespace ocelli::hub {

namespace fs = std::filesystem;
using base::Code;
using base::fail;
using base::Result;
using base::Status;

namespace {

// `name` and all that is below it. A link is removed, not followed.
Status remove_tree(const Directory& parent, const std::string& name, int depth, int64_t& bytes) {
  struct stat about;
  if (fstatat(parent.fd(), name.c_str(), &about, AT_SYMLINK_NOFOLLOW) != 0) return {};
  if (!S_ISDIR(about.st_mode)) {
    if (about.st_nlink == 1) bytes += about.st_size;
    return parent.remove(name);
  }
  if (depth > kMaxFolderDepth + 4) {
    return fail(Code::kBadInput, "has too many folders inside each other; remove it by hand",
                parent.path_of(name));
  }
  OCELLI_ASSIGN(const Directory folder, parent.below(name, false));
  OCELLI_ASSIGN(const std::vector<std::string> names, folder.names());
  for (const std::string& below : names) OCELLI_TRY(remove_tree(folder, below, depth + 1, bytes));
  return parent.remove(name, true);
}

Status refuse_users(const std::string& folder, const std::string& name, bool force) {
  if (force) return {};
  const std::vector<int> users = users_of(folder);
  if (users.empty()) return {};
  return fail(Code::kUsage,
              "is in use by process " + std::to_string(users[0]) +
                  "; end it first, or add --force (it keeps what it has opened)",
              name);
}

// Holds the locks of all downloads of a repository, so that none begins meanwhile.
Result<std::vector<FileLock>> lock_downloads(const Directory& top, const std::string& repo) {
  std::vector<FileLock> out;
  const auto locks = top.below(".locks", false);
  const auto own =
      locks.ok() ? locks->below(repo_folder(repo), false) : Result<Directory>(locks.error());
  if (!own.ok()) return out;
  OCELLI_ASSIGN(const std::vector<std::string> names, own->names());
  for (const std::string& name : names) {
    if (!name.ends_with(".lock")) continue;
    OCELLI_ASSIGN(std::optional<FileLock> lock, FileLock::try_take(*own, name));
    if (!lock) {
      return fail(Code::kUsage, "is being downloaded by another process; wait for it or end it",
                  repo);
    }
    out.push_back(std::move(*lock));
  }
  return out;
}

Status remove_refs(const Directory& root, const Snapshot& snapshot) {
  for (const std::string& ref : snapshot.refs) {
    const size_t slash = ref.rfind('/');
    const std::string folder =
        root.path() + "/refs" + (slash == ref.npos ? "" : "/" + ref.substr(0, slash));
    OCELLI_ASSIGN(const Directory refs, Directory::open(folder, false));
    OCELLI_TRY(refs.remove(slash == ref.npos ? ref : ref.substr(slash + 1)));
  }
  return {};
}

// Frees blobs of `gone` that no other snapshot of `repo` names.
Status remove_blobs(const Directory& root, const StoredRepo& repo, const Snapshot& gone,
                    Removed& out) {
  if (!root.has("blobs")) return {};
  OCELLI_ASSIGN(const Directory blobs, root.below("blobs", false));
  std::set<std::string> used, freed;
  for (const Snapshot& s : repo.snapshots) {
    for (const SnapshotFile& f : s.files) (s.commit == gone.commit ? freed : used).insert(f.blob);
  }
  for (const std::string& blob : freed) {
    if (blob.empty()) continue;
    const int64_t bytes = blobs.file_size(blob).value_or(0);
    if (used.contains(blob)) {
      out.kept += bytes;
    } else {
      OCELLI_TRY(remove_tree(blobs, blob, 0, out.bytes));
    }
  }
  return {};
}

Status remove_one(const Directory& root, const StoredRepo& repo, const Snapshot& snapshot,
                  Removed& out) {
  OCELLI_TRY(remove_refs(root, snapshot));
  OCELLI_ASSIGN(const Directory snapshots, root.below("snapshots", false));
  // Without config.json the folder is no model any more, whatever happens next.
  if (const auto folder = snapshots.below(snapshot.commit, false); folder.ok())
    OCELLI_TRY(folder->remove("config.json"));
  int64_t links = 0;  // their size is that of the name they hold
  OCELLI_TRY(remove_blobs(root, repo, snapshot, out));
  return remove_tree(snapshots, snapshot.commit, 0, links);
}

}  // namespace

std::vector<int> users_of(const std::string& folder) {
  std::error_code error;
  const std::string inside = fs::weakly_canonical(folder, error).string() + "/";
  std::vector<int> out;
  if (error) return out;
  for (const auto& entry : fs::directory_iterator("/proc", error)) {
    const std::string name = entry.path().filename().string();
    int pid = 0;
    const auto read = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (read.ec != std::errc() || *read.ptr || pid == getpid()) continue;
    std::ifstream maps(entry.path() / "maps");
    bool uses = false;
    for (std::string line; !uses && std::getline(maps, line);)
      uses = line.find(inside) != line.npos;
    std::error_code hidden;
    for (fs::directory_iterator fd(entry.path() / "fd", hidden), end; !hidden && !uses && fd != end;
         fd.increment(hidden)) {
      std::error_code gone;
      uses = fs::read_symlink(fd->path(), gone).string().starts_with(inside);
    }
    if (uses) out.push_back(pid);
  }
  std::sort(out.begin(), out.end());
  return out;
}

Result<Removed> remove_snapshot(const std::string& cache, const StoredRepo& repo,
                                const std::string& commit, bool force) {
  OCELLI_ASSIGN(const Directory top, Directory::open(cache, false));
  OCELLI_TRY(refuse_users(repo.path, repo.repo, force));
  OCELLI_ASSIGN(const std::vector<FileLock> locks, lock_downloads(top, repo.repo));
  OCELLI_ASSIGN(const Directory root, top.below(repo_folder(repo.repo), false, true));
  Removed out;
  for (const Snapshot& s : repo.snapshots) {
    if (s.commit == commit) {
      OCELLI_TRY(remove_one(root, repo, s, out));
      return out;
    }
  }
  OCELLI_CHECK(commit.empty(), "a snapshot of this repository");
  for (const Snapshot& s : repo.snapshots) OCELLI_TRY(remove_refs(root, s));
  int64_t small = 0;
  OCELLI_TRY(remove_tree(root, "snapshots", 0, small));
  OCELLI_TRY(remove_tree(root, "blobs", 0, out.bytes));
  OCELLI_TRY(remove_tree(top, repo_folder(repo.repo), 0, small));
  if (const auto lock_folder = top.below(".locks", false); lock_folder.ok())
    OCELLI_TRY(remove_tree(*lock_folder, repo_folder(repo.repo), 0, small));
  return out;
}

Result<int64_t> remove_folder(const std::string& parent, const std::string& name, bool force) {
  OCELLI_TRY(check_path(name));
  OCELLI_ASSIGN(Directory at, Directory::open(parent, false));
  std::string last = name;
  for (size_t slash; (slash = last.find('/')) != last.npos; last.erase(0, slash + 1)) {
    OCELLI_ASSIGN(Directory below, at.below(last.substr(0, slash), false));
    at = std::move(below);
  }
  int64_t bytes = 0;
  if (!at.link_target(last)) OCELLI_TRY(refuse_users(at.path_of(last), name, force));
  OCELLI_TRY(remove_tree(at, last, 0, bytes));
  return bytes;
}

}  // namespace ocelli::hub
