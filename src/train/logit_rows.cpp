#include "train/logit_rows.h"

#include <algorithm>
#include <atomic>

namespace ocelli::train {

using tensor::Context;
using tensor::Grad;
using tensor::Scratch;
using tensor::Tensor;

namespace {

Tensor gradient_of(Context& c, const Tensor& t) {
  if (!t.grad) return {};
  Tensor g = t;
  g.data = tensor::grad_of(c, t);
  g.grad = nullptr;
  g.grad_offset = 0;
  return g;
}

}  // namespace

LogitRows::LogitRows(Context& c, const models::Model& model, const Tensor& hidden)
    : c_(c), model_(model), hidden_(hidden) {
  // Taken here, before any chunk gives its memory back.
  if (c.tape) gradient_ = gradient_of(c, hidden);
}

int64_t LogitRows::rows_together() const {
  const int64_t row = model_.info().vocab * int64_t(sizeof(float));
  return std::max<int64_t>(1, kLogitBytes / row);
}

void LogitRows::visit(std::span<const int32_t> rows, bool backward,
                      const std::function<void(Context&, const Chunk&)>& visitor) {
  const auto together = size_t(rows_together());
  for (size_t first = 0; first < rows.size() && !c_.cancelled(); first += together) {
    const auto chosen = rows.subspan(first, std::min(together, rows.size() - first));
    const Scratch scratch(c_.arena);
    tensor::Tape tape;
    Context c = c_;
    c.tape = backward && c_.tape ? &tape : nullptr;
    Tensor h = c.output({int64_t(chosen.size()), hidden_.dim(1)}, {});
    if (c.tape && gradient_) h.grad = new (c.arena.take<Grad>(1)) Grad{nullptr, h.count()};
    c.backend.gather_rows(c.pool, hidden_, chosen, h);
    Chunk chunk;
    chunk.first = first;
    chunk.logits = model_.logits(c, h);
    if (c.tape) chunk.dlogits = gradient_of(c, chunk.logits);
    visitor(c, chunk);
    if (!c.tape) continue;
    tensor::run_backward(c);
    if (h.grad && h.grad->data) {
      c.backend.scatter_rows(c.pool, gradient_of(c, h), chosen, true, gradient_);
    }
  }
}

int64_t count_right(base::ThreadPool& pool, const Tensor& logits,
                    std::span<const int32_t> targets) {
  std::atomic<int64_t> right = 0;
  pool.parallel_for(
      int64_t(targets.size()),
      [&](int64_t begin, int64_t end) {
        int64_t own = 0;
        for (int64_t t = begin; t < end; ++t) {
          const float* row = logits.f32() + t * logits.row_stride();
          own += std::max_element(row, row + logits.dim(1)) - row == targets[size_t(t)];
        }
        right += own;
      },
      8);
  return right;
}

}  // namespace ocelli::train
