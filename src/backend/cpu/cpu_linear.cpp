// Products with weights: which kernel, and how the work is cut.
#include "backend/cpu/cpu_linear.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <vector>

#include "backend/cpu/cpu_backend_impl.h"
#include "base/check.h"

namespace ocelli::cpu {
namespace {

// Bytes of weights in one piece of a product with few rows, and the least outputs of one whose rows
// of x are brought into 8 bits for each piece.
constexpr int64_t kFewBytes = 1 << 16, kFewOutputs = 128;

// Rows of a float32 product that are worth packing weights for another thread, and the step of its
// columns.
constexpr int64_t kLeastProductRows = 256, kProductStep = 64;

// Of a float32 product: all columns of as many rows as can be, because rows are packed for every
// piece. Threads get rows of their own; next to each other they take columns of different rows.
Grid cut_product(int64_t rows, int64_t columns, int64_t inner, int threads) {
  const auto whole = [](int64_t n) { return (n + kProductStep - 1) / kProductStep * kProductStep; };
  const auto parts_of = [](int64_t n, int64_t most) { return (n + most - 1) / most; };
  const int64_t blocks = std::max<int64_t>(parts_of(inner, kInner), 1);
  const int64_t passes = parts_of(blocks, kPassBlocks);
  const int64_t most_rows = std::min(kProductRows, kProductBlocks / parts_of(blocks, passes));
  int64_t parts = parts_of(rows, most_rows);
  if (threads > 1) parts = std::max(parts, std::min<int64_t>(threads, rows / kLeastProductRows));
  const int64_t limit = std::max<int64_t>(parts_of(rows, std::max<int64_t>(parts, 1)), 1);
  int64_t step = std::max(whole(columns), kProductStep);
  if (passes > 1) step = std::min(step, kProductSums / limit / kProductStep * kProductStep);
  while (threads > 1 && step > kProductStep &&
         Grid(rows, columns, limit, step).pieces() < 4 * threads) {
    step = whole(step / 2);
  }
  Grid grid(rows, columns, limit, step);
  grid.rows_first = true;
  return grid;
}

// Which rows of which A the calling thread's scratch memory holds, see ProductPiece::same_rows.
struct Held {
  uint64_t call = 0;     // of linear_together() or product(), from 1 on
  bool rounded = false;  // to bfloat16
  const float* a = nullptr;
  int64_t stride = 0, inner = 0, r0 = 0, r1 = 0;
  bool operator==(const Held&) const = default;
};
thread_local Held held;

uint64_t next_call() {
  static std::atomic<uint64_t> calls = 0;
  return calls.fetch_add(1, std::memory_order_relaxed) + 1;
}

ProductPiece piece_of(const Held& wanted, int64_t n0, int64_t n1) {
  const bool same = wanted == held;
  held = wanted;
  return {wanted.r0, wanted.r1, n0, n1, same};
}

struct Plan {
  LinearArgs args{};
  PackedRows rows{};
  bool few = false;  // linear_few, otherwise `product` or linear_block
  decltype(Kernels::linear_f32) product = nullptr;
  Grid grid;
  int64_t begin = 0;  // its first piece among those of all jobs

