// ModelDrafter: a small model of the same tokenizer guesses the next tokens of a larger one's
// answer (SmolVLM2-256M for 2.2B). The large model checks them in one pass and keeps those that it
// would have drawn itself, so the answer is its own, token for token.
#pragma once

#include "engine/session.h"

namespace ocelli::engine {

class ModelDrafter {
 public:
  // Error (kUsage): another tokenizer. Both engines outlive the drafter.
  static base::Result<ModelDrafter> create(Engine& draft, const Engine& target);

  // A new answer, to what `draft` made of the same conversation; its pictures may be smaller.
  void begin(Prompt prompt) { prompt_ = std::move(prompt); }

  // At most `most` tokens behind `answer`, drawn as the large model draws: with the same options
  // and the same random numbers. `position` is the place of the first of them in its sequence.
  // Fewer, or none, where the context of the small one ends.
  base::Result<std::vector<int32_t>> guess(std::span<const int32_t> answer, int64_t most,
                                           uint64_t position, const GenerateOptions& options);

 private:
  ModelDrafter(Engine& draft, Session session, int32_t id_limit)
      : draft_(&draft), session_(std::move(session)), id_limit_(id_limit) {}

  Engine* draft_;
  Session session_;
  int32_t id_limit_;  // of the large model
  Prompt prompt_;
};

}  // namespace ocelli::engine
