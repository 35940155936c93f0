// Learning rate schedules, with the formulas and names of Hugging Face (optimization.py).
#pragma once

#include <cstdint>
#include <string_view>

#include "base/result.h"

namespace ocelli::train {

enum class ScheduleKind : uint8_t {
  kConstant,            // "constant": no warm-up
  kConstantWithWarmup,  // "constant_with_warmup"
  kLinear,              // "linear": down to zero at the last step
  kCosine,              // "cosine": half a cosine down to zero
  kWarmupStableDecay,   // "warmup_stable_decay": flat, then half a cosine down to zero
};

base::Result<ScheduleKind> parse_schedule(std::string_view name);
std::string_view name(ScheduleKind kind);

struct Schedule {
  ScheduleKind kind = ScheduleKind::kLinear;
  int64_t total = 1;   // optimizer steps in all
  int64_t warmup = 0;  // steps from zero up to the full rate
  int64_t decay = 0;   // of kWarmupStableDecay: steps at the end that go down
  double floor = 0;    // the factor never falls below (after the warm-up)

  // What the learning rate of optimizer step `step`, from 0, is multiplied with.
  double factor(int64_t step) const;
};

// Steps of a warm-up given as steps or, where those are 0, as a ratio of all, rounded up.
int64_t warmup_steps(int64_t steps, double ratio, int64_t total);

}  // namespace ocelli::train
