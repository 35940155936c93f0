// What products with weights and feed-forward networks share: how they are cut, and what kernels
// are told of a job.
#pragma once

#include <algorithm>

#include "backend/cpu/cpu_backend_impl.h"
#include "backend/cpu/cpu_pieces.h"
#include "backend/cpu/packed_weight.h"

namespace ocelli::cpu {

// A hand-out is worth it from this many multiply-accumulates, or bytes of weights streamed, on.
inline constexpr int64_t kSmallWork = 1 << 18, kSmallBytes = 1 << 17;

// How a [rows, columns] result is cut: pieces run over columns first, or over rows.
struct Grid {
  int64_t rows = 0, columns = 0, row_parts = 1, column_step = 1, column_parts = 1;
  bool rows_first = false;

  Grid(int64_t rows_in, int64_t columns_in, int64_t row_limit, int64_t step)
      : rows(rows_in),
        columns(columns_in),
        row_parts((rows + row_limit - 1) / row_limit),
        column_step(step),
        column_parts((columns + step - 1) / step) {}
  Grid() = default;
  int64_t pieces() const { return row_parts * column_parts; }

  // run(t0, t1, n0, n1)
  template <class Run>
  void piece(int64_t i, Run run) const {
    const int64_t r = rows_first ? i % row_parts : i / column_parts;
    const int64_t c = rows_first ? i / row_parts : i % column_parts;
    run(rows * r / row_parts, rows * (r + 1) / row_parts, c * column_step,
        std::min(columns, (c + 1) * column_step));
  }
};

// Pieces as large as fit a core's cache, smaller where threads would go without.
inline Grid cut(int64_t rows, int64_t columns, int64_t column_step, int threads) {
  int64_t step = kMaxPieceCols;
  while (threads > 1 && step / 2 >= 2 * column_step &&
         Grid(rows, columns, kMaxPieceRows, step).pieces() < 4 * threads) {
    step /= 2;
  }
  return Grid(rows, columns, kMaxPieceRows, step);
}

// Calls run(t0, t1, n0, n1, scratch) for all pieces, on threads where `small` is not said.
template <class Run>
void for_pieces(ThreadPool& pool, const Grid& grid, bool small, Run run) {
  const auto body = [&](int64_t begin, int64_t end) {
    float* const scratch = thread_scratch();
    for (int64_t i = begin; i < end; ++i) {
      grid.piece(
          i, [&](int64_t t0, int64_t t1, int64_t n0, int64_t n1) { run(t0, t1, n0, n1, scratch); });
    }
  };
  pool.parallel_for(grid.pieces(), body, small ? std::max<int64_t>(grid.pieces(), 1) : 1);
}

inline bool is_packed(const Weight& w) {
  return w.layout == encoding::Layout::kPacked;
}

inline LinearArgs args_of(const tensor::LinearJob& job) {
  LinearArgs a{};
  a.x = job.x.f32();
  a.x_stride = job.x.row_stride();
  a.tokens = job.x.rows();
  a.k = job.w->cols;
  a.n = job.w->rows;
  a.encoding = job.w->encoding;
  a.integer = encoding::has_groups(a.encoding) && !job.exact;
  a.w = job.w->data;
  a.w_row_bytes = encoding::row_bytes(a.encoding, a.k);
  if (is_packed(*job.w)) {
    const PackedShape shape = packed_shape(a.encoding, a.n, a.k);
    a.w_scales = reinterpret_cast<const float*>(job.w->data);
    a.w = job.w->data + shape.strips * kStrip * int64_t(sizeof(float));
    a.w_row_bytes = shape.strip_bytes / kStrip;
  }
  a.bias = job.bias;
  a.act = act_of(job.activation);
  if (job.residual) {
    a.residual = job.residual.f32();
    a.residual_stride = job.residual.row_stride();
  }
  a.y = job.y.f32();
  a.y_stride = job.y.row_stride();
  return a;
}

inline bool is_small(const LinearArgs& a) {
  return a.tokens * a.k * a.n < kSmallWork && a.n * a.w_row_bytes < kSmallBytes;
}

// Rows of x, through the norm if there is one, as records, one after the other.
void quantize_rows(ThreadPool& pool, const Kernels& kernels, const Tensor& x,
                   const tensor::Norm& norm, const RecordShape& shape, std::byte* memory);

}  // namespace ocelli::cpu
