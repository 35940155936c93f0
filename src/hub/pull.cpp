#include "hub/pull.h"

#include <sys/statvfs.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "base/bounded_reader.h"
#include "base/file.h"
#include "hub/selection.h"
#include "hub/url.h"

namespace ocelli::hub {

using base::Code;
using base::fail;
using base::Result;
using base::Status;

namespace {

constexpr int kMaxPages = 1000;

struct Page {
  std::string text, next;
};

// One answer of the API, whole.
Result<Page> get_page(HttpClient& client, const RetryOptions& retry, const std::string& what,
                      const std::string& url) {
  Page page;
  Request request{.url = url, .range = {}, .if_range = {}, .on_head = {}, .on_body = {}};
  request.on_head = [&](const Head& head) {
    page = {"", next_link(head.headers.find("link"))};
    return Status();
  };
  request.on_body = [&](std::span<const std::byte> bytes) -> Status {
    if (bytes.size() > kMaxAnswerBytes - page.text.size()) {
      return fail(Code::kNetwork, "the Hub's answer is too long (limit " +
                                      std::to_string(kMaxAnswerBytes) +
                                      " bytes); check HF_ENDPOINT");
    }
    page.text.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    return {};
  };
  OCELLI_TRY(with_retries(client, retry, what, [&] { return client.get(request); }));
  return page;
}

std::string api(const HttpClient& client, const std::string& repo) {
  return client.endpoint() + "/api/models/" + percent_encode(repo, true);
}

Result<std::vector<RemoteFile>> list_files(HttpClient& client, const PullRequest& request,
                                           const std::string& commit) {
  const std::string& repo = request.reference.repo;
  std::vector<RemoteFile> files;
  std::string url = api(client, repo) + "/tree/" + commit + "?recursive=true&expand=false";
  OCELLI_ASSIGN(const Url endpoint, parse_url(client.endpoint()));
  for (int pages = 0; !url.empty(); ++pages) {
    if (pages == kMaxPages) {
      return fail(Code::kNetwork,
                  "the list of files does not end (limit " + std::to_string(kMaxPages) +
                      " pages); check HF_ENDPOINT",
                  repo);
    }
    OCELLI_ASSIGN(const Page page, get_page(client, request.retry, repo, url));
    OCELLI_TRY(parse_tree_page(page.text, files).in(repo));
    url.clear();
    if (page.next.empty()) continue;
    OCELLI_ASSIGN(const Url next, join_url(endpoint, page.next));
    // A list that goes on elsewhere is no list of this Hub.
    if (!next.same_origin(endpoint)) {
      return fail(Code::kNetwork, "the list of files goes on at another host; check HF_ENDPOINT",
                  repo);
    }
    url = next.text;
  }
  return files;
}

int64_t bytes_here(const std::string& cache, const std::string& repo, const RemoteFile& file) {
  const std::string blob = cache + "/" + repo_folder(repo) + "/blobs/" + file.blob;
  std::error_code none;
  const auto whole = std::filesystem::file_size(blob, none);
  if (!none && int64_t(whole) == file.size) return file.size;
  const auto part = std::filesystem::file_size(blob + ".incomplete", none);
  return none ? 0 : std::min(int64_t(part), file.size);
}

// config.json makes a folder a model, so it comes last.
bool links_later(const PlannedFile& a, const PlannedFile& b) {
  return (a.remote.path != "config.json") > (b.remote.path != "config.json");
}

}  // namespace

int64_t PullPlan::weight_bytes() const {
  int64_t bytes = 0;
  for (const PlannedFile& f : files) {
    const std::string name = lower(f.remote.path);
    if (name.ends_with(".safetensors") || name.ends_with(".gguf")) bytes += f.remote.size;
  }
  return bytes;
}

Result<PullPlan> plan_pull(HttpClient& client, const std::string& cache,
                           const PullRequest& request) {
  PullPlan plan;
  plan.cache = cache;
  plan.repo = request.reference.repo;
  plan.revision = request.reference.revision.empty() ? "main" : request.reference.revision;
  OCELLI_ASSIGN(const Page info, get_page(client, request.retry, plan.repo,
                                          api(client, plan.repo) + "/revision/" +
                                              percent_encode(plan.revision, false)));
  OCELLI_ASSIGN(plan.commit, parse_commit(info.text).in(plan.repo));
  if (is_commit(plan.revision) && plan.commit != plan.revision)
    return fail(Code::kNetwork, "the Hub answers with another commit; check HF_ENDPOINT",
                plan.repo);
  OCELLI_ASSIGN(const std::vector<RemoteFile> files, list_files(client, request, plan.commit));
  OCELLI_ASSIGN(std::vector<RemoteFile> chosen,
                select_files(files, request.reference, request.include, request.exclude));
  for (RemoteFile& file : chosen) {
    const int64_t here = bytes_here(cache, plan.repo, file);
    plan.total += file.size;  // at most kMaxFiles * kMaxFileBytes: fits
    plan.missing += file.size - here;
    plan.files.push_back({std::move(file), here});
  }
  return plan;
}

Status check_disk(const PullPlan& plan) {
  if (plan.missing == 0) return {};
  // The folder that will be made is on the disk of the one around it.
  std::filesystem::path at = plan.cache;
  std::error_code error;
  while (!std::filesystem::exists(at, error) && at.has_parent_path() && at != at.parent_path())
    at = at.parent_path();
  struct statvfs about;
  if (statvfs(at.empty() ? "." : at.c_str(), &about) != 0)
    return base::errno_error(errno, "look at the disk of", at.string());
  const auto bytes = base::checked_mul(uint64_t(about.f_bavail), uint64_t(about.f_frsize));
  return check_disk(plan, bytes ? int64_t(std::min<uint64_t>(*bytes, INT64_MAX)) : INT64_MAX);
}

Status check_disk(const PullPlan& plan, int64_t free_bytes) {
  if (plan.missing <= free_bytes - kDiskReserve) return {};
  return fail(Code::kDoesNotFit,
              "does not fit on the disk (" + std::to_string(plan.missing) +
                  " bytes are missing, limit " +
                  std::to_string(std::max<int64_t>(free_bytes - kDiskReserve, 0)) +
                  "); free some space, or set HF_HUB_CACHE to a larger disk",
              plan.cache);
}

Result<Pulled> run_pull(HttpClient& client, const PullPlan& plan, const PullOptions& options) {
  OCELLI_TRY(check_disk(plan));
  OCELLI_ASSIGN(const RepoStore store, RepoStore::create(plan.cache, plan.repo));
  Pulled out;
  PullProgress progress;
  for (const PlannedFile& file : plan.files) {
    const int64_t before = progress.done, fetched = out.fetched;
    int64_t begin = -1;
    DownloadOptions download{
        .retry = options.retry, .check_present = options.check_present, .on_progress = {}};
    download.on_progress = [&](int64_t here) {
      if (begin < 0 || here < begin) begin = here;
      progress = {before + here, fetched + here - begin, &file.remote.path};
      if (options.on_progress) options.on_progress(progress);
    };
    const std::string url = client.endpoint() + "/" + percent_encode(plan.repo, true) +
                            "/resolve/" + plan.commit + "/" +
                            percent_encode(file.remote.path, true);
    OCELLI_ASSIGN(const Downloaded one, download_blob(client, store, file.remote, url, download));
    out.was_present.push_back(one.was_present);
    out.fetched += one.fetched;
    progress = {before + file.remote.size, out.fetched, &file.remote.path};
    if (options.on_progress) options.on_progress(progress);
  }
  std::vector<PlannedFile> links = plan.files;
  std::stable_sort(links.begin(), links.end(), links_later);
  for (const PlannedFile& file : links)
    OCELLI_TRY(store.link(plan.commit, file.remote.path, file.remote.blob));
  OCELLI_TRY(store.set_ref(plan.revision, plan.commit));
  out.snapshot = store.snapshot_path(plan.commit);
  return out;
}

}  // namespace ocelli::hub
