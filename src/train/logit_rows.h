// LogitRows: logits of chosen rows of hidden states, chunk by chunk, so that all of them are never
// stored. With a tape, what the visitor leaves as gradient of the logits goes to the hidden states
// and to the head.
//
//   LogitRows rows(c, model, hidden);
//   rows.visit(which, [&](const Chunk& chunk) { ... chunk.logits ... chunk.dlogits ... });
#pragma once

#include <functional>
#include <span>

#include "models/model.h"

namespace ocelli::train {

// Bytes of logits (and as many of their gradient) that exist at once.
inline constexpr int64_t kLogitBytes = int64_t{32} << 20;

class LogitRows {
 public:
  struct Chunk {
    size_t first = 0;        // of `rows`
    tensor::Tensor logits;   // [n, V]
    tensor::Tensor dlogits;  // [n, V], cleared; empty where there is no gradient
  };

  // Hidden states [T, D] of a pass with `c`, which may have a tape.
  LogitRows(tensor::Context& c, const models::Model& model, const tensor::Tensor& hidden);

  // Rows of the hidden states that go through together.
  int64_t rows_together() const;
  // `backward` false: no gradient, whatever the tape.
  void visit(std::span<const int32_t> rows, bool backward,
             const std::function<void(tensor::Context&, const Chunk&)>& visitor);

 private:
  tensor::Context& c_;
  const models::Model& model_;
  tensor::Tensor hidden_;
  tensor::Tensor gradient_;  // of hidden_; empty where none flows
};

// How many rows have their largest logit (the first of equals) at targets[row].
int64_t count_right(base::ThreadPool& pool, const tensor::Tensor& logits,
                    std::span<const int32_t> targets);

}  // namespace ocelli::train
