// A prompt on its way from messages to tokens; private to PromptBuilder.
#pragma once

#include "engine/prompt.h"

namespace ocelli::engine {

struct PromptBuilder::Rendering {
  // A marker that became a picture's text: bytes of the rendered text, and of the expanded one.
  struct Picture {
    size_t marker_begin = 0, marker_end = 0, begin = 0, end = 0;
  };

  const text::ChatTemplate* chosen = nullptr;
  LiteralGuard guard;
  text::RenderOptions options;  // guarded
  base::Json messages;          // guarded
  text::Rendered rendered;      // with sentinels
  std::string expanded;         // with sentinels and with the texts of the pictures
  std::vector<Picture> pictures;
};

}  // namespace ocelli::engine
