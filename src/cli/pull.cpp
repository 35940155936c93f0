// ocelli pull: the only command that opens a connection.
#include "hub/pull.h"

#include <CLI/CLI.hpp>
#include <cmath>

#include "base/memory.h"
#include "base/utf8.h"
#include "cli/command.h"
#include "cli/store.h"
#include "cli/terminal.h"
#include "hub/settings.h"
#include "hub/verify.h"

namespace ocelli::cli {
namespace {

using base::Code;
using base::Json;
using base::Result;
using base::Status;

struct PullFlags {
  std::string name, revision;
  std::vector<std::string> include, exclude;
  std::string ca_file, proxy;
  int stall_seconds = 30, retries = 5;
  double retry_wait = 1;
  bool dry_run = false, json = false, repair = false, quiet = false;
};

std::string left_text(double seconds) {
  if (seconds >= 5400) return std::to_string(int(std::lround(seconds / 3600))) + " h left";
  if (seconds >= 90) return std::to_string(int(std::lround(seconds / 60))) + " min left";
  return std::to_string(int(std::lround(seconds))) + " s left";
}

// "1.2 of 4.5 GiB, 31 MiB/s, 2 min left"; the speed is that of the last seconds.
class PullBar {
 public:
  PullBar(const hub::PullPlan& plan, bool enabled) : bar_(enabled), total_(plan.total) {}

  void update(const hub::PullProgress& p) {
    const double seconds = since_.seconds();
    if (seconds >= 1 || p.fetched < before_) {
      const double now =
          double(std::max<int64_t>(p.fetched - before_, 0)) / std::max(seconds, 1e-3);
      speed_ = speed_ > 0 ? 0.7 * speed_ + 0.3 * now : now;
      before_ = p.fetched;
      since_ = {};
    }
    std::string text = bytes_text(p.done) + " of " + bytes_text(total_);
    if (speed_ > 0) {
      text +=
          ", " + bytes_text(int64_t(speed_)) + "/s, " + left_text(double(total_ - p.done) / speed_);
    }
    bar_.update(total_ > 0 ? double(p.done) / double(total_) : 1, text);
  }
  void clear() { bar_.clear(); }

