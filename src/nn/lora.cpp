#include "nn/lora.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "encoding/strips.h"
#include "ops/add.h"
#include "ops/dropout.h"
#include "ops/dropped_linear.h"
#include "ops/linear.h"
#include "ops/scale_columns.h"

namespace ocelli::nn {
namespace {

// The numbers that this module draws.
Context drawing(const Context& c, const Lora& l) {
  Context own = c;
  own.rng.op = l.op;
  return own;
}

// PEFT: with dropout the base product is taken of what is left of x; without, it is the result so
// far, earlier adapters included.
Tensor apply_dora(Context& c, const Tensor& y, const Tensor& x, const Weight& w, const Lora& l) {
  const bool drops = l.dropout > 0 && (c.tape || c.drops);
  Context own = drawing(c, l);
  const Tensor input = drops ? ops::dropout(own, x, l.dropout) : x;
  const Tensor base = drops ? ops::linear(c, input, w) : y;
  const Tensor low = ops::linear(c, ops::linear(c, input, l.a), l.b);
  // f (base + scale * low)
  const Tensor changed = ops::scale_columns(c, ops::add(c, base, low, l.scale), dora_factor(c, l));
  if (!drops && l.weight == 1) return changed;
  return ops::add(c, ops::add(c, y, changed, l.weight), base, -l.weight);
}

const float* row_of(const Weight& w, int64_t r) {
  return reinterpret_cast<const float*>(w.row(r));
}

float inverse(double squares) {
  return squares > 0 ? float(1 / std::sqrt(squares)) : 0.0f;
}

constexpr int64_t kRowsTogether = 16;

void refresh_columns(base::ThreadPool& pool, const Weight& w, const Lora& l) {
  std::vector<double> squares(size_t(w.cols), 0);
  pool.parallel_for(
      w.cols,
      [&](int64_t begin, int64_t end) {
        // A share of the columns each, so that the sums do not depend on the number of threads.
        std::vector<float> row(size_t(w.cols));
        for (int64_t v = 0; v < w.rows; ++v) {
          encoding::read_row(w, v, row.data());
          const float* a = row_of(l.a, v);
          for (int64_t d = begin; d < end; ++d) {
            float sum = 0;
            for (int64_t r = 0; r < l.b.cols; ++r) sum += a[r] * row_of(l.b, d)[r];
            const double x = double(row[size_t(d)] + l.scale * sum);
            squares[size_t(d)] += x * x;
          }
        }
      },
      std::max<int64_t>(1, w.cols / pool.threads()));
  for (int64_t d = 0; d < w.cols; ++d) l.inverse_norm.f32()[d] = inverse(squares[size_t(d)]);
}

}  // namespace

Tensor dora_factor(Context& c, const Lora& l) {
  return ops::scale_columns(c, l.magnitude, l.inverse_norm);
}

bool needs_bare_product(std::span<const Lora> lora) {
  return std::any_of(lora.begin(), lora.end(), [](const Lora& l) { return bool(l.magnitude); });
}

Tensor apply(Context& c, Tensor y, const Tensor& x, const Weight& w, std::span<const Lora> lora) {
  for (const Lora& l : lora) {
    if (l.magnitude) {
      y = apply_dora(c, y, x, w, l);
      continue;
    }
    Context own = drawing(c, l);
    const Tensor low = ops::dropped_linear(own, x, l.dropout, l.a);
    y = ops::add_product(c, y, low, l.b, l.scale * l.weight);
  }
  return y;
}

void refresh(base::ThreadPool& pool, const Weight& w, const Lora& l, bool of_columns) {
  if (!l.magnitude) return;
  if (of_columns) return refresh_columns(pool, w, l);
  pool.parallel_for(
      w.rows,
      [&](int64_t begin, int64_t end) {
        std::vector<float> row(size_t(w.cols));
        for (int64_t n = begin; n < end; ++n) {
          encoding::read_row(w, n, row.data());
          for (int64_t r = 0; r < l.a.rows; ++r) {
            const float factor = l.scale * row_of(l.b, n)[r];
            const float* a = row_of(l.a, r);
            for (int64_t k = 0; k < w.cols; ++k) row[size_t(k)] += factor * a[k];
          }
          double squares = 0;
          for (const float x : row) squares += double(x) * double(x);
          l.inverse_norm.f32()[n] = inverse(squares);
        }
      },
      kRowsTogether);
}

void merge_row(const Lora& l, int64_t row, std::span<float> numbers, bool of_embedding) {
  std::vector<double> changed(numbers.begin(), numbers.end());
  if (of_embedding) {
    const float* a = row_of(l.a, row);
    for (size_t d = 0; d < numbers.size(); ++d) {
      double sum = 0;
      for (int64_t r = 0; r < l.b.cols; ++r) sum += double(a[r]) * row_of(l.b, int64_t(d))[r];
      changed[d] += double(l.scale) * sum;
    }
  } else {
    for (int64_t r = 0; r < l.a.rows; ++r) {
      const double factor = double(l.scale) * row_of(l.b, row)[r];
      for (size_t k = 0; k < numbers.size(); ++k) changed[k] += factor * row_of(l.a, r)[k];
    }
  }
  const auto factor = [&](int64_t i) {
    return l.magnitude ? double(l.magnitude.f32()[i]) * double(l.inverse_norm.f32()[i]) : 1.0;
  };
  for (size_t k = 0; k < numbers.size(); ++k) {
    const double whole = changed[k] * factor(of_embedding ? int64_t(k) : row);
    numbers[k] = float(numbers[k] + double(l.weight) * (whole - numbers[k]));
  }
}

}  // namespace ocelli::nn
