// Answers as JSON, and prompts from what stands on the command line.
#pragma once

#include <string>
#include <vector>

#include "engine/session.h"

namespace ocelli::cli {

// A request of one turn: an optional system prompt, pictures, a question.
base::Result<engine::Prompt> question_prompt(engine::Engine& engine, const std::string& system,
                                             const std::string& question,
                                             const std::vector<std::string>& files,
                                             engine::ImageTimes* times);

base::Json answer_json(const engine::Engine& engine, const std::string& question,
                       const std::vector<std::string>& files, const engine::Generated& out);

// {"code": "bad_input", "message": ...}
base::Json error_json(const base::Error& error);

}  // namespace ocelli::cli
