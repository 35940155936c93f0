#include "models/siglip.h"

#include <algorithm>
#include <cmath>

#include "models/config.h"
#include "nn/feed_forward.h"
#include "ops/add.h"
#include "ops/attention.h"
#include "ops/patches.h"

namespace ocelli::models {

using base::Json;
using base::Result;

Result<SiglipConfig> SiglipConfig::parse(const Json& json, const FromTensors& found) {
  SiglipConfig c;
  OCELLI_ASSIGN(c.hidden, json.get_int("hidden_size", {1, kMaxWidth}, 1152));
  OCELLI_ASSIGN(c.intermediate, json.get_int("intermediate_size", {1, kMaxWidth},
                                             found.intermediate ? found.intermediate : 3072));
  OCELLI_ASSIGN(c.layers, json.get_int("num_hidden_layers", {1, kMaxLayers},
                                       found.layers ? found.layers : 12));
  OCELLI_ASSIGN(c.heads, json.get_int("num_attention_heads", {1, kMaxHeads}, 16));
  OCELLI_ASSIGN(c.image, json.get_int("image_size", {1, kMaxImage}, 224));
  OCELLI_ASSIGN(c.patch, json.get_int("patch_size", {1, kMaxImage}, 32));
  OCELLI_ASSIGN(const int64_t channels, json.get_int("num_channels", {1, 16}, 3));
  OCELLI_ASSIGN(const double eps, json.get_double("layer_norm_eps", 1e-6));
  OCELLI_TRY(expect_string(json, "hidden_act", "gelu_pytorch_tanh"));
  OCELLI_TRY(check_epsilon("layer_norm_eps", eps));
  c.layer_norm_eps = float(eps);
  if (channels != 3) return bad_config("num_channels must be 3 (" + std::to_string(channels) + ")");
  if (c.hidden % c.heads != 0) {
    return bad_config("vision hidden_size (" + std::to_string(c.hidden) +
                      ") must be a multiple of num_attention_heads (" + std::to_string(c.heads) +
                      ")");
  }
  if (c.hidden / c.heads > kMaxHeadDim) {
    return bad_config("vision heads are too wide (" + std::to_string(c.hidden / c.heads) +
                      ", limit " + std::to_string(kMaxHeadDim) + ")");
  }
  if (c.intermediate < 1 || c.intermediate > kMaxWidth) {  // from the tensors
    return bad_config("the vision MLP is too wide (" + std::to_string(c.intermediate) + ", limit " +
                      std::to_string(kMaxWidth) + ")");
  }
  if (c.patch > c.image) return bad_config("patch_size is larger than image_size");
  if (c.positions() * std::max(c.hidden, c.intermediate) > kMaxTileNumbers) {
    return bad_config("a picture of " + std::to_string(c.positions()) +
                      " patches gives too many numbers in a layer (limit " +
                      std::to_string(kMaxTileNumbers) + ")");
  }
  return c;
}

Siglip::Siglip(const SiglipConfig& config) : config_(config), blocks_(size_t(config.layers)) {
  post_norm_.eps = config.layer_norm_eps;
}

void Siglip::visit(nn::ParameterVisitor& v, const std::string& prefix) {
  const int64_t d = config_.hidden;
  v.convolution(prefix + "embeddings.patch_embedding", patch_embedding_, d,
                3 * config_.patch * config_.patch);
  v.vector(prefix + "embeddings.position_embedding.weight", position_embedding_,
           {config_.positions(), d});
  for (size_t i = 0; i < blocks_.size(); ++i) {
    Block& b = blocks_[i];
    const std::string at = prefix + "encoder.layers." + std::to_string(i) + ".";
    b.norm1.eps = b.norm2.eps = config_.layer_norm_eps;
    b.norm1.visit(v, at + "layer_norm1", d);
    v.linear(at + "self_attn.q_proj", b.qkv.members[0], d, d, true);
    v.linear(at + "self_attn.k_proj", b.qkv.members[1], d, d, true);
    v.linear(at + "self_attn.v_proj", b.qkv.members[2], d, d, true);
    v.linear(at + "self_attn.out_proj", b.out, d, d, true);
    b.norm2.visit(v, at + "layer_norm2", d);
    v.linear(at + "mlp.fc1", b.fc1, config_.intermediate, d, true);
    v.linear(at + "mlp.fc2", b.fc2, d, config_.intermediate, true);
  }
  post_norm_.visit(v, prefix + "post_layernorm", d);
}

Tensor Siglip::Block::operator()(Context& c, const SiglipConfig& config, const Tensor& x,
                                 std::span<const tensor::KeyRange> ranges) const {
  const int64_t head_dim = config.hidden / config.heads;
  // hidden_states = residual + self_attn(layer_norm1(hidden_states))
  const auto [q, k, v] = qkv(c, x, norm1);
  const Tensor attended =
      ops::attention(c, q.split_last(head_dim), k.split_last(head_dim), v.split_last(head_dim),
                     ranges, 1.0f / std::sqrt(float(head_dim)),
                     nn::attention_numbers(qkv.members, tensor::AttentionNumbers::k8Bit));
  const Tensor r =
      out(c, attended.reshape({x.dim(0), config.hidden}), tensor::Activation::kNone, x);
  // hidden_states = residual + fc2(gelu_tanh(fc1(layer_norm2(hidden_states))))
  return nn::feed_forward(c, r, norm2, fc1, tensor::Activation::kGeluTanh, fc2, r);
}

Tensor Siglip::forward(Context& c, const Tensor& pixels) const {
  const int64_t tiles = pixels.dim(0), n = config_.positions();
  // A tile's patches see each other and nothing else; all tiles go through together.
  const auto ranges = std::make_shared<std::vector<tensor::KeyRange>>();
  for (int64_t i = 0; i < tiles * n; ++i) {
    const auto begin = int32_t(i / n * n);
    ranges->push_back({begin, begin + int32_t(n)});
  }
  // embeddings = patch_embedding(pixel_values) + position_embedding(0..N-1)
  Tensor x = patch_embedding_(c, ops::patches(c, pixels, config_.patch));
  x = ops::add(c, x, position_embedding_);
  for (size_t i = 0; i < blocks_.size(); ++i) {
    x = nn::run_block(c, x, [this, i, ranges](Context& inner, const Tensor& in) {
      return blocks_[i](inner, config_, in, *ranges);
    });
  }
  return post_norm_(c, x);
}

}  // namespace ocelli::models
