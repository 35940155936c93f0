#include "hub/repo_store.h"

#include "hub/names.h"

namespace ocelli::hub {

using base::Result;
using base::Status;

namespace {

// So that programs that make backups leave it out; the words are the standard's and the Hub's.
constexpr const char* kCacheTag =
    "Signature: 8a477f597d28d172789f06886806bc55\n"
    "# This file is a cache directory tag created by huggingface_hub.\n"
    "# For information about cache directory tags, see:\n"
    "#\thttps://bford.info/cachedir/\n";

struct Parent {
  Directory folder;
  std::string name;  // of the last part
  int depth = 0;     // folders between
};

// The folder of `path` below `root`, made where it is missing.
Result<Parent> make_parent(const Directory& root, const std::string& first,
                           const std::string& path) {
  OCELLI_ASSIGN(Directory at, root.below(first, true));
  Parent out{std::move(at), path};
  for (size_t slash; (slash = out.name.find('/')) != std::string::npos; ++out.depth) {
    OCELLI_ASSIGN(Directory next, out.folder.below(out.name.substr(0, slash), true));
    out.folder = std::move(next);
    out.name.erase(0, slash + 1);
  }
  return out;
}

}  // namespace

Result<RepoStore> RepoStore::create(const std::string& cache, const std::string& repo) {
  OCELLI_TRY(check_repo(repo));
  OCELLI_ASSIGN(const Directory top, Directory::open(cache, true));
  if (!top.has("CACHEDIR.TAG")) OCELLI_TRY(top.write("CACHEDIR.TAG", kCacheTag));
  OCELLI_ASSIGN(Directory root, top.below(repo_folder(repo), true, true));
  OCELLI_ASSIGN(Directory blobs, root.below("blobs", true));
  OCELLI_ASSIGN(const Directory locks, top.below(".locks", true));
  OCELLI_ASSIGN(Directory own_locks, locks.below(repo_folder(repo), true));
  return RepoStore(std::move(root), std::move(blobs), std::move(own_locks));
}

Result<FileLock> RepoStore::lock(const std::string& blob, const base::CancelToken* cancel) const {
  return FileLock::take(locks_, blob + ".lock", cancel);
}

Status RepoStore::link(const std::string& commit, const std::string& path,
                       const std::string& blob) const {
  OCELLI_ASSIGN(const Parent parent, make_parent(root_, "snapshots", commit + "/" + path));
  std::string target = "../";
  for (int i = 0; i < parent.depth; ++i) target += "../";
  OCELLI_TRY(parent.folder.link(target + "blobs/" + blob, parent.name));
  return parent.folder.sync();
}

Status RepoStore::set_ref(const std::string& revision, const std::string& commit) const {
  if (revision == commit) return {};
  OCELLI_ASSIGN(const Parent parent, make_parent(root_, "refs", revision));
  OCELLI_TRY(parent.folder.write(parent.name, commit));
  return parent.folder.sync();
}

std::string RepoStore::snapshot_path(const std::string& commit) const {
  return root_.path() + "/snapshots/" + commit;
}

}  // namespace ocelli::hub
