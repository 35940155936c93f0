// The models on this machine: those of the store folder and those of the Hub's cache.
#pragma once

#include "base/json.h"
#include "hub/stored.h"

namespace ocelli::cli {

struct StoreEntry {
  std::string name{};      // as it is given on a command line
  std::string path{};      // the folder, or the GGUF file
  std::string revision{};  // of the Hub's cache; "" in the store folder
  std::string commit{};
  int64_t bytes = 0;
  int64_t last_used = 0;  // seconds since 1970; 0 where unknown
  std::string family{};   // model_type of config.json, "gguf", or ""
  std::string problem{};  // why it cannot be run; "" where it can
};

// By name. Folders that cannot be read are left out.
base::Result<std::vector<StoreEntry>> store_entries();

// The path of a model of the Hub's cache by "owner/name[@revision][:tag]", or by "name" where only
// one owner has it. Nothing where it is not here; an error where it is here and not whole.
base::Result<std::optional<std::string>> find_in_cache(const std::string& name);

// The names of all models of the Hub's cache.
base::Result<std::vector<std::string>> names_in_cache();

}  // namespace ocelli::cli
