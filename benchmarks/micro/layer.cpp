// One layer of SmolVLM2-256M's text model, forward and backward: how much of the limit is left of
// it when everything around the products is counted in time, and nothing but products in work.
#include <deque>
#include <functional>

#include "micro.h"
#include "ops/activation.h"
#include "ops/add.h"
#include "ops/attention.h"
#include "ops/dropout.h"
#include "ops/linear.h"
#include "ops/norm.h"
#include "ops/rope.h"

namespace ocelli::cpu::micro {
namespace {

using tensor::Context;

constexpr int64_t kWidth = 576, kHidden = 1536, kHeads = 9, kKeyHeads = 3, kHeadDim = 64;
constexpr int64_t kRank = 8;

// A matrix that trains, or a frozen one with a low-rank adapter that does.
struct Product {
  Matrix base, a, b;
  std::vector<float> da, db;
  bool adapter;

  Product(int64_t n, int64_t k, bool lora)
      : base(lora ? Encoding::kBF16 : Encoding::kF32, n, k),
        a(Encoding::kF32, lora ? kRank : n, k),
        b(Encoding::kF32, n, kRank),
        da(size_t(a.weight.rows * k)),
        db(size_t(n * kRank)),
        adapter(lora) {
    (lora ? a : base).weight.grad = da.data();
    if (lora) b.weight.grad = db.data();
  }
  Tensor run(Context& c, const Tensor& x) {
    const Tensor y = ops::linear(c, x, base.weight);
    if (!adapter) return y;
    ++c.rng.op;
    const Tensor low = ops::linear(c, ops::dropout(c, x, 0.05f), a.weight);
    return ops::add(c, y, ops::linear(c, low, b.weight), 2);
  }
  // Multiply-adds a token: forward, to the input, and to what trains.
  double work() const {
    const auto count = double(base.weight.rows * base.weight.cols);
    return adapter ? 2 * count + 3 * double(a.weight.rows * a.weight.cols + b.weight.rows * kRank)
                   : 3 * count;
  }
};

struct Layer {
  std::deque<Product> w;  // q, k, v, o, gate, up, down
  std::vector<float> norm = std::vector<float>(size_t(kWidth), 1.0f), dnorm = norm;
  tensor::Grad norm_grad{dnorm.data(), kWidth};

  explicit Layer(bool lora) {
    constexpr int64_t kShapes[][2] = {{kHeads * kHeadDim, kWidth},
                                      {kKeyHeads * kHeadDim, kWidth},
                                      {kKeyHeads * kHeadDim, kWidth},
                                      {kWidth, kHeads * kHeadDim},
                                      {kHidden, kWidth},
                                      {kHidden, kWidth},
                                      {kWidth, kHidden}};
    for (const auto& [n, k] : kShapes) w.emplace_back(n, k, lora);
  }
  Tensor run(Context& c, const Tensor& x, const Tensor& table,
             std::span<const tensor::KeyRange> ranges) {
    Tensor weight = Tensor::view(norm.data(), {kWidth});
    if (!w[0].adapter) weight.grad = &norm_grad;
    const Tensor h = ops::rms_norm(c, x, weight, 1e-5f);
    const Tensor q = ops::rope(c, w[0].run(c, h).split_last(kHeadDim), table);
    const Tensor k = ops::rope(c, w[1].run(c, h).split_last(kHeadDim), table);
    const Tensor v = w[2].run(c, h).split_last(kHeadDim);
    const Tensor seen = ops::attention(c, q, k, v, ranges, 0.125f).reshape({x.dim(0), kWidth});
    const Tensor middle = ops::add(c, x, w[3].run(c, seen));
    const Tensor h2 = ops::rms_norm(c, middle, weight, 1e-5f);
    const Tensor wide = ops::silu_mul(c, w[4].run(c, h2), w[5].run(c, h2));
    return ops::add(c, middle, w[6].run(c, wide));
  }
};

void layer(benchmark::State& state, InstructionSet set, bool lora, int64_t tokens) {
  Fixture f{set};
  Layer layer(lora);
  tensor::Arena arena = *tensor::Arena::create(int64_t{1} << 32);
  tensor::Tape tape;
  Context c{*f.backend, arena, f.pool, &tape, {}, true};
  std::vector<float> x = numbers(tokens * kWidth);
  std::vector<int32_t> positions;
  std::vector<float> inv_freq;
  std::vector<tensor::KeyRange> ranges;
  for (int32_t t = 0; t < tokens; ++t) {
    positions.push_back(t);
    ranges.push_back({0, t + 1});
  }
  for (int64_t i = 0; i < kHeadDim / 2; ++i) inv_freq.push_back(1.0f / float(1 + i));
  // Attention is two products forward and five backward.
  double work = 7 * 0.5 * double(tokens * (tokens + 1) * kHeads * kHeadDim);
  for (const Product& p : layer.w) work += double(tokens) * p.work();
  f.measure(state, 2 * work, &Limits::f32_operations, "GFLOP/s", [&] {
    const tensor::Scratch scratch(arena);
    Tensor input = Tensor::view(x.data(), {tokens, kWidth});
    tensor::Grad grad{nullptr, input.count()};
    input.grad = &grad;
    const Tensor table = ops::rope_table(c, positions, inv_freq, 1);
    const Tensor y = layer.run(c, input, table, ranges);
    std::copy(x.begin(), x.end(), tensor::grad_of(c, y));
    tensor::run_backward(c);
  });
}

}  // namespace

void add_layers(const InstructionSetInfo& info) {
  const InstructionSet set = info.set;
  for (const bool lora : {false, true}) {
    for (const int64_t tokens : {256, 1024}) {
      add("layer/" + std::string(info.name) + (lora ? "/lora8_on_bf16" : "/full") + "/T" +
              std::to_string(tokens),
          [=](benchmark::State& s) { layer(s, set, lora, tokens); });
    }
  }
}

}  // namespace ocelli::cpu::micro
