// ocelli verify, ocelli rm: looking after the models that are here.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>

#include "cli/command.h"
#include "cli/store.h"
#include "cli/target.h"
#include "cli/terminal.h"
#include "hub/remove.h"
#include "hub/settings.h"
#include "hub/verify.h"

namespace ocelli::cli {
namespace {

using base::Code;
using base::Json;
using base::Result;
using base::Status;

base::Error not_here(const std::string& name) {
  return base::fail(Code::kUsage, "is not in the store; ocelli list shows what is", name);
}

struct Chosen {
  hub::StoredRepo repo;
  std::string commit;  // "" is all of it
};

// A repository of the Hub's cache by "owner/name[@revision]".
Result<Chosen> find_repo(const std::string& cache, const std::string& name) {
  OCELLI_ASSIGN(const hub::Reference reference, hub::parse_reference(name));
  if (!reference.tag.empty() || !reference.file.empty()) {
    return base::fail(Code::kUsage,
                      "names a part of a model; give OWNER/NAME or OWNER/NAME@REVISION", name);
  }
  OCELLI_ASSIGN(std::optional<hub::StoredRepo> repo, hub::stored_repo(cache, reference.repo));
  if (!repo) return not_here(name);
  Chosen out{std::move(*repo), ""};
  if (reference.revision.empty()) return out;
  const hub::Snapshot* const snapshot = out.repo.find(reference.revision);
  if (!snapshot) return not_here(name);
  out.commit = snapshot->commit;
  return out;
}

// --- verify ----------------------------------------------------------------------------------

struct VerifyFlags {
  std::vector<std::string> names;
  bool json = false, quiet = false;
};

Result<std::vector<hub::StoredRepo>> repos_to_verify(const VerifyFlags& flags,
                                                     const std::string& cache) {
  if (flags.names.empty()) return hub::stored_repos(cache);
  std::vector<hub::StoredRepo> out;
  for (const std::string& name : flags.names) {
    OCELLI_ASSIGN(Chosen chosen, find_repo(cache, name));
    out.push_back(std::move(chosen.repo));
  }
  return out;
}

std::string verified_text(const hub::StoredRepo& repo, const hub::Verified& v) {
  std::string out;
  for (const hub::Problem& p : v.problems) {
    out += base::printable(repo.repo) + ": " + base::printable(p.file, 400) + ": " +
           base::printable(p.what, 400) + "\n";
  }
  out += base::printable(repo.repo) + ": " + count_text(v.files) + " files, " +
         bytes_text(v.bytes) + " checked, ";
  if (v.unknown > 0) out += count_text(v.unknown) + " without a known hash, ";
  return out +
         (v.problems.empty() ? "no problem"
                             : count_text(int64_t(v.problems.size())) + " problems; ocelli pull " +
                                   repo.repo + " --repair fetches them again") +
         "\n";
}

Json verified_json(const hub::StoredRepo& repo, const hub::Verified& v) {
  Json problems = Json::array();
  for (const hub::Problem& p : v.problems)
    problems.push_back(Json::object({{"file", p.file}, {"problem", p.what}}));
  return Json::object({{"name", repo.repo},
                       {"files", v.files},
                       {"bytes", v.bytes},
                       {"unknown", v.unknown},
                       {"problems", std::move(problems)}});
}

Result<int> verify(Session& session, const VerifyFlags& flags) {
  OCELLI_ASSIGN(const std::string cache, hub::cache_folder());
  OCELLI_ASSIGN(const std::vector<hub::StoredRepo> repos, repos_to_verify(flags, cache));
  int64_t total = 0, before = 0;
  for (const hub::StoredRepo& repo : repos) total += repo.bytes;
  ProgressBar bar(!flags.quiet);
  Json json = Json::array();
  int status = 0;
  for (const hub::StoredRepo& repo : repos) {
    const auto progress = [&](int64_t bytes) {
      bar.update(double(before + bytes) / double(std::max<int64_t>(total, 1)), repo.repo);
    };
    OCELLI_ASSIGN(const hub::Verified v, hub::verify_repo(repo, &session.cancel, progress));
    bar.clear();
    before += repo.bytes;
    if (!v.problems.empty()) status = int(Code::kBadInput);
    json.push_back(verified_json(repo, v));
    if (!flags.json) OCELLI_TRY(print(verified_text(repo, v)));
  }
  if (flags.json) OCELLI_TRY(print(json.dump(2) + "\n"));
  if (repos.empty() && !flags.quiet) note("the Hub's cache is empty: " + cache);
  return status;
}

// --- rm --------------------------------------------------------------------------------------

struct RemoveFlags {
  std::vector<std::string> names;
  bool yes = false, force = false, quiet = false;
};

// What is typed at a terminal; anything but yes is no.
bool agreed(const std::string& question) {
  std::fprintf(stderr, "%s [y/N] ", base::printable(question, 400).c_str());
  std::fflush(stderr);
  char line[16] = {};
  if (!std::fgets(line, sizeof line, stdin)) return false;
  return line[0] == 'y' || line[0] == 'Y';
}

Status ask(const RemoveFlags& flags, const std::string& name, int64_t bytes) {
  if (flags.yes) return {};
  if (isatty(STDIN_FILENO) != 1 || !stderr_is_terminal()) {
    return base::fail(Code::kUsage,
                      "would be removed (" + bytes_text(bytes) + "); add --yes to do it", name);
  }
  if (agreed("remove " + name + " (" + bytes_text(bytes) + ")?")) return {};
  return base::fail(Code::kInterrupted, "is kept", name);
}

Status remove_one(const RemoveFlags& flags, const std::string& name) {
  OCELLI_ASSIGN(const std::vector<StoreEntry> entries, store_entries());
  OCELLI_ASSIGN(const std::vector<StoredModel> folders, stored_models());
  for (const StoredModel& m : folders) {
    if (m.name != name) continue;
    const auto entry = std::find_if(entries.begin(), entries.end(),
                                    [&](const StoreEntry& e) { return e.path == m.path; });
    OCELLI_TRY(ask(flags, name, entry == entries.end() ? 0 : entry->bytes));
    OCELLI_ASSIGN(const std::string store, store_dir());
    OCELLI_ASSIGN(const int64_t bytes, hub::remove_folder(store, name, flags.force));
    if (!flags.quiet) note("removed " + name + ", " + bytes_text(bytes) + " freed");
    return {};
  }
  OCELLI_ASSIGN(const std::string cache, hub::cache_folder());
  OCELLI_ASSIGN(const Chosen chosen, find_repo(cache, name));
  OCELLI_TRY(ask(flags, name, chosen.repo.bytes));
  OCELLI_ASSIGN(const hub::Removed removed,
                hub::remove_snapshot(cache, chosen.repo, chosen.commit, flags.force));
  if (!flags.quiet) {
    note("removed " + name + ", " + bytes_text(removed.bytes) + " freed" +
         (removed.kept > 0 ? ", " + bytes_text(removed.kept) + " kept for other revisions" : ""));
  }
  return {};
}

}  // namespace

Run make_verify(CLI::App& app) {
  auto flags = std::make_shared<VerifyFlags>();
  app.description(
      "Check every downloaded file against its hash.\n\n"
      "  ocelli verify\n  ocelli verify HuggingFaceTB/SmolVLM2-256M-Video-Instruct");
  app.add_option("names", flags->names, "[OWNER/NAME...]");
  app.add_flag("--json", flags->json, "as one JSON list");
  app.add_flag("-q,--quiet", flags->quiet, "no notes and no progress on stderr");
  return [flags](Session& session) { return verify(session, *flags); };
}

Run make_rm(CLI::App& app) {
  auto flags = std::make_shared<RemoveFlags>();
  app.description(
      "Remove a model from the store folder or the Hub's cache.\n\n"
      "  ocelli rm HuggingFaceTB/SmolVLM2-256M-Video-Instruct\n  ocelli rm owner/name@v1.0 --yes");
  app.add_option("names", flags->names, "NAME[@REVISION]...")->required();
  app.add_flag("-y,--yes", flags->yes, "do not ask");
  app.add_flag("--force", flags->force, "even where a running program uses it");
  app.add_flag("-q,--quiet", flags->quiet, "no notes on stderr");
  return [flags](Session&) -> Result<int> {
    for (const std::string& name : flags->names) OCELLI_TRY(remove_one(*flags, name));
    return 0;
  };
}

}  // namespace ocelli::cli