  void run_piece(const Kernels& kernels, int64_t i, uint64_t call, float* scratch) const {
    grid.piece(i, [&](int64_t t0, int64_t t1, int64_t n0, int64_t n1) {
      if (product) {
        const bool rounded = product == kernels.linear_bf16;
        const Held wanted{call, rounded, args.x, args.x_stride, args.k, t0, t1};
        return product(args, piece_of(wanted, n0, n1), scratch);
      }
      held = {};
      few ? kernels.linear_few(args, n0, n1, scratch)
          : kernels.linear_block(args, t0, t1, n0, n1, scratch);
    });
  }
};

// Whether rows of x may be rounded to bfloat16.
bool in_bf16(const tensor::LinearJob& job) {
  return job.w->encoding == Encoding::kBF16 && !job.exact && job.x.rows() >= kLeastBF16Rows &&
         job.w->cols % 2 == 0;
}

Plan plan_of(const tensor::LinearJob& job, const Kernels& kernels, int threads) {
  Plan plan;
  plan.args = args_of(job);
  const LinearArgs& a = plan.args;
  const bool packed = is_packed(*job.w);
  plan.few = a.tokens <= kFewRows && (packed || a.k <= kMaxFewCols);
  if (plan.few) {
    const int64_t outputs = std::max<int64_t>(kFewBytes / std::max<int64_t>(a.w_row_bytes, 1),
                                              a.integer ? kFewOutputs : 8);
    const int64_t unit = packed ? kStrip : 4;
    plan.grid = Grid(a.tokens, a.n, kFewRows, (outputs + unit - 1) / unit * unit);
  } else if (packed || a.integer) {
    plan.grid = cut(a.tokens, a.n, packed ? kernels.packed_step : kernels.column_step, threads);
  } else {
    const bool rounded = in_bf16(job) && kernels.linear_bf16;
    plan.product = rounded ? kernels.linear_bf16 : kernels.linear_f32;
    plan.grid = cut_product(a.tokens, a.n, rounded ? a.k / 2 : a.k, threads);
  }
  return plan;
}

bool same_rows(const Tensor& a, const Tensor& b) {
  return a.data == b.data && a.rows() == b.rows() && a.dim(-1) == b.dim(-1) &&
         a.row_stride() == b.row_stride();
}

bool same_norm(const tensor::Norm& a, const tensor::Norm& b) {
  return a.weight == b.weight && a.bias == b.bias && a.eps == b.eps;
}

// Jobs of one call whose rows of x are kept in 8 bits: each x once.
struct Records {
  struct Input {
    Tensor x;
    tensor::Norm norm;
    RecordShape shape;
    std::byte* memory = nullptr;
  };
  std::array<Input, 8> inputs;
  size_t count = 0;

  // The input of a job, or `count`.
  size_t find(const tensor::LinearJob& job) const {
    size_t i = 0;
    while (i < count && !(same_rows(inputs[i].x, job.x) && same_norm(inputs[i].norm, job.norm)))
      ++i;
    return i;
  }
  const Input& of(const tensor::LinearJob& job) const { return inputs[find(job)]; }
  void add(const tensor::LinearJob& job, int64_t code_bytes) {
    if (find(job) < count) return;
    inputs[count++] = {job.x, job.norm, record_shape(job.x.dim(-1), code_bytes)};
  }
  // Rows that fit into the memory of one call.
  int64_t most_rows() const {
    int64_t bytes = 1;
    for (size_t i = 0; i < count; ++i) bytes += inputs[i].shape.bytes;
    return std::max<int64_t>(kRecordBytes / bytes, kMaxPieceRows);
  }
  void quantize(ThreadPool& pool, const Kernels& kernels) {
    int64_t bytes = 0;
    for (size_t i = 0; i < count; ++i) bytes += inputs[i].x.rows() * inputs[i].shape.bytes;
    std::byte* memory = thread_records(bytes);
    for (size_t i = 0; i < count; ++i) {
      Input& in = inputs[i];
      in.memory = memory;
      memory += in.x.rows() * in.shape.bytes;
      quantize_rows(pool, kernels, in.x, in.norm, in.shape, in.memory);
    }
  }
};

// Rows [first, first + count) of a job, or of its outputs.
tensor::LinearJob rows_of_job(const tensor::LinearJob& job, int64_t first, int64_t count) {
  tensor::LinearJob part = job;
  part.x = job.x.slice(0, first, count);
  part.y = job.y.slice(0, first, count);
  if (job.residual) part.residual = job.residual.slice(0, first, count);
  return part;
}
tensor::LinearJob outputs_of_job(const tensor::LinearJob& job, int64_t first, int64_t count) {
  tensor::LinearJob part = job;
  part.y = job.y.slice(1, first, count);
  if (job.bias) part.bias = job.bias + first;
  if (job.residual) part.residual = job.residual.slice(1, first, count);
  return part;
}

// Whether a weight has to be brought into another layout first, a part at a time: 8-bit products
// take packed weights, those in float32 plain ones.
bool needs_other_layout(const tensor::LinearJob& job) {
  return can_pack(job.w->encoding) && is_packed(*job.w) == job.exact;
}

// Rows of a weight that are brought into another layout together.
int64_t part_rows(const Weight& w) {
  constexpr int64_t kPartNumbers = 1 << 19;
  return std::max<int64_t>(kPartNumbers / std::max<int64_t>(w.cols, 1) / 64 * 64, 64);
}

// Rows [first, first + count) of a packed weight as float32.
Weight decoded_rows(ThreadPool& pool, const Weight& w, int64_t first, int64_t count,
                    std::vector<float>& memory) {
  memory.resize(size_t(count * w.cols));
  pool.parallel_for(
      count,
      [&](int64_t begin, int64_t end) {
        for (int64_t r = begin; r < end; ++r) unpack_row(w, first + r, &memory[size_t(r * w.cols)]);
      },
      16);
  return {Encoding::kF32, encoding::Layout::kPlain, count, w.cols,
          reinterpret_cast<const std::byte*>(memory.data())};
}

}  // namespace

void quantize_rows(ThreadPool& pool, const Kernels& kernels, const Tensor& x,
                   const tensor::Norm& norm, const RecordShape& shape, std::byte* memory) {
  const int64_t width = x.dim(-1), stride = x.row_stride();
  // Normalized rows wait in the first-level cache, and one's steps hide behind another's.
  const int64_t together = norm.weight ? std::clamp<int64_t>(2304 / width, 1, 4) : 1;
  OCELLI_CHECK(!norm.weight || together * width <= kScratchFloats, "a row fits the scratch memory");
  for_rows(pool, x.rows(), width, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; t += together) {
      const float* rows = x.f32() + t * stride;
      const int64_t count = std::min(together, end - t);
      int64_t step = stride;
      if (norm.weight) {
        float* const scratch = thread_scratch();
        const RowsArgs args{rows, stride, scratch, width, count, width};
        norm.bias ? kernels.layer_norm(args, norm.weight, norm.bias, norm.eps)
                  : kernels.rms_norm(args, norm.weight, norm.eps);
        rows = scratch;
        step = width;
      }
      for (int64_t i = 0; i < count; ++i) {
        kernels.quantize_record(rows + i * step, width, shape, memory + (t + i) * shape.bytes);
      }
    }
  });
}

