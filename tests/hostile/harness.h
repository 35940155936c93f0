// Malformed files, made one by one and given to the built program: a table of cases.
//
// Every case makes a folder with a good model, spoils something in it and runs a command there. A
// refusal must be clean: no signal, the documented exit status, one line `error: WHERE: WHAT; NEXT
// STEP` that matches the case's words, nothing on standard output, nothing written, within the
// case's time and memory.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace ocelli::hostile {

namespace fs = std::filesystem;
using base::Json;

// The folder of one case. At first it holds links to the files of a good model.
class Folder {
 public:
  Folder(fs::path path, const std::string& fixture);

  const fs::path& path() const { return path_; }
  std::string file(const std::string& name) const { return (path_ / name).string(); }
  std::string read(const std::string& name) const;

  void write(const std::string& name, std::string_view bytes) const;
  // `bytes`, `count` times, so that a file of any size takes little memory.
  void write_many(const std::string& name, std::string_view begin, std::string_view bytes,
                  size_t count, std::string_view end = "") const;
  // A file of this size of zeros that takes no disk.
  void write_hole(const std::string& name, std::string_view begin, uint64_t size) const;
  void remove(const std::string& name) const;
  // The value at "text_config.hidden_size"; a number in the path is a position in a list.
  void set(const std::string& name, std::string_view path, const Json& value) const;
  void erase(const std::string& name, std::string_view path) const;
  // Replaces the first `from`, which must be there.
  void replace(const std::string& name, std::string_view from, std::string_view to) const;

 private:
  fs::path path_;
};

struct Case {
  std::string id;    // the row of the checklist and a letter: "S01a"
  std::string what;  // "header of 0 bytes"
  std::function<void(const Folder&)> make;
  std::string says;  // an extended regular expression for the line; for one that works, its output
  std::vector<std::string> words{"show", "."};
  int status = 3;  // 0: it must work
  std::string fixture{"models/smollm2"};
  double seconds = 2;
  int64_t megabytes = 300;
};

// Cases in the order of their rows.
class Table {
 public:
  // The cases that follow belong to this row of the checklist.
  void row(std::string row) { row_ = std::move(row), next_ = 0; }
  // The case may be changed further before the next one is added.
  Case& add(std::string what, std::function<void(const Folder&)> make, std::string says);
  std::vector<Case> cases;

 private:
  std::string row_;
  size_t next_ = 0;
};

// The groups; each file of this folder that makes cases has one of these.
std::vector<Case> safetensors_cases();
std::vector<Case> config_cases();
std::vector<Case> tokenizer_cases();
std::vector<Case> template_cases();
std::vector<Case> image_cases();
std::vector<Case> gguf_cases();
std::vector<Case> video_cases();

// `json` with `value` at `path`, or without the member where there is none.
Json at_path(const Json& json, std::string_view path, const Json* value);

}  // namespace ocelli::hostile
