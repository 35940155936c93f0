// Reading config.json: limits, and the checks that families share.
#pragma once

#include "base/json.h"
#include "models/model.h"

namespace ocelli::models {

// Larger than any model this engine is for; small enough that no product of them overflows.
inline constexpr int64_t kMaxWidth = 1 << 17;
inline constexpr int64_t kMaxLayers = 1024;
inline constexpr int64_t kMaxHeads = 1024;
inline constexpr int64_t kMaxHeadDim = 1024;
inline constexpr int64_t kMaxVocab = 1 << 22;
inline constexpr int64_t kMaxContext = 1 << 22;
inline constexpr int64_t kMaxImage = 8192;
// Numbers of one activation of one picture tile: 1 GiB, so that a tower's work fits the arena.
inline constexpr int64_t kMaxTileNumbers = int64_t{1} << 28;
inline constexpr size_t kMaxConfigBytes = size_t{1} << 20;

base::Error bad_config(std::string what);

// A missing key passes; any other value than `expected` is refused.
base::Status expect_string(const base::Json& json, std::string_view key, std::string_view expected);
// (0, 1), finite.
base::Status check_epsilon(std::string_view key, double value);

// eos_token_id: a number, a list, or missing.
base::Result<std::vector<int32_t>> read_eos_ids(const base::Json& json, int64_t vocab);

struct LlamaConfig;
base::Result<ModelInfo> text_info(std::string family, const base::Json& json,
                                  const LlamaConfig& config);

}  // namespace ocelli::models
