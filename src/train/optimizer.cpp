#include "train/optimizer.h"

#include <cmath>

#include "base/names.h"
#include "train/optimizer_rules.h"

namespace ocelli::train {

using base::Result;

namespace {

constexpr int64_t kNormGrain = 1 << 15;  // numbers added up as one piece, whoever does it

// The first name of a kind is ours.
constexpr base::Named<OptimizerKind> kNames[] = {{OptimizerKind::kAdamW, "adamw_torch"},
                                                 {OptimizerKind::kAdamW8bit, "adamw_8bit"},
                                                 {OptimizerKind::kSgd, "sgd"},
                                                 {OptimizerKind::kMuon, "muon"},
                                                 {OptimizerKind::kAdamW, "adamw"},
                                                 {OptimizerKind::kAdamW, "adamw_hf"},
                                                 {OptimizerKind::kAdamW, "adamw_torch_fused"},
                                                 {OptimizerKind::kAdamW8bit, "adamw_bnb_8bit"},
                                                 {OptimizerKind::kAdamW8bit, "paged_adamw_8bit"},
                                                 {OptimizerKind::kAdamW, "paged_adamw_32bit"}};

}  // namespace

Result<OptimizerKind> parse_optimizer(std::string_view name) {
  if (const auto kind = base::value_named(kNames, name)) return *kind;
  return base::fail(base::Code::kUsage,
                    "\"" + base::printable(name, 40) +
                        "\" is no optimizer here; choose adamw_torch, adamw_8bit, sgd or muon",
                    "optim");
}

std::string_view name(OptimizerKind kind) {
  return base::name_among(kNames, kind);
}

bool uses_muon(const Parameter& p) {
  return p.matrix() && (p.name.find("layers.") != std::string::npos || p.part == Part::kConnector);
}

Result<Optimizer> Optimizer::create(const OptimizerOptions& options,
                                    std::span<const Parameter> parameters) {
  Optimizer o;
  o.options_ = options;
  o.parameters_ = parameters;
  for (const Parameter& p : parameters) {
    const auto make = options.kind == OptimizerKind::kSgd                         ? make_sgd
                      : options.kind == OptimizerKind::kAdamW8bit && uses_8bit(p) ? make_adamw_8bit
                      : options.kind == OptimizerKind::kMuon && uses_muon(p)      ? make_muon
                                                                                  : make_adamw;
    OCELLI_ASSIGN(std::unique_ptr<UpdateRule> rule, make(options, p));
    o.rules_.push_back(std::move(rule));
  }
  return o;
}

void Optimizer::step(tensor::Context& c, std::span<const double> rates, float scale) {
  OCELLI_CHECK(rates.size() == parameters_.size(), "a learning rate for each parameter");
  ++steps_;
  for (size_t i = 0; i < parameters_.size(); ++i) {
    const Parameter& p = parameters_[i];
    rules_[i]->update(c, p, {rates[i], p.decay ? options_.weight_decay : 0.0, scale, steps_});
  }
}

std::vector<StateTensor> Optimizer::state() {
  std::vector<StateTensor> out;
  for (size_t i = 0; i < rules_.size(); ++i) rules_[i]->state(parameters_[i].name, out);
  return out;
}

int64_t Optimizer::state_bytes(const OptimizerOptions& options, const Parameter& p) {
  switch (options.kind) {
    case OptimizerKind::kSgd:
      return options.momentum != 0 ? 4 * p.count : 0;
    case OptimizerKind::kMuon:
      return uses_muon(p) ? 4 * p.count : 8 * p.count;
    case OptimizerKind::kAdamW8bit:
      if (uses_8bit(p)) return 2 * (p.count + (p.count + kStateBlock - 1) / kStateBlock * 4);
      [[fallthrough]];
    case OptimizerKind::kAdamW:
      break;
  }
  return 8 * p.count;
}

double gradient_norm(base::ThreadPool& pool, std::span<const Parameter> parameters) {
  double sum = 0;
  std::vector<double> pieces;
  for (const Parameter& p : parameters) {
    pieces.assign(size_t((p.count + kNormGrain - 1) / kNormGrain), 0);
    pool.parallel_for(int64_t(pieces.size()), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t last = std::min(p.count, (i + 1) * kNormGrain);
        double own = 0;
        for (int64_t k = i * kNormGrain; k < last; ++k) own += double(p.grad[k]) * p.grad[k];
        pieces[size_t(i)] = own;
      }
    });
    for (const double piece : pieces) sum += piece;
  }
  return std::sqrt(sum);
}

float clip_factor(double norm, double most) {
  if (most <= 0) return 1;
  return float(std::min(1.0, most / (norm + 1e-6)));
}

}  // namespace ocelli::train
