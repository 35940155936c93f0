// What stands on the command line as a picture: a file, a folder, a data URI, "-".
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/result.h"

namespace ocelli::cli {

inline constexpr size_t kMaxPicturesPerRequest = 32;
inline constexpr size_t kMaxFolderEntries = 10000;

// The bytes behind one word.
class Input {
 public:
  // `word`: a path, a data URI of a picture, or "-" for standard input (at most kMaxImageBytes of
  // either). Errors: those of files and data URIs; "unsupported: ..." for data URIs that are no
  // picture.
  static base::Result<Input> open(const std::string& word);

  std::span<const std::byte> bytes() const { return file_.size() > 0 ? file_.bytes() : held_; }

 private:
  base::MappedFile file_;
  std::vector<std::byte> held_;
};

// Words that are no path: "-" and data URIs.
bool is_inline_input(const std::string& word);

// A word as messages and answers show it: a path as it is, a data URI by its type, size and hash.
std::string input_name(const std::string& word);

// Whether `a` comes before `b` for a person: runs of digits count as numbers, letters without case.
bool natural_less(std::string_view a, std::string_view b);

// Folders replaced by the pictures in them (by content, not recursively), in natural order; files
// beginning with a dot are passed over. `notes`: a sentence for each folder that holds other files
// too. Errors: a folder without pictures or with more than kMaxFolderEntries entries, a folder
// that is a model.
base::Result<std::vector<std::string>> expand_folders(const std::vector<std::string>& words,
                                                      std::vector<std::string>& notes);

// Refuses more than kMaxPicturesPerRequest.
base::Status check_picture_count(size_t count);

}  // namespace ocelli::cli
