// Products with weights: which kernel, and how the work is cut.
#include <algorithm>
#include <array>

#include "backend/cpu/cpu_backend_impl.h"
#include "backend/cpu/cpu_pieces.h"

namespace ocelli::cpu {
namespace {

// A hand-out is worth it from this many multiply-accumulates, or bytes of weights streamed, on.
constexpr int64_t kSmallWork = 1 << 18, kSmallBytes = 1 << 17;
// Bytes of weights in one piece of a product with few rows.
constexpr int64_t kFewBytes = 1 << 16;

// How a [rows, columns] result is cut: pieces run over columns first.
struct Grid {
  int64_t rows = 0, columns = 0, row_parts = 1, column_step = 1, column_parts = 1;

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
    const int64_t r = i / column_parts, c = i % column_parts;
    run(rows * r / row_parts, rows * (r + 1) / row_parts, c * column_step,
        std::min(columns, (c + 1) * column_step));
  }
};

// Pieces as large as fit a core's cache, smaller where threads would go without.
Grid cut(int64_t rows, int64_t columns, int64_t column_step, int threads) {
  int64_t step = kMaxPieceCols;
  while (threads > 1 && step / 2 >= 2 * column_step &&
         Grid(rows, columns, kMaxPieceRows, step).pieces() < 4 * threads) {
    step /= 2;
  }
  return Grid(rows, columns, kMaxPieceRows, step);
}

LinearArgs args_of(const tensor::LinearJob& job) {
  LinearArgs a{};
  a.x = job.x.f32();
  a.x_stride = job.x.row_stride();
  a.tokens = job.x.rows();
  a.k = job.w->cols;
  a.n = job.w->rows;
  a.encoding = job.w->encoding;
  a.integer = a.encoding == Encoding::kQ80 && !job.exact;
  a.w = job.w->data;
  a.w_row_bytes = encoding::row_bytes(a.encoding, a.k);
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

struct Plan {
  LinearArgs args{};
  bool few = false;
  Grid grid;
  int64_t begin = 0;  // its first piece among those of all jobs
};

Plan plan_of(const tensor::LinearJob& job, int64_t column_step, int threads) {
  Plan plan;
  plan.args = args_of(job);
  const LinearArgs& a = plan.args;
  plan.few = a.tokens <= kFewRows && a.k <= kMaxFewCols;
  if (plan.few) {
    const int64_t outputs = std::max<int64_t>(kFewBytes / std::max<int64_t>(a.w_row_bytes, 1), 8);
    plan.grid = Grid(a.tokens, a.n, kFewRows, (outputs + 3) / 4 * 4);
  } else {
    plan.grid = cut(a.tokens, a.n, column_step, threads);
  }
  return plan;
}

bool is_small(const LinearArgs& a) {
  return a.tokens * a.k * a.n < kSmallWork && a.n * a.w_row_bytes < kSmallBytes;
}

}  // namespace

void CpuBackend::linear_together(ThreadPool& pool, std::span<const tensor::LinearJob> jobs) {
  std::array<Plan, kJobs> plans;
  int64_t pieces = 0;
  bool small = true;
  for (size_t j = 0; j < jobs.size(); ++j) {
    plans[j] = plan_of(jobs[j], kernels_.column_step, pool.threads());
    plans[j].begin = pieces;
    if (plans[j].args.tokens > 0) pieces += plans[j].grid.pieces();
    small = small && is_small(plans[j].args);
  }
  const auto body = [&](int64_t begin, int64_t end) {
    float* const scratch = thread_scratch();
    size_t j = 0;
    for (int64_t i = begin; i < end; ++i) {
      while (j + 1 < jobs.size() && i >= plans[j + 1].begin) ++j;
      const Plan& plan = plans[j];
      plan.grid.piece(i - plan.begin, [&](int64_t t0, int64_t t1, int64_t n0, int64_t n1) {
        plan.few ? kernels_.linear_few(plan.args, n0, n1, scratch)
                 : kernels_.linear_block(plan.args, t0, t1, n0, n1, scratch);
      });
    }
  };
  pool.parallel_for(pieces, body, small ? std::max<int64_t>(pieces, 1) : 1);
}

void CpuBackend::linear(ThreadPool& pool, std::span<const tensor::LinearJob> jobs) {
  for (; jobs.size() > kJobs; jobs = jobs.subspan(kJobs)) linear_together(pool, jobs.first(kJobs));
  linear_together(pool, jobs);
}

void CpuBackend::product(ThreadPool& pool, const ProductArgs& args) {
  const Grid grid = cut(args.m, args.n, kernels_.column_step, pool.threads());
  const bool small = args.m * args.n * args.inner < kSmallWork;
  const int64_t pieces = args.m > 0 ? grid.pieces() : 0;
  const auto body = [&](int64_t begin, int64_t end) {
    float* const scratch = thread_scratch();
    for (int64_t i = begin; i < end; ++i) {
      grid.piece(i, [&](int64_t m0, int64_t m1, int64_t n0, int64_t n1) {
        kernels_.product_block(args, m0, m1, n0, n1, scratch);
      });
    }
  };
  pool.parallel_for(pieces, body, small ? std::max<int64_t>(pieces, 1) : 1);
}

void CpuBackend::linear_grad_input(ThreadPool& pool, const Tensor& dy, const Weight& w,
                                   const Tensor& dx) {
  ProductArgs a{};
  a.a = dy.f32();
  a.a_stride = dy.row_stride();
  a.encoding = w.encoding;
  a.b = w.data;
  a.b_row_bytes = encoding::row_bytes(w.encoding, w.cols);
  a.m = dy.rows();
  a.n = w.cols;
  a.inner = w.rows;
  a.dst = dx.f32();
  a.dst_stride = dx.row_stride();
  product(pool, a);
}

void CpuBackend::linear_grad_weight(ThreadPool& pool, const Tensor& dy, const Tensor& x,
                                    const Weight& w) {
  ProductArgs a{};
  a.a = dy.f32();
  a.a_stride = dy.row_stride();
  a.a_transposed = true;
  a.encoding = Encoding::kF32;
  a.b = reinterpret_cast<const std::byte*>(x.f32());
  a.b_row_bytes = x.row_stride() * int64_t(sizeof(float));
  a.m = w.rows;
  a.n = w.cols;
  a.inner = dy.rows();
  a.dst = w.grad;
  a.dst_stride = w.cols;
  product(pool, a);
}

}  // namespace ocelli::cpu
