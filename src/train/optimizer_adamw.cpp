// AdamW and SGD with float32 states. torch/optim/adamw.py and sgd.py, the single-tensor forms.
#include <cmath>
#include <new>

#include "train/optimizer_rules.h"

namespace ocelli::train {
namespace {

std::span<std::byte> bytes_of(float* numbers, int64_t count) {
  return {reinterpret_cast<std::byte*>(numbers), size_t(count) * sizeof(float)};
}

class AdamW : public UpdateRule {
 public:
  AdamW(const OptimizerOptions& options, int64_t count, std::unique_ptr<float[]> first,
        std::unique_ptr<float[]> second)
      : options_(options), count_(count), first_(std::move(first)), second_(std::move(second)) {}

  void update(tensor::Context& c, const Parameter& p, const Update& u) override {
    const double correction1 = 1 - std::pow(options_.beta1, double(u.number));
    const double correction2 = 1 - std::pow(options_.beta2, double(u.number));
    const auto step = float(u.rate / correction1);
    const auto root = float(std::sqrt(correction2));
    const auto shrink = float(1 - u.rate * u.decay);
    const auto b1 = float(1 - options_.beta1), b2 = float(options_.beta2);
    const auto rest = float(1 - options_.beta2), epsilon = float(options_.epsilon);
    c.pool.parallel_for(
        p.count,
        [&](int64_t begin, int64_t end) {
          for (int64_t i = begin; i < end; ++i) {
            const float g = p.grad[i] * u.scale;
            float& m = first_[size_t(i)];
            float& v = second_[size_t(i)];
            m += b1 * (g - m);          // exp_avg.lerp_(grad, 1 - beta1)
            v = v * b2 + rest * g * g;  // exp_avg_sq.mul_(beta2).addcmul_(grad, grad, 1 - beta2)
            const float down = std::sqrt(v) / root + epsilon;
            p.value[i] = p.value[i] * shrink - step * (m / down);
          }
        },
        kUpdateGrain);
  }

  void state(const std::string& prefix, std::vector<StateTensor>& out) override {
    out.push_back({prefix + "/exp_avg", false, bytes_of(first_.get(), count_)});
    out.push_back({prefix + "/exp_avg_sq", false, bytes_of(second_.get(), count_)});
  }

 private:
  const OptimizerOptions options_;
  int64_t count_;
  std::unique_ptr<float[]> first_, second_;
};

class Sgd : public UpdateRule {
 public:
  Sgd(const OptimizerOptions& options, int64_t count, std::unique_ptr<float[]> buffer)
      : options_(options), count_(count), buffer_(std::move(buffer)) {}

  void update(tensor::Context& c, const Parameter& p, const Update& u) override {
    const auto momentum = float(options_.momentum), rate = float(u.rate), decay = float(u.decay);
    c.pool.parallel_for(
        p.count,
        [&](int64_t begin, int64_t end) {
          for (int64_t i = begin; i < end; ++i) {
            float g = p.grad[i] * u.scale + decay * p.value[i];
            if (buffer_) {
              float& b = buffer_[size_t(i)];
              b = u.number == 1 ? g : b * momentum + g;
              g = options_.nesterov ? g + momentum * b : b;
            }
            p.value[i] -= rate * g;
          }
        },
        kUpdateGrain);
  }

  void state(const std::string& prefix, std::vector<StateTensor>& out) override {
    if (buffer_) out.push_back({prefix + "/momentum", false, bytes_of(buffer_.get(), count_)});
  }

 private:
  const OptimizerOptions options_;
  int64_t count_;
  std::unique_ptr<float[]> buffer_;
};

}  // namespace

RuleResult make_adamw(const OptimizerOptions& options, const Parameter& p) {
  OCELLI_ASSIGN(std::unique_ptr<float[]> first, state_memory<float>(p, p.count));
  OCELLI_ASSIGN(std::unique_ptr<float[]> second, state_memory<float>(p, p.count));
  return std::unique_ptr<UpdateRule>(
      std::make_unique<AdamW>(options, p.count, std::move(first), std::move(second)));
}

RuleResult make_sgd(const OptimizerOptions& options, const Parameter& p) {
  std::unique_ptr<float[]> buffer;
  if (options.momentum != 0) {
    OCELLI_ASSIGN(buffer, state_memory<float>(p, p.count));
  }
  return std::unique_ptr<UpdateRule>(std::make_unique<Sgd>(options, p.count, std::move(buffer)));
}

}  // namespace ocelli::train
