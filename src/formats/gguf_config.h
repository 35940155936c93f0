// The metadata of a GGUF model in the words of Hugging Face: config.json and what belongs to it.
#pragma once

#include "formats/gguf.h"

namespace ocelli::formats {

// How the tensors of an architecture are called here, and what has to be done to them.
struct GgufArchitecture {
  std::string_view name;        // general.architecture
  std::string_view model_type;  // of config.json
  // llama.cpp's converter reorders the rows of q and k, so that a pair of rotary positions lies
  // side by side.
  bool interleaved_rotary;
};

// The architecture of a text model; the error lists those that are supported.
base::Result<const GgufArchitecture*> gguf_architecture(const GgufMetadata& metadata);

// What both halves of a model say; `projector` is null for a text model.
struct GgufSources {
  const GgufMetadata& text;
  const GgufMetadata* projector = nullptr;
  bool tied = false;  // no matrix of its own for the logits
};

base::Result<std::string> gguf_config_json(const GgufSources& sources);
base::Result<std::string> gguf_generation_config(const GgufMetadata& text);

// A key of our own in a projector's file, for what llama.cpp has no word for: false where pictures
// are not cut into tiles.
inline constexpr char kGgufSplitKey[] = "ocelli.vision.split_images";

// Of a projector.
base::Result<std::string> gguf_preprocessor_config(const GgufMetadata& projector);
base::Result<std::string> gguf_processor_config(const GgufMetadata& projector);

// Heads of query and key of the text model.
struct GgufHeads {
  int64_t q = 0, k = 0;
};
base::Result<GgufHeads> gguf_heads(const GgufMetadata& text);

// That `projector` is one for `text`: its kind is known, its results are as wide as the text
// model's embeddings, and the vocabulary has the token that stands for a picture.
base::Status check_projector(const GgufMetadata& text, const GgufMetadata& projector);
// Whether the vocabulary has that token.
bool takes_pictures(const GgufMetadata& text);

}  // namespace ocelli::formats
