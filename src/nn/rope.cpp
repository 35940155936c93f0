#include "nn/rope.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "ops/rope.h"

namespace ocelli::nn {

using base::Code;
using base::Json;
using base::Result;

namespace {

constexpr int64_t kMaxContext = int64_t{1} << 30;  // positions are int32
constexpr double kMaxFactor = 65536;
constexpr double kMaxBeta = 1e9;
constexpr double kMaxTheta = 1e12;

// base ** (torch.arange(0, dim, 2).float() / dim)
std::vector<float> wavelengths(double theta, int64_t head_dim) {
  std::vector<float> out(size_t(head_dim / 2));
  for (size_t i = 0; i < out.size(); ++i) {
    out[i] = std::pow(float(theta), float(2 * i) / float(head_dim));
  }
  return out;
}

double get_mscale(double scale, double mscale) {
  return scale <= 1 ? 1 : 0.1 * mscale * std::log(scale) + 1;
}

double attention_factor_of(const YarnScaling& y) {
  if (y.attention_factor) return *y.attention_factor;
  if (y.mscale == 0 || y.mscale_all_dim == 0) return get_mscale(y.factor, 1);
  return get_mscale(y.factor, y.mscale) / get_mscale(y.factor, y.mscale_all_dim);
}

struct Ramp {
  double low, high;
};

// The frequencies between which the ramp lies: those that make beta_fast and beta_slow turns over
// the original context.
Ramp correction_range(double theta, int64_t head_dim, const YarnScaling& y) {
  const auto dim = double(head_dim);
  const auto frequency = [&](double turns) {
    return dim * std::log(y.original_context / (turns * 2 * std::numbers::pi)) /
           (2 * std::log(theta));
  };
  Ramp r{frequency(y.beta_fast), frequency(y.beta_slow)};
  if (y.truncate) r = {std::floor(r.low), std::ceil(r.high)};
  return {std::max(r.low, 0.0), std::min(r.high, dim - 1)};
}

// --- reading config.json ---

base::Error bad(std::string what) {
  return base::fail(Code::kBadInput, std::move(what));
}

// A number in [min, max]; NaN and infinities are outside.
Result<double> number(const Json& json, const char* key, double fallback, double min, double max) {
  OCELLI_ASSIGN(const double value, json.get_double(key, fallback));
  if (value >= min && value <= max) return value;
  return bad(std::string(key) + " must be from " + Json(min).dump() + " to " + Json(max).dump() +
             " (" + Json(value).dump() + ")");
}

// beta_fast and the like: null and 0 mean the default.
Result<double> positive_or(const Json& json, const char* key, double fallback, double max) {
  OCELLI_ASSIGN(const double value, number(json, key, 0, 0, max));
  return value == 0 ? fallback : value;
}

// The scaling that counts: `self.rope_parameters = rope_scaling or self.rope_parameters`.
Result<Json> scaling_of(const Json& config) {
  for (const char* key : {"rope_scaling", "rope_parameters"}) {
    const Json* scaling = config.find(key);
    if (!scaling || scaling->is_null()) continue;
    if (!scaling->is_object()) return bad(std::string(key) + " must be an object");
    for (const auto& [name, value] : scaling->members()) {
      if (value.is_object()) {
        return bad(std::string(key) + " of its own for each kind of layer (\"" +
                   base::printable(name, 40) + "\") is not supported for this family");
      }
    }
    if (scaling->size() > 0) return *scaling;
  }
  return Json::object();
}

Result<std::string> type_of(const Json& scaling) {
  OCELLI_ASSIGN(const std::string old, scaling.get_string("type", "default"));
  return scaling.get_string("rope_type", old);
}

Result<YarnScaling> read_yarn(const Json& config, const Json& scaling, int64_t context) {
  YarnScaling y;
  // original_max_position_embeddings of the config itself, then of the scaling, then the context
  const base::IntRange range{1, kMaxContext};
  const char* key = "original_max_position_embeddings";
  OCELLI_ASSIGN(int64_t original, scaling.get_int(key, range, context));
  OCELLI_ASSIGN(original, config.get_int(key, range, original));
  y.original_context = double(original);
  if (!scaling.find("factor")) return bad("\"factor\" is missing");
  OCELLI_ASSIGN(y.factor,
                number(scaling, "factor", double(context) / double(original), 1, kMaxFactor));
  if (const Json* given = scaling.find("attention_factor"); given && !given->is_null()) {
    OCELLI_ASSIGN(y.attention_factor, number(scaling, "attention_factor", 1, 1e-3, 1e3));
  }
  OCELLI_ASSIGN(y.mscale, number(scaling, "mscale", 0, 0, 1e3));
  OCELLI_ASSIGN(y.mscale_all_dim, number(scaling, "mscale_all_dim", 0, 0, 1e3));
  OCELLI_ASSIGN(y.beta_fast, positive_or(scaling, "beta_fast", y.beta_fast, kMaxBeta));
  OCELLI_ASSIGN(y.beta_slow, positive_or(scaling, "beta_slow", y.beta_slow, kMaxBeta));
  OCELLI_ASSIGN(y.truncate, scaling.get_bool("truncate", true));
  if (y.beta_fast < y.beta_slow) {
    return bad("beta_fast (" + Json(y.beta_fast).dump() + ") must not be below beta_slow (" +
               Json(y.beta_slow).dump() + ")");
  }
  return y;
}

Result<RotaryPositions> read_scaling(const Json& config, const Json& scaling, double theta,
                                     int64_t context, int64_t head_dim) {
  OCELLI_ASSIGN(const std::string type, type_of(scaling));
  if (type == "default") return RotaryPositions::plain(theta, head_dim, context);
  RotaryPositions out;
  if (type == "linear") {
    if (!scaling.find("factor")) return bad("\"factor\" is missing");
    OCELLI_ASSIGN(const double factor, number(scaling, "factor", 1, 1, kMaxFactor));
    out = RotaryPositions::linear(theta, head_dim, context, factor);
  } else if (type == "yarn") {
    OCELLI_ASSIGN(const YarnScaling yarn, read_yarn(config, scaling, context));
    out = RotaryPositions::yarn(theta, head_dim, yarn);
  } else {
    return bad("rotary position scaling \"" + base::printable(type, 60) +
               "\" is not supported; \"default\", \"linear\" and \"yarn\" are");
  }
  // A config may name the length it was stretched to already.
  out.context = std::max(out.context, context);
  if (out.context <= kMaxContext) return out;
  return bad("the stretched context is too long (" + std::to_string(out.context) +
             " tokens, limit " + std::to_string(kMaxContext) + ")");
}

}  // namespace

RotaryPositions RotaryPositions::plain(double theta, int64_t head_dim, int64_t context) {
  return linear(theta, head_dim, context, 1);
}

RotaryPositions RotaryPositions::linear(double theta, int64_t head_dim, int64_t context,
                                        double factor) {
  RotaryPositions out;
  out.inv_freq = wavelengths(theta, head_dim);
  // inv_freq = 1.0 / (base ** ...); inv_freq /= factor
  for (float& f : out.inv_freq) f = 1.0f / f / float(factor);
  out.context = int64_t(double(context) * factor);
  return out;
}

RotaryPositions RotaryPositions::yarn(double theta, int64_t head_dim, const YarnScaling& y) {
  RotaryPositions out;
  out.inv_freq = wavelengths(theta, head_dim);
  const Ramp range = correction_range(theta, head_dim, y);
  // linear_ramp_factor: "prevent singularity"
  const double high = range.low == range.high ? range.high + 0.001 : range.high;
  for (size_t i = 0; i < out.inv_freq.size(); ++i) {
    const float extrapolation = 1.0f / out.inv_freq[i];
    const float interpolation = 1.0f / (float(y.factor) * out.inv_freq[i]);
    const float ramp = (float(i) - float(range.low)) / float(high - range.low);
    const float keep = 1 - std::clamp(ramp, 0.0f, 1.0f);
    out.inv_freq[i] = interpolation * (1 - keep) + extrapolation * keep;
  }
  out.attention_factor = float(attention_factor_of(y));
  out.context = int64_t(y.original_context * y.factor);
  return out;
}

Result<RotaryPositions> RotaryPositions::parse(const Json& config, const RopeDefaults& defaults) {
  OCELLI_ASSIGN(const int64_t context,
                config.get_int("max_position_embeddings", {1, kMaxContext}, defaults.context));
  OCELLI_ASSIGN(const Json scaling, scaling_of(config));
  const char* place = config.find("rope_scaling") && config.find("rope_scaling")->size() > 0
                          ? "rope_scaling"
                          : "rope_parameters";
  // rope_theta among the parameters, or beside them
  OCELLI_ASSIGN(double theta, config.get_double("rope_theta", defaults.theta));
  OCELLI_ASSIGN(theta, scaling.get_double("rope_theta", theta).in(place));
  if (!(theta > 1 && theta <= kMaxTheta)) {
    return bad("rope_theta must be above 1 and at most 1e12 (" + Json(theta).dump() + ")");
  }
  OCELLI_ASSIGN(const double part, number(scaling, "partial_rotary_factor", 1, 0, 1).in(place));
  OCELLI_ASSIGN(const double outer, number(config, "partial_rotary_factor", 1, 0, 1));
  if (part != 1 || outer != 1) {
    return bad("partial_rotary_factor other than 1 is not supported for this family");
  }
  return read_scaling(config, scaling, theta, context, defaults.head_dim).in(place);
}

tensor::Tensor RotaryPositions::table(tensor::Context& c,
                                      std::span<const int32_t> positions) const {
  return ops::rope_table(c, positions, inv_freq, attention_factor);
}

}  // namespace ocelli::nn
