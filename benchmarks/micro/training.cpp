// What training runs beside the forward pass: gradients, low-rank products, objectives.
#include "micro.h"

namespace ocelli::cpu::micro {
namespace {

struct Product {
  int64_t t, k, n;
};

enum class Which { kForward, kInput, kWeight };

std::string label(const Product& p, Encoding e) {
  return "/" + std::string(encoding::name(e)) + "/T" + std::to_string(p.t) + "/K" +
         std::to_string(p.k) + "/N" + std::to_string(p.n);
}

// y = x w^T, dx += dy w or dw += dy^T x, in float32.
void product(benchmark::State& state, InstructionSet set, Which which, const Product& p,
             Encoding encoding) {
  Fixture f{set};
  Matrix w(encoding, p.n, p.k);
  std::vector<float> x = numbers(p.t * p.k), dy = numbers(p.t * p.n), dw;
  if (which == Which::kWeight) dw.resize(size_t(p.n * p.k));
  w.weight.grad = dw.data();
  const Tensor input = Tensor::view(x.data(), {p.t, p.k}),
               output = Tensor::view(dy.data(), {p.t, p.n});
  tensor::LinearJob job;
  job.x = input;
  job.w = &w.weight;
  job.y = output;
  job.exact = true;
  f.measure(state, 2.0 * double(p.t * p.k * p.n), &Limits::f32_operations, "GFLOP/s", [&] {
    if (which == Which::kForward) f.backend->linear(f.pool, {&job, 1});
    if (which == Which::kInput) f.backend->linear_grad_input(f.pool, output, w.weight, input);
    if (which == Which::kWeight) f.backend->linear_grad_weight(f.pool, output, input, w.weight);
  });
}

// Counted as five products of queries and keys; the forward pass is two.
void attention_grad(benchmark::State& state, InstructionSet set, const Heads& h) {
  Fixture f{set};
  std::vector<float> q = numbers(h.tokens * h.heads * h.width),
                     k = numbers(h.keys * h.kv_heads * h.width);
  std::vector<float> out(q.size()), dq(q.size()), dk(k.size()), dv(k.size());
  std::vector<float> log_sum_exp(size_t(h.tokens * h.heads));
  std::vector<tensor::KeyRange> ranges;
  double pairs = 0;
  for (int64_t t = 0; t < h.tokens; ++t) {
    ranges.push_back({0, int32_t(h.causal ? h.keys - h.tokens + t + 1 : h.keys)});
    pairs += ranges.back().end;
  }
  const auto queries = [&](std::vector<float>& v) {
    return Tensor::view(v.data(), {h.tokens, h.heads, h.width});
  };
  const auto keys = [&](std::vector<float>& v) {
    return Tensor::view(v.data(), {h.keys, h.kv_heads, h.width});
  };
  const tensor::AttentionJob job{queries(q), keys(k), keys(k),           queries(out),
                                 ranges,     0.125f,  log_sum_exp.data()};
  f.backend->attention(f.pool, job);
  const tensor::AttentionGradJob grad{job, queries(q), queries(dq), keys(dk), keys(dv)};
  f.measure(state, 10.0 * pairs * double(h.heads * h.width), &Limits::f32_operations, "GFLOP/s",
            [&] { f.backend->attention_grad(f.pool, grad); });
}

// Logits of a vocabulary.
template <class Run>
void objective(benchmark::State& state, InstructionSet set, double passes, Run run) {
  moves(state, set, 16, 49280, passes, run);
}

void add_row_gradients(const std::string& isa, InstructionSet set) {
  static const std::vector<float> w(768, 1.0f);
  static std::vector<float> dw(768), db(768);
  using tensor::Activation;
  using tensor::Backend;
  const auto one = [&](const char* name, double passes, auto run) {
    add(std::string("rows/") + isa + "/" + name,
        [=](benchmark::State& s) { rows(s, set, passes, run); });
  };
  one("rms_norm_grad", 4, [](Backend& k, ThreadPool& p, const Tensor& x, const Tensor& y) {
    k.rms_norm_grad(p, x, w.data(), 1e-5f, x, y, nullptr);
  });
  one("rms_norm_grad_dw", 6, [](Backend& k, ThreadPool& p, const Tensor& x, const Tensor& y) {
    k.rms_norm_grad(p, x, w.data(), 1e-5f, x, y, dw.data());
  });
  one("layer_norm_grad", 7, [](Backend& k, ThreadPool& p, const Tensor& x, const Tensor& y) {
    k.layer_norm_grad(p, x, w.data(), 1e-5f, x, y, dw.data(), db.data());
  });
  one("gelu_tanh_grad", 4, [](Backend& k, ThreadPool& p, const Tensor& x, const Tensor& y) {
    k.activation_grad(p, Activation::kGeluTanh, x, x, y);
  });
  one("silu_mul_grad", 7, [](Backend& k, ThreadPool& p, const Tensor& x, const Tensor& y) {
    k.silu_mul_grad(p, x, x, x, y, y);
  });
  one("accumulate", 3, [](Backend& k, ThreadPool& p, const Tensor& x, const Tensor& y) {
    k.accumulate(p, x, 1, y);
  });
  one("accumulate_one_row", 1, [](Backend& k, ThreadPool& p, const Tensor& x, const Tensor& y) {
    k.accumulate(p, x, 1, y.slice(0, 0, 1));
  });
  one("scale_columns_grad", 5, [](Backend& k, ThreadPool& p, const Tensor& x, const Tensor& y) {
    k.scale_columns_grad(p, x, w.data(), x, y, dw.data());
  });
  one("dropout", 2, [](Backend& k, ThreadPool& p, const Tensor& x, const Tensor& y) {
    k.dropout(p, x, {{1, 2, 3, 4}, 0.1f}, y);
  });
  one("embedding_grad", 3, [](Backend& k, ThreadPool& p, const Tensor& x, const Tensor& y) {
    std::vector<int32_t> ids(256);
    for (size_t i = 0; i < 256; ++i) ids[i] = int32_t(i * 37 % 256);
    Weight rows{.rows = 256, .cols = 768};
    rows.grad = y.f32();
    k.embedding_grad(p, ids, x, rows);
  });
}

void add_objectives(const std::string& isa, InstructionSet set) {
  using tensor::Backend;
  const auto one = [&](const char* name, double passes, auto run) {
    add(std::string("objective/") + isa + "/" + name,
        [=](benchmark::State& s) { objective(s, set, passes, run); });
  };
  one("token_log_probs", 1, [](Backend& k, ThreadPool& p, const Tensor& x, const Tensor&) {
    const std::vector<int32_t> targets(size_t(x.dim(0)), 77);
    std::vector<float> y(targets.size());
    k.token_log_probs(p, x, targets, y.data());
  });
  one("cross_entropy_grad", 3, [](Backend& k, ThreadPool& p, const Tensor& x, const Tensor& y) {
    const std::vector<int32_t> targets(size_t(x.dim(0)), 77);
    float dloss = 1;
    k.cross_entropy_grad(p, x, targets, 1, Tensor::view(&dloss, {1}), y);
  });
}

}  // namespace

void add_training(const InstructionSetInfo& info) {
  const InstructionSet set = info.set;
  const std::string isa(info.name);
  const auto products = [&](const char* name, Which which, const Product& p, Encoding e) {
    add(name + isa + label(p, e), [=](benchmark::State& s) { product(s, set, which, p, e); });
  };
  // Text of 256M with a short and a long batch, its head, a vision block, adapters of rank 8
  // and 16.
  constexpr Product kShapes[] = {
      {64, 576, 576},    {1024, 576, 576}, {1024, 576, 1536}, {1024, 1536, 576}, {64, 576, 49280},
      {1024, 768, 3072}, {1024, 576, 8},   {1024, 8, 576},    {1024, 1536, 16},  {1024, 16, 1536}};
  for (const Product& p : kShapes) {
    products("exact/", Which::kForward, p, Encoding::kF32);
    products("grad_input/", Which::kInput, p, Encoding::kF32);
    products("grad_weight/", Which::kWeight, p, Encoding::kF32);
  }
  for (const Encoding e : {Encoding::kBF16, Encoding::kQ80, Encoding::kQ40}) {
    for (const Product& p : {kShapes[0], kShapes[2], kShapes[4]}) {
      products("exact/", Which::kForward, p, e);
      products("grad_input/", Which::kInput, p, e);
    }
  }
  constexpr Heads kHeads[] = {{1024, 1024, 12, 12, 64, false},
                              {729, 729, 16, 16, 72, false},
                              {512, 512, 9, 3, 64, true},
                              {2048, 2048, 9, 3, 64, true}};
  for (const Heads& h : kHeads) {
    add("attention_grad/" + isa + "/T" + std::to_string(h.tokens) + "/H" + std::to_string(h.heads) +
            ":" + std::to_string(h.kv_heads) + "/Dh" + std::to_string(h.width),
        [=](benchmark::State& s) { attention_grad(s, set, h); });
  }
  add_row_gradients(isa, set);
  add_objectives(isa, set);
}

}  // namespace ocelli::cpu::micro
