// RotaryPositions: the frequencies of one head, plain or stretched over a longer context, as
// transformers' modeling_rope_utils.py computes them.
//
//   OCELLI_ASSIGN(const auto rope, RotaryPositions::parse(config, {2e6, 32768, head_dim}));
//   const Tensor table = rope.table(c, sequence.positions);
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "base/json.h"
#include "tensor/context.h"

namespace ocelli::nn {

// Where a config is silent.
struct RopeDefaults {
  double theta = 10000;
  int64_t context = 2048;  // max_position_embeddings
  int64_t head_dim = 0;    // even
};

// YaRN (https://arxiv.org/abs/2309.00071): high frequencies stay, low ones are interpolated, those
// between are mixed along a ramp.
struct YarnScaling {
  double factor = 1;
  double original_context = 0;  // tokens that the model was trained with before
  std::optional<double>
      attention_factor;  // else 0.1 ln(factor) + 1, by the two below if both are set
  double mscale = 0, mscale_all_dim = 0;
  double beta_fast = 32, beta_slow = 1;  // turns over the original context where the ramp ends
  bool truncate = true;                  // the ramp begins and ends at whole frequencies
};

struct RotaryPositions {
  std::vector<float> inv_freq;  // [Dh / 2], radians per position
  float attention_factor = 1;   // what cosines and sines are multiplied by
  int64_t context = 0;          // tokens that the positions are made for, after scaling

  // 1 / theta^(2i / Dh), computed in float32
  static RotaryPositions plain(double theta, int64_t head_dim, int64_t context);
  // All positions divided by `factor`.
  static RotaryPositions linear(double theta, int64_t head_dim, int64_t context, double factor);
  static RotaryPositions yarn(double theta, int64_t head_dim, const YarnScaling& yarn);

  // From a config.json: rope_theta, max_position_embeddings, and rope_scaling (transformers 4) or
  // rope_parameters (5). Types "default", "linear" and "yarn"; the error names the key and value.
  static base::Result<RotaryPositions> parse(const base::Json& config,
                                             const RopeDefaults& defaults);

  // positions [T] -> cosines and sines [T, Dh], for ops::rope
  tensor::Tensor table(tensor::Context& c, std::span<const int32_t> positions) const;
};

}  // namespace ocelli::nn
