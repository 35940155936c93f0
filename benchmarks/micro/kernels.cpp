// Each kernel on the shapes of the real models, for every instruction set that runs here.
//
//   ocelli_micro --benchmark_filter=linear/avx512
//
// Rates are those of the fastest iteration in processor time of the one thread that works;
// "percent" compares with the limit of the same set (multiply-adds of f32 or bf16, 8-bit dot
// products, or memory reads) measured right before and after.
#include <benchmark/benchmark.h>

#include <cstdio>

#include "micro.h"

namespace ocelli::cpu::micro {
namespace {

void linear(benchmark::State& state, InstructionSet set, Encoding encoding, int64_t t, int64_t k,
            int64_t n) {
  Fixture f{set};
  Matrix w(encoding, n, k);
  w.pack(*f.backend, f.pool);
  std::vector<float> x = numbers(t * k), y(static_cast<size_t>(t * n));
  tensor::LinearJob job;
  job.x = Tensor::view(x.data(), {t, k});
  job.w = &w.weight;
  job.y = Tensor::view(y.data(), {t, n});
  const bool whole = encoding::has_groups(encoding) || w.weight.layout == encoding::Layout::kPacked;
  const auto limit = whole                         ? &Limits::int8_operations
                     : encoding == Encoding::kBF16 ? &Limits::bf16_operations
                                                   : &Limits::f32_operations;
  f.measure(state, 2.0 * double(t * k * n), limit, "GFLOP/s", [&] {
    f.backend->linear(f.pool, {&job, 1});
  });
}

// Weights beyond any cache, read once.
void decode(benchmark::State& state, InstructionSet set, Encoding encoding, int64_t t, int64_t k) {
  Fixture f{set};
  const int64_t n = (int64_t{128} << 20) / encoding::row_bytes(encoding, k);
  Matrix w(encoding, n, k);
  w.pack(*f.backend, f.pool);
  const int64_t packed = f.backend->packed_bytes(w.weight);
  std::vector<float> x = numbers(t * k), y(static_cast<size_t>(t * n));
  tensor::LinearJob job;
  job.x = Tensor::view(x.data(), {t, k});
  job.w = &w.weight;
  job.y = Tensor::view(y.data(), {t, n});
  const int64_t bytes = packed > 0 ? packed : encoding::bytes(w.weight);
  f.measure(state, double(bytes), &Limits::read_bytes, "GB/s", [&] {
    f.backend->linear(f.pool, {&job, 1});
  });
}

enum class Form { kF32, kF16, kBF16, k8Bit };  // of keys, or of the whole

void attention(benchmark::State& state, InstructionSet set, const Heads& h, Form form) {
  Fixture f{set};
  const bool half = form == Form::kF16 || form == Form::kBF16;
  std::vector<float> q = numbers(h.tokens * h.heads * h.width),
                     k = numbers(h.keys * h.kv_heads * h.width);
  std::vector<float> v = k, out(q.size());
  std::vector<uint16_t> half_k(k.size()), half_v(k.size());
  for (auto* to : {&half_k, &half_v}) {
    encoding::encode_row(Encoding::kF16, k.data(), int64_t(k.size()),
                         reinterpret_cast<std::byte*>(to->data()));
  }
  std::vector<tensor::KeyRange> ranges;
  double pairs = 0;
  for (int64_t t = 0; t < h.tokens; ++t) {
    ranges.push_back({0, int32_t(h.causal ? h.keys - h.tokens + t + 1 : h.keys)});
    pairs += ranges.back().end;
  }
  const auto keys = [&](std::vector<float>& full, std::vector<uint16_t>& small) {
    if (!half) return Tensor::view(full.data(), {h.keys, h.kv_heads, h.width});
    Tensor t = Tensor::view(small.data(), {h.keys, h.kv_heads, h.width}, tensor::DType::kF16);
    t.stride = {h.width, h.keys * h.width, 1};  // as nn::KvCache
    return t;
  };
  tensor::AttentionJob job;
  job.q = Tensor::view(q.data(), {h.tokens, h.heads, h.width});
  job.k = keys(k, half_k);
  job.v = keys(v, half_v);
  job.out = Tensor::view(out.data(), {h.tokens, h.heads, h.width});
  job.ranges = ranges;
  job.scale = 0.125f;
  using tensor::AttentionNumbers;
  if (form == Form::kBF16) job.numbers = AttentionNumbers::kBF16;
  if (form == Form::k8Bit) job.numbers = AttentionNumbers::k8Bit;
  const auto limit = form == Form::k8Bit   ? &Limits::int8_operations
                     : form == Form::kBF16 ? &Limits::bf16_operations
                                           : &Limits::f32_operations;
  f.measure(state, 4.0 * pairs * double(h.heads * h.width), limit, "GFLOP/s",
            [&] { f.backend->attention(f.pool, job); });
}

void add_rows(const std::string& isa, InstructionSet set) {
  static const std::vector<float> w(768, 1.0f), b(768, 0.5f);
  using tensor::Activation;
  using tensor::Backend;
  const auto one = [&](const char* name, double passes, auto run) {
    add(std::string("rows/") + isa + "/" + name,
        [=](benchmark::State& s) { rows(s, set, passes, run); });
  };
  one("rms_norm", 3, [](Backend& k, ThreadPool& p, const Tensor& x, const Tensor& y) {
    k.rms_norm(p, x, w.data(), 1e-5f, y);
  });
  one("layer_norm", 4, [](Backend& k, ThreadPool& p, const Tensor& x, const Tensor& y) {
    k.layer_norm(p, x, w.data(), b.data(), 1e-5f, y);
  });
  one("gelu_tanh", 2, [](Backend& k, ThreadPool& p, const Tensor& x, const Tensor& y) {
    k.activation(p, Activation::kGeluTanh, x, y);
  });
  one("silu_mul", 3,
      [](Backend& k, ThreadPool& p, const Tensor& x, const Tensor& y) { k.silu_mul(p, x, x, y); });
  one("add", 3,
      [](Backend& k, ThreadPool& p, const Tensor& x, const Tensor& y) { k.add(p, x, x, 1, y); });
}

void add_all(const InstructionSetInfo& info) {
  const InstructionSet set = info.set;
  const std::string isa(info.name);
  // Vision tower of 256M/500M and of 2.2B, text of 256M and 2.2B, connector of 256M.
  constexpr int64_t kShapes[][3] = {{1024, 768, 3072}, {1024, 3072, 768}, {1024, 768, 768},
                                    {729, 1152, 4304}, {512, 576, 1536},  {512, 2048, 8192},
                                    {512, 8192, 2048}, {64, 12288, 576},  {16, 576, 1536}};
  const auto label = [](Encoding e, int64_t t, int64_t k, int64_t n) {
    return "/" + std::string(encoding::name(e)) + "/T" + std::to_string(t) + "/K" +
           std::to_string(k) + (n > 0 ? "/N" + std::to_string(n) : "");
  };
  for (const Encoding e :
       {Encoding::kF32, Encoding::kF16, Encoding::kBF16, Encoding::kQ80, Encoding::kQ40,
        Encoding::kQ4K, Encoding::kQ6K, Encoding::kQ8, Encoding::kQ4}) {
    for (const auto& [t, k, n] : kShapes) {
      const int64_t tt = t, kk = k, nn = n;
      add("linear/" + isa + label(e, t, k, n),
          [=](benchmark::State& s) { linear(s, set, e, tt, kk, nn); });
    }
    for (const int64_t t : {1, 4}) {
      for (const int64_t k : {576, 2048}) {
        add("decode/" + isa + label(e, t, k, 0),
            [=](benchmark::State& s) { decode(s, set, e, t, k); });
      }
    }
  }
  constexpr Heads kHeads[] = {{1024, 1024, 12, 12, 64, false},
                              {729, 729, 16, 16, 72, false},
                              {512, 512, 9, 3, 64, true},
                              {1, 1200, 9, 3, 64, true},
                              {1, 1200, 32, 32, 64, true}};
  for (const Heads& h : kHeads) {
    const auto one = [&](const char* form_name, Form form) {
      add("attention/" + isa + "/T" + std::to_string(h.tokens) + "/S" + std::to_string(h.keys) +
              "/H" + std::to_string(h.heads) + ":" + std::to_string(h.kv_heads) + "/Dh" +
              std::to_string(h.width) + "/" + form_name,
          [=](benchmark::State& s) { attention(s, set, h, form); });
    };
    one("f32", Form::kF32);
    one("f16", Form::kF16);
    if (h.tokens == 1) continue;
    h.causal ? one("bf16", Form::kBF16) : one("8bit", Form::k8Bit);
  }
  add_rows(isa, set);
}

}  // namespace
}  // namespace ocelli::cpu::micro

int main(int argc, char** argv) {
  using namespace ocelli::cpu;
  for (const InstructionSetInfo& info : instruction_sets()) {
    if (!info.executable) continue;
    const Limits limits = measure_limits(info.set);
    std::printf(
        "%-14s one thread: f32 %.0f GFLOP/s, bf16 %.0f, 8-bit %.0f GOP/s, memory read %.1f GB/s "
        "(%.1f in pages of 4 KiB)\n",
        std::string(info.name).c_str(), limits.f32_operations / 1e9, limits.bf16_operations / 1e9,
        limits.int8_operations / 1e9, limits.read_bytes / 1e9, limits.read_bytes_small / 1e9);
    micro::add_all(info);
    micro::add_training(info);
    micro::add_layers(info);
  }
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
