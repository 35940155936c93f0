#include "quantize/recipe.h"

#include <algorithm>
#include <array>

#include "base/nearest.h"
#include "formats/gguf_writer.h"

namespace ocelli::quantize {

using base::Code;
using base::fail;
using base::Result;
using encoding::Encoding;
using models::ModelMap;
using models::ParameterRef;

namespace {

struct Type {
  std::string_view name, in_gguf;
};
// What can be asked for, and what it is called in a GGUF file.
constexpr Type kTypes[] = {{"q4", "q4_0"},     {"q8", "q8_0"},   {"q4_0", "q4_0"},
                           {"q8_0", "q8_0"},   {"f16", "f16"},   {"bf16", "bf16"},
                           {"f32", "f32"}};

struct Preset {
  std::string_view text, others;  // others: head, tower, connector
};
// Four bits for the text layers leave eight to what is read once per picture or token: the tower,
// whose errors every answer inherits, and the embedding.
constexpr Preset kPresets[] = {{"q4", "q8"},     {"q8", "q8"},   {"q4_0", "q8_0"},
                               {"q8_0", "q8_0"}, {"f16", "f16"}, {"bf16", "bf16"},
                               {"f32", "f32"}};

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? char(c - 'A' + 'a') : c;
  return out;
}

// Glob with * and ?, linear in both but for one step back per character.
bool glob(std::string_view pattern, std::string_view text) {
  size_t p = 0, t = 0, star = pattern.npos, resume = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      resume = t;
    } else if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == text[t])) {
      ++p;
      ++t;
    } else if (star != pattern.npos) {
      p = star + 1;
      t = ++resume;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

constexpr std::string_view kWeight = ".weight";

std::string_view without_weight(std::string_view name) {
  return name.ends_with(kWeight) ? name.substr(0, name.size() - kWeight.size()) : name;
}

}  // namespace

Role role_of(const ModelMap& map, const ParameterRef& p) {
  if (p.vector) return Role::kVector;
  for (const models::ModuleRef& m : map.modules()) {
    if ((m.embedding || m.head()) && m.name + std::string(kWeight) == p.name) return Role::kHead;
  }
  const auto has = [&](std::string_view part) { return p.name.find(part) != p.name.npos; };
  return has("vision") || has("connector") || has("projector") ? Role::kVision : Role::kText;
}

Result<Encoding> parse_type(std::string_view text, Format format) {
  const std::string wanted = lower(text);
  std::string known;
  for (const Type& type : kTypes) {
    if (type.name == wanted) {
      const auto found =
          encoding::from_name(format == Format::kGguf ? type.in_gguf : type.name);
      if (found && encoding::can_encode(*found)) return *found;
    }
    known += (known.empty() ? "" : ", ") + std::string(type.name);
  }
  const bool exists = encoding::from_name(wanted).has_value();
  return fail(Code::kUsage, "\"" + base::printable(text, 40) + "\" " +
                                (exists ? "can be read but not written" : "is no type") +
                                "; there are " + known);
}

bool matches(std::string_view pattern, std::string_view name) {
  const std::string_view stem = without_weight(name);
  for (std::string_view rest = name, bare = stem;;) {
    if (glob(pattern, rest) || glob(pattern, bare)) return true;
    const size_t dot = bare.find('.');
    if (dot == bare.npos) return false;
    rest.remove_prefix(dot + 1);
    bare.remove_prefix(dot + 1);
  }
}

Result<Recipe> Recipe::parse(std::string_view preset, const std::vector<std::string>& rules,
                             Format format) {
  Recipe out;
  out.format_ = format;
  out.preset_ = lower(preset);
  OCELLI_ASSIGN(out.text_, parse_type(preset, format).in("--type"));
  for (const Preset& p : kPresets) {
    if (p.text != out.preset_) continue;
    OCELLI_ASSIGN(out.head_, parse_type(p.others, format));
    out.vision_ = out.head_;
  }
  for (const std::string& rule : rules) {
    const size_t sign = rule.rfind('=');
    if (sign == rule.npos || sign == 0) {
      return fail(Code::kUsage, "\"" + base::printable(rule, 80) +
                                    "\" is not PATTERN=TYPE, such as down_proj=q8", "--tensor");
    }
    OCELLI_ASSIGN(const Encoding encoding,
                  parse_type(std::string_view(rule).substr(sign + 1), format).in("--tensor"));
    out.rules_.push_back({rule.substr(0, sign), encoding});
  }
  return out;
}

Encoding Recipe::wanted(Role role, std::string_view name) const {
  Encoding out = role == Role::kText ? text_ : role == Role::kHead ? head_ : vision_;
  for (const Rule& rule : rules_)
    if (matches(rule.pattern, name)) out = rule.encoding;
  return std::binary_search(raised_.begin(), raised_.end(), name) ? raised_to_ : out;
}

void Recipe::raise(std::vector<std::string> names, Encoding encoding, std::string why) {
  raised_ = std::move(names);
  std::sort(raised_.begin(), raised_.end());
  raised_to_ = encoding;
  raised_why_ = std::move(why);
}

Result<std::vector<Choice>> Recipe::choose(const ModelMap& map) const {
  std::vector<std::string> names, ends;
  for (const ParameterRef& p : map.parameters()) {
    if (!p.weight || p.tied_head) continue;
    names.emplace_back(without_weight(p.name));
    for (std::string_view end = names.back();; end.remove_prefix(end.find('.') + 1)) {
      ends.emplace_back(end);
      if (end.find('.') == end.npos) break;
    }
  }
  for (const Rule& rule : rules_) {
    if (std::any_of(names.begin(), names.end(),
                    [&](const std::string& n) { return matches(rule.pattern, n); }))
      continue;
    const auto near = base::nearest(rule.pattern, ends);
    return fail(Code::kUsage,
                "no weight is called \"" + base::printable(rule.pattern, 80) + "\"" +
                    (near.empty() ? "" : "; the nearest is " + near) +
                    " (a pattern is a name or its end behind a dot, with * and ?)",
                "--tensor");
  }
  std::vector<Choice> out;
  for (const ParameterRef& p : map.parameters()) {
    if (p.tied_head) continue;  // has no numbers of its own
    Choice c{p, role_of(map, p), Encoding::kF32, false};
    if (c.role != Role::kVector) {
      c.encoding = wanted(c.role, p.name);
      const int64_t cols = p.count() / p.shape[0];
      if (format_ == Format::kGguf && !formats::fits_gguf(c.encoding, cols)) {
        c.encoding = Encoding::kF16;
        c.fallback = true;
      }
    }
    out.push_back(std::move(c));
  }
  return out;
}

std::string Recipe::text() const {
  std::string out(encoding::name(text_));
  if (vision_ != text_) out += ", vision " + std::string(encoding::name(vision_));
  if (head_ != text_) out += ", embedding and head " + std::string(encoding::name(head_));
  for (const Rule& rule : rules_)
    out += ", " + rule.pattern + "=" + std::string(encoding::name(rule.encoding));
  if (!raised_why_.empty()) {
    out += ", " + std::to_string(raised_.size()) + " weights " +
           std::string(encoding::name(raised_to_)) + " " + raised_why_;
  }
  return out;
}

}  // namespace ocelli::quantize
