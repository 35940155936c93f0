// Tools: what a request lets the model call, and its calls in the form of OpenAI's API.
#pragma once

#include <span>
#include <string_view>

#include "engine/answer_parser.h"
#include "engine/engine.h"

namespace ocelli::engine {

inline constexpr size_t kMaxToolsBytes = size_t{1} << 20;
inline constexpr size_t kMaxTools = 256;

// Template variables from a file of tools: a list as transformers and OpenAI take it,
//   [{"type": "function", "function": {"name": ..., "description": ..., "parameters": {...}}}, ...]
// becomes {"tools": [...]}; an object names other kinds that a template may know, such as
// {"xml_tools": [...], "python_tools": [...]}, and is passed as it is.
base::Result<base::Json> tool_arguments(std::string_view json);

// Tools that the model's chat template would leave out are an error.
base::Status check_tools(const Engine& engine, const base::Json& arguments);

// What the answer to `prompt` may consist of, from the model's tokens and chat template and from
// the variables that the prompt was built with: calls count only where tools were given.
AnswerFormat answer_format(const Engine& engine, const Prompt& prompt, const base::Json& arguments);

// [{"id": "call_0", "type": "function", "function": {"name": ..., "arguments": TEXT}}, ...]
base::Json tool_calls_json(std::span<const ToolCall> calls);

}  // namespace ocelli::engine
