#include "quantize/sensitivity.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "metrics/logits.h"
#include "models/merge.h"
#include "quantize/output.h"

namespace ocelli::quantize {

using base::Code;
using base::fail;
using base::Result;
using base::Status;
using encoding::Encoding;

namespace {

// "model.layers.3.self_attn.q_proj.weight" -> "model.layers.3 attention": weights of one layer that
// are fed by the same numbers.
std::string group_of(const std::string& name) {
  const size_t attention = name.find(".self_attn."), mlp = name.find(".mlp.");
  if (attention != name.npos) return name.substr(0, attention) + " attention";
  if (mlp == name.npos) return name;
  const bool down = name.find("down_proj") != name.npos;
  return name.substr(0, mlp) + (down ? " MLP out" : " MLP in");
}

// One weight in three forms, of which the model sees one at a time.
struct Exchange {
  nn::Weight* place = nullptr;
  nn::Weight plain, low, high;
  models::Buffer low_memory, high_memory;
  size_t group = 0;
};

class Measurer {
 public:
  Measurer(engine::Engine& engine, const SensitivityOptions& options)
      : engine_(engine), options_(options) {}
  ~Measurer() {
    for (Exchange& e : exchanges_) *e.place = e.plain;
  }

  Status prepare(const std::vector<Choice>& choices, Encoding high, MixedPrecision& out) {
    std::map<std::string, size_t> numbers;
    const models::ModelMap map(*engine_.mutable_loaded().model);
    for (const Choice& c : choices) {
      const int at = map.parameter(c.parameter.name);
      OCELLI_CHECK(at >= 0, "choices of this model");
      const models::ParameterRef& p = map.parameters()[size_t(at)];
      if (c.role != Role::kText || !p.weight) continue;
      const int64_t cols = p.count() / p.shape[0];
      const int64_t more = p.shape[0] * (encoding::row_bytes(high, cols) -
                                         encoding::row_bytes(c.encoding, cols));
      if (more <= 0) continue;
      const auto [entry, fresh] = numbers.emplace(group_of(p.name), out.groups.size());
      if (fresh) out.groups.push_back({entry->first, {}, 0, 0, false});
      Sensitivity& group = out.groups[entry->second];
      group.weights.push_back(p.name);
      group.bytes += more;
      Exchange e;
      e.place = p.weight;
      e.plain = *p.weight;
      e.group = entry->second;
      OCELLI_TRY(encode(p, c.encoding, e.low, e.low_memory));
      OCELLI_TRY(encode(p, high, e.high, e.high_memory));
      exchanges_.push_back(std::move(e));
    }
    OCELLI_ASSIGN(data_, collect_held_out(engine_, options_.held_out));
    for (const HeldOut& sample : data_.samples) {
      OCELLI_ASSIGN(std::vector<float> logits, engine_.score(sample.prompt));
      reference_.push_back(scored_rows(sample, logits));
    }
    return {};
  }

  // Mean KL divergence with the forms that `form` gives each group: 0 plain, 1 low, 2 high.
  template <class Form>
  Result<double> kl(const Form& form) {
    if (options_.held_out.cancel) OCELLI_TRY(options_.held_out.cancel->check());
    for (Exchange& e : exchanges_) {
      const int f = form(e.group);
      *e.place = f == 0 ? e.plain : f == 1 ? e.low : e.high;
    }
    const auto vocab = size_t(engine_.info().vocab);
    double sum = 0;
    size_t rows = 0;
    for (size_t i = 0; i < data_.samples.size(); ++i) {
      OCELLI_ASSIGN(const std::vector<float> logits, engine_.score(data_.samples[i].prompt));
      const std::vector<float> now = scored_rows(data_.samples[i], logits);
      for (size_t at = 0; at + vocab <= now.size(); at += vocab, ++rows) {
        sum += metrics::compare_rows(std::span(reference_[i]).subspan(at, vocab),
                                     std::span(now).subspan(at, vocab))
                   .kl;
      }
    }
    const double mean = sum / double(std::max<size_t>(1, rows));
    if (std::isfinite(mean)) return mean;
    return fail(Code::kBadInput, "logits are not finite in so few bits");
  }

