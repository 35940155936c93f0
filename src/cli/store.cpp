#include "cli/store.h"

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>

#include "base/file.h"
#include "cli/target.h"
#include "hub/settings.h"
#include "models/config.h"
#include "models/registry.h"

namespace ocelli::cli {

namespace fs = std::filesystem;
using base::Json;
using base::Result;

namespace {

// Fills family and problem from what the path holds.
void describe(StoreEntry& entry) {
  const auto folder = formats::ModelFolder::open(entry.path);
  const auto text = folder.ok() ? folder->text("config.json", models::kMaxConfigBytes)
                                : Result<std::optional<std::string>>(folder.error());
  const auto json = text.ok() ? Json::parse(text->value_or("")) : Result<Json>(text.error());
  if (!json.ok()) {
    entry.problem = json.error().what;
    return;
  }
  entry.family = base::printable(
      json->get_string("model_type", "").ok() ? *json->get_string("model_type", "") : "", 40);
  const auto family = models::find_family(*json);
  if (!family.ok()) entry.problem = family.error().what;
}

void measure_folder(StoreEntry& entry) {
  std::error_code error;
  for (fs::recursive_directory_iterator it(entry.path, error), end; !error && it != end;
       it.increment(error)) {
    struct stat about;
    if (stat(it->path().c_str(), &about) != 0 || !S_ISREG(about.st_mode)) continue;
    entry.bytes += about.st_size;
    entry.last_used = std::max({entry.last_used, int64_t(about.st_atime), int64_t(about.st_mtime)});
  }
}

void add_cached(const hub::StoredRepo& repo, std::vector<StoreEntry>& out) {
  for (const hub::Snapshot& s : repo.snapshots) {
    const bool is_main = repo.find("") == &s;
    const std::string revision = is_main ? "" : s.refs.empty() ? s.commit : s.refs.front();
    StoreEntry entry{.name = repo.repo + (revision.empty() ? "" : "@" + revision),
                     .path = s.path,
                     .revision = s.refs.empty() ? "" : s.refs.front(),
                     .commit = s.commit,
                     .last_used = repo.last_used};
    for (const hub::SnapshotFile& f : s.files) entry.bytes += f.size.value_or(0);
    const auto path = hub::model_path(repo, s, {repo.repo, revision, "", ""});
    if (path.ok()) {
      entry.path = *path;
      describe(entry);
    } else {
      entry.problem = path.error().what;
    }
    out.push_back(std::move(entry));
  }
  if (!repo.snapshots.empty()) return;
  const bool begun = !repo.incomplete.empty() || repo.bytes > 0;
  if (!begun) return;
  out.push_back(
      {.name = repo.repo,
       .path = repo.path,
       .revision = "",
       .commit = "",
       .bytes = repo.bytes,
       .last_used = repo.last_used,
       .family = "",
       .problem = "the download was not finished; ocelli pull " + repo.repo + " continues"});
}

// None where no home folder is known: then there is no cache.
Result<std::vector<hub::StoredRepo>> cached_repos() {
  const Result<std::string> cache = hub::cache_folder();
  return cache.ok() ? hub::stored_repos(*cache) : std::vector<hub::StoredRepo>();
}

}  // namespace

Result<std::vector<StoreEntry>> store_entries() {
  std::vector<StoreEntry> out;
  OCELLI_ASSIGN(const std::vector<StoredModel> models, stored_models());
  for (const StoredModel& m : models) {
    StoreEntry entry{.name = m.name, .path = m.path};
    measure_folder(entry);
    describe(entry);
    out.push_back(std::move(entry));
  }
  OCELLI_ASSIGN(const std::vector<hub::StoredRepo> repos, cached_repos());
  for (const hub::StoredRepo& repo : repos) add_cached(repo, out);
  return out;
}

Result<std::optional<std::string>> find_in_cache(const std::string& name) {
  const std::optional<std::string> nothing;
  auto reference = hub::parse_reference(name);
  if (!reference.ok()) return nothing;
  const Result<std::string> folder = hub::cache_folder();
  if (!folder.ok()) return nothing;  // no home: no cache either
  const std::string& cache = *folder;
  OCELLI_ASSIGN(auto repo, hub::stored_repo(cache, reference->repo));
  if (!repo && reference->repo.find('/') == std::string::npos) {
    OCELLI_ASSIGN(std::vector<hub::StoredRepo> all, hub::stored_repos(cache));
    for (hub::StoredRepo& r : all) {
      if (!r.repo.ends_with("/" + reference->repo)) continue;
      if (repo) return nothing;  // of two owners
      repo = std::move(r);
    }
  }
  if (!repo) return nothing;
  reference->repo = repo->repo;
  const hub::Snapshot* const snapshot = repo->find(reference->revision);
  if (!snapshot) {
    if (!reference->revision.empty() || repo->incomplete.empty()) return nothing;
    return base::fail(base::Code::kBadInput,
                      "the download was not finished; ocelli pull " + repo->repo + " continues",
                      repo->repo);
  }
  OCELLI_ASSIGN(std::string path, hub::model_path(*repo, *snapshot, *reference));
  return std::optional<std::string>(std::move(path));
}

Result<std::vector<std::string>> names_in_cache() {
  OCELLI_ASSIGN(const std::vector<hub::StoredRepo> repos, cached_repos());
  std::vector<std::string> out;
  for (const hub::StoredRepo& repo : repos) out.push_back(repo.repo);
  return out;
}

}  // namespace ocelli::cli
