#include "models/adapter.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/rng.h"
#include "encoding/strips.h"
#include "models/adapter_state.h"
#include "models/config.h"
#include "models/registry.h"

namespace ocelli::models {

using base::Code;
using base::fail;
using base::Result;
using base::Status;
using encoding::Encoding;

bool sees_pictures(std::string_view name) {
  for (const char* part :
       {"vision_model.", "vision_tower.", "connector.", "multi_modal_projector."})
    if (name.find(part) != std::string_view::npos) return true;
  return false;
}

void copy_numbers(const ParameterRef& from, float* out) {
  const nn::Weight* w = from.weight;
  if (w && !*w && from.tied_to) w = &from.tied_to->w;
  if (!w) {
    std::copy_n(from.vector->f32(), from.vector->count(), out);
    return;
  }
  for (int64_t r = 0; r < w->rows; ++r) encoding::read_row(*w, r, out + r * w->cols);
}

Result<float*> Adapter::State::take(int64_t count) {
  if (count > kMaxAdapterNumbers - parameters) {
    return fail(Code::kDoesNotFit, "the adapter has too many numbers (limit " +
                                       std::to_string(kMaxAdapterNumbers) +
                                       "); choose a smaller rank or fewer modules");
  }
  constexpr size_t kLine = 64;
  const size_t size = (size_t(count) * sizeof(float) + kLine) / kLine * kLine;
  memory.emplace_back(static_cast<std::byte*>(std::aligned_alloc(kLine, size)));
  if (!memory.back()) {
    return fail(Code::kDoesNotFit, "not enough memory for " + std::to_string(size >> 20) +
                                       " MiB of an adapter; choose a smaller rank");
  }
  std::memset(memory.back().get(), 0, size);
  return reinterpret_cast<float*>(memory.back().get());
}

Result<AdapterTensor> Adapter::State::add(std::string name, std::vector<int64_t> shape,
                                          bool trainable) {
  AdapterTensor t;
  t.name = std::move(name);
  t.shape = std::move(shape);
  t.count = 1;
  for (const int64_t n : t.shape) t.count *= n;
  OCELLI_ASSIGN(t.value, take(t.count));
  if (trainable) {
    OCELLI_ASSIGN(t.grad, take(t.count));
  }
  parameters += t.count;
  tensors.push_back(t);
  return t;
}

namespace {

nn::Weight as_weight(const AdapterTensor& t) {
  return {Encoding::kF32,
          encoding::Layout::kPlain,
          t.shape[0],
          t.shape[1],
          reinterpret_cast<const std::byte*>(t.value),
          t.grad};
}

}  // namespace

Result<AdaptedModule*> Adapter::State::add_module(const ModuleRef& at, int64_t rank, double alpha,
                                                  uint32_t op, bool trainable) {
  const int64_t out = at.embedding ? at.in : at.out, in = at.embedding ? at.out : at.in;
  const std::string key = kKeyPrefix + at.name;
  const int64_t limit = std::min(kMaxRank, std::max(in, out));
  if (rank < 1 || rank > limit) {
    return fail(Code::kBadInput, "the rank for " + at.name + " must be from 1 to " +
                                     std::to_string(limit) + " (" + std::to_string(rank) +
                                     "), as its matrix has shape [" + std::to_string(at.out) +
                                     ", " + std::to_string(at.in) + "]");
  }
  const double scale = config.scale(alpha, rank);
  if (!(scale > 0 && scale <= kMaxScale)) {
    return fail(Code::kBadInput, "the alpha for " + at.name + " gives a scale that is not sane (" +
                                     std::to_string(scale) + ", limit " +
                                     std::to_string(int(kMaxScale)) + ")");
  }
  auto module = std::make_unique<AdaptedModule>();
  module->at = at;
  nn::Lora& l = module->lora;
  if (at.embedding) {
    OCELLI_ASSIGN(const AdapterTensor a, add(key + ".lora_embedding_A", {in, rank}, trainable));
    tensors.back().turned = true;
    OCELLI_ASSIGN(const AdapterTensor b, add(key + ".lora_embedding_B", {out, rank}, trainable));
    l.a = as_weight(a);
    l.b = as_weight(b);
  } else {
    OCELLI_ASSIGN(const AdapterTensor a, add(key + ".lora_A.weight", {rank, in}, trainable));
    OCELLI_ASSIGN(const AdapterTensor b, add(key + ".lora_B.weight", {out, rank}, trainable));
    l.a = as_weight(a);
    l.b = as_weight(b);
  }
  l.scale = float(scale);
  l.dropout = at.embedding ? 0.0f : float(config.lora_dropout);
  l.op = op;
  if (config.use_dora) {
    OCELLI_ASSIGN(const AdapterTensor m, add(key + ".lora_magnitude_vector", {out}, trainable));
    OCELLI_ASSIGN(float* norms, take(out));
    l.magnitude = Tensor::view(m.value, {1, out});
    l.inverse_norm = Tensor::view(norms, {1, out});
    if (trainable) {
      module->magnitude_grad = {m.grad, out};
      l.magnitude.grad = &module->magnitude_grad;
    }
  }
  modules.push_back(std::move(module));
  return modules.back().get();
}

Result<ReplacedParameter*> Adapter::State::add_replaced(const ParameterRef& at, bool trainable) {
  auto r = std::make_unique<ReplacedParameter>();
  r->at = at;
  OCELLI_ASSIGN(const AdapterTensor t, add(kKeyPrefix + at.name, at.shape, trainable));
  if (at.weight) {
    r->base_weight = *at.weight;
    r->own_weight = as_weight(t);
  } else {
    r->base_vector = *at.vector;
    r->own_vector = *at.vector;
    r->own_vector.data = t.value;
    if (trainable) {
      r->grad = {t.grad, t.count};
      r->own_vector.grad = &r->grad;
    }
  }
  replaced.push_back(std::move(r));
  return replaced.back().get();
}

void Adapter::State::refresh(base::ThreadPool& pool) const {
  for (const auto& m : modules) nn::refresh(pool, m->at.base(), m->lora, m->at.embedding);
}

namespace {

// A step number that no training reaches: these numbers are not those of dropout.
constexpr uint32_t kInitialStep = 0xFFFFFFFF;

// As torch.nn.init: kaiming_uniform_(a = sqrt(5)) is uniform within 1 / sqrt(in).
void draw_uniform(base::Rng rng, float bound, std::span<float> out) {
  for (float& x : out) x = bound * (2 * rng.next_uniform() - 1);
}

void draw_normal(base::Rng rng, double deviation, std::span<float> out) {
  constexpr double kTurn = 6.283185307179586;
  for (float& x : out) {  // Box-Muller, the half of it
    const double u = 1 - rng.next_uniform_double(), v = rng.next_uniform_double();
    x = float(deviation * std::sqrt(-2 * std::log(u)) * std::cos(kTurn * v));
  }
}

std::span<float> numbers(const nn::Weight& w) {
  auto* data = reinterpret_cast<float*>(const_cast<std::byte*>(w.data));
  return {data, size_t(w.rows * w.cols)};
}

void draw(const AdapterConfig& config, uint64_t seed, AdaptedModule& m) {
  const base::Rng rng(seed, kInitialStep, 0, m.lora.op);
  if (m.at.embedding) {  // PEFT: A zero, B standard normal
    draw_normal(rng, 1, numbers(m.lora.b));
  } else if (config.gaussian) {
    draw_normal(rng, 1 / double(m.lora.a.rows), numbers(m.lora.a));
  } else {
    draw_uniform(rng, 1 / std::sqrt(float(m.lora.a.cols)), numbers(m.lora.a));
  }
}

// m = |W|: with b zero the norms are those of W, so that nothing changes yet.
void start_magnitude(const nn::Lora& l) {
  if (!l.magnitude) return;
  for (int64_t i = 0; i < l.magnitude.count(); ++i) {
    const float inverse = l.inverse_norm.f32()[i];
    l.magnitude.f32()[i] = inverse > 0 ? 1 / inverse : 0;
  }
}

std::string name_list(const std::vector<ModuleRef>& modules) {
  std::vector<std::string> ends;
  for (const ModuleRef& m : modules) {
    const std::string end = m.name.substr(m.name.rfind('.') + 1);
    if (std::find(ends.begin(), ends.end(), end) == ends.end()) ends.push_back(end);
  }
  std::string out;
  for (const std::string& end : ends) out += (out.empty() ? "" : ", ") + end;
  return out;
}

// What a config targets in a model.
struct Targets {
  std::vector<std::pair<const ModuleRef*, uint32_t>> modules;  // with their number
  std::vector<const ParameterRef*> replaced;
};

Result<Targets> find_targets(const ModelMap& map, const AdapterMatcher& matcher) {
  Targets out;
  for (size_t i = 0; i < map.modules().size(); ++i) {
    const ModuleRef& m = map.modules()[i];
    OCELLI_ASSIGN(const bool wanted, matcher.targets(m.name, {m.embedding != nullptr, m.head()}));
    if (wanted) out.modules.emplace_back(&m, uint32_t(i));
  }
  for (const ParameterRef& p : map.parameters())
    if (matcher.saves(p.name)) out.replaced.push_back(&p);
  if (out.modules.empty() && out.replaced.empty()) {
    return fail(Code::kUsage,
                "\"target_modules\" names no module of the model; its modules end in " +
                    name_list(map.modules()));
  }
  return out;
}

}  // namespace

Result<std::unique_ptr<Adapter>> Adapter::create(const AdapterConfig& config, LoadedModel& loaded,
                                                 base::ThreadPool& pool, uint64_t seed) {
  auto state = std::make_unique<State>(config, loaded);
  OCELLI_ASSIGN(const AdapterMatcher matcher, AdapterMatcher::create(config));
  const ModelMap map(*loaded.model);
  OCELLI_ASSIGN(const Targets targets, find_targets(map, matcher));
  for (const auto& [at, op] : targets.modules) {
    OCELLI_ASSIGN(const int64_t rank, matcher.rank_of(at->name));
    OCELLI_ASSIGN(const double alpha, matcher.alpha_of(at->name));
    OCELLI_ASSIGN(AdaptedModule * m, state->add_module(*at, rank, alpha, op, true));
    draw(config, seed, *m);
  }
  state->refresh(pool);
  for (const auto& m : state->modules) start_magnitude(m->lora);
  for (const ParameterRef* at : targets.replaced) {
    OCELLI_TRY(state->add_replaced(*at, true));
    copy_numbers(*at, state->tensors.back().value);
  }
  return std::unique_ptr<Adapter>(new Adapter(std::move(state)));
}

Adapter::Adapter(std::unique_ptr<State> state) : state_(std::move(state)) {}
Adapter::~Adapter() {
  detach();
}

const AdapterConfig& Adapter::config() const {
  return state_->config;
}
const std::string& Adapter::folder() const {
  return state_->folder;
}
std::span<const AdapterTensor> Adapter::tensors() const {
  return state_->tensors;
}
int64_t Adapter::parameters() const {
  return state_->parameters;
}
const std::vector<std::string>& Adapter::warnings() const {
  return state_->warnings;
}
bool Adapter::attached() const {
  return state_->attached;
}
float Adapter::weight() const {
  return state_->weight;
}
void Adapter::refresh(base::ThreadPool& pool) {
  state_->refresh(pool);
}

Status Adapter::attach(float weight) {
  OCELLI_CHECK(!state_->attached, "an adapter is attached once");
  if (!(std::abs(weight) <= kMaxAdapterWeight)) {
    return fail(Code::kUsage, "the weight of an adapter must be from -" +
                                  std::to_string(int(kMaxAdapterWeight)) + " to " +
                                  std::to_string(int(kMaxAdapterWeight)));
  }
  if (weight != 1 && !state_->replaced.empty()) {
    return fail(Code::kUsage, "the adapter replaces " + state_->replaced[0]->at.name +
                                  ", so that its weight can only be 1");
  }
  for (const auto& r : state_->replaced) {
    const bool changed = r->at.weight ? r->at.weight->data != r->base_weight.data
                                      : r->at.vector->data != r->base_vector.data;
    if (changed) {
      return fail(Code::kUsage, "another adapter replaces " + r->at.name +
                                    " already; only one of them can be used at a time");
    }
  }
  const ModelMap map(*state_->loaded.model);
  for (const auto& r : state_->replaced) {
    // A head that shares the matrix keeps the old one, as in PEFT.
    for (const ModuleRef& m : map.modules())
      if (m.tied_to && !m.linear->w && r->at.weight == &m.tied_to->w) m.linear->w = r->base_weight;
  }
  for (const auto& r : state_->replaced) {
    if (r->at.weight) *r->at.weight = r->own_weight;
    if (r->at.vector) *r->at.vector = r->own_vector;
  }
  for (const auto& m : state_->modules) {
    m->lora.weight = weight;
    (m->at.embedding ? m->at.embedding->lora : m->at.linear->lora).push_back(m->lora);
  }
  state_->weight = weight;
  state_->attached = true;
  return {};
}

void Adapter::detach() {
  if (!state_->attached) return;
  for (const auto& m : state_->modules) {
    auto& list = m->at.embedding ? m->at.embedding->lora : m->at.linear->lora;
    const auto ours = [&](const nn::Lora& l) { return l.a.data == m->lora.a.data; };
    list.erase(std::remove_if(list.begin(), list.end(), ours), list.end());
  }
  const ModelMap map(*state_->loaded.model);
  for (const auto& r : state_->replaced) {
    if (r->at.weight) *r->at.weight = r->base_weight;
    if (r->at.vector) *r->at.vector = r->base_vector;
    for (const ModuleRef& m : map.modules())
      if (m.tied_to && m.linear->w.data == r->base_weight.data) m.linear->w = {};
  }
  state_->attached = false;
}

std::optional<base::Digest256> Adapter::picture_identity() const {
  base::Sha256 hash;
  bool any = false;
  for (const AdapterTensor& t : state_->tensors) {
    if (!sees_pictures(t.name)) continue;
    any = true;
    hash.update_u64(t.name.size());
    hash.update(t.name);
    hash.update_u64(uint64_t(t.count));
    hash.update(std::as_bytes(std::span(t.value, size_t(t.count))));
  }
  if (!any) return {};
  for (const auto& m : state_->modules) {
    if (sees_pictures(m->at.name)) hash.update(std::as_bytes(std::span(&m->lora.scale, 1)));
  }
  return hash.finish();
}

Result<int64_t> count_adapter_parameters(const base::Json& config_json, const AdapterConfig& config,
                                         const formats::Checkpoint& weights) {
  OCELLI_ASSIGN(const Family* family, find_family(config_json));
  OCELLI_ASSIGN(const std::unique_ptr<Model> model, family->make(config_json, weights));
  OCELLI_ASSIGN(const AdapterMatcher matcher, AdapterMatcher::create(config));
  const ModelMap map(*model);
  OCELLI_ASSIGN(const Targets targets, find_targets(map, matcher));
  int64_t count = 0;
  for (const auto& [at, op] : targets.modules) {
    OCELLI_ASSIGN(const int64_t rank, matcher.rank_of(at->name));
    count += rank * (at->in + at->out);
    if (config.use_dora) count += at->embedding ? at->in : at->out;
  }
  for (const ParameterRef* at : targets.replaced) count += at->count();
  return count;
}

Result<int64_t> count_adapter_parameters(const base::Json& config_json,
                                         const AdapterConfig& config) {
  return count_adapter_parameters(config_json, config, formats::Checkpoint());
}

}  // namespace ocelli::models
