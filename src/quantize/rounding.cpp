#include "quantize/rounding.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "encoding/recode.h"

namespace ocelli::quantize {

using encoding::Weight;
using tensor::Tensor;

namespace {

constexpr int64_t kPanel = 64;  // columns whose codes are chosen before the others hear of them
constexpr int64_t kRowsTogether = 2048;
// Of the mean of the diagonal, added to it: columns that were hardly used are rounded plainly.
constexpr double kDamping = 0.01;

// A matrix inside a larger one.
Tensor part(float* first, int64_t rows, int64_t cols, int64_t stride) {
  Tensor t = Tensor::view(first, {rows, cols});
  t.stride[0] = stride;
  return t;
}

// H with its columns in the order of their diagonal, largest first, and raised.
std::optional<Factor> ordered(base::ThreadPool& pool, const Moments& m) {
  const auto width = size_t(m.width);
  double trace = 0;
  for (size_t i = 0; i < width; ++i) trace += m.sums[i * width + i];
  if (!std::isfinite(trace)) return {};
  Factor f{m.width, std::vector<int64_t>(width), std::vector<float>(m.sums.size())};
  std::iota(f.order.begin(), f.order.end(), 0);
  std::stable_sort(f.order.begin(), f.order.end(), [&](int64_t a, int64_t b) {
    return m.sums[size_t(a) * (width + 1)] > m.sums[size_t(b) * (width + 1)];
  });
  pool.parallel_for(m.width, [&](int64_t begin, int64_t end) {
    for (auto i = size_t(begin); i < size_t(end); ++i) {
      const float* const from = &m.sums[size_t(f.order[i]) * width];
      for (size_t k = 0; k < width; ++k) f.l[i * width + k] = from[f.order[k]];
    }
  });
  const float more = trace > 0 ? float(kDamping * trace / double(m.width)) : 1.0f;
  for (size_t i = 0; i < width; ++i) f.l[i * width + i] += more;
  return f;
}

// Rows [first, end) of L from what is left of H: H_jk = sum over i >= j of L_ij L_ik, for k <= j.
bool factor_panel(base::ThreadPool& pool, Factor& f, int64_t first, int64_t end) {
  float* const h = f.l.data();
  for (int64_t j = end - 1; j >= first; --j) {
    float* const row = h + j * f.width;
    pool.parallel_for(
        j + 1,
        [&](int64_t from, int64_t to) {
          for (int64_t i = j + 1; i < end; ++i) {
            const float* const below = h + i * f.width;
            const float factor = below[j];
            for (int64_t k = from; k < to; ++k) row[k] -= factor * below[k];
          }
        },
        1024);
    if (!(row[j] > 0)) return false;
    const float inverse = 1 / std::sqrt(row[j]);
    for (int64_t k = 0; k <= j; ++k) row[k] *= inverse;
    std::fill(row + j + 1, row + f.width, 0.0f);
  }
  return true;
}

class Rounder {
 public:
  Rounder(tensor::Backend& backend, base::ThreadPool& pool, const Factor& f,
          encoding::Encoding encoding, int64_t rows)
      : backend_(backend),
        pool_(pool),
        f_(f),
        cols_(f.width),
        rows_(rows),
        encoding_(encoding),
        weights_(size_t(rows * cols_)),
        lost_(weights_.size()),
        errors_(size_t(rows * kPanel)) {}

  // `rows_` rows of `weight` from `first` on.
  void round(const Weight& weight, int64_t first, std::byte* rows) {
    pool_.parallel_for(rows_, [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) {
        encoding::decode_row(weight.encoding, weight.row(first + r), 0, cols_,
                             &weights_[size_t(r * cols_)]);
      }
    });
    const int64_t stride = encoding::row_bytes(encoding_, cols_);
    for (int64_t c = 0; c < cols_; c += kPanel) {
      const int64_t count = std::min(kPanel, cols_ - c);
      pool_.parallel_for(
          rows_,
          [&](int64_t begin, int64_t end) {
            for (int64_t r = begin; r < end; ++r) choose(r, c, count, rows + r * stride);
          },
          4);
      tell_others(c, count);
    }
  }

