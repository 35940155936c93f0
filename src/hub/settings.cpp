#include "hub/settings.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "base/file.h"
#include "base/folders.h"
#include "hub/names.h"
#include "hub/url.h"

namespace ocelli::hub {

using base::Code;
using base::fail;
using base::join_path;
using base::Result;

namespace {

constexpr size_t kMaxTokenBytes = 4096;

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

bool is_true(const std::string& value) {
  const std::string v = lower(value);
  return v == "1" || v == "on" || v == "yes" || v == "true";
}

// ~/x, as Python's expanduser() reads it.
std::string expanded(std::string path) {
  const std::string home = environment("HOME");
  if (path == "~") return home;
  if (path.starts_with("~/") && !home.empty()) return join_path(home, path.substr(2));
  return path;
}

Result<std::string> hf_home() {
  if (const std::string set = environment("HF_HOME"); !set.empty()) return expanded(set);
  if (const std::string xdg = environment("XDG_CACHE_HOME"); !xdg.empty())
    return join_path(expanded(xdg), "huggingface");
  const std::string home = environment("HOME");
  if (home.empty()) return fail(Code::kUsage, "no home folder is known; set HF_HOME or HOME");
  return join_path(home, ".cache/huggingface");
}

Result<std::string> clean_token(std::string text, const std::string& where) {
  constexpr const char* kSpace = " \t\r\n";
  text.erase(0, std::min(text.find_first_not_of(kSpace), text.size()));
  text.erase(text.find_last_not_of(kSpace) + 1);
  const bool plain =
      text.size() <= kMaxTokenBytes &&
      std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 127; });
  if (plain) return text;
  return fail(Code::kUsage,
              "is not a token: it holds spaces, line ends or odd characters; copy it again", where);
}

Result<std::string> read_token() {
  if (is_true(environment("HF_HUB_DISABLE_IMPLICIT_TOKEN"))) return std::string();
  for (const char* name : {"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"}) {
    if (const std::string set = environment(name); !set.empty()) return clean_token(set, name);
  }
  std::string path = expanded(environment("HF_TOKEN_PATH"));
  if (path.empty()) {
    OCELLI_ASSIGN(const std::string home, hf_home());
    path = join_path(home, "token");
  }
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) return std::string();
  OCELLI_ASSIGN(std::string text, base::read_file(path, kMaxTokenBytes));
  return clean_token(std::move(text), path);
}

}  // namespace

Result<std::string> cache_folder() {
  for (const char* name : {"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"}) {
    if (const std::string set = environment(name); !set.empty()) return expanded(set);
  }
  OCELLI_ASSIGN(const std::string home, hf_home());
  return join_path(home, "hub");
}

Result<Settings> settings_from_environment() {
  Settings out;
  OCELLI_ASSIGN(out.cache, cache_folder());
  OCELLI_ASSIGN(out.token, read_token());
  out.offline =
      is_true(environment("HF_HUB_OFFLINE")) ||
      (environment("HF_HUB_OFFLINE").empty() && is_true(environment("TRANSFORMERS_OFFLINE")));
  out.endpoint = environment("HF_ENDPOINT");
  if (out.endpoint.empty()) out.endpoint = "https://huggingface.co";
  while (out.endpoint.ends_with('/')) out.endpoint.pop_back();
  Result<Url> url = parse_url(out.endpoint);
  if (!url.ok() || out.endpoint.find_first_of("?#") != std::string::npos) {
    return fail(Code::kUsage,
                "must be an address like https://huggingface.co, without user name or password",
                "HF_ENDPOINT");
  }
  return out;
}

}  // namespace ocelli::hub
