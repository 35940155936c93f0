#include "train/pass.h"

#include <algorithm>

#include "ops/rows.h"

namespace ocelli::train {

using base::Result;
using base::Status;
using tensor::Context;
using tensor::Scratch;
using tensor::Tensor;
using Image = std::shared_ptr<const engine::PreparedImage>;

Context ModelPass::context(tensor::Tape* tape) const {
  Context c{engine_.backend(), arena_, engine_.pool(), tape};
  c.exact = options_.exact;
  c.cancel = cancel_;
  return c;
}

Result<StepSums> ModelPass::train(const Batch& batch, const Objective& objective, double scale,
                                  int64_t number) {
  const Scratch scratch(arena_);
  tensor::Tape tape;
  Context c = context(&tape);
  c.rng.seed = options_.seed;
  c.rng.step = uint32_t(number);
  c.recompute = options_.recompute;
  StepSums sums;
  OCELLI_TRY(hidden(c, batch, [&](const HiddenStates& h) -> Status {
    OCELLI_ASSIGN(sums, objective.run(c, h, scale));
    tensor::run_backward(c);
    return cancel_ ? cancel_->check() : Status();
  }));
  return sums;
}

Result<StepSums> ModelPass::evaluate(const Batch& batch, const Objective& objective) {
  const Scratch scratch(arena_);
  Context c = context(nullptr);
  StepSums sums;
  OCELLI_TRY(hidden(c, batch, [&](const HiddenStates& h) -> Status {
    OCELLI_ASSIGN(sums, objective.run(c, h, 0));
    return cancel_ ? cancel_->check() : Status();
  }));
  return sums;
}

Status ModelPass::hidden(Context& c, const Batch& batch,
                         const std::function<Status(const HiddenStates&)>& use) {
  std::vector<int64_t> lengths;
  for (const Sample* s : sequences(batch)) lengths.push_back(s->tokens());
  const nn::Sequence sequence = nn::Sequence::packed(lengths);
  OCELLI_ASSIGN(const Tensor x, embed(c, batch));
  const Tensor states = engine_.model().forward(c, x, sequence);
  if (cancel_) OCELLI_TRY(cancel_->check());
  return use({engine_.model(), batch, states});
}

// Words and pictures of all sequences, [T, D].
Result<Tensor> ModelPass::embed(Context& c, const Batch& batch) {
  const std::vector<const Sample*> samples = sequences(batch);
  std::vector<int32_t> ids, places, rows;
  int32_t first_row = 0;
  const int64_t per_tile = engine_.info().vision ? engine_.info().vision->tokens_per_tile : 0;
  for (const Sample* s : samples) {
    for (size_t t = 0; t < s->prompt.ids.size(); ++t) {
      if (!s->prompt.image_rows.empty() && s->prompt.image_rows[t] >= 0) {
        places.push_back(int32_t(ids.size() + t));
        rows.push_back(first_row + s->prompt.image_rows[t]);
      }
    }
    ids.insert(ids.end(), s->prompt.ids.begin(), s->prompt.ids.end());
    for (const Image& image : s->prompt.images) {
      first_row += int32_t(image->tiles.plan.tiles * per_tile);
    }
  }
  Tensor x = engine_.model().embed(c, ids);
  if (places.empty()) return x;
  OCELLI_ASSIGN(Tensor seen, pictures(c, samples));
  bool in_order = int64_t(rows.size()) == seen.dim(0);
  for (size_t i = 0; i < rows.size() && in_order; ++i) in_order = rows[i] == int32_t(i);
  if (!in_order) seen = ops::gather_rows(c, seen, rows);
  return ops::place_rows(c, x, seen, places);
}

// The embeddings of all pictures, [rows, D].
Result<Tensor> ModelPass::pictures(Context& c, const std::vector<const Sample*>& samples) {
  std::vector<Image> images;
  for (const Sample* s : samples) {
    images.insert(images.end(), s->prompt.images.begin(), s->prompt.images.end());
  }
  if (parameters_.trains(Part::kVision)) {
    const Tensor pixels = features_.pixels(c, images);
    return engine_.model().encode_tiles(c, pixels);
  }
  return features_.embeddings(c, images);
}

}  // namespace ocelli::train
