// The dimensions of the SmolLM2, SmolLM3 and SmolVLM2 models, and all files of their folders but
// the weights: enough to write checkpoints of true size with random weights, to measure with.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "formats/safetensors_writer.h"

namespace ocelli::benchmarks {

struct ModelSize {
  const char* name;  // "SmolVLM2-256M"
  int64_t hidden, intermediate, layers, heads, kv_heads;
  double rope_theta;
  // Of the vision tower; tile is 0 in a text model.
  int64_t tile, patch, scale, vision_hidden, vision_layers, vision_heads, vision_intermediate;
  int64_t longest_edge;  // of a picture before it is cut
  int64_t head_dim = 64;
  int64_t vocab = 0;             // 0: that of SmolLM2 or SmolVLM2
  const char* family = "llama";  // model_type of the text model
};

// From reference/models.md of the hub's configs; random_checkpoint --list shows that the parameter
// counts are the published ones.
const std::vector<ModelSize>& model_sizes();

// All tensors with the hub's names, in an order that readers like: vision, text, head.
std::vector<formats::TensorSpec> tensors(const ModelSize& size, encoding::Encoding encoding);

// config.json, tokenizer.json and so on: name and content.
std::vector<std::pair<std::string, std::string>> folder_files(const ModelSize& size);

// A byte-level BPE tokenizer.json with as many tokens as the original and its special tokens at
// their true ids. The merges are made up: letters, pairs, triples and quadruples of letters.
std::string tokenizer_json(bool vision);

}  // namespace ocelli::benchmarks
