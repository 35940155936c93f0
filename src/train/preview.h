// Preview: samples as a person can check them, with what is trained marked.
#pragma once

#include <string>

#include "train/sample_maker.h"

namespace ocelli::train {

struct PreviewOptions {
  bool color =
      false;  // trained tokens green, special ones dim; otherwise trained ones in [brackets]
};

// The text of one sample, special tokens visible, control characters escaped, each picture as
// [image 1: 640x480, 5 tiles, 320 tokens], and a line of counts.
std::string preview(const engine::Engine& engine, const Sample& sample,
                    const PreviewOptions& options = {});
// The same of both sides of a pair, under the name of its row.
std::string preview(const engine::Engine& engine, const Dataset& data, const Example& example,
                    const PreviewOptions& options = {});

// Tokens of several samples.
struct MaskCounts {
  int64_t samples = 0, tokens = 0, picture_tokens = 0, trained = 0;
  int64_t plain_tokens = 0;  // of texts without turns
  void add(const Sample& sample);
  void add(const Example& example);
};

// "12 samples, 5120 tokens (3840 of pictures), 310 trained (24.2 % of the text)".
std::string counts_text(const MaskCounts& counts);

// Nearly everything: a share of the text tokens above this is refused unless it was asked for.
inline constexpr double kNearlyAll = 0.9;

// Errors (kUsage): no token would be trained; or nearly all of the text, with a mask that is meant
// to keep prompts out.
base::Status check_trained(const MaskCounts& counts, Mask mask);

}  // namespace ocelli::train
