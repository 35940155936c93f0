// A model in fewer bits: written as a Hugging Face folder or as GGUF, then measured.
//
//   OCELLI_ASSIGN(const Recipe recipe, Recipe::parse("q4", {}, Format::kSafetensors));
//   OCELLI_ASSIGN(const Quantized out, quantize(source, recipe, "model-q4", {}));
//   puts(certificate_text(out.certificate).c_str());
#pragma once

#include "quantize/certificate.h"
#include "quantize/recipe.h"
#include "quantize/sensitivity.h"

namespace ocelli::quantize {

struct QuantizeOptions {
  bool replace = false;     // what stands at the output
  bool certificate = true;  // measure afterwards
  bool per_tensor = false;  // with the table of tensors
  // Gives text weights eight bits, those first that lose most, until the mean KL divergence on
  // sampled text that the certificate does not use is at most this.
  std::optional<double> target_kl;
  // Chooses codes by what the weights are multiplied with on these texts and pictures.
  std::optional<HeldOutOptions> calibrate;
  HeldOutOptions held_out;       // its progress and cancel are those below
  engine::EngineOptions engine;  // threads, decoders: how both models run while measuring
  // Of q8 and q4 in a folder: rows, or packed as products read them, so that starts copy nothing.
  encoding::Layout layout = encoding::Layout::kPacked;
  uint64_t shard_bytes = uint64_t{4} << 30;
  uint64_t checkpoint_bytes = uint64_t{64} << 20;
  int64_t piece_bytes = int64_t{8} << 20;  // made and written at a time
  base::Progress* progress = nullptr;
  const base::CancelToken* cancel = nullptr;
};

struct Quantized {
  std::vector<std::string> files;  // with tensors, where they are now
  bool resumed = false;            // went on where another run was cut off
  int64_t fallbacks = 0;           // tensors stored as f16 since their rows are no whole blocks
  std::vector<std::string> warnings;
  MixedPrecision mixed;     // of QuantizeOptions::target_kl
  int64_t calibrated = 0;   // weights, by QuantizeOptions::calibrate
  Certificate certificate;  // sizes always; the rest where it was asked for
};

// `output`: a folder; or for Format::kGguf also a file NAME.gguf, the tower then beside it as
// mmproj-NAME.gguf. Nothing appears there before everything is done; what is cut off goes on with
// the next call that wants the same. Errors (kUsage): an output that is there already, recipes that
// do not fit, models that GGUF has no words for.
base::Result<Quantized> quantize(const formats::ModelFolder& source, const Recipe& recipe,
                                 const std::string& output, const QuantizeOptions& options);

}  // namespace ocelli::quantize
