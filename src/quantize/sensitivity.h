// Mixed precision by measurement: which weights need more bits, so that the whole stays within a
// given KL divergence.
#pragma once

#include "quantize/held_out.h"
#include "quantize/recipe.h"

namespace ocelli::quantize {

struct SensitivityOptions {
  double target_kl = 0;  // mean over tokens, nats
  HeldOutOptions held_out;
};

// Weights that are measured, and raised, together.
struct Sensitivity {
  std::string name;                 // "model.text_model.layers.3 attention"
  std::vector<std::string> weights;
  double kl = 0;       // with these alone in the recipe's encoding, everything else as the source
  int64_t bytes = 0;   // that eight bits would cost more
  bool raised = false;
};

struct MixedPrecision {
  std::vector<Sensitivity> groups;  // most KL divergence per byte first
  double kl_before = 0;             // with the recipe as it was
  double kl_after = 0;              // with the raised groups
};

// Measures every group of text weights whose encoding in `choices` has fewer bits than `raised_to`,
// then raises as few as keep the mean KL divergence of all weights together at or below the target:
// those first that lose most per byte. Weights are exchanged in memory while it measures;
// `reference` computes in float32 and is as before afterwards. An error (kUsage) where raising all
// of them is not enough.
base::Result<MixedPrecision> find_mixed_precision(engine::Engine& reference,
                                                  const std::vector<Choice>& choices,
                                                  encoding::Encoding raised_to,
                                                  const SensitivityOptions& options);

}  // namespace ocelli::quantize
