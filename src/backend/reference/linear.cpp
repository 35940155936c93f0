// Products with weights.
//
// y = activation(s + bias) + residual, where s is, rounded to float32 once,
//   f32, f16, bf16, or exact   sum_k x[k] * decoded w[k], in float64
//   encodings with blocks      sum over groups of 32 of (sum of code products, a whole number)
//                              * (weight scale * activation scale), less the group's minimum times
//                              the sum of its activations, in float64 (halves of 16 apart); the
//                              activations are those of encoding::quantize_row
//   q8, q4                     as encoding.h defines it, operation by operation in float32
#include <cmath>
#include <vector>

#include "backend/reference/loops.h"
#include "backend/reference/reference_backend.h"
#include "backend/reference/scalar.h"
#include "base/check.h"

namespace ocelli::reference {
namespace {

using encoding::Encoding;
using encoding::kBlock;
using tensor::LinearJob;

// Rows of x in 8 bits.
struct Quantized {
  int64_t group = 0, groups = 0;
  std::vector<int8_t> codes;  // [T, groups * group]
  std::vector<float> scales;  // [T, groups]
};

Quantized quantize(ThreadPool& pool, const Tensor& x, int64_t group) {
  Quantized q;
  q.group = group;
  q.groups = (x.dim(-1) + group - 1) / group;
  q.codes.resize(size_t(x.rows() * q.groups * group));
  q.scales.resize(size_t(x.rows() * q.groups));
  for_each(pool, x.rows(), [&](int64_t t) {
    encoding::quantize_row(row(x, t), x.dim(-1), &q.codes[size_t(t * q.groups * group)],
                           &q.scales[size_t(t * q.groups)], group);
  });
  return q;
}

double dot(const float* a, const float* b, int64_t count) {
  double sum = 0;
  for (int64_t i = 0; i < count; ++i) sum += double(a[i]) * double(b[i]);
  return sum;
}

double dot_groups(const Quantized& x, int64_t t, const std::vector<encoding::Group>& w) {
  constexpr int64_t kHalf = kBlock / 2;
  double sum = 0;
  for (int64_t b = 0; b < x.groups; ++b) {
    const encoding::Group& group = w[size_t(b)];
    const int8_t* xs = &x.codes[size_t((t * x.groups + b) * kBlock)];
    const double scale = x.scales[size_t(t * x.groups + b)];
    for (int64_t half = 0; half < 2; ++half) {
      int32_t whole = 0, of_x = 0;
      for (int64_t i = half * kHalf; i < (half + 1) * kHalf; ++i) {
        whole += int32_t(xs[i]) * int32_t(group.codes[i]);
        of_x += int32_t(xs[i]);
      }
      sum += double(whole) * (double(group.scale[half]) * scale);
      sum -= double(of_x) * (double(group.min[half]) * scale);
    }
  }
  return sum;
}

// `codes` are those of row n of a q8 or q4 weight, and zeros up to whole groups.
float dot_whole(const Quantized& x, int64_t t, const int8_t* codes, float scale) {
  float sum = 0;
  for (int64_t g = 0; g < x.groups; ++g) {
    const int8_t* const xs = &x.codes[size_t((t * x.groups + g) * x.group)];
    int32_t whole = 0;
    for (int64_t i = 0; i < x.group; ++i) {
      whole += int32_t(xs[i]) * int32_t(codes[g * x.group + i]);
    }
    sum = std::fma(x.scales[size_t(t * x.groups + g)], float(whole), sum);
  }
  return scale * sum;
}

void finish(const LinearJob& job, int64_t t, int64_t n, double sum) {
  float y = float(sum);
  if (job.bias) y += job.bias[n];
  y = float(activate(job.activation, y));
  if (job.residual) y += row(job.residual, t)[n];
  row(job.y, t)[n] = y;
}

void run(ThreadPool& pool, const LinearJob& job) {
  const Weight& w = *job.w;
  OCELLI_CHECK(w.layout == encoding::Layout::kPlain,
               "the reference reads weights as files hold them");
  const int64_t rows = job.x.rows();
  if (encoding::has_groups(w.encoding) && !job.exact) {
    const Quantized x = quantize(pool, job.x, kBlock);
    for_each(pool, w.rows, [&](int64_t n) {
      std::vector<encoding::Group> groups;
      for (int64_t b = 0; b < x.groups; ++b) {
        groups.push_back(encoding::group_of(w.encoding, w.row(n), b));
      }
      for (int64_t t = 0; t < rows; ++t) finish(job, t, n, dot_groups(x, t, groups));
    });
    return;
  }
  if ((w.encoding == Encoding::kQ8 || w.encoding == Encoding::kQ4) && !job.exact) {
    const Quantized x = quantize(pool, job.x, encoding::kGroup);
    for_each(pool, w.rows, [&](int64_t n) {
      std::vector<int8_t> codes(size_t(x.groups * x.group));
      encoding::whole_codes(w.encoding, w.row(n), 0, w.cols, codes.data());
      const float scale = encoding::row_scale(w.row(n));
      for (int64_t t = 0; t < rows; ++t) finish(job, t, n, dot_whole(x, t, codes.data(), scale));
    });
    return;
  }
  pool.parallel_for(w.rows, [&](int64_t begin, int64_t end) {
    std::vector<float> decoded(static_cast<size_t>(w.cols));
    for (int64_t n = begin; n < end; ++n) {
      encoding::decode_row(w.encoding, w.row(n), 0, w.cols, decoded.data());
      for (int64_t t = 0; t < rows; ++t)
        finish(job, t, n, dot(row(job.x, t), decoded.data(), w.cols));
    }
  });
}

}  // namespace

void ReferenceBackend::linear(ThreadPool& pool, std::span<const LinearJob> jobs) {
  for (const LinearJob& job : jobs) run(pool, job);
}

// dx[t, k] += sum_n dy[t, n] w[n, k]
void ReferenceBackend::linear_grad_input(ThreadPool& pool, const Tensor& dy, const Weight& w,
                                         const Tensor& dx) {
  constexpr int64_t kRowsTogether = 16;  // share one decoded row of w
  const auto body = [&](int64_t begin, int64_t end) {
    std::vector<float> decoded(static_cast<size_t>(w.cols));
    std::vector<double> sums(size_t((end - begin) * w.cols));
    for (int64_t n = 0; n < w.rows; ++n) {
      encoding::decode_row(w.encoding, w.row(n), 0, w.cols, decoded.data());
      for (int64_t t = begin; t < end; ++t) {
        const double d = row(dy, t)[n];
        double* sum = &sums[size_t((t - begin) * w.cols)];
        for (int64_t k = 0; k < w.cols; ++k) sum[k] += d * double(decoded[size_t(k)]);
      }
    }
    for (int64_t t = begin; t < end; ++t) {
      const double* sum = &sums[size_t((t - begin) * w.cols)];
      for (int64_t k = 0; k < w.cols; ++k) row(dx, t)[k] += float(sum[k]);
    }
  };
  pool.parallel_for(dy.rows(), body, kRowsTogether);
}

// w.grad[n, k] += sum_t dy[t, n] x[t, k]
void ReferenceBackend::linear_grad_weight(ThreadPool& pool, const Tensor& dy, const Tensor& x,
                                          const Weight& w) {
  pool.parallel_for(w.rows, [&](int64_t begin, int64_t end) {
    std::vector<double> sum(static_cast<size_t>(w.cols));
    for (int64_t n = begin; n < end; ++n) {
      std::fill(sum.begin(), sum.end(), 0.0);
      for (int64_t t = 0; t < x.rows(); ++t) {
        const double d = row(dy, t)[n];
        for (int64_t k = 0; k < w.cols; ++k) sum[size_t(k)] += d * double(row(x, t)[k]);
      }
      for (int64_t k = 0; k < w.cols; ++k) w.grad[n * w.cols + k] += float(sum[size_t(k)]);
    }
  });
}

}  // namespace ocelli::reference
