// The table of gradient checks: every op, and every branch of its backward pass.
#include <array>

#include "gradient_trial.h"
#include "ops/activation.h"
#include "ops/add.h"
#include "ops/attention.h"
#include "ops/cross_entropy.h"
#include "ops/dropout.h"
#include "ops/dropped_linear.h"
#include "ops/embedding.h"
#include "ops/linear.h"
#include "ops/norm.h"
#include "ops/recompute.h"
#include "ops/rope.h"
#include "ops/rows.h"
#include "ops/scale_columns.h"
#include "ops/token_log_probs.h"
#include "ops/top_k_divergence.h"

namespace ocelli::gradient_test {
namespace {

using tensor::Activation;
using tensor::KeyRange;

// --- products ---

Case linear_through(Encoding e) {
  return {"linear", "through " + std::string(encoding::name(e)), [e](Trial& t) -> Forward {
            // One block of 32 and a short one, or one of 256 that ends within a tile of columns.
            const int64_t cols = encoding::block_cols(e) > 32 ? 290 : 37;
            const Tensor x = t.leaf({3, cols});
            const Weight w = t.frozen(5, cols, e);
            return [=](Context& c) { return ops::linear(c, x, w); };
          }};
}

Case linear_trainable(Encoding e) {
  return {"linear", "to " + std::string(encoding::name(e)), [e](Trial& t) -> Forward {
            const Tensor x = t.leaf({3, 7});
            const Weight w = t.trainable(5, 7, e);
            return [=](Context& c) { return ops::linear(c, x, w); };
          }};
}

Forward linear_epilogue(Trial& t) {
  const Tensor x = t.leaf({4, 6}), bias = t.leaf({5}), residual = t.leaf({4, 5});
  const Weight w = t.trainable(5, 6, Encoding::kF32);
  return [=](Context& c) { return ops::linear(c, x, w, {bias, Activation::kGeluTanh, residual}); };
}

Forward linear_group(Trial& t) {
  const Tensor x = t.leaf({4, 6}), bias = t.leaf({5});
  const Weight a = t.trainable(5, 6, Encoding::kF32), b = t.frozen(5, 6, Encoding::kF32);
  return [=](Context& c) {
    const std::array<const Weight*, 2> ws = {&a, &b};
    const std::array<Tensor, 2> biases = {bias, {}};
    std::array<Tensor, 2> ys;
    ops::linear_group(c, x, ws, biases, ys);
    return ops::add(c, ys[0], ys[1], -0.5f);
  };
}

// A low-rank adapter beside a frozen matrix in 8 bits.
Forward linear_lora(Trial& t) {
  const Tensor x = t.leaf({3, 32});
  const Weight w = t.frozen(6, 32, Encoding::kQ80);
  const Weight a = t.trainable(2, 32, Encoding::kF32), b = t.trainable(6, 2, Encoding::kF32);
  return [=](Context& c) {
    return ops::add(c, ops::linear(c, x, w), ops::linear(c, ops::linear(c, x, a), b), 0.5f);
  };
}

// Onto a product through which a gradient flows, and again onto the sum.
Forward add_product(Trial& t) {
  const Tensor x = t.leaf({3, 5}), z = t.leaf({3, 2});
  const Weight w = t.trainable(4, 5, Encoding::kF32), b = t.trainable(4, 2, Encoding::kF32);
  return [=](Context& c) {
    const Tensor y = ops::add_product(c, ops::linear(c, x, w), z, b, 0.5f);
    return ops::add_product(c, y, x, w, 1);
  };
}

// Onto one through which none flows, as below the first layer that trains.
Forward add_product_first(Trial& t) {
  const Tensor x = t.data({3, 5});
  const Weight w = t.frozen(4, 5, Encoding::kQ8), a = t.trainable(2, 5, Encoding::kF32),
               b = t.trainable(4, 2, Encoding::kF32);
  return [=](Context& c) {
    return ops::add_product(c, ops::linear(c, x, w), ops::linear(c, x, a), b, -0.7f);
  };
}

Case embedding_of(Encoding e) {
  return {"embedding", std::string(encoding::name(e)), [e](Trial& t) -> Forward {
            const Weight w = t.trainable(6, 4, e);
            return [=](Context& c) {
              const std::vector<int32_t> ids = {2, 0, 5, 2, 2};  // 2 comes three times
              return ops::embedding(c, ids, w);
            };
          }};
}

// One matrix for both ends: its gradient comes from two places.
Forward embedding_tied(Trial& t) {
  const Weight w = t.trainable(6, 4, Encoding::kF32);
  return [=](Context& c) {
    const std::vector<int32_t> ids = {1, 4, 1};
    return ops::linear(c, ops::embedding(c, ids, w), w);
  };
}

// --- norms ---

Forward rms_norm(Trial& t) {
  const Tensor x = t.leaf({3, 7}), w = t.leaf({7});
  return [=](Context& c) { return ops::rms_norm(c, x, w, 0.1f); };
}

Forward rms_norm_heads(Trial& t) {
  const Tensor x = t.leaf({2, 12}), w = t.leaf({6});
  return [=](Context& c) {
    const Tensor heads = ops::activation(c, Activation::kNone, x).reshape({2, 2, 6});
    return ops::rms_norm(c, heads, w, 0.1f);
  };
}

Forward layer_norm(Trial& t) {
  const Tensor x = t.leaf({3, 7}), w = t.leaf({7}), b = t.leaf({7});
  return [=](Context& c) { return ops::layer_norm(c, x, w, b, 0.1f); };
}

template <bool kCentred>
Forward norm(Trial& t) {
  const Tensor x = t.leaf({3, 7}), w = t.leaf({7}), b = kCentred ? t.leaf({7}) : Tensor();
  return [=](Context& c) { return ops::norm(c, x, {w, b, 0.1f}); };
}

Forward linear_group_of_norm(Trial& t) {
  const Tensor x = t.leaf({4, 6}), weight = t.leaf({6}), bias = t.leaf({5});
  const Weight a = t.trainable(5, 6, Encoding::kF32), b = t.frozen(5, 6, Encoding::kF32);
  return [=](Context& c) {
    const std::array<const Weight*, 2> ws = {&a, &b};
    const std::array<Tensor, 2> biases = {bias, {}};
    std::array<Tensor, 2> ys;
    ops::linear_group(c, x, {weight, {}, 0.1f}, ws, biases, ys);
    return ops::add(c, ys[0], ys[1], -0.5f);
  };
}

// --- attention ---

Tensor table_of(Context& c, int64_t tokens, int64_t head_dim) {
  std::vector<int32_t> positions;
  std::vector<float> inv_freq;
  for (int32_t t = 0; t < tokens; ++t) positions.push_back(3 * t + 1);
  for (int64_t i = 0; i < head_dim / 2; ++i) inv_freq.push_back(1.0f / float(1 + 3 * i));
  return ops::rope_table(c, positions, inv_freq, 1.25f);
}

Forward rope(Trial& t) {
  const Tensor x = t.leaf({4, 3, 6});
  return [=](Context& c) { return ops::rope(c, x, table_of(c, 4, 6)); };
}

struct Heads {
  int64_t tokens, keys, query_heads, key_heads;
};

Case attend(std::string variant, Heads n, std::vector<KeyRange> ranges) {
  return {"attention", std::move(variant), [n, ranges](Trial& t) -> Forward {
            const Tensor q = t.leaf({n.tokens, n.query_heads, 4}),
                         k = t.leaf({n.keys, n.key_heads, 4}), v = t.leaf({n.keys, n.key_heads, 4});
            return [=](Context& c) { return ops::attention(c, q, k, v, ranges, 0.7f); };
          }};
}

// One result of a product as queries, keys and values at once: gradients of slices share memory.
Forward attention_packed(Trial& t) {
  const Tensor x = t.leaf({4, 5});
  const Weight w = t.frozen(12, 5, Encoding::kF32);
  return [=](Context& c) {
    const Tensor qkv = ops::linear(c, x, w);
    const auto part = [&](int64_t i) { return qkv.slice(1, 4 * i, 4).split_last(2); };
    const std::vector<KeyRange> causal = {{0, 1}, {0, 2}, {0, 3}, {0, 4}};
    const Tensor q = ops::rope(c, part(0), table_of(c, 4, 2));
    return ops::attention(c, q, part(1), part(2), causal, 1);
  };
}

// Where a gradient is wanted, and where arithmetic is exact, it is attention in float32.
Forward attention_in_8_bits(Trial& t) {
  const Tensor q = t.leaf({3, 2, 4}), k = t.leaf({5, 2, 4}), v = t.leaf({5, 2, 4});
  const std::vector<KeyRange> all = {{0, 5}, {0, 5}, {0, 5}};
  return [=](Context& c) {
    const bool exact = c.exact;
    if (!c.tape) c.exact = true;
    const Tensor y = ops::attention(c, q, k, v, all, 0.7f, tensor::AttentionNumbers::k8Bit);
    c.exact = exact;
    return y;
  };
}

// --- elementwise ---

Case activation_of(std::string variant, Activation f) {
  return {"activation", std::move(variant), [f](Trial& t) -> Forward {
            const Tensor x = t.leaf({4, 5}, 3);
            return [=](Context& c) { return ops::activation(c, f, x); };
          }};
}

Forward silu_mul(Trial& t) {
  const Tensor gate = t.leaf({4, 5}, 3), up = t.leaf({4, 5});
  return [=](Context& c) { return ops::silu_mul(c, gate, up); };
}

Case add_rows(std::string variant, int64_t rows) {
  return {"add", std::move(variant), [rows](Trial& t) -> Forward {
            const Tensor a = t.leaf({6, 5}), b = rows == 1 ? t.leaf({5}) : t.leaf({rows, 5});
            return [=](Context& c) { return ops::add(c, a, b, 0.75f); };
          }};
}

Forward add_itself(Trial& t) {
  const Tensor a = t.leaf({4, 5});
  return [=](Context& c) { return ops::add(c, a, a, 0.5f); };
}

Forward scale_columns(Trial& t) {
  const Tensor x = t.leaf({4, 5}), s = t.leaf({5});
  return [=](Context& c) { return ops::scale_columns(c, x, s); };
}

// Differences are taken without a tape, so that the ops must be told to drop.
Forward dropout(Trial& t) {
  const Tensor x = t.leaf({6, 7});
  return [=](Context& c) {
    c.rng = {11, 3, 2, 1};
    c.drops = true;
    return ops::dropout(c, x, 0.375f);
  };
}

Forward dropped_linear(Trial& t) {
  const Tensor x = t.leaf({6, 7});
  const Weight w = t.trainable(3, 7, Encoding::kF32);
  return [=](Context& c) {
    c.rng = {11, 3, 2, 1};
    c.drops = true;
    return ops::dropped_linear(c, x, 0.375f, w);
  };
}

// --- rows ---

Forward gather_rows(Trial& t) {
  const Tensor x = t.leaf({5, 4});
  return [=](Context& c) {
    const std::vector<int32_t> rows = {4, 1, 1, 0, 4, 4};
    return ops::gather_rows(c, x, rows);
  };
}

Forward place_rows(Trial& t) {
  const Tensor base = t.leaf({6, 4}), x = t.leaf({3, 4});
  return [=](Context& c) {
    const std::vector<int32_t> rows = {5, 0, 2};
    // Of a copy: without a gradient it writes over its base.
    return ops::place_rows(c, ops::activation(c, Activation::kNone, base), x, rows);
  };
}

Forward pixel_shuffle(Trial& t) {
  const Tensor x = t.leaf({2 * 4 * 6, 3});
  return [=](Context& c) { return ops::pixel_shuffle(c, x, 4, 6, 2); };
}

// --- objective ---

Forward cross_entropy(Trial& t) {
  const Tensor logits = t.leaf({5, 6}, 3);
  return [=](Context& c) {
    const std::vector<int32_t> targets = {3, -1, 0, 5, -1};
    return ops::cross_entropy(c, logits, targets);
  };
}

Forward cross_entropy_of_nothing(Trial& t) {
  const Tensor logits = t.leaf({2, 3});
  return [=](Context& c) {
    const std::vector<int32_t> targets = {-1, -1};
    return ops::cross_entropy(c, logits, targets);
  };
}

Forward token_log_probs(Trial& t) {
  const Tensor logits = t.leaf({5, 6}, 3);
  return [=](Context& c) {
    const std::vector<int32_t> targets = {3, -1, 0, 5, -1};
    return ops::token_log_probs(c, logits, targets);
  };
}

// The first position's entries come close to one, another lacks one, the third has none.
Case top_k_divergence(std::string variant, float temperature) {
  return {"top_k_divergence", std::move(variant), [temperature](Trial& t) -> Forward {
            const Tensor logits = t.leaf({3, 7}, 3);
            return [=](Context& c) {
              const std::vector<int32_t> ids = {2, 6, 0, 1, 0, -1, -1, -1, -1};
              const std::vector<float> log_probs = {-0.5f, -1.25f, -3, -2, -1, 0, 0, 0, 0};
              return ops::top_k_divergence(c, {logits, ids, log_probs, temperature, 0.25f});
            };
          }};
}

// --- recomputation ---

Forward recompute(Trial& t) {
  const Tensor x = t.leaf({4, 6}), norm = t.leaf({6});
  const Weight w = t.trainable(6, 6, Encoding::kF32);
  return [=](Context& c) {
    const auto block = [=](Context& inner, const Tensor& in) {
      const Tensor h = ops::linear(inner, ops::rms_norm(inner, in, norm, 0.1f), w);
      return ops::add(inner, in, ops::activation(inner, Activation::kSilu, h));
    };
    return ops::recompute(c, ops::recompute(c, x, block), block);
  };
}

// The block runs twice, the first time without a tape, and must drop the same numbers.
Forward recompute_dropout(Trial& t) {
  const Tensor x = t.leaf({4, 6});
  return [=](Context& c) {
    c.rng = {7, 0, 1, 2};
    const auto block = [](Context& inner, const Tensor& in) {
      return ops::activation(inner, Activation::kSilu, ops::dropout(inner, in, 0.5f));
    };
    c.drops = true;
    return ops::recompute(c, x, block);
  };
}

// A result that nobody uses, and a step that no gradient reaches.
Forward unused_result(Trial& t) {
  const Tensor x = t.leaf({3, 4});
  return [=](Context& c) {
    ops::activation(c, Activation::kSilu, ops::add(c, x, x));
    return ops::activation(c, Activation::kGeluTanh, x);
  };
}

}  // namespace

const std::vector<Case>& cases() {
  static const std::vector<Case> all = {
      linear_through(Encoding::kF32),
      linear_through(Encoding::kF16),
      linear_through(Encoding::kBF16),
      linear_through(Encoding::kQ80),
      linear_through(Encoding::kQ40),
      linear_through(Encoding::kQ41),
      linear_through(Encoding::kQ50),
      linear_through(Encoding::kQ51),
      linear_through(Encoding::kIq4Nl),
      linear_through(Encoding::kQ2K),
      linear_through(Encoding::kQ3K),
      linear_through(Encoding::kQ4K),
      linear_through(Encoding::kQ5K),
      linear_through(Encoding::kQ6K),
      linear_trainable(Encoding::kF32),
      linear_trainable(Encoding::kBF16),
      {"linear", "bias, activation, residual", linear_epilogue},
      {"linear", "low-rank adapter on q8", linear_lora},
      {"add_product", "in place", add_product},
      {"add_product", "first gradient", add_product_first},
      {"linear_group", "two members", linear_group},
      {"linear_group", "of a norm", linear_group_of_norm},
      embedding_of(Encoding::kF32),
      embedding_of(Encoding::kBF16),
      {"embedding", "tied", embedding_tied},
      {"rms_norm", "rows", rms_norm},
      {"rms_norm", "heads", rms_norm_heads},
      {"layer_norm", "rows", layer_norm},
      {"norm", "without bias", norm<false>},
      {"norm", "with bias", norm<true>},
      {"rope", "table", rope},
      attend("causal, 9 heads on 3", {4, 4, 9, 3}, {{0, 1}, {0, 2}, {0, 3}, {0, 4}}),
      attend("ragged, one sees nothing", {5, 7, 2, 2}, {{2, 5}, {0, 7}, {3, 3}, {6, 7}, {1, 4}}),
      attend("two-way, 5 heads on 1", {3, 6, 5, 1}, {{0, 6}, {0, 6}, {0, 6}}),
      {"attention", "packed", attention_packed},
      {"attention", "in 8 bits, float32 under a tape", attention_in_8_bits},
      activation_of("none", Activation::kNone),
      activation_of("gelu_tanh", Activation::kGeluTanh),
      activation_of("silu", Activation::kSilu),
      {"activation", "result unused", unused_result},
      {"silu_mul", "", silu_mul},
      add_rows("same rows", 6),
      add_rows("repeated rows", 3),
      add_rows("vector", 1),
      {"add", "itself", add_itself},
      {"scale_columns", "", scale_columns},
      {"dropout", "", dropout},
      {"dropped_linear", "", dropped_linear},
      {"gather_rows", "repeated", gather_rows},
      {"place_rows", "", place_rows},
      {"pixel_shuffle", "4x6 by 2", pixel_shuffle},
      {"cross_entropy", "some ignored", cross_entropy},
      {"cross_entropy", "all ignored", cross_entropy_of_nothing},
      {"token_log_probs", "some ignored", token_log_probs},
      top_k_divergence("at one", 1),
      top_k_divergence("at two", 2),
      {"recompute", "two blocks", recompute},
      {"recompute", "dropout", recompute_dropout},
  };
  return all;
}

}  // namespace ocelli::gradient_test
