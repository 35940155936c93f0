#include "train/objective.h"

#include "tensor/backend.h"
#include "train/logit_rows.h"

namespace ocelli::train {

using base::Result;
using tensor::Context;
using tensor::Tensor;

void StepSums::add(const StepSums& other) {
  loss += other.loss;
  weight += other.weight;
  tokens += other.tokens;
  right += other.right;
  for (const auto& [name, value] : other.more) more[name] += value;
}

std::vector<const Sample*> sequences(const Batch& batch) {
  std::vector<const Sample*> out;
  for (const Example& e : batch.examples) {
    out.push_back(&e.sample);
    if (e.rejected) out.push_back(&*e.rejected);
  }
  return out;
}

namespace {

class Sft : public Objective {
 public:
  double weight(const Batch& batch) const override { return double(batch.trained_tokens()); }

  Result<StepSums> run(Context& c, const HiddenStates& h, double scale) const override {
    std::vector<int32_t> rows, targets;
    int32_t first = 0;
    for (const Sample* s : sequences(h.batch)) {
      const std::vector<int32_t> next = next_tokens(*s);
      for (size_t t = 0; t < next.size(); ++t) {
        if (next[t] < 0) continue;
        rows.push_back(first + int32_t(t));
        targets.push_back(next[t]);
      }
      first += int32_t(next.size());
    }
    StepSums sums;
    sums.weight = double(rows.size());
    sums.tokens = int64_t(rows.size());
    LogitRows logits(c, h.model, h.states);
    logits.visit(rows, true, [&](Context& inner, const LogitRows::Chunk& chunk) {
      const auto wanted = std::span(targets).subspan(chunk.first, size_t(chunk.logits.dim(0)));
      float loss = 0, one = 1;
      inner.backend.cross_entropy(inner.pool, chunk.logits, wanted, 1, Tensor::view(&loss, {1}));
      sums.loss += double(loss);
      sums.right += count_right(inner.pool, chunk.logits, wanted);
      if (!chunk.dlogits) return;
      inner.backend.cross_entropy_grad(inner.pool, chunk.logits, wanted, float(scale),
                                       Tensor::view(&one, {1}), chunk.dlogits);
    });
    return sums;
  }
};

}  // namespace

std::unique_ptr<Objective> make_sft() {
  return std::make_unique<Sft>();
}

}  // namespace ocelli::train
