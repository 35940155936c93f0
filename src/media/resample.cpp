#include "media/resample.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/check.h"
#include "media/limits.h"

namespace ocelli::media {
namespace {

// 8 bits of result and 2 bits of headroom: sums of coefficients with negative lobes leave [0, 1].
constexpr int kPrecisionBits = 32 - 8 - 2;

double bilinear(double x) {
  x = std::abs(x);
  return x < 1.0 ? 1.0 - x : 0.0;
}

// Keys' cubic convolution with a = -0.5.
double bicubic(double x) {
  constexpr double a = -0.5;
  x = std::abs(x);
  if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
  if (x < 2.0) return (((x - 5) * x + 8) * x - 4) * a;
  return 0.0;
}

double sinc(double x) {
  if (x == 0.0) return 1.0;
  x *= std::numbers::pi;
  return std::sin(x) / x;
}

double lanczos(double x) {
  return -3.0 <= x && x < 3.0 ? sinc(x) * sinc(x / 3) : 0.0;
}

struct FilterShape {
  double (*weight)(double);
  double support;  // zero outside [-support, support]
};

FilterShape shape_of(Filter filter) {
  switch (filter) {
    case Filter::kLanczos:
      return {lanczos, 3.0};
    case Filter::kBicubic:
      return {bicubic, 2.0};
    case Filter::kBilinear:
      break;
  }
  return {bilinear, 1.0};
}

// Output i is the sum over t < count of input[first + t] * weights[t], in units of 2^-22.
struct Taps {
  int first, count;
  const int32_t* weights;
};

class AxisPlan {
 public:
  AxisPlan(int in, int out, FilterShape shape);
  Taps operator[](int i) const {
    return {bounds_[size_t(i)].first, bounds_[size_t(i)].second, &weights_[size_t(i) * stride_]};
  }

