// What a quantized model is measured on: texts and pictures that were not used to make it.
#pragma once

#include "base/cancel.h"
#include "base/progress.h"
#include "engine/session.h"

namespace ocelli::quantize {

inline constexpr size_t kMaxHeldOutBytes = size_t{64} << 20;  // of a data file
inline constexpr size_t kMaxHeldOutSamples = 10'000;
// Tokens that count, by default: as many as a model of 300 million parameters computes in a few
// minutes, fewer of larger models, but enough to tell one type from another.
inline constexpr int64_t kHeldOutTokens = 1024, kFewestHeldOutTokens = 256;
inline constexpr int64_t kSampleTokens = 128;    // of one sampled answer, at most

// A text with what belongs to it.
struct HeldOut {
  engine::Prompt prompt;
  std::vector<uint8_t> scored;  // per token: whether its prediction counts; never the first
  int64_t tokens() const {
    int64_t n = 0;
    for (const uint8_t s : scored) n += s;
    return n;
  }
};

struct HeldOutSet {
  std::vector<HeldOut> samples;
  std::string description;  // "1,024 tokens that the float32 model sampled ..."
  int64_t pictures = 0;
};

struct HeldOutOptions {
  std::string data;  // a .txt or .jsonl file, or a folder of pictures; "": the model's own answers
  int64_t tokens = 0;  // stop collecting here; 0: by the size of the model
  uint64_t seed = 0;   // of answers and of drawn pictures
  size_t rounds = 8;   // of the questions at most, each with other answers
  base::Progress* progress = nullptr;
  const base::CancelToken* cancel = nullptr;
};

int64_t default_tokens(int64_t parameters);

// Of `options.data`, or what `reference` answers to a few fixed questions, about pictures that
// draw_picture() draws where it sees, sampled at temperature 1: text as likely under the model as
// any other of its kind. The same model and options give the same set.
//
// A .txt file is cut into pieces; every token but the first of a piece counts. A row of a .jsonl
// file is {"text"}, {"prompt" or "question", "answer" or "completion", "image" or "images"}, or
// {"messages", "images"}; what the assistant says counts, or all of "text". About pictures of a
// folder the model is asked, and its own answers count.
base::Result<HeldOutSet> collect_held_out(engine::Engine& reference, const HeldOutOptions& options);

}  // namespace ocelli::quantize
