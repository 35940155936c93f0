// Which modules an adapter is for: the rules of PEFT's tuners_utils.check_target_module_exists and
// utils.other.get_pattern_key.
#include <algorithm>
#include <charconv>
#include <optional>

#include "models/adapter_config.h"
#include "text/full_match.h"

namespace ocelli::models {

using base::Result;
using text::FullMatch;

namespace {

// key == name or key.endswith("." + name)
bool ends_with_name(std::string_view key, std::string_view name) {
  return key == name || (key.size() > name.size() && key.ends_with(name) &&
                         key[key.size() - name.size() - 1] == '.');
}

std::optional<int64_t> number(std::string_view text) {
  int64_t out = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return {};
  return out;
}

// The first number among the dotted parts that has a part before and one behind it; without names
// ("layers") there must be two parts before it, as PEFT's pattern has it.
std::optional<int64_t> layer_of(std::string_view key, const std::vector<std::string>& names) {
  std::vector<std::string_view> parts;
  for (size_t at = 0; at <= key.size();) {
    const size_t dot = std::min(key.find('.', at), key.size());
    parts.push_back(key.substr(at, dot - at));
    at = dot + 1;
  }
  const auto named = [&](std::string_view part) {
    return names.empty() || std::find(names.begin(), names.end(), part) != names.end();
  };
  for (size_t i = names.empty() ? 2 : 1; i + 1 < parts.size(); ++i) {
    const auto layer = number(parts[i]);
    if (layer && named(parts[i - 1])) return layer;
  }
  return {};
}

struct Names {
  ModuleNames what;
  std::optional<FullMatch> pattern;

  Result<bool> fits(std::string_view key) const {
    if (pattern) return pattern->matches(key);
    return std::any_of(what.names.begin(), what.names.end(),
                       [&](const std::string& name) { return ends_with_name(key, name); });
  }
};

Result<Names> compile(const ModuleNames& what) {
  Names out{what, {}};
  if (!what.pattern.empty()) {
    OCELLI_ASSIGN(out.pattern, FullMatch::compile(what.pattern));
  }
  return out;
}

// A name in which only the dots are signs of a pattern, as most are.
bool is_plain(std::string_view pattern) {
  return std::all_of(pattern.begin(), pattern.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '.';
  });
}

bool ends_with_plain(std::string_view key, std::string_view pattern) {
  if (pattern.size() > key.size()) return false;
  const std::string_view end = key.substr(key.size() - pattern.size());
  for (size_t i = 0; i < end.size(); ++i)
    if (pattern[i] != '.' && pattern[i] != end[i]) return false;
  return end.size() == key.size() || key[key.size() - end.size() - 1] == '.';
}

// re.match(rf"(.*\.)?({key})$", name)
template <class T>
struct EndPattern {
  std::string plain;
  std::optional<FullMatch> pattern;  // where it is not plain
  T value;
};

template <class T>
Result<std::vector<EndPattern<T>>> compile(const std::vector<std::pair<std::string, T>>& patterns) {
  std::vector<EndPattern<T>> out;
  size_t compiled = 0;
  for (const auto& [key, value] : patterns) {
    EndPattern<T> end{key, {}, value};
    if (!is_plain(key)) {
      if (++compiled > kMaxNamePatterns) {
        return base::fail(
            base::Code::kDoesNotFit,
            "too many patterns (limit " + std::to_string(kMaxNamePatterns) + "); write names");
      }
      OCELLI_ASSIGN(end.pattern, FullMatch::compile("(.*\\.)?(" + key + ")"));
    }
    out.push_back(std::move(end));
  }
  return out;
}

template <class T>
Result<T> first(const std::vector<EndPattern<T>>& patterns, std::string_view module, T otherwise) {
  for (const EndPattern<T>& end : patterns) {
    if (!end.pattern) {
      if (ends_with_plain(module, end.plain)) return end.value;
      continue;
    }
    OCELLI_ASSIGN(const bool fits, end.pattern->matches(module));
    if (fits) return end.value;
  }
  return otherwise;
}

}  // namespace

struct AdapterMatcher::State {
  Names target, exclude;
  std::vector<EndPattern<int64_t>> ranks;
  std::vector<EndPattern<double>> alphas;
  std::vector<std::string> saved;
  std::vector<int64_t> layers;
  std::vector<std::string> layer_names;
  int64_t rank;
  double alpha;
};

AdapterMatcher::AdapterMatcher(std::unique_ptr<State> state) : state_(std::move(state)) {}
AdapterMatcher::~AdapterMatcher() = default;
AdapterMatcher::AdapterMatcher(AdapterMatcher&&) noexcept = default;
AdapterMatcher& AdapterMatcher::operator=(AdapterMatcher&&) noexcept = default;

Result<AdapterMatcher> AdapterMatcher::create(const AdapterConfig& config) {
  auto state = std::make_unique<State>();
  OCELLI_ASSIGN(state->target, compile(config.target_modules).in("target_modules"));
  OCELLI_ASSIGN(state->exclude, compile(config.exclude_modules).in("exclude_modules"));
  OCELLI_ASSIGN(state->ranks, compile(config.rank_pattern).in("rank_pattern"));
  OCELLI_ASSIGN(state->alphas, compile(config.alpha_pattern).in("alpha_pattern"));
  state->saved = config.modules_to_save;
  state->layers = config.layers_to_transform;
  state->layer_names = config.layers_pattern;
  state->rank = config.r;
  state->alpha = config.lora_alpha;
  return AdapterMatcher(std::move(state));
}

Result<bool> AdapterMatcher::targets(std::string_view module, ModuleKind kind) const {
  OCELLI_ASSIGN(const bool excluded, state_->exclude.fits(module));
  if (excluded || saves(std::string(module) + ".weight")) return false;
  if (state_->target.what.all_linear) return !kind.embedding && !kind.head;
  OCELLI_ASSIGN(const bool targeted, state_->target.fits(module));
  if (!targeted || state_->layers.empty() || state_->target.pattern) return targeted;
  const auto& names = state_->target.what.names;
  if (std::find(names.begin(), names.end(), module) != names.end())
    return true;  // by its full name
  const std::optional<int64_t> layer = layer_of(module, state_->layer_names);
  return layer &&
         std::find(state_->layers.begin(), state_->layers.end(), *layer) != state_->layers.end();
}

// Every module whose name ends with one of modules_to_save (with or without a dot before it, as in
// PEFT) is trained with all below it.
bool AdapterMatcher::saves(std::string_view parameter) const {
  for (size_t dot = parameter.rfind('.'); dot != std::string_view::npos && dot > 0;
       dot = parameter.rfind('.', dot - 1)) {
    const std::string_view module = parameter.substr(0, dot);
    for (const std::string& name : state_->saved)
      if (module.ends_with(name)) return true;
  }
  return false;
}

Result<int64_t> AdapterMatcher::rank_of(std::string_view module) const {
  return first(state_->ranks, module, state_->rank);
}

Result<double> AdapterMatcher::alpha_of(std::string_view module) const {
  return first(state_->alphas, module, state_->alpha);
}

}  // namespace ocelli::models