 private:
  size_t stride_;
  std::vector<std::pair<int, int>> bounds_;  // first input, number of inputs
  std::vector<int32_t> weights_;
};

AxisPlan::AxisPlan(int in, int out, FilterShape shape) {
  const double scale = double(in) / out;
  const double stretch = std::max(scale, 1.0);  // enlarging uses the filter as it is
  const double support = shape.support * stretch;
  const double per_input = 1.0 / stretch;
  stride_ = size_t(std::ceil(support)) * 2 + 1;
  bounds_.resize(size_t(out));
  weights_.assign(size_t(out) * stride_, 0);
  std::vector<double> weights(stride_);
  for (int i = 0; i < out; ++i) {
    const double center = (i + 0.5) * scale;
    // The cast rounds towards zero; the order of the additions is Pillow's.
    const int first = std::max(int(center - support + 0.5), 0);
    const int count = std::min(int(center + support + 0.5), in) - first;
    double sum = 0.0;
    for (int t = 0; t < count; ++t) {
      weights[size_t(t)] = shape.weight((t + first - center + 0.5) * per_input);
      sum += weights[size_t(t)];
    }
    bounds_[size_t(i)] = {first, count};
    for (int t = 0; t < count; ++t) {
      const double w =
          (sum != 0.0 ? weights[size_t(t)] / sum : weights[size_t(t)]) * (1 << kPrecisionBits);
      weights_[size_t(i) * stride_ + size_t(t)] = int32_t(w < 0 ? -0.5 + w : 0.5 + w);
    }
  }
}

uint8_t clip8(int32_t sum) {
  return uint8_t(std::clamp(sum >> kPrecisionBits, 0, 255));
}

constexpr int32_t kHalf = 1 << (kPrecisionBits - 1);

// Two rows at once: `pairs` holds (first row's byte) + (second row's byte << 32) for each channel
// of each pixel, and one 64-bit product then serves both. Each half of a sum fits 32 bits, as in
// Pillow; a negative low half borrows from the high one, which the end undoes.
void resize_row_pair(const uint64_t* pairs, int out_width, const AxisPlan& plan, uint8_t* out0,
                     uint8_t* out1) {
  constexpr uint64_t kHalves = uint64_t(kHalf) << 32 | uint64_t(kHalf);
  for (int x = 0; x < out_width; ++x) {
    const Taps taps = plan[x];
    const uint64_t* pixel = pairs + size_t(taps.first) * 3;
    uint64_t sums[3] = {kHalves, kHalves, kHalves};
    for (int t = 0; t < taps.count; ++t, pixel += 3) {
      const auto w = uint64_t(int64_t{taps.weights[t]});
      sums[0] += pixel[0] * w;
      sums[1] += pixel[1] * w;
      sums[2] += pixel[2] * w;
    }
    for (size_t c = 0; c < 3; ++c) {
      const auto low = int32_t(uint32_t(sums[c]));
      const auto high = int32_t(uint32_t((sums[c] - uint64_t(int64_t{low})) >> 32));
      out0[size_t(x) * 3 + c] = clip8(low);
      out1[size_t(x) * 3 + c] = clip8(high);
    }
  }
}

// One output row: rows `taps.first`... of `in` (row_bytes apart), weighted. Works in strips that
// stay in the first-level cache.
void blend_rows(const uint8_t* in, size_t row_bytes, Taps taps, uint8_t* out) {
  constexpr size_t kStrip = 1024;
  int32_t sums[kStrip];
  for (size_t at = 0; at < row_bytes; at += kStrip) {
    const size_t n = std::min(kStrip, row_bytes - at);
    std::fill_n(sums, n, kHalf);
    for (int t = 0; t < taps.count; ++t) {
      const uint8_t* row = in + size_t(taps.first + t) * row_bytes + at;
      const int32_t w = taps.weights[t];
      for (size_t i = 0; i < n; ++i) sums[i] += row[i] * w;
    }
    for (size_t i = 0; i < n; ++i) out[at + i] = clip8(sums[i]);
  }
}

void run(const ParallelFor& parallel, int64_t count,
         const std::function<void(int64_t, int64_t)>& body) {
  if (parallel) return parallel(count, body);
  body(0, count);
}

Image empty_like(const Image& source, int width, int height) {
  Image out{width, height, {}, source.facts};
  out.rgb.resize(out.row_bytes() * size_t(height));
  return out;
}

Image resize_width(const Image& in, int width, FilterShape shape, const ParallelFor& parallel) {
  Image out = empty_like(in, width, in.height);
  const AxisPlan plan(in.width, width, shape);
  run(parallel, in.height, [&](int64_t begin, int64_t end) {
    std::vector<uint64_t> pairs(in.row_bytes());
    for (int y = int(begin); y < int(end); y += 2) {
      const int other = std::min(y + 1, int(end) - 1);  // the last row may be its own partner
      const uint8_t *first = in.row(y), *second = in.row(other);
      for (size_t i = 0; i < pairs.size(); ++i) pairs[i] = first[i] | uint64_t{second[i]} << 32;
      resize_row_pair(pairs.data(), width, plan, out.row(y), out.row(other));
    }
  });
  return out;
}

Image resize_height(const Image& in, int height, FilterShape shape, const ParallelFor& parallel) {
  Image out = empty_like(in, in.width, height);
  const AxisPlan plan(in.height, height, shape);
  run(parallel, height, [&](int64_t begin, int64_t end) {
    for (int y = int(begin); y < int(end); ++y) {
      blend_rows(in.rgb.data(), in.row_bytes(), plan[y], out.row(y));
    }
  });
  return out;
}

}  // namespace

Image resize(const Image& source, int width, int height, Filter filter,
             const ParallelFor& parallel) {
  const auto side_ok = [](int side) { return side >= 1 && side <= kMaxSide; };
  OCELLI_CHECK(side_ok(source.width) && side_ok(source.height), "the source has a bad size");
  OCELLI_CHECK(side_ok(width) && side_ok(height), "the target has a bad size");
  OCELLI_CHECK(source.rgb.size() == source.row_bytes() * size_t(source.height), "rgb is w * h * 3");
  const FilterShape shape = shape_of(filter);
  if (width == source.width && height == source.height) return source;
  if (width == source.width) return resize_height(source, height, shape, parallel);
  if (height == source.height) return resize_width(source, width, shape, parallel);
  // Pillow 13 takes the rows first where the height shrinks by more than twice what the width does
  // (python-pillow pull request 9549); the bytes between the passes make the order visible.
  const int rows_lost = source.height - height, columns_lost = source.width - width;
  if (rows_lost > 0 && rows_lost > 2 * columns_lost) {
    return resize_width(resize_height(source, height, shape, parallel), width, shape, parallel);
  }
  return resize_height(resize_width(source, width, shape, parallel), height, shape, parallel);
}

}  // namespace ocelli::media
