#include "engine/tools.h"

#include <algorithm>

namespace ocelli::engine {

using base::Code;
using base::Json;
using base::Result;
using base::Status;

namespace {

constexpr std::string_view kKinds[] = {"tools", "xml_tools", "python_tools"};

base::Error bad(std::string what) {
  return base::fail(Code::kUsage, std::move(what));
}

// {"type": "function", "function": {...}} or the function alone.
Status check_function(const Json& tool, const std::string& which) {
  if (!tool.is_object()) return bad(which + " must be an object");
  const Json* function = tool.find("function");
  const Json& described = function ? *function : tool;
  const Json* name = described.find("name");
  if (name && name->is_string() && !name->as_string().empty()) return {};
  return bad(which + " has no name; write {\"type\": \"function\", \"function\": {\"name\": ...}}");
}

Status check_list(std::string_view kind, const Json& list) {
  const std::string key(kind);
  if (!list.is_array()) return bad("\"" + key + "\" must be a list");
  if (list.size() > kMaxTools) {
    return bad("\"" + key + "\" lists too many tools (" + std::to_string(list.size()) + ", limit " +
               std::to_string(kMaxTools) + ")");
  }
  for (size_t i = 0; i < list.size(); ++i) {
    // Other kinds may be signatures in plain text.
    if (list.items()[i].is_string() && kind != kKinds[0]) continue;
    OCELLI_TRY(
        check_function(list.items()[i], "tool " + std::to_string(i) + " of \"" + key + "\""));
  }
  return {};
}

bool has_items(const Json& arguments, std::string_view key) {
  const Json* list = arguments.find(key);
  return list && list->size() > 0;
}

}  // namespace

Result<Json> tool_arguments(std::string_view text) {
  OCELLI_ASSIGN(const Json json, Json::parse(text, {.max_bytes = kMaxToolsBytes, .max_depth = 64}));
  if (json.is_array()) {
    OCELLI_TRY(check_list(kKinds[0], json));
    return Json::object({{"tools", json}});
  }
  if (!json.is_object()) return bad("must be a list of tools");
  for (const auto& [key, list] : json.members()) {
    if (std::find(std::begin(kKinds), std::end(kKinds), key) == std::end(kKinds)) {
      return bad("\"" + base::printable(key, 40) +
                 "\" is not known; tools, xml_tools and python_tools are");
    }
    OCELLI_TRY(check_list(key, list));
  }
  return json;
}

Status check_tools(const Engine& engine, const Json& arguments) {
  for (const std::string_view kind : kKinds) {
    if (!has_items(arguments, kind) || engine.template_mentions(kind)) continue;
    return bad("the model's chat template takes no \"" + std::string(kind) +
               "\"; leave them out or choose a model that was trained with tools");
  }
  return {};
}

AnswerFormat answer_format(const Engine& engine, const Prompt& prompt, const Json& arguments) {
  const auto writes = [&](std::string_view tag) {
    return engine.tokenizer().id_of(tag).has_value() || engine.template_mentions(tag);
  };
  AnswerFormat format;
  format.thinking = writes("<think>") && writes("</think>");
  const std::string_view asked(prompt.text);
  const size_t last = asked.find_last_not_of(" \t\r\n");
  format.starts_thinking = format.thinking && asked.substr(0, last + 1).ends_with("<think>");
  format.calls =
      (has_items(arguments, "tools") || has_items(arguments, "xml_tools")) && writes("<tool_call>");
  format.code = has_items(arguments, "python_tools") && writes("<code>");
  return format;
}

Json tool_calls_json(std::span<const ToolCall> calls) {
  Json list = Json::array();
  for (const ToolCall& call : calls) {
    list.push_back(Json::object(
        {{"id", "call_" + std::to_string(list.size())},
         {"type", "function"},
         {"function", Json::object({{"name", call.name}, {"arguments", call.arguments}})}}));
  }
  return list;
}

}  // namespace ocelli::engine
