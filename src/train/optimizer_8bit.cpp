// AdamW with states in 8 bits: bitsandbytes' blockwise form. A block of 256 numbers has one scale,
// its largest magnitude; a code names one of 256 numbers of a fixed map, dense near zero.
// bitsandbytes: functional.create_dynamic_map, kernels kOptimizerStatic8bit2StateBlockwise
#include <algorithm>
#include <cmath>
#include <new>

#include "train/optimizer_rules.h"

namespace ocelli::train {
namespace {

class Map {
 public:
  explicit Map(bool with_sign) : values_(dynamic_map(with_sign)) {
    for (size_t i = 0; i + 1 < values_.size(); ++i) {
      middles_.push_back((values_[i] + values_[i + 1]) * 0.5f);
    }
  }
  float operator[](uint8_t code) const { return values_[code]; }
  // The nearest number's code.
  uint8_t code(float x) const {
    return uint8_t(std::lower_bound(middles_.begin(), middles_.end(), x) - middles_.begin());
  }

 private:
  std::vector<float> values_, middles_;
};

// [count] numbers in [-1, 1] times a scale for each block.
struct Codes {
  std::unique_ptr<uint8_t[]> codes;
  std::unique_ptr<float[]> scales;
};

class AdamW8bit : public UpdateRule {
 public:
  AdamW8bit(const OptimizerOptions& options, int64_t count, Codes first, Codes second)
      : options_(options), count_(count), first_(std::move(first)), second_(std::move(second)) {
    std::fill_n(first_.codes.get(), count, signed_map().code(0));
    std::fill_n(second_.codes.get(), count, unsigned_map().code(0));
  }

  void update(tensor::Context& c, const Parameter& p, const Update& u) override {
    c.pool.parallel_for(
        blocks(),
        [&](int64_t begin, int64_t end) {
          for (int64_t b = begin; b < end; ++b) update_block(p, u, b);
        },
        kUpdateGrain / kStateBlock);
  }

  void state(const std::string& prefix, std::vector<StateTensor>& out) override {
    const auto add = [&](const char* what, Codes& s) {
      out.push_back({prefix + "/" + what, true,
                     std::as_writable_bytes(std::span(s.codes.get(), size_t(count_)))});
      out.push_back({prefix + "/" + what + "_absmax", false,
                     std::as_writable_bytes(std::span(s.scales.get(), size_t(blocks())))});
    };
    add("exp_avg", first_);
    add("exp_avg_sq", second_);
  }

 private:
  static const Map& signed_map() {
    static const Map map(true);
    return map;
  }
  static const Map& unsigned_map() {
    static const Map map(false);
    return map;
  }
  int64_t blocks() const { return (count_ + kStateBlock - 1) / kStateBlock; }

  void update_block(const Parameter& p, const Update& u, int64_t block) {
    const int64_t begin = block * kStateBlock, n = std::min(kStateBlock, count_ - begin);
    const Map& map1 = signed_map();
    const Map& map2 = unsigned_map();
    const auto correction1 = float(1 - std::pow(options_.beta1, double(u.number)));
    const auto correction2 = float(std::sqrt(1 - std::pow(options_.beta2, double(u.number))));
    const float rate = float(u.rate), step = -rate * correction2 / correction1;
    const float beta1 = float(options_.beta1), beta2 = float(options_.beta2);
    const float least = correction2 * float(options_.epsilon);
    const auto shrink = float(1 - u.rate * u.decay);
    float m[kStateBlock], v[kStateBlock], most1 = 0, most2 = 0;
    uint8_t* const codes1 = first_.codes.get() + begin;
    uint8_t* const codes2 = second_.codes.get() + begin;
    const float scale1 = first_.scales[size_t(block)], scale2 = second_.scales[size_t(block)];
    for (int64_t i = 0; i < n; ++i) {
      const float g = p.grad[begin + i] * u.scale;
      m[i] = map1[codes1[i]] * scale1 * beta1 + (1 - beta1) * g;
      v[i] = map2[codes2[i]] * scale2 * beta2 + (1 - beta2) * g * g;
      most1 = std::max(most1, std::fabs(m[i]));
      most2 = std::max(most2, v[i]);
      float& x = p.value[begin + i];
      x += step * (m[i] / (std::sqrt(v[i]) + least));
      if (u.decay > 0) x *= shrink;
    }
    first_.scales[size_t(block)] = most1;
    second_.scales[size_t(block)] = most2;
    for (int64_t i = 0; i < n; ++i) {
      codes1[i] = map1.code(most1 > 0 ? m[i] / most1 : 0);
      // What was not zero keeps its sign.
      if (std::signbit(map1[codes1[i]]) != std::signbit(m[i])) {
        codes1[i] = uint8_t(m[i] > 0 ? codes1[i] + 1 : codes1[i] - 1);
      }
      codes2[i] = map2.code(most2 > 0 ? v[i] / most2 : 0);
    }
  }

  const OptimizerOptions options_;
  int64_t count_;
  Codes first_, second_;
};

base::Result<Codes> make_codes(const Parameter& p) {
  Codes out;
  OCELLI_ASSIGN(out.codes, state_memory<uint8_t>(p, p.count));
  OCELLI_ASSIGN(out.scales, state_memory<float>(p, (p.count + kStateBlock - 1) / kStateBlock));
  return out;
}

}  // namespace

std::vector<float> dynamic_map(bool with_sign) {
  constexpr int kExponents = 7;
  std::vector<float> map = {0.0f, 1.0f};
  for (int e = 0; e < kExponents; ++e) {
    const int fractions = 1 << (with_sign ? e : e + 1);
    const double power = std::pow(10.0, e - (kExponents - 1));
    for (int i = 0; i < fractions; ++i) {
      const double step = 0.9 / fractions;
      const double mean = 0.1 + (i + 0.5) * step;
      map.push_back(float(power * mean));
      if (with_sign) map.push_back(float(-power * mean));
    }
  }
  std::sort(map.begin(), map.end());
  return map;
}

RuleResult make_adamw_8bit(const OptimizerOptions& options, const Parameter& p) {
  OCELLI_ASSIGN(Codes first, make_codes(p));
  OCELLI_ASSIGN(Codes second, make_codes(p));
  return std::unique_ptr<UpdateRule>(
      std::make_unique<AdamW8bit>(options, p.count, std::move(first), std::move(second)));
}

}  // namespace ocelli::train
