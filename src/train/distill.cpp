#include "train/distill.h"

#include <cmath>

#include "tensor/backend.h"
#include "train/logit_rows.h"

namespace ocelli::train {

using base::Code;
using base::Result;
using tensor::Context;
using tensor::Tensor;

namespace {

// The trained tokens of a batch.
struct Targets {
  std::vector<int32_t> rows, tokens;  // [n]: of the hidden states, and what follows
  TopK teacher;                       // of all of them
};

class Distill : public Objective {
 public:
  Distill(const DistillOptions& options, TopKSource& training, TopKSource* held_back)
      : options_(options), training_(training), held_back_(held_back) {}

  double weight(const Batch& batch) const override { return double(batch.trained_tokens()); }

  Result<StepSums> run(Context& c, const HiddenStates& h, double scale) const override {
    OCELLI_CHECK(c.tape || held_back_, "an evaluation needs a teacher of what was held back");
    OCELLI_ASSIGN(const Targets targets, collect(h.batch, c.tape ? training_ : *held_back_));
    const double soft = options_.ratio * options_.temperature * options_.temperature;
    const double hard = 1 - options_.ratio;
    StepSums sums;
    sums.weight = double(targets.rows.size());
    sums.tokens = int64_t(targets.rows.size());
    double entropy = 0, divergence = 0, mass = 0;
    LogitRows logits(c, h.model, h.states);
    logits.visit(targets.rows, true, [&](Context& inner, const LogitRows::Chunk& chunk) {
      const auto count = size_t(chunk.logits.dim(0));
      const auto wanted = std::span(targets.tokens).subspan(chunk.first, count);
      tensor::TopKJob job = job_of(chunk, targets.teacher);
      float a = 0, b = 0, one = 1;
      inner.backend.cross_entropy(inner.pool, chunk.logits, wanted, 1, Tensor::view(&a, {1}));
      inner.backend.top_k_divergence(inner.pool, job, Tensor::view(&b, {1}));
      entropy += double(a);
      divergence += double(b);
      sums.right += count_right(inner.pool, chunk.logits, wanted);
      if (!chunk.dlogits) return;
      if (hard > 0) {
        inner.backend.cross_entropy_grad(inner.pool, chunk.logits, wanted, float(scale * hard),
                                         Tensor::view(&one, {1}), chunk.dlogits);
      }
      if (soft > 0) {
        job.scale = float(scale * soft);
        inner.backend.top_k_divergence_grad(inner.pool, job, Tensor::view(&one, {1}),
                                            chunk.dlogits);
      }
    });
    for (const float log_prob : targets.teacher.log_probs) mass += std::exp(double(log_prob));
    sums.loss = hard * entropy + soft * divergence;
    sums.more = {{"cross_entropy", entropy}, {"divergence", divergence}, {"teacher_mass", mass}};
    return sums;
  }

 private:
  tensor::TopKJob job_of(const LogitRows::Chunk& chunk, const TopK& teacher) const {
    const size_t first = chunk.first * size_t(teacher.k);
    const size_t count = size_t(chunk.logits.dim(0)) * size_t(teacher.k);
    return {chunk.logits, std::span(teacher.ids).subspan(first, count),
            std::span(teacher.log_probs).subspan(first, count), float(options_.temperature), 1};
  }

  static Result<Targets> collect(const Batch& batch, TopKSource& source) {
    Targets out;
    int32_t first = 0;
    for (const Example& e : batch.examples) {
      if (e.rejected) {
        return base::fail(Code::kBadInput,
                          "row " + std::to_string(e.row + 1) +
                              " is a preference pair; distillation takes conversations and texts");
      }
      const std::vector<int32_t> next = next_tokens(e.sample);
      const size_t before = out.tokens.size();
      for (size_t t = 0; t < next.size(); ++t) {
        if (next[t] < 0) continue;
        out.rows.push_back(first + int32_t(t));
        out.tokens.push_back(next[t]);
      }
      first += int32_t(next.size());
      OCELLI_ASSIGN(const TopK said, source.of(e));
      OCELLI_CHECK(size_t(said.count()) == out.tokens.size() - before,
                   "a source speaks of every trained token");
      OCELLI_CHECK(out.teacher.k == 0 || out.teacher.k == said.k, "a source has one k");
      out.teacher.k = said.k;
      out.teacher.ids.insert(out.teacher.ids.end(), said.ids.begin(), said.ids.end());
      out.teacher.log_probs.insert(out.teacher.log_probs.end(), said.log_probs.begin(),
                                   said.log_probs.end());
    }
    return out;
  }

  DistillOptions options_;
  TopKSource& training_;
  TopKSource* held_back_;
};

}  // namespace

std::unique_ptr<Objective> make_distill(const DistillOptions& options, TopKSource& training,
                                        TopKSource* held_back) {
  return std::make_unique<Distill>(options, training, held_back);
}

}  // namespace ocelli::train
