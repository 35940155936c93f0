// Rounding by calibration: the model runs on texts and pictures, and the codes of each weight are
// chosen for the inputs that it had there.
#pragma once

#include <map>
#include <string>

#include "quantize/held_out.h"
#include "quantize/output.h"

namespace ocelli::quantize {

struct CalibrationOptions {
  HeldOutOptions data;                // its own tokens, none that the certificate uses
  int64_t memory = int64_t{1} << 30;  // for sums of inputs; the model runs again for what is over
};

struct Calibrated {
  std::map<std::string, MadeRows> weights;  // by their names in the checkpoint
  std::string description;                  // of the data
  int64_t tokens = 0, pictures = 0;         // that were looked at
};

// Of all weights in `choices` whose codes can be chosen (can_recode()) and which are not stored
// that way already; embeddings and the output head are none of them. `reference` computes in
// float32. Errors: those of collect_held_out; activations that are not finite.
base::Result<Calibrated> calibrate(engine::Engine& reference, const std::vector<Choice>& choices,
                                   const CalibrationOptions& options);

}  // namespace ocelli::quantize
