#include "train/schedule.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "base/names.h"

namespace ocelli::train {
namespace {

constexpr base::Named<ScheduleKind> kNames[] = {
    {ScheduleKind::kConstant, "constant"},
    {ScheduleKind::kConstantWithWarmup, "constant_with_warmup"},
    {ScheduleKind::kLinear, "linear"},
    {ScheduleKind::kCosine, "cosine"},
    {ScheduleKind::kWarmupStableDecay, "warmup_stable_decay"}};
constexpr double kPi = 3.14159265358979323846;

// From 1 at 0 to 0 at 1.
double half_cosine(double progress) {
  return 0.5 * (1 + std::cos(kPi * std::clamp(progress, 0.0, 1.0)));
}

}  // namespace

base::Result<ScheduleKind> parse_schedule(std::string_view name) {
  if (const auto kind = base::value_named(kNames, name)) return *kind;
  return base::fail(base::Code::kUsage,
                    "\"" + base::printable(name, 40) + "\" is no schedule; choose one of " +
                        base::all_names(kNames),
                    "lr_scheduler_type");
}

std::string_view name(ScheduleKind kind) {
  return base::name_among(kNames, kind);
}

double Schedule::factor(int64_t step) const {
  if (kind == ScheduleKind::kConstant) return 1;
  if (step < warmup) return double(step) / double(std::max<int64_t>(1, warmup));
  double value = 1;
  const auto rest = double(std::max<int64_t>(1, total - warmup));
  if (kind == ScheduleKind::kLinear) {
    value = std::max(0.0, double(total - step) / rest);
  } else if (kind == ScheduleKind::kCosine) {
    value = half_cosine(double(step - warmup) / rest);
  } else if (kind == ScheduleKind::kWarmupStableDecay) {
    const int64_t from = total - decay;
    value =
        step < from ? 1 : half_cosine(double(step - from) / double(std::max<int64_t>(1, decay)));
  }
  return std::max(value, floor);
}

int64_t warmup_steps(int64_t steps, double ratio, int64_t total) {
  return steps > 0 ? steps : int64_t(std::ceil(double(total) * ratio));
}

}  // namespace ocelli::train
