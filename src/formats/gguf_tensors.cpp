#include "formats/gguf_tensors.h"

#include <cmath>
#include <cstring>
#include <new>

#include "formats/gguf_writer.h"

namespace ocelli::formats {

using base::Code;
using base::fail;
using base::Status;

namespace {

using Pair = std::pair<std::string_view, std::string_view>;

// Behind "blk.N.".
constexpr Pair kTextLayer[] = {
    {"attn_norm", "input_layernorm"},    {"attn_q", "self_attn.q_proj"},
    {"attn_k", "self_attn.k_proj"},      {"attn_v", "self_attn.v_proj"},
    {"attn_output", "self_attn.o_proj"}, {"ffn_norm", "post_attention_layernorm"},
    {"ffn_gate", "mlp.gate_proj"},       {"ffn_up", "mlp.up_proj"},
    {"ffn_down", "mlp.down_proj"},
};
// Behind "v.blk.N.".
constexpr Pair kVisionLayer[] = {
    {"ln1", "layer_norm1"},
    {"attn_q", "self_attn.q_proj"},
    {"attn_k", "self_attn.k_proj"},
    {"attn_v", "self_attn.v_proj"},
    {"attn_out", "self_attn.out_proj"},
    {"ln2", "layer_norm2"},
    {"ffn_up", "mlp.fc1"},
    {"ffn_down", "mlp.fc2"},
};
constexpr Pair kVision[] = {
    {"v.patch_embd", "model.vision_model.embeddings.patch_embedding"},
    {"v.position_embd", "model.vision_model.embeddings.position_embedding"},
    {"v.post_ln", "model.vision_model.post_layernorm"},
    {"mm.model.fc", "model.connector.modality_projection.proj"},
};

std::string_view lookup(std::span<const Pair> pairs, std::string_view name) {
  for (const auto& [from, to] : pairs) {
    if (from == name) return to;
  }
  return {};
}

// "N.rest" with a number as layers are counted: digits, no zero in front.
bool split_layer(std::string_view text, std::string_view& number, std::string_view& rest) {
  const size_t dot = text.find('.');
  if (dot == text.npos || dot == 0 || dot > 4) return false;
  number = text.substr(0, dot);
  rest = text.substr(dot + 1);
  if (number.size() > 1 && number[0] == '0') return false;
  return number.find_first_not_of("0123456789") == number.npos;
}

std::string layer_name(std::string_view text, std::span<const Pair> pairs,
                       const std::string& prefix) {
  std::string_view number, rest;
  if (!split_layer(text, number, rest)) return {};
  const std::string_view name = lookup(pairs, rest);
  if (name.empty()) return {};
  return prefix + std::string(number) + "." + std::string(name);
}

// Without ".weight" or ".bias".
std::string stem_name(std::string_view stem, bool pictures) {
  const std::string text = pictures ? "model.text_model." : "model.";
  if (stem == "token_embd") return text + "embed_tokens";
  if (stem == "output_norm") return text + "norm";
  if (stem == "output") return "lm_head";
  if (stem.starts_with("blk.")) {
    return layer_name(stem.substr(4), kTextLayer, text + "layers.");
  }
  if (!pictures) return {};
  if (stem.starts_with("v.blk.")) {
    return layer_name(stem.substr(6), kVisionLayer, "model.vision_model.encoder.layers.");
  }
  return std::string(lookup(kVision, stem));
}

std::string_view lookup_back(std::span<const Pair> pairs, std::string_view name) {
  for (const auto& [to, from] : pairs) {
    if (from == name) return to;
  }
  return {};
}

std::string layer_back(std::string_view text, std::span<const Pair> pairs,
                       const std::string& prefix) {
  std::string_view number, rest;
  if (!split_layer(text, number, rest)) return {};
  const std::string_view name = lookup_back(pairs, rest);
  if (name.empty()) return {};
  return prefix + std::string(number) + "." + std::string(name);
}

// The inverse of stem_name().
std::string stem_back(std::string_view stem) {
  if (stem == "lm_head") return "output";
  constexpr std::string_view kTower = "model.vision_model.encoder.layers.";
  if (stem.starts_with(kTower))
    return layer_back(stem.substr(kTower.size()), kVisionLayer, "v.blk.");
  for (const std::string_view prefix : {"model.text_model.", "model."}) {
    if (!stem.starts_with(prefix)) continue;
    const std::string_view rest = stem.substr(prefix.size());
    if (rest == "embed_tokens") return "token_embd";
    if (rest == "norm") return "output_norm";
    if (rest.starts_with("layers.")) return layer_back(rest.substr(7), kTextLayer, "blk.");
  }
  return std::string(lookup_back(kVision, stem));
}

// Row j * half + i of a head, of 2 * half rows, is row 2 i + j of the file's.
Status reorder(const GgufFile& file, TensorInfo& t, int64_t heads, OwnedRows& owned) {
  const int64_t rows = t.shape[0];
  if (rows % (2 * heads) != 0) {
    return fail(Code::kBadInput,
                std::to_string(rows) + " rows do not make " + std::to_string(heads) +
                    " heads of even width; the metadata is of another model",
                t.name);
  }
  const size_t bytes = t.bytes.size(), stride = bytes / size_t(rows);
  std::unique_ptr<std::byte[]> memory(new (std::nothrow) std::byte[bytes]);
  if (!memory) {
    return fail(Code::kDoesNotFit,
                "not enough memory for " + std::to_string(bytes) + " bytes of reordered rows",
                t.name);
  }
  const int64_t width = rows / heads, half = width / 2;
  for (int64_t r = 0; r < rows; ++r) {
    const int64_t in_head = r % width;
    const int64_t from = r - in_head + 2 * (in_head % half) + in_head / half;
    std::memcpy(memory.get() + size_t(r) * stride, t.bytes.data() + size_t(from) * stride, stride);
  }
  if (file.mapping().size() > 0) {
    file.mapping().release(size_t(t.bytes.data() - file.bytes().data()), bytes);
  }
  t.bytes = {memory.get(), bytes};
  owned.push_back(std::move(memory));
  return {};
}

// Factors of llama3's scaling: all ones are none.
Status check_rope_factors(const TensorInfo& t) {
  bool ones = t.encoding == encoding::Encoding::kF32;
  for (size_t i = 0; ones && i + 4 <= t.bytes.size(); i += 4) {
    float factor;
    std::memcpy(&factor, t.bytes.data() + i, 4);
    ones = factor == 1;
  }
  if (ones) return {};
  return fail(Code::kBadInput,
              "scales rotary positions, which is not supported for this "
              "architecture",
              t.name);
}

// Old converters called the two matrices of the vision tower's MLP by each other's name.
void name_by_shape(std::vector<TensorInfo>& tensors, size_t first) {
  const auto swapped = [](std::string& name, std::string_view a, std::string_view b) {
    const size_t at = name.find(a);
    if (at == name.npos) return false;
    name.replace(at, a.size(), b);
    return true;
  };
  bool wrong = false;
  for (size_t i = first; i < tensors.size(); ++i) {
    const TensorInfo& t = tensors[i];
    wrong = wrong || (t.name == "model.vision_model.encoder.layers.0.mlp.fc1.weight" &&
                      t.shape.size() == 2 && t.shape[0] < t.shape[1]);
  }
  if (!wrong) return;
  for (size_t i = first; i < tensors.size(); ++i) {
    if (!swapped(tensors[i].name, ".mlp.fc1.", ".mlp.fc2."))
      swapped(tensors[i].name, ".mlp.fc2.", ".mlp.fc1.");
  }
}

}  // namespace

std::string hugging_face_name(std::string_view name, bool pictures) {
  for (const std::string_view part : {".weight", ".bias"}) {
    if (!name.ends_with(part)) continue;
    const std::string stem = stem_name(name.substr(0, name.size() - part.size()), pictures);
    return stem.empty() ? stem : stem + std::string(part);
  }
  return {};
}

std::string gguf_name(std::string_view name) {
  for (const std::string_view part : {".weight", ".bias"}) {
    if (!name.ends_with(part)) continue;
    const std::string stem = stem_back(name.substr(0, name.size() - part.size()));
    return stem.empty() ? stem : stem + std::string(part);
  }
  return {};
}

bool is_projector_name(std::string_view name) {
  return name.starts_with("v.") || name.starts_with("mm.");
}

Status append_tensors(const GgufFile& file, const GgufTensorOptions& options,
                      std::vector<TensorInfo>& out, OwnedRows& owned) {
  const size_t first = out.size();
  for (TensorInfo t : file.tensors()) {
    if (t.name == "rope_freqs.weight") {
      OCELLI_TRY(check_rope_factors(t));
      continue;
    }
    const bool text = t.name.starts_with("blk.");
    if (std::string known = hugging_face_name(t.name, options.pictures); !known.empty()) {
      t.name = std::move(known);
    }
    if (text && options.interleaved && t.shape.size() == 2) {
      const GgufHeads& heads = *options.interleaved;
      if (t.name.ends_with(".q_proj.weight")) OCELLI_TRY(reorder(file, t, heads.q, owned));
      if (t.name.ends_with(".k_proj.weight")) OCELLI_TRY(reorder(file, t, heads.k, owned));
    }
    out.push_back(std::move(t));
  }
  name_by_shape(out, first);
  return {};
}

}  // namespace ocelli::formats
