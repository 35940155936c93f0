#include "cli/name_completion.h"

#include <algorithm>
#include <filesystem>

#include "base/utf8.h"
#include "cli/input_words.h"

namespace ocelli::cli {

namespace fs = std::filesystem;

namespace {
constexpr int kMostEntries = 20'000;  // of a folder that are looked at
}

Completion complete_name(std::string_view line,
                         const std::function<bool(std::string_view name)>& wanted,
                         bool paths_only) {
  Completion out;
  out.begin = line.size();
  std::string typed;
  const std::vector<Word> words = split_words(line);
  if (!words.empty() && words.back().end == line.size()) {
    out.begin = words.back().begin;
    typed = words.back().text;
  }
  // A quote that is still open: the rest of the line is the name.
  for (const Word& w : words) {
    if (!w.quoted && (w.text.starts_with('\'') || w.text.starts_with('"'))) {
      out.begin = w.begin;
      typed = line.substr(w.begin + 1);
      break;
    }
  }
  if (paths_only && !typed.starts_with('/') && !typed.starts_with("./") &&
      !typed.starts_with("../") && !typed.starts_with("~/"))
    return {};
  const size_t slash = typed.rfind('/');
  const std::string folder = slash == std::string::npos ? "" : typed.substr(0, slash + 1);
  const std::string prefix = typed.substr(folder.size());
  std::error_code failed;
  fs::directory_iterator it(folder.empty() ? "." : file_of_word(folder), failed), end;
  for (int seen = 0; !failed && it != end && seen < kMostEntries; it.increment(failed), ++seen) {
    const std::string name = it->path().filename().string();
    if (!name.starts_with(prefix) || (name.starts_with('.') && !prefix.starts_with('.'))) continue;
    if (!base::is_valid_utf8(name)) continue;  // cannot be typed
    std::error_code ignored;
    const bool is_folder = it->is_directory(ignored);
    if (is_folder || wanted(name))
      out.candidates.push_back(escape_word(folder + name) + (is_folder ? "/" : ""));
  }
  std::sort(out.candidates.begin(), out.candidates.end());
  return out;
}

}  // namespace ocelli::cli
