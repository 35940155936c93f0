// ocelli list: the models that are here.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <ctime>

#include "cli/command.h"
#include "cli/store.h"
#include "cli/terminal.h"
#include "engine/builtin.h"

namespace ocelli::cli {
namespace {

using base::Json;
using base::Result;

struct ListFlags {
  bool json = false, names = false;
};

std::string date_text(int64_t seconds) {
  if (seconds <= 0) return "-";
  const std::time_t time = seconds;
  std::tm parts{};
  char text[32];
  if (!localtime_r(&time, &parts) || std::strftime(text, sizeof text, "%Y-%m-%d", &parts) == 0)
    return "-";
  return text;
}

using Row = std::vector<std::string>;

// In columns for a person, divided by tabs for a program.
std::string table(const std::vector<Row>& rows, bool aligned) {
  std::vector<size_t> widths;
  for (const Row& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t i = 0; i + 1 < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string out;
  for (const Row& row : rows) {
    for (size_t i = 0; i < row.size(); ++i) {
      out += row[i];
      if (i + 1 == row.size()) continue;
      out += aligned ? std::string(widths[i] - row[i].size() + 2, ' ') : "\t";
    }
    out += "\n";
  }
  return out;
}

Json entry_json(const StoreEntry& e) {
  return Json::object({{"name", e.name},
                       {"path", e.path},
                       {"bytes", e.bytes},
                       {"family", e.family.empty() ? Json() : Json(e.family)},
                       {"commit", e.commit.empty() ? Json() : Json(e.commit)},
                       {"last_used", e.last_used > 0 ? Json(e.last_used) : Json()},
                       {"problem", e.problem.empty() ? Json() : Json(e.problem)}});
}

Result<int> list(const ListFlags& flags) {
  OCELLI_ASSIGN(const std::vector<StoreEntry> entries, store_entries());
  Json json = Json::array();
  json.push_back(Json::object({{"name", engine::kBuiltinName}, {"path", nullptr}}));
  std::vector<Row> rows{{engine::kBuiltinName, "built in"}};
  std::string names = std::string(engine::kBuiltinName) + "\n";
  for (const StoreEntry& e : entries) {
    json.push_back(entry_json(e));
    names += base::printable(e.name, 400) + "\n";
    rows.push_back({base::printable(e.name, 400), bytes_text(e.bytes),
                    e.family.empty() ? "-" : e.family, date_text(e.last_used),
                    e.problem.empty() ? base::printable(e.path, 400)
                                      : "cannot be run: " + base::printable(e.problem, 400)});
  }
  OCELLI_TRY(print(flags.json    ? json.dump(2) + "\n"
                   : flags.names ? names
                                 : table(rows, stdout_is_terminal())));
  return 0;
}

}  // namespace

Run make_list(CLI::App& app) {
  auto flags = std::make_shared<ListFlags>();
  app.description(
      "The models that are here: built in, in the store folder, in the Hub's cache.\n\n"
      "  ocelli list");
  app.add_flag("--json", flags->json, "as one JSON list");
  app.add_flag("--names", flags->names, "the names alone, one a line");
  return [flags](Session&) { return list(*flags); };
}

}  // namespace ocelli::cli
