#include "train/mask.h"

#include <algorithm>

#include "base/names.h"

namespace ocelli::train {

using base::Code;
using base::Json;
using base::Result;
using engine::Part;
using engine::TokenOrigin;

namespace {

constexpr base::Named<Mask> kNames[] = {{Mask::kAssistant, "assistant"},
                                        {Mask::kLast, "last"},
                                        {Mask::kCompletion, "completion"},
                                        {Mask::kAll, "all"},
                                        {Mask::kSmolVlm2Official, "smolvlm2-official"},
                                        {Mask::kHfNotebook, "hf-notebook"},
                                        {Mask::kTrlDefault, "trl-default"}};

bool is_said(Part part) {
  return part == Part::kContent || part == Part::kEnd;
}

// What is known of a conversation's messages.
class Turns {
 public:
  Turns(const engine::TaggedPrompt& tagged, const Json& messages) : tagged_(tagged) {
    for (const Json& message : messages.items()) {
      const std::string role = message.get_string("role", "").value();
      answers_.push_back(role == "assistant" || role == "model");
    }
  }
  bool is_answer(int32_t message) const { return message >= 0 && answers_[size_t(message)]; }
  int32_t last_answer() const {
    const auto last = std::find(answers_.rbegin(), answers_.rend(), true);
    return int32_t(answers_.rend() - last) - 1;
  }
  // Refuses answers from `first` on that cannot be told from what surrounds them.
  base::Status check(int32_t first) const {
    for (size_t i = size_t(std::max(first, 0)); i < answers_.size(); ++i) {
      if (answers_[i] && !tagged_.problems[i].empty())
        return base::fail(Code::kBadInput, tagged_.problems[i], "message " + std::to_string(i + 1));
    }
    return {};
  }

 private:
  const engine::TaggedPrompt& tagged_;
  std::vector<bool> answers_;
};

// The first token that is said in message `first` or later, and all behind it.
size_t completion_start(const engine::TaggedPrompt& tagged, int32_t first) {
  const auto said = std::find_if(
      tagged.origins.begin(), tagged.origins.end(),
      [&](const TokenOrigin& o) { return o.message >= first && o.part != Part::kHeader; });
  return size_t(said - tagged.origins.begin());
}

}  // namespace

std::optional<Mask> mask_of(std::string_view name) {
  return base::value_named(kNames, name);
}

std::string_view name_of(Mask mask) {
  return base::name_among(kNames, mask);
}

std::string mask_names() {
  return base::all_names(kNames);
}

bool trains_prompts(Mask mask) {
  return mask == Mask::kAll || mask == Mask::kHfNotebook || mask == Mask::kTrlDefault;
}

Result<std::vector<uint8_t>> trained_tokens(const engine::TaggedPrompt& tagged,
                                            const Json& messages, size_t prompt_messages,
                                            Mask mask) {
  const Turns turns(tagged, messages);
  const auto prompt = int32_t(prompt_messages);
  if (mask == Mask::kCompletion && prompt == 0) mask = Mask::kLast;
  if (mask == Mask::kTrlDefault && prompt == 0) mask = Mask::kHfNotebook;
  const int32_t first = mask == Mask::kLast ? turns.last_answer()
                        : mask == Mask::kCompletion || mask == Mask::kTrlDefault ? prompt
                                                                                 : 0;
  if (mask != Mask::kAll && mask != Mask::kHfNotebook) OCELLI_TRY(turns.check(first));
  const size_t start = mask == Mask::kTrlDefault ? completion_start(tagged, first) : 0;
  std::vector<uint8_t> out(tagged.origins.size());
  for (size_t i = 0; i < out.size(); ++i) {
    const TokenOrigin& o = tagged.origins[i];
    const bool embedding = tagged.prompt.image_rows[i] >= 0;
    const bool picture = embedding || o.part == Part::kPicture;
    const bool answer = turns.is_answer(o.message);
    bool trained = false;
    switch (mask) {
      case Mask::kAssistant:
      case Mask::kLast:
      case Mask::kCompletion:
        trained = answer && is_said(o.part) && o.message >= first && !picture;
        break;
      case Mask::kAll:
        trained = !picture;
        break;
      case Mask::kSmolVlm2Official:
        trained = !picture &&
                  (answer || (o.message >= 0 && (o.part == Part::kEnd || o.part == Part::kTail)));
        break;
      case Mask::kHfNotebook:
        trained = !embedding;
        break;
      case Mask::kTrlDefault:
        trained = !embedding && i >= start;
        break;
    }
    out[i] = trained;
  }
  return out;
}

}  // namespace ocelli::train
