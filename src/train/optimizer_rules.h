// The rules behind Optimizer, one maker each.
#pragma once

#include "train/optimizer.h"

namespace ocelli::train {

using RuleResult = base::Result<std::unique_ptr<UpdateRule>>;

RuleResult make_adamw(const OptimizerOptions& options, const Parameter& p);
RuleResult make_adamw_8bit(const OptimizerOptions& options, const Parameter& p);
RuleResult make_sgd(const OptimizerOptions& options, const Parameter& p);
RuleResult make_muon(const OptimizerOptions& options, const Parameter& p);

// Tensors with fewer numbers keep float32 states, as in bitsandbytes (min_8bit_size).
inline constexpr int64_t kSmallest8bit = 4096;
inline constexpr int64_t kStateBlock = 256;  // numbers that share a scale
inline constexpr int64_t kUpdateGrain = 1 << 14;

inline bool uses_8bit(const Parameter& p) {
  return p.count >= kSmallest8bit;
}
// Muon is for the matrices between embedding and head.
bool uses_muon(const Parameter& p);

// The 256 numbers that an 8-bit state can have, ascending: bitsandbytes' "dynamic" map, in [-1, 1]
// or, unsigned, in [0, 1].
std::vector<float> dynamic_map(bool with_sign);

// Cleared memory of `count` T, or an error.
template <class T>
base::Result<std::unique_ptr<T[]>> state_memory(const Parameter& p, int64_t count) {
  std::unique_ptr<T[]> memory(new (std::nothrow) T[size_t(count)]());
  if (!memory) {
    return base::fail(base::Code::kDoesNotFit,
                      "not enough memory for the optimizer's state (" +
                          std::to_string(count * int64_t(sizeof(T)) >> 20) +
                          " MiB); choose optim adamw_8bit or sgd",
                      p.name);
  }
  return memory;
}

}  // namespace ocelli::train
