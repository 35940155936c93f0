// What a command line talks about: a model, files, and a question.
//
//   ocelli run MODEL [FILE...] "question"
//
// The first word is a model only if it names one in the store, or is a folder with a config.json;
// it may be left out for the built-in model. A word that is neither a model, an existing file nor
// the last one is an error (a data URI and "-" count as files, a folder as its pictures), so that a
// mistyped model is never taken for a question; so is a last word that can only be meant as a file
// (photo.jpg, ./photo).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "formats/model_folder.h"

namespace ocelli::cli {

struct Target {
  std::string model;  // path of its folder; "" is the built-in model
  std::vector<std::string> files;
  std::optional<std::string> question;
};

// `words`: the positional arguments. `model` and `question`: -m and -p, "" where not given.
base::Result<Target> resolve_target(const std::vector<std::string>& words, const std::string& model,
                                    const std::optional<std::string>& question);

// The folder of a model by name or path; "" for the built-in one.
base::Result<std::string> resolve_model(const std::string& name);
// Whether a word names a model (without an error where it does not).
bool is_model(const std::string& word);

// `projector`: see ModelFolder::open().
base::Result<formats::ModelFolder> open_model(const std::string& path,
                                              const std::string& projector = "");

struct StoredModel {
  std::string name, path;
};
// The models of the store folder (data_dir()/models), by name.
base::Result<std::vector<StoredModel>> stored_models();
base::Result<std::string> store_dir();

}  // namespace ocelli::cli
