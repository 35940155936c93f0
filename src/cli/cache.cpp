// ocelli cache: what the program keeps of pictures on disk.
#include <CLI/CLI.hpp>

#include "base/json.h"
#include "cli/command.h"
#include "cli/terminal.h"
#include "engine/disk_cache.h"

namespace ocelli::cli {
namespace {

using base::Json;
using base::Result;
using engine::DiskCache;

struct CacheFlags {
  std::string action;
  bool json = false, quiet = false;
};

std::string usage_text(const DiskCache::Usage& usage) {
  return count_text(usage.entries) + (usage.entries == 1 ? " picture, " : " pictures, ") +
         bytes_text(usage.bytes);
}

Result<int> cache(const CacheFlags& flags) {
  OCELLI_ASSIGN(const std::string folder, DiskCache::default_folder());
  const bool clear = flags.action == "clear";
  OCELLI_ASSIGN(const DiskCache::Usage usage,
                clear ? DiskCache::clear(folder) : DiskCache::usage(folder));
  if (flags.json) {
    const Json out = Json::object({{"path", folder},
                                   {clear ? "removed_entries" : "entries", usage.entries},
                                   {clear ? "removed_bytes" : "bytes", usage.bytes}});
    OCELLI_TRY(print(out.dump(2) + "\n"));
  } else if (!clear) {
    OCELLI_TRY(print(base::printable(folder, 4096) + ": " + usage_text(usage) + "\n"));
  } else if (!flags.quiet) {
    note("removed " + usage_text(usage));
  }
  return 0;
}

}  // namespace

Run make_cache(CLI::App& app) {
  auto flags = std::make_shared<CacheFlags>();
  app.description(
      "What the model made of pictures, kept on disk so that the next question about them is\n"
      "answered sooner: where, how many, how large; or delete it.\n\n"
      "  ocelli cache\n  ocelli cache clear");
  app.add_option("action", flags->action, "[clear]")->check(CLI::IsMember({"clear"}));
  app.add_flag("--json", flags->json, "as one JSON object");
  app.add_flag("-q,--quiet", flags->quiet, "no notes on stderr");
  return [flags](Session&) { return cache(*flags); };
}

}  // namespace ocelli::cli