 private:
  // Codes of `count` columns of row r, those that are `first` and later in the order.
  void choose(int64_t r, int64_t first, int64_t count, std::byte* row) {
    float* const errors = &errors_[size_t(r * count)];
    for (int64_t i = 0; i < count; ++i) {
      const int64_t j = first + i;
      const float* const l = &f_.l[size_t(j * cols_)];
      const int64_t column = f_.order[size_t(j)];
      const float weight = weights_[size_t(r * cols_ + column)];
      float lost = lost_[size_t(r * cols_ + j)];
      for (int64_t k = 0; k < i; ++k) lost += errors[k] * l[first + k];
      errors[i] = weight - encoding::recode(encoding_, row, column, weight + lost / l[j]);
    }
  }

  // What the columns behind have to make up for.
  void tell_others(int64_t first, int64_t count) {
    const int64_t begin = first + count, behind = cols_ - begin;
    if (behind == 0) return;
    std::vector<float> panel(size_t(behind * count));
    for (int64_t j = 0; j < behind; ++j)
      std::copy_n(&f_.l[size_t((begin + j) * cols_ + first)], count, &panel[size_t(j * count)]);
    Weight w;
    w.rows = behind;
    w.cols = count;
    w.data = reinterpret_cast<const std::byte*>(panel.data());
    tensor::LinearJob job;
    job.x = Tensor::view(errors_.data(), {rows_, count});
    job.w = &w;
    job.y = job.residual = part(&lost_[size_t(begin)], rows_, behind, cols_);
    job.exact = true;
    backend_.linear(pool_, {&job, 1});
  }

  tensor::Backend& backend_;
  base::ThreadPool& pool_;
  const Factor& f_;
  int64_t cols_, rows_;
  encoding::Encoding encoding_;
  std::vector<float> weights_;
  std::vector<float> lost_;    // [rows, cols], in order: sum over k that are done of (w - q)_k L_jk
  std::vector<float> errors_;  // [rows, columns of a panel]: w - q
};

}  // namespace

std::optional<Factor> factor(tensor::Backend& backend, base::ThreadPool& pool, const Moments& m) {
  std::optional<Factor> out = ordered(pool, m);
  if (!out) return {};
  Factor& f = *out;
  for (int64_t end = f.width; end > 0;) {
    const int64_t first = (end - 1) / kPanel * kPanel, count = end - first;
    if (!factor_panel(pool, f, first, end)) return {};
    // H of the columns before, less L^T L of these rows.
    float* const rows = &f.l[size_t(first * f.width)];
    std::vector<float> minus(size_t(count * first));
    for (int64_t i = 0; i < count; ++i) {
      for (int64_t k = 0; k < first; ++k) minus[size_t(i * first + k)] = -rows[i * f.width + k];
    }
    if (first > 0) {
      Weight before;
      before.rows = first;
      before.cols = f.width;
      before.grad = f.l.data();
      backend.linear_grad_weight(pool, Tensor::view(minus.data(), {count, first}),
                                 Tensor::view(rows, {count, f.width}), before);
    }
    end = first;
  }
  return out;
}

void round_rows(tensor::Backend& backend, base::ThreadPool& pool, const Factor& f,
                const Weight& weight, encoding::Encoding encoding, std::byte* rows) {
  OCELLI_CHECK(weight.cols == f.width, "the inputs of this weight");
  const int64_t stride = encoding::row_bytes(encoding, weight.cols);
  for (int64_t first = 0; first < weight.rows; first += kRowsTogether) {
    const int64_t count = std::min(kRowsTogether, weight.rows - first);
    Rounder(backend, pool, f, encoding, count).round(weight, first, rows + first * stride);
  }
}

}  // namespace ocelli::quantize
