// The tokenizer that lies in the metadata of a GGUF file, in the words of Hugging Face.
#pragma once

#include "formats/gguf_metadata.h"

namespace ocelli::formats {

inline constexpr size_t kMaxGgufTokens = size_t{1} << 22;

// tokenizer.json. tokenizer.ggml.model "gpt2" (byte-level BPE) with the pre-tokenizers of
// tokenizer.ggml.pre that are known here, and "llama" (SentencePiece). `architecture` decides what
// the metadata leaves open.
base::Result<std::string> gguf_tokenizer_json(const GgufMetadata& metadata,
                                              std::string_view architecture);

// tokenizer_config.json: the texts of the special tokens that a template asks for.
base::Result<std::string> gguf_tokenizer_config(const GgufMetadata& metadata);

// The ids that end an answer: those of eos, eot and eom. Each lies within the vocabulary.
base::Result<std::vector<int64_t>> gguf_end_ids(const GgufMetadata& metadata);

// The id of the token that reads `text`, or nothing.
base::Result<std::optional<int64_t>> gguf_token_id(const GgufMetadata& metadata,
                                                   std::string_view text);

// What "tokenizer.ggml.pre" calls the way in which a tokenizer.json with BPE over bytes normalizes
// and cuts texts; nothing where it has no name.
std::optional<std::string_view> gguf_pre_tokenizer(const base::Json& tokenizer);

}  // namespace ocelli::formats
