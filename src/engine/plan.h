// Forecast: tokens, arithmetic and memory of a request, before anything is computed.
//
// The numbers come from a dry run of the model's own forward pass on a backend that computes
// nothing, with an arena that is never touched.
#pragma once

#include "backend/count/counting_backend.h"
#include "engine/engine.h"

namespace ocelli::engine {

using count::Work;

struct Forecast {
  int64_t pictures = 0, tiles = 0;  // a clip is a picture whose frames are tiles
  int64_t picture_tokens = 0, text_tokens = 0, answer_tokens = 0, context = 0;
  Work vision, prefill, decode_token;  // decode_token: one token at the end of the answer
  // Bytes.
  int64_t program = 0;        // what the process holds already: code, tokenizer, tables
  int64_t weights = 0;        // as they lie in memory
  int64_t cache = 0;          // keys and values
  int64_t activations = 0;    // the arena at its highest
  int64_t pictures_held = 0;  // pixels, tiles and embeddings
  int64_t kernels = 0;        // scratch of the kernels
  int64_t decoding =
      0;  // pictures while they are decoded and resized; given back before the model runs
  int64_t peak() const {
    const int64_t running = weights + cache + activations + kernels;
    return program + pictures_held + std::max(running, decoding);
  }
  struct {
    double vision = 0, prefill = 0, decode = 0;
  } seconds;  // estimates, from the measured speed of one product and of memory
};

// Sizes of the pictures of a request, upright.
struct PictureSize {
  int width = 0, height = 0;
  std::optional<Clip> clip = {};  // of a video: what Engine::plan_video says
  int64_t file_bytes = 0;         // of a video: shared with the decoder
};

base::Result<Forecast> forecast(Engine& engine, std::span<const PictureSize> pictures,
                                const std::string& question, int64_t answer_tokens);

}  // namespace ocelli::engine
