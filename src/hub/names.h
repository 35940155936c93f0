// Names of the Hub: repositories, revisions, files; and what a person types to mean one.
//
// All of them become parts of paths and URLs, so nothing passes that could lead elsewhere.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace ocelli::hub {

inline constexpr size_t kMaxRepoBytes = 96;
inline constexpr size_t kMaxRevisionBytes = 200;
inline constexpr size_t kMaxPathBytes = 1024;  // of a file inside its repository
inline constexpr size_t kMaxNameBytes = 255;   // of one part of a path, as file systems have it

// "owner/name", or "name" as the oldest models have: letters, digits, "-", "_", "."; no "--", "..".
base::Status check_repo(std::string_view repo);
// A branch, tag or commit: letters, digits, "-", "_", ".", "/"; no part that is empty or "..".
base::Status check_revision(std::string_view revision);
// 40 lower-case hexadecimal digits.
bool is_commit(std::string_view revision);

// A file of a listing: parts divided by "/", UTF-8, none empty, "." or "..", no control character,
// no backslash. Anything else is an attempt to write elsewhere: refuse the whole listing.
base::Status check_path(std::string_view path);
// Whether a file of this name can be kept on every file system: no ":*?\"<>|", no part that is a
// device's name (CON, NUL.txt), ends in a dot, a space or ".lock".
base::Status check_portable(std::string_view path);

// "models--owner--name", the folder of a repository in the cache, and back.
std::string repo_folder(std::string_view repo);
std::optional<std::string> repo_of_folder(std::string_view folder);

// What a person means by
//   owner/name   owner/name@revision   owner/name:Q4_K_M   owner/name/file.gguf
// also with hf.co/, huggingface.co/, https:// or hf:// in front, as web pages show them.
struct Reference {
  std::string repo;
  std::string revision;  // "" where none is given: "main"
  std::string tag;       // a GGUF quantization
  std::string file;      // a GGUF file

  std::string text() const;  // "owner/name@revision:tag"
};
base::Result<Reference> parse_reference(std::string_view text);

// "*" is any text (also "/"), "?" any one byte; the whole of `text` must match. Linear in the
// product of the lengths.
bool glob_match(std::string_view pattern, std::string_view text);

// ASCII only, whatever the locale.
std::string lower(std::string_view text);
std::string upper(std::string_view text);

}  // namespace ocelli::hub
