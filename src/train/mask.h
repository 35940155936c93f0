// Mask: which tokens of a sample carry loss.
//
// Told from who said which token (engine::TaggedPrompt), never by looking for texts. Embeddings of
// pictures carry loss in no mask.
#pragma once

#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "engine/prompt.h"

namespace ocelli::train {

enum class Mask {
  kAssistant,   // what the assistant says, each turn to the token that ends it
  kLast,        // the last such turn only
  kCompletion,  // every answer behind the row's prompt; of a row without one, the last
  kAll,         // everything but pictures and their markers
  // Published recipes, as they are:
  kSmolVlm2Official,  // all but what system and user say and pictures: the ends of their turns and
                      // "\nAssistant:" are learnt too
  kHfNotebook,        // all but picture embeddings; the markers of tiles are learnt
  kTrlDefault  // of a row with a prompt all behind it, else as kHfNotebook. TRL itself learns
               // the <image> tokens too, which teaches nothing: we do not, so losses differ
};

// "assistant", "last", "completion", "all", "smolvlm2-official", "hf-notebook", "trl-default".
std::optional<Mask> mask_of(std::string_view name);
std::string_view name_of(Mask mask);
// For messages: "assistant, last, completion, ...".
std::string mask_names();
// Whether nearly every token of a sample may be trained without a question.
bool trains_prompts(Mask mask);

// Per id 1 or 0. `messages`: of the conversation, for their roles; `prompt_messages`: how many of
// them are the row's prompt, 0 if it has none apart. Errors (kBadInput): an answer that must be
// told apart and cannot be, with what to do.
base::Result<std::vector<uint8_t>> trained_tokens(const engine::TaggedPrompt& tagged,
                                                  const base::Json& messages,
                                                  size_t prompt_messages, Mask mask);

}  // namespace ocelli::train