bool CpuBackend::takes_norm(const Weight& w) const {
  return is_packed(w) && can_pack(w.encoding) && w.cols <= kScratchFloats;
}

int64_t CpuBackend::packed_bytes(const Weight& plain) const {
  return can_pack(plain.encoding) ? packed_size(plain.encoding, plain.rows, plain.cols) : 0;
}

void CpuBackend::pack(ThreadPool& pool, const Weight& plain, std::byte* memory) const {
  OCELLI_CHECK(can_pack(plain.encoding) && !is_packed(plain), "only plain q8 and q4 are packed");
  pack_rows_of(pool, plain, 0, plain.rows, memory);
}

void CpuBackend::linear_in_parts(ThreadPool& pool, const tensor::LinearJob& job) {
  const Weight& w = *job.w;
  std::vector<float> decoded;
  std::vector<std::byte> packed;
  for (int64_t first = 0, step = part_rows(w); first < w.rows; first += step) {
    const int64_t count = std::min(step, w.rows - first);
    Weight part{w.encoding, encoding::Layout::kPacked, count, w.cols};
    if (is_packed(w)) {
      part = decoded_rows(pool, w, first, count, decoded);
    } else {
      constexpr size_t kAlign = 64;
      packed.resize(size_t(packed_size(w.encoding, count, w.cols)) + kAlign);
      std::byte* const memory =
          packed.data() + (kAlign - reinterpret_cast<uintptr_t>(packed.data()) % kAlign);
      pack_rows_of(pool, w, first, count, memory);
      part.data = memory;
    }
    tensor::LinearJob of_part = outputs_of_job(job, first, count);
    of_part.w = &part;
    linear_together(pool, {&of_part, 1});
  }
}

