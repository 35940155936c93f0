// Feed-forward networks with packed weights: the first half writes its result as the 8-bit rows
// that the second half multiplies.
#include "backend/cpu/cpu_linear.h"

namespace ocelli::cpu {
namespace {

// One network's rows in 8 bits, before and inside of it.
struct Halves {
  RecordShape x, hidden;
  int64_t most_rows() const {
    const int64_t rows = kRecordBytes / (x.bytes + hidden.bytes) / kMaxPieceRows * kMaxPieceRows;
    return std::max(rows, kMaxPieceRows);
  }
};

bool takes(const tensor::FeedForwardJob& job) {
  for (const Weight* w : {job.gate ? job.gate : job.up, job.up, job.down}) {
    if (!is_packed(*w) || !can_pack(w->encoding)) return false;
  }
  // Few rows go through kernels of their own, where weights alone count.
  return job.x.rows() > kFewRows;
}

PackedRows rows_for(const std::byte* records, const RecordShape& shape, const LinearArgs& a) {
  return {records, shape, a.w_row_bytes * kStrip};
}

// Rows of x -> hidden, both as records.
void first_half(ThreadPool& pool, const Kernels& kernels, const tensor::FeedForwardJob& job,
                const Halves& shape, const std::byte* x, std::byte* hidden) {
  const auto args = [&](const Weight& w, const float* bias, Activation activation) {
    return args_of({job.x, &w, job.x, bias, activation});  // nothing is written to job.x
  };
  HiddenArgs h{args(*job.up, job.up_bias, job.gate ? Activation::kNone : job.activation), nullptr,
               shape.hidden, hidden};
  PackedRows up_rows = rows_for(x, shape.x, h.up), gate_rows{};
  h.up.rows = &up_rows;
  LinearArgs gate{};
  if (job.gate) {
    gate = args(*job.gate, nullptr, job.activation);
    gate_rows = rows_for(x, shape.x, gate);
    gate.rows = &gate_rows;
    h.gate = &gate;
  }
  const Grid grid = cut(h.up.tokens, h.up.n, encoding::kGroup, pool.threads());
  for_pieces(pool, grid, is_small(h.up),
             [&](int64_t t0, int64_t t1, int64_t n0, int64_t n1, float* scratch) {
               kernels.hidden_block(h, t0, t1, n0, n1, scratch);
             });
}

void second_half(ThreadPool& pool, const Kernels& kernels, const tensor::FeedForwardJob& job,
                 const Halves& shape, const std::byte* hidden) {
  // Its rows are the records: the tensor says only how many.
  LinearArgs down =
      args_of({job.y, job.down, job.y, job.down_bias, Activation::kNone, job.residual});
  const PackedRows rows = rows_for(hidden, shape.hidden, down);
  down.rows = &rows;
  const Grid grid = cut(down.tokens, down.n, kernels.packed_step, pool.threads());
  for_pieces(pool, grid, is_small(down),
             [&](int64_t t0, int64_t t1, int64_t n0, int64_t n1, float* scratch) {
               kernels.linear_block(down, t0, t1, n0, n1, scratch);
             });
}

}  // namespace

bool CpuBackend::feed_forward(ThreadPool& pool, const tensor::FeedForwardJob& job) {
  if (!takes(job)) return false;
  const Halves shape{record_shape(job.up->cols, kernels_.code_bytes),
                     record_shape(job.up->rows, kernels_.code_bytes)};
  const int64_t rows = job.x.rows(), step = std::min(shape.most_rows(), rows);
  for (int64_t first = 0; first < rows; first += step) {
    const int64_t count = std::min(step, rows - first);
    tensor::FeedForwardJob part = job;
    part.x = job.x.slice(0, first, count);
    part.y = job.y.slice(0, first, count);
    if (job.residual) part.residual = job.residual.slice(0, first, count);
    std::byte* const x = thread_records(count * (shape.x.bytes + shape.hidden.bytes));
    std::byte* const hidden = x + count * shape.x.bytes;
    quantize_rows(pool, kernels_, part.x, part.norm, shape.x, x);
    first_half(pool, kernels_, part, shape, x, hidden);
    second_half(pool, kernels_, part, shape, hidden);
  }
  return true;
}

}  // namespace ocelli::cpu
