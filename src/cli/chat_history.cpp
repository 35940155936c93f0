#include "cli/chat_history.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include "base/file.h"
#include "base/folders.h"
#include "base/utf8.h"

namespace ocelli::cli {

using base::Result;
using base::Status;

namespace {

std::string encoded(std::string_view input) {
  std::string out;
  for (const char c : input) {
    if (c == '\\' || c == '\n') out += '\\';
    out += c == '\n' ? 'n' : c;
  }
  return out;
}

std::string decoded(std::string_view line) {
  std::string out;
  for (size_t at = 0; at < line.size(); ++at) {
    if (line[at] == '\\' && at + 1 < line.size()) {
      ++at;
      out += line[at] == 'n' ? '\n' : line[at];
    } else {
      out += line[at];
    }
  }
  return out;
}

bool exists(const std::string& path) {
  struct stat about;
  return stat(path.c_str(), &about) == 0 || errno != ENOENT;
}

Result<std::vector<std::string>> read_inputs(const std::string& path) {
  std::vector<std::string> out;
  if (!exists(path)) return out;
  // Twice the limit: a file of a later version with a higher limit still opens.
  OCELLI_ASSIGN(const std::string text, base::read_file(path, 2 * kMaxHistoryBytes));
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    if (end > at) {
      out.push_back(
          base::replace_invalid_utf8(decoded(std::string_view(text).substr(at, end - at))));
    }
    at = end + 1;
  }
  return out;
}

// Forgets the oldest beyond the limits; the file's text.
std::string cap(std::vector<std::string>& inputs) {
  size_t bytes = 0, first = inputs.size();
  while (first > 0 && inputs.size() - first < kMaxHistoryInputs) {
    const size_t line = encoded(inputs[first - 1]).size() + 1;
    if (bytes + line > kMaxHistoryBytes) break;
    bytes += line;
    --first;
  }
  inputs.erase(inputs.begin(), inputs.begin() + long(first));
  std::string text;
  text.reserve(bytes);
  for (const std::string& input : inputs) text += encoded(input) + "\n";
  return text;
}

}  // namespace

Result<std::string> ChatHistory::default_path() {
  OCELLI_ASSIGN(const std::string data, base::data_dir());
  return base::join_path(data, "chat-history");
}

Result<ChatHistory> ChatHistory::open(std::string path) {
  ChatHistory out;
  OCELLI_ASSIGN(out.inputs_, read_inputs(path));
  cap(out.inputs_);
  out.path_ = std::move(path);
  return out;
}

Status ChatHistory::add(std::string_view input) {
  if (input.empty() || input.size() > kMaxHistoryInputBytes) return {};
  const auto append = [&](std::vector<std::string>& inputs) {
    if (inputs.empty() || inputs.back() != input) inputs.emplace_back(input);
  };
  append(inputs_);
  if (path_.empty()) {
    cap(inputs_);
    return {};
  }
  // What is in the file now, not what was there at the start.
  OCELLI_ASSIGN(std::vector<std::string> inputs, read_inputs(path_));
  append(inputs);
  const std::string text = cap(inputs);
  const size_t slash = path_.rfind('/');
  if (slash != std::string::npos && slash > 0)
    OCELLI_TRY(base::make_folders(path_.substr(0, slash)));
  return base::write_file_atomically(path_, text, 0600);
}

}  // namespace ocelli::cli
