// TOML by the library toml++, which throws; not beyond this file.
#include <toml++/toml.h>

#include "train/recipe.h"

namespace ocelli::train {

using base::Code;
using base::Json;
using base::Result;

namespace {

Result<Json> to_json(const toml::node& node) {
  if (const auto* table = node.as_table()) {
    Json out = Json::object();
    for (const auto& [key, value] : *table) {
      OCELLI_ASSIGN(Json converted, to_json(value));
      out.set(std::string(key.str()), std::move(converted));
    }
    return out;
  }
  if (const auto* array = node.as_array()) {
    Json out = Json::array();
    for (const auto& value : *array) {
      OCELLI_ASSIGN(Json converted, to_json(value));
      out.push_back(std::move(converted));
    }
    return out;
  }
  if (const auto* s = node.as_string()) return Json(s->get());
  if (const auto* i = node.as_integer()) return Json(i->get());
  if (const auto* d = node.as_floating_point()) return Json(d->get());
  if (const auto* b = node.as_boolean()) return Json(b->get());
  return base::fail(Code::kUsage, "dates and times mean nothing in a recipe");
}

}  // namespace

Result<Json> parse_toml(std::string_view text) {
  try {
    return to_json(toml::parse(text));
  } catch (const toml::parse_error& e) {
    return base::fail(Code::kUsage, "line " + std::to_string(e.source().begin.line) + ": " +
                                        base::printable(e.description()) +
                                        "; recipes are JSON or TOML");
  }
}

}  // namespace ocelli::train
