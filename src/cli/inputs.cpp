#include "cli/inputs.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "base/data_uri.h"
#include "base/hash.h"
#include "media/limits.h"
#include "media/sniff.h"

namespace ocelli::cli {

namespace fs = std::filesystem;
using base::Code;
using base::fail;
using base::Result;

namespace {

constexpr std::string_view kStandardInput = "-";

Result<std::vector<std::byte>> read_standard_input() {
  std::vector<std::byte> out;
  constexpr size_t kStep = size_t{1} << 16;
  for (;;) {
    const size_t before = out.size();
    out.resize(before + kStep);
    const ssize_t n = read(STDIN_FILENO, out.data() + before, kStep);
    if (n < 0 && errno != EINTR) return base::errno_error(errno, "read", "standard input");
    out.resize(before + size_t(std::max<ssize_t>(n, 0)));
    if (out.size() > media::kMaxImageBytes) {
      return fail(Code::kBadInput, "the picture file is too large (limit " +
                                       std::to_string(media::kMaxImageBytes) +
                                       " bytes); scale it down first");
    }
    if (n == 0) return out;
  }
}

Result<std::vector<std::byte>> read_data_uri(const std::string& word) {
  OCELLI_ASSIGN(base::DataUri uri, base::parse_data_uri(word, media::kMaxImageBytes));
  if (!uri.media_type.starts_with("image/") && uri.media_type != "application/octet-stream") {
    return fail(Code::kBadInput, "unsupported: a data URI of " +
                                     base::printable(uri.media_type, 60) +
                                     "; use data:image/png;base64,DATA");
  }
  return std::move(uri.bytes);
}

bool is_picture(const fs::path& path) {
  const auto file = base::MappedFile::open(path.string());
  return file.ok() && media::sniff(file->bytes()).format != media::Format::kUnknown;
}

// The end of the run of digits that begins at `at`.
size_t digits_end(std::string_view text, size_t at) {
  while (at < text.size() && text[at] >= '0' && text[at] <= '9') ++at;
  return at;
}

char without_case(char c) {
  return c >= 'A' && c <= 'Z' ? char(c + 32) : c;
}

struct Folder {
  std::vector<std::string> pictures, others;
};

Result<Folder> read_folder(const std::string& path) {
  Folder out;
  std::error_code error;
  size_t entries = 0;
  for (fs::directory_iterator it(path, error), end; !error && it != end; it.increment(error)) {
    if (++entries > kMaxFolderEntries) {
      return fail(Code::kBadInput,
                  "too many entries for a folder of pictures (limit " +
                      std::to_string(kMaxFolderEntries) + "); give a smaller folder",
                  path);
    }
    const std::string name = it->path().filename().string();
    if (name.starts_with(".")) continue;
    (is_picture(it->path()) ? out.pictures : out.others)
        .push_back((fs::path(path) / name).string());
  }
  if (error) return base::errno_error(error.value(), "open", path);
  std::sort(out.pictures.begin(), out.pictures.end(), natural_less);
  std::sort(out.others.begin(), out.others.end(), natural_less);
  return out;
}

std::string skipped_note(const std::string& path, const std::vector<std::string>& others) {
  constexpr size_t kShown = 3;
  std::string names;
  for (size_t i = 0; i < std::min(kShown, others.size()); ++i)
    names += (i > 0 ? ", " : "") + base::printable(fs::path(others[i]).filename().string(), 60);
  if (others.size() > kShown) names += ", ...";
  return "skipped " + std::to_string(others.size()) +
         (others.size() == 1 ? " entry of " : " entries of ") + base::printable(path) + " that " +
         (others.size() == 1 ? "is no picture" : "are no pictures") + " (" + names + ")";
}

}  // namespace

bool is_inline_input(const std::string& word) {
  return word == kStandardInput || base::is_data_uri(word);
}

Result<Input> Input::open(const std::string& word) {
  Input out;
  if (word == kStandardInput) {
    OCELLI_ASSIGN(out.held_, std::move(read_standard_input()).in("standard input"));
  } else if (base::is_data_uri(word)) {
    OCELLI_ASSIGN(out.held_, std::move(read_data_uri(word)).in(input_name(word)));
  } else {
    OCELLI_ASSIGN(out.file_, base::MappedFile::open(word));
  }
  return out;
}

std::string input_name(const std::string& word) {
  if (!base::is_data_uri(word)) return word;
  const std::string head = word.substr(0, std::min(word.find_first_of(",;"), size_t{40}));
  const auto bytes = std::as_bytes(std::span(word));
  return base::printable(head) + " (" + std::to_string(word.size()) + " characters, " +
         base::sha256(bytes).hex().substr(0, 8) + ")";
}

bool natural_less(std::string_view a, std::string_view b) {
  size_t i = 0, j = 0;
  while (i < a.size() && j < b.size()) {
    const size_t a_end = digits_end(a, i), b_end = digits_end(b, j);
    if (a_end > i && b_end > j) {
      std::string_view left = a.substr(i, a_end - i), right = b.substr(j, b_end - j);
      left.remove_prefix(std::min(left.find_first_not_of('0'), left.size()));
      right.remove_prefix(std::min(right.find_first_not_of('0'), right.size()));
      if (left.size() != right.size()) return left.size() < right.size();
      if (left != right) return left < right;
      i = a_end;
      j = b_end;
      continue;
    }
    const auto x = static_cast<unsigned char>(without_case(a[i++]));
    const auto y = static_cast<unsigned char>(without_case(b[j++]));
    if (x != y) return x < y;
  }
  if (a.size() - i != b.size() - j) return a.size() - i < b.size() - j;
  return a < b;  // "img01" and "img1", "A" and "a": any fixed order
}

Result<std::vector<std::string>> expand_folders(const std::vector<std::string>& words,
                                                std::vector<std::string>& notes) {
  std::vector<std::string> out;
  for (const std::string& word : words) {
    std::error_code ignored;
    if (is_inline_input(word) || !fs::is_directory(word, ignored)) {
      out.push_back(word);
      continue;
    }
    if (fs::exists(fs::path(word) / "config.json", ignored)) {
      return fail(Code::kUsage,
                  "is a model folder, not a folder of pictures; name the model first or with -m",
                  word);
    }
    OCELLI_ASSIGN(const Folder folder, read_folder(word));
    if (folder.pictures.empty()) {
      return fail(Code::kBadInput,
                  "no pictures in this folder (" + std::to_string(folder.others.size()) +
                      " other entries); a folder of pictures has JPEG, PNG and such files in it, "
                      "a model folder has config.json",
                  word);
    }
    out.insert(out.end(), folder.pictures.begin(), folder.pictures.end());
    if (!folder.others.empty()) notes.push_back(skipped_note(word, folder.others));
  }
  return out;
}

base::Status check_picture_count(size_t count) {
  if (count <= kMaxPicturesPerRequest) return {};
  return fail(Code::kBadInput, "too many pictures in one request (" + std::to_string(count) +
                                   ", limit " + std::to_string(kMaxPicturesPerRequest) +
                                   "); give fewer, or ask about each with --jsonl");
}

}  // namespace ocelli::cli
