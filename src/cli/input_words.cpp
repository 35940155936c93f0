#include "cli/input_words.h"

#include <algorithm>
#include <cstdlib>

namespace ocelli::cli {

namespace {

constexpr std::string_view kPictureEndings[] = {"jpg", "jpeg", "png",  "webp", "gif", "bmp",
                                                "tif", "tiff", "heic", "heif", "avif"};
constexpr std::string_view kVideoEndings[] = {"mp4", "m4v", "mov", "mkv", "webm", "avi"};
constexpr std::string_view kFileScheme = "file://";

bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\n';
}

template <size_t N>
bool ends_with_any(std::string_view name, const std::string_view (&endings)[N]) {
  const size_t dot = name.rfind('.');
  if (dot == std::string_view::npos) return false;
  std::string ending(name.substr(dot + 1));
  for (char& c : ending) {
    if (c >= 'A' && c <= 'Z') c = char(c - 'A' + 'a');
  }
  return std::find(std::begin(endings), std::end(endings), ending) != std::end(endings);
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::string percent_decoded(std::string_view text) {
  std::string out;
  for (size_t at = 0; at < text.size(); ++at) {
    const bool whole = text[at] == '%' && at + 2 < text.size() && hex_digit(text[at + 1]) >= 0 &&
                       hex_digit(text[at + 2]) >= 0;
    if (whole) {
      out += char(hex_digit(text[at + 1]) * 16 + hex_digit(text[at + 2]));
      at += 2;
    } else {
      out += text[at];
    }
  }
  return out;
}

// The place of the quote that closes the one at `at` and ends the word; npos where there is none.
// Looks no further than the next quote of the kind, so that a line takes linear time.
size_t closing_quote(std::string_view line, size_t at) {
  const char quote = line[at];
  for (size_t i = at + 1; i < line.size(); ++i) {
    if (quote == '"' && line[i] == '\\') {
      ++i;
    } else if (line[i] == quote) {
      return i + 1 == line.size() || is_space(line[i + 1]) ? i : std::string_view::npos;
    }
  }
  return std::string_view::npos;
}

bool names_a_folder(std::string_view word) {
  return word.starts_with('/') || word.starts_with("./") || word.starts_with("../") ||
         word.starts_with("~/") || word.starts_with(kFileScheme);
}

}  // namespace

std::vector<Word> split_words(std::string_view line) {
  std::vector<Word> out;
  for (size_t at = 0; at < line.size();) {
    if (is_space(line[at])) {
      ++at;
      continue;
    }
    Word word;
    word.begin = at;
    const bool quote = line[at] == '"' || line[at] == '\'';
    const size_t close = quote ? closing_quote(line, at) : std::string_view::npos;
    if (close != std::string_view::npos) {
      word.quoted = true;
      const bool escapes = line[at] == '"';
      for (size_t i = at + 1; i < close; ++i) {
        if (escapes && line[i] == '\\' && i + 1 < close) ++i;
        word.text += line[i];
      }
      at = close + 1;
    } else {
      for (; at < line.size() && !is_space(line[at]); ++at) {
        if (line[at] == '\\' && at + 1 < line.size() && line[at + 1] != '\n') ++at;
        word.text += line[at];
      }
    }
    word.end = at;
    out.push_back(std::move(word));
  }
  return out;
}

std::string escape_word(std::string_view name) {
  constexpr std::string_view kSpecial = " \t\\'\"()[]{}&;|<>*?$`!#";
  std::string out;
  for (const char c : name) {
    if (kSpecial.find(c) != std::string_view::npos) out += '\\';
    out += c;
  }
  return out;
}

std::string file_of_word(std::string_view word) {
  if (word.starts_with(kFileScheme)) {
    word.remove_prefix(kFileScheme.size());
    if (word.starts_with("localhost/")) word.remove_prefix(9);
    return percent_decoded(word);
  }
  if (word.starts_with("~/")) {
    if (const char* home = std::getenv("HOME")) return home + std::string(word.substr(1));
  }
  return std::string(word);
}

std::string file_url(std::string_view path) {
  constexpr char kHex[] = "0123456789ABCDEF";
  std::string out(kFileScheme);
  for (const char c : path) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       std::string_view("/-._~").find(c) != std::string_view::npos;
    if (plain) {
      out += c;
    } else {
      out += '%';
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    }
  }
  return out;
}

bool is_picture_name(std::string_view name) {
  return ends_with_any(name, kPictureEndings);
}

bool is_video_name(std::string_view name) {
  return ends_with_any(name, kVideoEndings);
}

DroppedFiles take_files(std::string_view line,
                        const std::function<bool(const std::string&)>& exists) {
  DroppedFiles out;
  size_t kept = 0;
  for (const Word& word : split_words(line)) {
    if (!names_a_folder(word.text)) continue;
    std::string path = file_of_word(word.text);
    if (!is_picture_name(path) && !is_video_name(path)) continue;
    if (!exists(path)) continue;
    std::string_view before = line.substr(kept, word.begin - kept);
    // The space on one side of the word goes with it.
    if (!out.text.empty() || !before.empty()) {
      if (before.ends_with(' ') && word.end < line.size()) before.remove_suffix(1);
    }
    out.text += before;
    kept = word.end;
    out.files.push_back(std::move(path));
  }
  out.text += line.substr(kept);
  if (out.files.empty()) return out;
  const size_t first = out.text.find_first_not_of(" \t\n");
  out.text.erase(0, std::min(first, out.text.size()));
  while (!out.text.empty() && is_space(out.text.back())) out.text.pop_back();
  return out;
}

}  // namespace ocelli::cli
