// ocelli cache: what the program keeps on disk that can be made again.
#include <CLI/CLI.hpp>

#include "base/json.h"
#include "cli/command.h"
#include "cli/terminal.h"
#include "cli/weights_cache.h"
#include "engine/disk_cache.h"

namespace ocelli::cli {
namespace {

using base::CacheFolder;
using base::Json;
using base::Result;

struct CacheFlags {
  std::string action, part;
  bool json = false, quiet = false;
};

// One of the folders, and what its entries are called.
struct Part {
  const char *name, *one, *many;
  CacheFolder folder;
};

std::string usage_text(const Part& part, const CacheFolder::Usage& usage) {
  return count_text(usage.entries) + " " + (usage.entries == 1 ? part.one : part.many) + ", " +
         bytes_text(usage.bytes);
}

Result<int> cache(const CacheFlags& flags) {
  OCELLI_ASSIGN(const std::string pictures, engine::DiskCache::default_folder());
  OCELLI_ASSIGN(const std::string weights, weights_cache_path());
  const Part parts[] = {
      {"pictures", "picture", "pictures", engine::DiskCache::folder(pictures)},
      {"weights", "converted model", "converted models", weights_cache_folder(weights)}};
  const bool clear = flags.action == "clear";
  Json out = Json::object();
  for (const Part& part : parts) {
    if (!flags.part.empty() && flags.part != part.name) continue;
    OCELLI_ASSIGN(const CacheFolder::Usage usage,
                  clear ? part.folder.clear() : part.folder.usage());
    const std::string& path = part.folder.path();
    if (flags.json) {
      out.set(part.name, Json::object({{"path", path},
                                       {clear ? "removed_entries" : "entries", usage.entries},
                                       {clear ? "removed_bytes" : "bytes", usage.bytes}}));
    } else if (!clear) {
      OCELLI_TRY(print(base::printable(path, 4096) + ": " + usage_text(part, usage) + "\n"));
    } else if (!flags.quiet) {
      note("removed " + usage_text(part, usage));
    }
  }
  if (flags.json) OCELLI_TRY(print(out.dump(2) + "\n"));
  return 0;
}

}  // namespace

Run make_cache(CLI::App& app) {
  auto flags = std::make_shared<CacheFlags>();
  app.description(
      "What is kept on disk so that the next time is sooner: what the model made of pictures, and\n"
      "weights converted by --weights. Where, how many, how large; or delete it.\n\n"
      "  ocelli cache\n  ocelli cache clear\n  ocelli cache clear pictures");
  app.add_option("action", flags->action, "[clear]")->check(CLI::IsMember({"clear"}));
  app.add_option("part", flags->part, "[pictures|weights]: one of them only")
      ->check(CLI::IsMember({"pictures", "weights"}));
  app.add_flag("--json", flags->json, "as one JSON object");
  app.add_flag("-q,--quiet", flags->quiet, "no notes on stderr");
  return [flags](Session&) { return cache(*flags); };
}

}  // namespace ocelli::cli
