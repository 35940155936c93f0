// Answers as JSON, and prompts from what stands on the command line.
#pragma once

#include <string>
#include <vector>

#include "engine/answer_parser.h"
#include "engine/session.h"

namespace ocelli::cli {

// A request of one turn: an optional system prompt, pictures, a question; `arguments` are
// variables for the chat template.
base::Result<engine::Prompt> question_prompt(engine::Engine& engine, const std::string& system,
                                             const std::string& question,
                                             const std::vector<std::string>& files,
                                             engine::ImageTimes* times,
                                             const base::Json& arguments = {});

// "answer" is the text for a person; "reasoning_content" and "tool_calls" are there where the model
// thought or called.
base::Json answer_json(const engine::Engine& engine, const std::string& question,
                       const std::vector<std::string>& files, const engine::Generated& out,
                       const engine::AnswerFormat& format);

// {"code": "bad_input", "message": ...}
base::Json error_json(const base::Error& error);

}  // namespace ocelli::cli
