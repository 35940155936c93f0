// Names in the folder of a run. Included by checkpoint*.cpp alone.
#pragma once

#include <string_view>

namespace ocelli::train {

inline constexpr std::string_view kStepPrefix = "step-";
// Behind the name of what is not whole yet, or no longer.
inline constexpr std::string_view kPartialEnding = ".tmp";
inline constexpr char kStateFile[] = "state.safetensors", kTrainingFile[] = "training.json";

}  // namespace ocelli::train