 private:
  ProgressBar bar_;
  base::Stopwatch since_;
  int64_t total_, before_ = 0;
  double speed_ = 0;
};

Json plan_json(const hub::PullPlan& plan) {
  Json files = Json::array();
  for (const hub::PlannedFile& f : plan.files) {
    files.push_back(Json::object({{"path", f.remote.path},
                                  {"bytes", f.remote.size},
                                  {"bytes_here", f.here},
                                  {"hash", f.remote.blob}}));
  }
  return Json::object({{"name", plan.repo},
                       {"revision", plan.revision},
                       {"commit", plan.commit},
                       {"bytes", plan.total},
                       {"bytes_missing", plan.missing},
                       {"files", std::move(files)}});
}

std::string plan_text(const hub::PullPlan& plan) {
  std::string out;
  for (const hub::PlannedFile& f : plan.files) {
    out += bytes_text(f.remote.size) + "\t" + base::printable(f.remote.path, 400) +
           (f.here == f.remote.size ? "\there"
            : f.here > 0            ? "\t" + bytes_text(f.here) + " here"
                                    : "") +
           "\n";
  }
  return out + "in all " + bytes_text(plan.total) + ", to download " + bytes_text(plan.missing) +
         ", commit " + plan.commit + "\n";
}

// A model that cannot be held is better known before an hour of downloading.
void warn_about_memory(const hub::PullPlan& plan) {
  const int64_t memory = base::system_memory().total;
  if (memory > 0 && plan.weight_bytes() > memory) {
    warn("the weights (" + bytes_text(plan.weight_bytes()) +
         ") are larger than this machine's memory (" + bytes_text(memory) +
         "); a smaller model or quantization would run faster, or at all");
  }
}

Status print_result(const PullFlags& flags, const hub::PullPlan& plan, const hub::Pulled& done) {
  if (flags.json) {
    Json json = plan_json(plan);
    json.set("path", done.snapshot).set("bytes_fetched", done.fetched);
    return print(json.dump(2) + "\n");
  }
  if (!flags.quiet) {
    note(plan.repo + ": " + std::to_string(plan.files.size()) + " files, " +
         bytes_text(plan.total) + ", " + bytes_text(done.fetched) + " downloaded, commit " +
         plan.commit.substr(0, 12));
  }
  return print(done.snapshot + "\n");
}

// Without a network: what is here, if it is whole.
Result<int> pull_offline(const PullFlags& flags, const hub::Settings& settings,
                         const hub::Reference& reference, Session& session) {
  OCELLI_ASSIGN(const auto repo, hub::stored_repo(settings.cache, reference.repo));
  const hub::Snapshot* const snapshot = repo ? repo->find(reference.revision) : nullptr;
  if (!snapshot) {
    return base::fail(Code::kNetwork,
                      "is not in the store, and HF_HUB_OFFLINE forbids to download it; unset it",
                      reference.text());
  }
  OCELLI_TRY(hub::model_path(*repo, *snapshot, reference));
  hub::StoredRepo only = *repo;
  only.snapshots = {*snapshot};
  ProgressBar bar(!flags.quiet);
  OCELLI_ASSIGN(const hub::Verified checked,
                hub::verify_repo(only, &session.cancel, [&](int64_t bytes) {
                  bar.update(double(bytes) / double(std::max<int64_t>(repo->bytes, 1)), "checking");
                }));
  bar.clear();
  for (const hub::Problem& p : checked.problems) {
    return base::fail(Code::kBadInput, p.what + "; unset HF_HUB_OFFLINE and pull it with --repair",
                      reference.repo + ": " + p.file);
  }
  if (!flags.quiet) note("HF_HUB_OFFLINE is set; what is here was checked and is whole");
  OCELLI_TRY(print(flags.json ? Json::object({{"name", repo->repo},
                                              {"commit", snapshot->commit},
                                              {"path", snapshot->path},
                                              {"bytes_fetched", 0}})
                                        .dump(2) +
                                    "\n"
                              : snapshot->path + "\n"));
  return 0;
}

Result<hub::PullRequest> make_request(const PullFlags& flags, Session& session) {
  hub::PullRequest request;
  OCELLI_ASSIGN(request.reference, hub::parse_reference(flags.name));
  if (!flags.revision.empty()) {
    OCELLI_TRY(hub::check_revision(flags.revision));
    request.reference.revision = flags.revision;
  }
  request.include = flags.include;
  request.exclude = flags.exclude;
  request.retry.retries = flags.retries;
  request.retry.wait_seconds = flags.retry_wait;
  request.retry.cancel = &session.cancel;
  return request;
}

Result<int> pull(Session& session, const PullFlags& flags) {
  OCELLI_ASSIGN(hub::PullRequest request, make_request(flags, session));
  OCELLI_ASSIGN(const hub::Settings settings, hub::settings_from_environment());
  if (settings.offline) return pull_offline(flags, settings, request.reference, session);
  if (!settings.token.empty() && settings.endpoint.starts_with("http://") && !flags.quiet)
    note("HF_ENDPOINT is plain http: the token is sent only if it is this machine");
  OCELLI_ASSIGN(hub::HttpClient client,
                hub::HttpClient::create({.endpoint = settings.endpoint,
                                         .token = settings.token,
                                         .stall_seconds = flags.stall_seconds,
                                         .ca_file = flags.ca_file,
                                         .proxy = flags.proxy,
                                         .cancel = &session.cancel}));
  OCELLI_ASSIGN(const hub::PullPlan plan, hub::plan_pull(client, settings.cache, request));
  warn_about_memory(plan);
  if (flags.dry_run) {
    OCELLI_TRY(print(flags.json ? plan_json(plan).dump(2) + "\n" : plan_text(plan)));
    return 0;
  }
  PullBar bar(plan, !flags.quiet);
  hub::PullOptions options;
  options.retry = request.retry;
  options.retry.on_retry = [&](const std::string& why) {
    bar.clear();
    if (!flags.quiet) note("trying again: " + why);
  };
  options.check_present = flags.repair;
  options.on_progress = [&](const hub::PullProgress& p) { bar.update(p); };
  Result<hub::Pulled> done = hub::run_pull(client, plan, options);
  bar.clear();
  if (!done.ok() && done.error().code == Code::kInterrupted) {
    return base::fail(Code::kInterrupted,
                      "stopped on request; the same command continues from here", plan.repo);
  }
  if (!done.ok()) return std::move(done).error();
  OCELLI_TRY(print_result(flags, plan, *done));
  return 0;
}

}  // namespace

Run make_pull(CLI::App& app) {
  auto flags = std::make_shared<PullFlags>();
  app.description(
      "Download a model from the Hugging Face Hub, or go on with a download.\n\n"
      "  ocelli pull HuggingFaceTB/SmolVLM2-256M-Video-Instruct\n"
      "  ocelli pull ggml-org/SmolVLM2-256M-Video-Instruct-GGUF:Q8_0\n"
      "  HF_ENDPOINT=http://localhost:8000 ocelli pull owner/name --dry-run");
  app.add_option("name", flags->name, "OWNER/NAME[@REVISION][:QUANTIZATION]")->required();
  app.add_option("--revision", flags->revision, "a branch, tag or commit (default: main)")
      ->type_name("NAME");
  app.add_option("--include", flags->include,
                 "files to take instead of the usual ones: \"*.json\" (may be given several times)")
      ->type_name("GLOB")
      ->allow_extra_args(false);
  app.add_option("--exclude", flags->exclude, "files to leave out (may be given several times)")
      ->type_name("GLOB")
      ->allow_extra_args(false);
  app.add_flag("--dry-run", flags->dry_run, "list files and sizes, download nothing");
  app.add_flag("--repair", flags->repair,
               "check the hashes of files that are here, fetch damaged ones again");
  app.add_flag("--json", flags->json, "as one JSON object");
  app.add_flag("-q,--quiet", flags->quiet, "no notes and no progress on stderr");
  app.option_defaults()->group("Network");
  app.add_option("--stall", flags->stall_seconds, "give up on a silent server after (default 30)")
      ->type_name("SECONDS")
      ->check(CLI::Range(1, 3600));
  app.add_option("--retries", flags->retries, "tries again without progress (default 5)")
      ->type_name("N")
      ->check(CLI::Range(0, 1000));
  app.add_option("--retry-wait", flags->retry_wait, "before the first one; doubles (default 1)")
      ->type_name("SECONDS")
      ->check(CLI::Range(0.0, 60.0));
  app.add_option("--proxy", flags->proxy, "connect through this proxy (default: directly)")
      ->type_name("URL");
  app.add_option("--ca-file", flags->ca_file, "certificates to trust (default: the system's)")
      ->type_name("FILE");
  app.option_defaults()->group("Options");
  return [flags](Session& session) { return pull(session, *flags); };
}

}  // namespace ocelli::cli
