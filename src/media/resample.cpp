#include "media/resample.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <span>

#include "base/check.h"
#include "media/limits.h"
#include "media/resample_rows.h"

namespace ocelli::media {
namespace {

// Fractional bits of a coefficient: 8 bits of result and 2 bits of headroom, because sums of
// coefficients with negative lobes leave [0, 1].
constexpr int kPillowBits = 32 - 8 - 2;
// PyTorch takes as many, but no more than leave its coefficients 16 bits.
constexpr double kTorchLimit = 1 << 15;

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

class AxisPlan {
 public:
  AxisPlan(int in, int out, FilterShape shape, Arithmetic arithmetic);
  int bits() const { return bits_; }
  Taps operator[](int i) const {
    return {bounds_[size_t(i)].first, bounds_[size_t(i)].second, &weights_[size_t(i) * stride_]};
  }

 private:
  size_t stride_;
  int bits_ = kPillowBits;
  std::vector<std::pair<int, int>> bounds_;  // first input, number of inputs
  std::vector<int32_t> weights_;
};

int torch_bits(double largest) {
  int bits = 0;
  while (bits < kPillowBits && int(0.5 + largest * (1 << (bits + 1))) < kTorchLimit) ++bits;
  return bits;
}

AxisPlan::AxisPlan(int in, int out, FilterShape shape, Arithmetic arithmetic) {
  const double scale = double(in) / out;
  const double stretch = std::max(scale, 1.0);  // enlarging uses the filter as it is
  const double support = shape.support * stretch;
  const double per_input = 1.0 / stretch;
  stride_ = size_t(std::ceil(support)) * 2 + 1;
  bounds_.resize(size_t(out));
  weights_.assign(size_t(out) * stride_, 0);
  std::vector<double> weights(size_t(out) * stride_);
  double largest = 0;
  for (int i = 0; i < out; ++i) {
    const double center = (i + 0.5) * scale;
    // The cast rounds towards zero; the order of the additions is Pillow's.
    const int first = std::max(int(center - support + 0.5), 0);
    const int count = std::min(int(center + support + 0.5), in) - first;
    const std::span<double> row = std::span(weights).subspan(size_t(i) * stride_, size_t(count));
    double sum = 0.0;
    for (int t = 0; t < count; ++t) {
      row[size_t(t)] = shape.weight((t + first - center + 0.5) * per_input);
      sum += row[size_t(t)];
    }
    bounds_[size_t(i)] = {first, count};
    for (double& w : row) {
      if (sum != 0.0) w /= sum;
      largest = std::max(largest, w);
    }
  }
  if (arithmetic == Arithmetic::kTorch) bits_ = torch_bits(largest);
  for (size_t i = 0; i < weights.size(); ++i) {
    const double w = weights[i] * (1 << bits_);
    weights_[i] = int32_t(w < 0 ? -0.5 + w : 0.5 + w);
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

struct How {
  FilterShape shape;
  Arithmetic arithmetic;
};

// Turned by a quarter, a strip of rows is blended as the height is: all rows of the strip at once.
Image resize_width(const Image& in, int width, How how, const ParallelFor& parallel) {
  constexpr size_t kStrip = 32;
  Image out = empty_like(in, width, in.height);
  const AxisPlan plan(in.width, width, how.shape, how.arithmetic);
  const BlendRows blend = blend_kernels().back().blend;
  run(parallel, in.height, [&](int64_t begin, int64_t end) {
    std::vector<uint8_t> columns(in.row_bytes() * kStrip), blended(out.row_bytes() * kStrip);
    for (int64_t y = begin; y < end; y += kStrip) {
      const size_t rows = size_t(std::min<int64_t>(kStrip, end - y));
      transpose_bytes(in.row(int(y)), in.row_bytes(), rows, in.row_bytes(), columns.data(), kStrip);
      for (int x = 0; x < width; ++x) {
        blend(columns.data(), 3 * kStrip, plan[x], plan.bits(), 3 * kStrip,
              &blended[size_t(x) * 3 * kStrip]);
      }
      transpose_bytes(blended.data(), kStrip, out.row_bytes(), rows, out.row(int(y)),
                      out.row_bytes());
    }
  });
  return out;
}

Image resize_height(const Image& in, int height, How how, const ParallelFor& parallel) {
  Image out = empty_like(in, in.width, height);
  const AxisPlan plan(in.height, height, how.shape, how.arithmetic);
  const BlendRows blend = blend_kernels().back().blend;
  run(parallel, height, [&](int64_t begin, int64_t end) {
    for (int y = int(begin); y < int(end); ++y) {
      blend(in.rgb.data(), in.row_bytes(), plan[y], plan.bits(), in.row_bytes(), out.row(y));
    }
  });
  return out;
}

}  // namespace

Image resize(const Image& source, int width, int height, Filter filter, const ParallelFor& parallel,
             Arithmetic arithmetic) {
  const auto side_ok = [](int side) { return side >= 1 && side <= kMaxSide; };
  OCELLI_CHECK(side_ok(source.width) && side_ok(source.height), "the source has a bad size");
  OCELLI_CHECK(side_ok(width) && side_ok(height), "the target has a bad size");
  OCELLI_CHECK(source.rgb.size() == source.row_bytes() * size_t(source.height), "rgb is w * h * 3");
  const How how{shape_of(filter), arithmetic};
  if (width == source.width && height == source.height) return source;
  if (width == source.width) return resize_height(source, height, how, parallel);
  if (height == source.height) return resize_width(source, width, how, parallel);
  // Pillow 13 takes the rows first where the height shrinks by more than twice what the width does
  // (python-pillow pull request 9549); the bytes between the passes make the order visible.
  const int rows_lost = source.height - height, columns_lost = source.width - width;
  if (arithmetic == Arithmetic::kPillow && rows_lost > 0 && rows_lost > 2 * columns_lost) {
    return resize_width(resize_height(source, height, how, parallel), width, how, parallel);
  }
  return resize_height(resize_width(source, width, how, parallel), height, how, parallel);
}

}  // namespace ocelli::media
