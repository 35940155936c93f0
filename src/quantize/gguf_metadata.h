// A model in the words of GGUF: the inverse of formats/gguf_config.h and gguf_tokenizer.h, in the
// form that llama.cpp's converter gives it.
#pragma once

#include "formats/gguf_writer.h"
#include "formats/model_folder.h"
#include "models/adapter_modules.h"

namespace ocelli::quantize {

// What the files of a model say.
struct ModelTexts {
  std::string name;
  base::Json config, generation, tokenizer, tokenizer_config, preprocessor, processor;
  std::string chat_template;
};
base::Result<ModelTexts> read_texts(const formats::ModelFolder& folder);

struct GgufParts {
  formats::GgufHeader text;
  formats::GgufHeader projector;  // where the model has a tower
  bool has_projector = false;
  // Heads whose rows are stored with rotary pairs side by side.
  int64_t q_heads = 0, k_heads = 0;
  std::vector<std::string> warnings;  // what such a file cannot say, in sentences
};

// Everything but what a caller adds ("general.file_type" and keys of its own). Errors: a family or
// a tokenizer that the format or llama.cpp has no words for.
base::Result<GgufParts> gguf_metadata(const ModelTexts& texts, const models::ModelMap& map);

// The keys "tokenizer.ggml.*". `vocab`: rows of the embedding; ids without a token are unused.
base::Status add_gguf_tokenizer(const ModelTexts& texts, int64_t vocab,
                                const std::vector<int32_t>& end_ids,
                                formats::GgufHeader& header);

}  // namespace ocelli::quantize
