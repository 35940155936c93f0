// How deep the Sequences of a tokenizer.json may nest: of normalizers, pre-tokenizers, decoders and
// post-processors alike.
#pragma once

#include "base/result.h"

namespace ocelli::text {

inline constexpr int kMaxSequenceDepth = 8;

inline base::Status check_depth(int depth) {
  if (depth <= kMaxSequenceDepth) return {};
  return base::fail(base::Code::kBadInput, "Sequences are nested too deeply");
}

}  // namespace ocelli::text
