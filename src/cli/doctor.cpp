// ocelli doctor: what this program is and what it finds here.
#include <CLI/CLI.hpp>
#include <fstream>

#include "backend/cpu/cpu_backend.h"
#include "base/folders.h"
#include "base/memory.h"
#include "base/thread_pool.h"
#include "cli/command.h"
#include "cli/target.h"
#include "cli/terminal.h"
#include "media/decoder_process.h"
#include "ocelli/ocelli.h"

namespace ocelli::cli {
namespace {

using base::Json;
using base::Result;

std::string cpu_name() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    if (!line.starts_with("model name")) continue;
    const size_t at = line.find(": ");
    if (at != std::string::npos) return line.substr(at + 2);
  }
  return "unknown";
}

Json folder_json(const Result<std::string>& folder) {
  return folder.ok() ? Json(*folder) : Json("error: " + folder.error().message());
}

Json report() {
  Json sets = Json::array();
  for (const auto& set : cpu::instruction_sets()) {
    sets.push_back(std::string(set.name) + (set.executable ? "" : " (not on this CPU)"));
  }
  const auto backend = cpu::make_cpu_backend();
  const base::SystemMemory memory = base::system_memory();
  media::DecoderProcess decoder;
  const base::Status confined = decoder.start();
  Json formats = Json::array();
  for (const media::Format format : media::kPictureFormats)
    formats.push_back(media::format_name(format));
  return Json::object({{"version", version()},
                       {"compiler", __VERSION__},
                       {"cpu", cpu_name()},
                       {"threads", base::default_threads()},
                       {"kernels", backend.ok() ? std::string((*backend)->name())
                                                : "error: " + backend.error().message()},
                       {"instruction_sets", std::move(sets)},
                       {"memory_bytes", memory.total},
                       {"memory_available_bytes", memory.available},
                       {"picture_decoder", confined.ok() ? "confined child process"
                                                         : "error: " + confined.error().message()},
                       {"picture_formats", std::move(formats)},
                       {"models", folder_json(store_dir())},
                       {"config", folder_json(base::config_dir())},
                       {"cache", folder_json(base::cache_dir())},
                       {"data", folder_json(base::data_dir())}});
}

std::string as_text(const Json& json) {
  std::string out;
  for (const auto& [key, value] : json.members()) {
    std::string text = value.is_string() ? value.as_string() : value.dump();
    if (key.ends_with("bytes")) text = bytes_text(value.as_int());
    if (value.is_array()) {
      text.clear();
      for (const Json& item : value.items()) text += (text.empty() ? "" : ", ") + item.as_string();
    }
    out += label_text(key, 26) + base::printable(text, 1000) + "\n";
  }
  return out;
}

}  // namespace

Run make_doctor(CLI::App& app) {
  auto json = std::make_shared<bool>(false);
  app.description("Version, CPU, kernels chosen, folders in use.\n\n  ocelli doctor");
  app.add_flag("--json", *json, "as one JSON object");
  return [json](Session&) -> Result<int> {
    const Json out = report();
    OCELLI_TRY(print(*json ? out.dump(2) + "\n" : as_text(out)));
    return 0;
  };
}

}  // namespace ocelli::cli
