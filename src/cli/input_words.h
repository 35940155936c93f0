// Words of an input line as shells write them: quotes, backslashes, file:// addresses. Terminals
// paste a dropped file in one of these forms.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace ocelli::cli {

struct Word {
  std::string text;           // without quotes and escapes
  size_t begin = 0, end = 0;  // its bytes in the line
  bool quoted = false;        // began with a quote
};

// Quotes count at the beginning of a word only ("what's" is one word), and where they are closed; a
// backslash takes the next character as it is.
std::vector<Word> split_words(std::string_view line);

// The name in the form that split_words() reads back, with backslashes.
std::string escape_word(std::string_view name);

// "file:///a%20b" is "/a b", "~/x" is $HOME/x; anything else stays as it is.
std::string file_of_word(std::string_view word);
// "/a b" is "file:///a%20b".
std::string file_url(std::string_view absolute_path);

// Whether the name ends like a picture or a clip (.jpg, .PNG, .mp4 ...).
bool is_picture_name(std::string_view name);
bool is_video_name(std::string_view name);

struct DroppedFiles {
  std::vector<std::string> files;
  std::string text;  // the line without them
};

// Takes out the words that name existing pictures or clips by a path with a folder in it
// (/a/b.jpg, ./b.jpg, ~/b.jpg, file://...); a bare b.jpg in a sentence stays text. `exists` tells
// whether a regular file is there.
DroppedFiles take_files(std::string_view line,
                        const std::function<bool(const std::string&)>& exists);

}  // namespace ocelli::cli
