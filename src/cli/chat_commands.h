// The commands of a chat: lines that begin with a slash.
#pragma once

#include <string>
#include <string_view>

#include "cli/chat.h"
#include "cli/line_editor.h"

namespace ocelli::cli {

enum class AfterCommand { kGoOn, kLeave };

// "/name ..." where the first word has no other slash (that would be a path).
bool is_command(std::string_view input);
// Runs it; its output goes to standard output. Errors name the nearest command.
base::Result<AfterCommand> run_command(Chat& chat, std::string_view input);

std::string command_help();

// "temperature" and so on: the names that /set and people's other tools know, to what the value may
// be. An error leaves the settings as they were.
base::Status set_option(GenerateFlags& flags, std::string_view name, std::string_view value);
std::string settings_text(const GenerateFlags& flags);

// What Tab offers: commands, names of settings, names of files.
Completion complete_input(std::string_view line);

}  // namespace ocelli::cli
