// Which files of a repository are worth downloading.
#pragma once

#include <string>
#include <vector>

#include "hub/listing.h"
#include "hub/names.h"

namespace ocelli::hub {

// With neither `include` nor a tag or file in `reference`: config, tokenizer, templates, processor
// settings, licence and one set of safetensors weights of the top folder; or, where there are only
// GGUF files, one of them (Q4_K_M, else Q8_0, else the only one) with its parts and its mmproj.
// `include` replaces that choice (globs), `exclude` takes away from any.
//
// In the order of `files`. Nothing left, a tag that no file has, several GGUF files and no tag:
// kUsage, with what there is. Pickled weights alone: kBadInput. Two names that differ in the case
// of letters only, or that not every file system can keep: kBadInput.
base::Result<std::vector<RemoteFile>> select_files(const std::vector<RemoteFile>& files,
                                                   const Reference& reference,
                                                   const std::vector<std::string>& include,
                                                   const std::vector<std::string>& exclude);

// "Q4_K_M" of "SmolVLM2-Q4_K_M.gguf" and "x.Q4_K_M-00001-of-00002.gguf"; upper case; "" where the
// name has none.
std::string gguf_tag(std::string_view path);
bool is_mmproj(std::string_view path);
// The name without "-00001-of-00002.gguf": files with the same one belong together. Of others the
// name itself.
std::string split_stem(std::string_view path);

}  // namespace ocelli::hub