void CpuBackend::linear_together(ThreadPool& pool, std::span<const tensor::LinearJob> jobs) {
  std::array<Plan, kJobs> plans;
  Records records;
  for (const tensor::LinearJob& job : jobs) {
    if (is_packed(*job.w) && job.x.rows() > 0) records.add(job, kernels_.code_bytes);
  }
  if (records.count > 0) records.quantize(pool, kernels_);
  int64_t pieces = 0;
  bool small = true;
  for (size_t j = 0; j < jobs.size(); ++j) {
    plans[j] = plan_of(jobs[j], kernels_, pool.threads());
    plans[j].begin = pieces;
    if (is_packed(*jobs[j].w) && jobs[j].x.rows() > 0) {
      const Records::Input& in = records.of(jobs[j]);
      plans[j].rows = {in.memory, in.shape, plans[j].args.w_row_bytes * kStrip};
      plans[j].args.rows = &plans[j].rows;
    }
    if (plans[j].args.tokens > 0) pieces += plans[j].grid.pieces();
    small = small && is_small(plans[j].args);
  }
  const uint64_t call = next_call();
  const auto body = [&](int64_t begin, int64_t end) {
    float* const scratch = thread_scratch();
    size_t j = 0;
    for (int64_t i = begin; i < end; ++i) {
      while (j + 1 < jobs.size() && i >= plans[j + 1].begin) ++j;
      plans[j].run_piece(kernels_, i - plans[j].begin, call, scratch);
    }
  };
  pool.parallel_for(pieces, body, small ? std::max<int64_t>(pieces, 1) : 1);
}

// Jobs that want another layout go alone; the others together, as many rows at a time as the memory
// for their 8-bit forms allows.
void CpuBackend::linear(ThreadPool& pool, std::span<const tensor::LinearJob> jobs) {
  std::array<tensor::LinearJob, kJobs> group;
  for (; !jobs.empty(); jobs = jobs.subspan(std::min(kJobs, jobs.size()))) {
    size_t count = 0;
    Records records;
    int64_t rows = 0;
    for (const tensor::LinearJob& job : jobs.first(std::min(kJobs, jobs.size()))) {
      OCELLI_CHECK(!job.norm.weight || (takes_norm(*job.w) && !job.exact),
                   "a norm beside a weight that takes one");
      if (needs_other_layout(job)) {
        linear_in_parts(pool, job);
        continue;
      }
      group[count++] = job;
      rows = std::max(rows, job.x.rows());
      if (is_packed(*job.w)) records.add(job, kernels_.code_bytes);
    }
    if (count == 0) continue;
    const std::span<const tensor::LinearJob> all(group.data(), count);
    if (rows <= records.most_rows()) {
      linear_together(pool, all);
      continue;
    }
    std::array<tensor::LinearJob, kJobs> parts;
    const int64_t step = records.most_rows() / kMaxPieceRows * kMaxPieceRows;
    for (int64_t first = 0; first < rows; first += step) {
      size_t some = 0;
      for (const tensor::LinearJob& job : all) {
        if (job.x.rows() <= first) continue;
        parts[some++] = rows_of_job(job, first, std::min(step, job.x.rows() - first));
      }
      linear_together(pool, {parts.data(), some});
    }
  }
}

void CpuBackend::product(ThreadPool& pool, const ProductArgs& args) {
  const Grid grid = cut_product(args.m, args.n, args.inner, pool.threads());
  if (args.m == 0) return;
  const uint64_t call = next_call();
  for_pieces(pool, grid, args.m * args.n * args.inner < kSmallWork,
             [&](int64_t m0, int64_t m1, int64_t n0, int64_t n1, float* scratch) {
               const Held wanted{call, false, args.a, args.a_stride, args.inner, m0, m1};
               kernels_.product_block(args, piece_of(wanted, n0, n1), scratch);
             });
}

void CpuBackend::linear_grad_input(ThreadPool& pool, const Tensor& dy, const Weight& w,
                                   const Tensor& dx) {
  if (is_packed(w)) {
    std::vector<float> decoded;
    for (int64_t first = 0, step = part_rows(w); first < w.rows; first += step) {
      const int64_t count = std::min(step, w.rows - first);
      const Weight part = decoded_rows(pool, w, first, count, decoded);
      linear_grad_input(pool, dy.slice(1, first, count), part, dx);
    }
    return;
  }
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
