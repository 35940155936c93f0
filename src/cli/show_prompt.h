// --show-prompt: exactly what the model sees.
#pragma once

#include "engine/engine.h"

namespace ocelli::cli {

// For people: the text with runs of picture tokens shortened to "<image>*64", the tiles of each
// picture, token counts, and warnings about pictures that the original treats in a surprising way.
std::string prompt_text(const engine::Engine& engine, const engine::Prompt& prompt);
// For programs: the whole text, all ids, tiles.
base::Json prompt_json(const engine::Engine& engine, const engine::Prompt& prompt);
// The frames of all clips as the model sees them, with their times: a PNG file. Errors (kUsage): no
// clip.
base::Result<std::vector<std::byte>> contact_sheet(const engine::Prompt& prompt);

}  // namespace ocelli::cli
