#include "quantize/calibration.h"

#include <algorithm>

#include "encoding/recode.h"
#include "quantize/rounding.h"

namespace ocelli::quantize {

using base::Code;
using base::fail;
using base::Result;
using base::Status;

namespace {

// Weights that are given the same numbers: "layers.3.self_attn.q_proj" stands for k and v as well.
std::string input_of(std::string_view name) {
  constexpr std::pair<std::string_view, std::string_view> kSame[] = {
      {".k_proj.", ".q_proj."}, {".v_proj.", ".q_proj."}, {".up_proj.", ".gate_proj."}};
  std::string out(name);
  for (const auto& [word, first] : kSame) {
    if (const size_t at = out.find(word); at != out.npos) out.replace(at, word.size(), first);
  }
  return out;
}

class Calibrator {
 public:
  Calibrator(engine::Engine& engine, const CalibrationOptions& options)
      : engine_(engine), options_(options), map_(*engine.mutable_loaded().model) {}

  Result<Calibrated> run(const std::vector<Choice>& choices) {
    list(choices);
    base::PartOfProgress collecting(progress(), 0, 0.2);
    HeldOutOptions data = options_.data;
    data.progress = &collecting;
    OCELLI_ASSIGN(data_, collect_held_out(engine_, data));
    out_.description = data_.description;
    out_.pictures = data_.pictures;
    for (const HeldOut& sample : data_.samples) out_.tokens += int64_t(sample.prompt.ids.size());
    // As many inputs together as memory takes; texts and pictures apart, since pictures go through
    // the tower once.
    for (size_t first = 0; first < inputs_.size();) {
      size_t end = first;
      int64_t bytes = 0;
      while (end < inputs_.size() && inputs_[end].vision == inputs_[first].vision &&
             (end == first || bytes + inputs_[end].bytes() <= options_.memory))
        bytes += inputs_[end++].bytes();
      const std::span<Input> window = std::span(inputs_).subspan(first, end - first);
      OCELLI_TRY(observe(window));
      for (Input& input : window) OCELLI_TRY(round(input));
      first = end;
      tell(double(first) / double(inputs_.size()));
    }
    return std::move(out_);
  }

 private:
  struct Input {
    bool vision = false;
    Moments moments;
    std::vector<const Choice*> weights;
    int64_t bytes() const { return moments.width * moments.width * int64_t(sizeof(float)); }
  };

  base::Progress& progress() { return options_.data.progress ? *options_.data.progress : none_; }
  Status check() const { return options_.data.cancel ? options_.data.cancel->check() : Status(); }
  void tell(double part) { progress().update(0.2 + 0.8 * part, "rounding by calibration"); }

  // The reference's own weight of that name.
  const models::ParameterRef& parameter(const Choice& c) const {
    const int at = map_.parameter(c.parameter.name);
    OCELLI_CHECK(at >= 0, "choices of this model");
    return map_.parameters()[size_t(at)];
  }

  void list(const std::vector<Choice>& choices) {
    std::map<std::string, size_t> known;
    for (const Choice& c : choices) {
      const bool layer = c.role == Role::kText || c.role == Role::kVision;
      if (!layer || !c.parameter.weight || !encoding::can_recode(c.encoding)) continue;
      if (c.parameter.weight->encoding == c.encoding) continue;  // copied as it is
      const auto [entry, fresh] = known.emplace(input_of(c.parameter.name), inputs_.size());
      if (fresh) {
        inputs_.emplace_back();
        inputs_.back().vision = c.role == Role::kVision;
        inputs_.back().moments.width = c.parameter.weight->cols;
      }
      inputs_[entry->second].weights.push_back(&c);
    }
    // Pictures first: texts then find their embeddings in the cache.
    std::stable_partition(inputs_.begin(), inputs_.end(), [](const Input& i) { return i.vision; });
  }

  Status observe(std::span<Input> window) {
    std::map<const nn::Weight*, Moments*> wanted;
    for (Input& input : window) {
      const auto width = size_t(input.moments.width);
      input.moments.sums.assign(width * width, 0.0f);
      wanted[parameter(*input.weights[0]).weight] = &input.moments;
    }
    engine_.observe_products([&](const nn::Weight& w, const tensor::Tensor& x) {
      const auto found = wanted.find(&w);
      if (found == wanted.end()) return;
      // dw += dy^T x with x for both
      nn::Weight sums;
      sums.rows = sums.cols = found->second->width;
      sums.grad = found->second->sums.data();
      engine_.backend().linear_grad_weight(engine_.pool(), x, x, sums);
    });
    const Status done = pass(window[0].vision);
    engine_.observe_products({});
    return done;
  }

  Status pass(bool vision) {
    if (vision) engine_.image_cache().clear();
    for (const HeldOut& sample : data_.samples) {
      OCELLI_TRY(check());
      if (!vision) {
        OCELLI_ASSIGN(const auto logits, engine_.score(sample.prompt));
      } else if (!sample.prompt.images.empty()) {
        OCELLI_ASSIGN(const auto seen, engine_.encode_images(sample.prompt.images));
      }
    }
    return {};
  }

  // Chooses the codes of all weights that have this input.
  Status round(Input& input) {
    const std::optional<Factor> f = factor(engine_.backend(), engine_.pool(), input.moments);
    input.moments.sums = {};
    if (!f) {
      return fail(Code::kBadInput, "activations are not finite; the model cannot be calibrated",
                  input.weights[0]->parameter.name);
    }
    for (const Choice* c : input.weights) {
      OCELLI_TRY(check());
      OutTensor t;
      t.encoding = c->encoding;
      t.parameter = parameter(*c);
      t.rows = t.parameter.weight->rows;
      t.cols = t.parameter.weight->cols;
      auto rows = std::make_shared<std::vector<std::byte>>(t.bytes());
      if (!encode_rows(t, 0, t.rows, engine_.pool(), rows->data())) continue;  // told when written
      round_rows(engine_.backend(), engine_.pool(), *f, *t.parameter.weight, c->encoding,
                 rows->data());
      out_.weights[c->parameter.name] = {c->encoding, std::move(rows)};
    }
    return {};
  }

  engine::Engine& engine_;
  const CalibrationOptions& options_;
  const models::ModelMap map_;
  base::NoProgress none_;
  std::vector<Input> inputs_;
  HeldOutSet data_;
  Calibrated out_;
};

}  // namespace

Result<Calibrated> calibrate(engine::Engine& reference, const std::vector<Choice>& choices,
                             const CalibrationOptions& options) {
  return Calibrator(reference, options).run(choices);
}

}  // namespace ocelli::quantize