  void tell(double fraction) {
    if (options_.held_out.progress)
      options_.held_out.progress->update(fraction, "measuring which weights need more bits");
  }

 private:
  Status encode(const models::ParameterRef& p, Encoding encoding, nn::Weight& w,
                models::Buffer& memory) {
    OutTensor t;
    t.name = p.name;
    t.encoding = encoding;
    t.parameter = p;
    t.rows = p.shape[0];
    t.cols = p.count() / p.shape[0];
    constexpr size_t kLine = 64;
    const size_t size = (size_t(t.bytes()) + kLine) / kLine * kLine;
    memory.reset(static_cast<std::byte*>(std::aligned_alloc(kLine, size)));
    if (!memory) return fail(Code::kDoesNotFit, "not enough memory to measure weights");
    if (!encode_rows(t, 0, t.rows, engine_.pool(), memory.get()))
      return fail(Code::kBadInput, "holds numbers that cannot be stored in fewer bits", p.name);
    w = *p.weight;
    w.encoding = encoding;
    w.data = memory.get();
    return {};
  }

  // Rows of logits whose next token counts.
  std::vector<float> scored_rows(const HeldOut& sample, const std::vector<float>& logits) const {
    const auto vocab = size_t(engine_.info().vocab);
    std::vector<float> out;
    for (size_t t = 1; t < sample.scored.size(); ++t) {
      if (!sample.scored[t]) continue;
      const auto row = logits.begin() + long((t - 1) * vocab);
      out.insert(out.end(), row, row + long(vocab));
    }
    return out;
  }

  engine::Engine& engine_;
  const SensitivityOptions& options_;
  std::vector<Exchange> exchanges_;
  HeldOutSet data_;
  std::vector<std::vector<float>> reference_;  // scored rows per sample
};

}  // namespace

Result<MixedPrecision> find_mixed_precision(engine::Engine& reference,
                                            const std::vector<Choice>& choices, Encoding raised_to,
                                            const SensitivityOptions& options) {
  MixedPrecision out;
  Measurer measurer(reference, options);
  OCELLI_TRY(measurer.prepare(choices, raised_to, out));
  OCELLI_ASSIGN(out.kl_before, measurer.kl([](size_t) { return 1; }));
  out.kl_after = out.kl_before;
  if (out.kl_before <= options.target_kl) return out;
  for (size_t g = 0; g < out.groups.size(); ++g) {
    OCELLI_ASSIGN(out.groups[g].kl, measurer.kl([&](size_t other) { return other == g ? 1 : 0; }));
    measurer.tell(double(g + 1) / double(out.groups.size() + 8));
  }
  // Group number -> place in the order of worth.
  std::vector<size_t> order(out.groups.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return out.groups[a].kl / double(out.groups[a].bytes) >
           out.groups[b].kl / double(out.groups[b].bytes);
  });
  std::vector<size_t> place(order.size());
  for (size_t i = 0; i < order.size(); ++i) place[order[i]] = i;
  const auto with_raised = [&](size_t count) {
    return measurer.kl([&](size_t g) { return place[g] < count ? 2 : 1; });
  };
  size_t few = 0, enough = order.size();
  OCELLI_ASSIGN(out.kl_after, with_raised(enough));
  if (out.kl_after > options.target_kl) {
    char text[160];
    std::snprintf(text, sizeof text,
                  "a mean KL divergence of %g is out of reach: with every weight raised it is %.5f",
                  options.target_kl, out.kl_after);
    return fail(Code::kUsage, std::string(text) + "; allow more, or use more bits", "--target-kl");
  }
  while (few + 1 < enough) {  // `few` raised are too few, `enough` are enough
    const size_t middle = (few + enough) / 2;
    OCELLI_ASSIGN(const double kl, with_raised(middle));
    (kl <= options.target_kl ? enough : few) = middle;
    if (kl <= options.target_kl) out.kl_after = kl;
  }
  for (size_t g = 0; g < out.groups.size(); ++g) out.groups[g].raised = place[g] < enough;
  std::vector<Sensitivity> sorted;
  for (const size_t g : order) sorted.push_back(std::move(out.groups[g]));
  out.groups = std::move(sorted);
  return out;
}

}  // namespace ocelli::quantize
