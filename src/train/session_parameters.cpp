// What of a model trains, and how it is written.
#include <cmath>

#include "base/folders.h"
#include "base/rng.h"
#include "train/session.h"

namespace ocelli::train {

using base::Json;
using base::Result;
using base::Status;

namespace {

constexpr double kFirstSpread = 0.02;  // standard deviation of a new matrix's numbers

// Matrices and tables normal with a spread of 0.02, norms one, biases zero, as Hugging Face
// initializes new models.
void start_from_scratch(const ParameterSet& parameters, uint64_t seed) {
  uint32_t number = 0;
  for (const Parameter& p : parameters.all()) {
    base::Rng rng(seed, 0, 0, ++number);
    const bool table = p.shape.size() > 1;
    const float flat = p.name.ends_with("bias") ? 0.0f : 1.0f;
    for (int64_t i = 0; i < p.count; ++i) {
      if (!table) {
        p.value[i] = flat;
        continue;
      }
      // Box and Muller.
      const double a = 1 - rng.next_uniform_double(), b = rng.next_uniform_double();
      p.value[i] =
          float(kFirstSpread * std::sqrt(-2 * std::log(a)) * std::cos(6.283185307179586 * b));
    }
  }
}

}  // namespace

OptimizerOptions optimizer_options(const TrainOptions& o) {
  OptimizerOptions out;
  const auto kind = parse_optimizer(o.optim);
  out.kind = kind.ok() ? *kind : OptimizerKind::kAdamW;
  out.beta1 = o.adam_beta1;
  out.beta2 = o.adam_beta2;
  out.epsilon = o.adam_epsilon;
  out.weight_decay = o.weight_decay;
  out.momentum = o.momentum;
  return out;
}

Result<models::AdapterConfig> adapter_config(const TrainOptions& o, const std::string& model) {
  models::AdapterConfig c;
  c.r = o.lora_r;
  c.lora_alpha = o.lora_alpha;
  c.lora_dropout = o.lora_dropout;
  c.use_rslora = o.use_rslora;
  c.use_dora = o.use_dora;
  c.modules_to_save = o.modules_to_save;
  c.gaussian = o.init_lora_weights == "gaussian";
  c.base_model_name_or_path = model;
  // One text with signs of a regular expression is one; PEFT's "all-linear" is a text too.
  const auto& names = o.target_modules;
  const bool one_text =
      names.size() == 1 &&
      (names[0] == "all-linear" || names[0].find_first_of("*|()[]\\^$+?") != std::string::npos);
  Json targets(names.empty() ? std::string() : names[0]);
  if (!one_text) {
    targets = Json::array();
    for (const std::string& name : o.target_modules) targets.push_back(name);
  }
  OCELLI_ASSIGN(
      c.target_modules,
      models::ModuleNames::parse(Json::object({{"target_modules", targets}}), "target_modules"));
  // Frozen parts get no adapter.
  std::string& frozen = c.exclude_modules.pattern;
  const auto leave_out = [&](const char* pattern) {
    frozen += (frozen.empty() ? "" : "|") + std::string(pattern);
  };
  if (!o.train_vision) leave_out(".*(vision_model|vision_tower)\\..*");
  if (!o.train_connector) leave_out(".*(connector|multi_modal_projector)\\..*");
  if (!o.train_text) leave_out(".*(text_model|language_model|lm_head).*|model\\.layers\\..*");
  return c;
}

Status TrainSession::make_parameters() {
  engine::Engine& engine = inputs_.engine;
  const TrainOptions& o = inputs_.options;
  facts_.parameters = engine.loaded().parameters;
  if (o.method == "lora") {
    OCELLI_TRY(make_adapter());
  } else {
    ParameterSet::Options parts;
    parts.vision = o.train_vision;
    parts.connector = o.train_connector;
    parts.text = o.train_text;
    if (o.weight_storage == "bf16") parts.storage = encoding::Encoding::kBF16;
    OCELLI_ASSIGN(parameters_,
                  ParameterSet::take_over(engine.mutable_loaded(), engine.pool(), parts));
    if (o.from_scratch) {
      start_from_scratch(parameters_, uint64_t(o.seed));
      parameters_.publish(engine.pool());
    }
  }
  facts_.trainable = parameters_.count();
  if (facts_.trainable == 0) {
    return base::fail(base::Code::kUsage,
                      "nothing would be trained: the model has none of the wanted parts");
  }
  return {};
}

Status TrainSession::make_adapter() {
  engine::Engine& engine = inputs_.engine;
  const TrainOptions& o = inputs_.options;
  OCELLI_ASSIGN(const models::AdapterConfig config, adapter_config(o, inputs_.source.path()));
  OCELLI_ASSIGN(adapter_, models::Adapter::create(config, engine.mutable_loaded(), engine.pool(),
                                                  uint64_t(o.seed)));
  for (const models::AdapterTensor& t : adapter_->tensors()) {
    Parameter p;
    p.name = t.name;
    p.shape = t.shape;
    p.value = t.value;
    p.grad = t.grad;
    p.count = t.count;
    p.part = part_of(t.name);
    p.decay = decays(t.name);
    OCELLI_TRY(parameters_.add(std::move(p)));
  }
  return adapter_->attach();
}

Status TrainSession::save_weights(const std::string& folder) {
  if (adapter_) return adapter_->save(folder);
  models::SaveOptions options;
  if (!inputs_.options.save_dtype.empty()) {
    options.dtype = encoding::from_name(inputs_.options.save_dtype);
  }
  return models::save_model(inputs_.engine.mutable_loaded(), inputs_.source, inputs_.engine.pool(),
                            folder, options);
}

}  // namespace ocelli::train
