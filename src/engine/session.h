// Session: one conversation. Its cache keeps the keys and values of what was said; a new request
// computes only what is new.
#pragma once

#include "engine/drafter.h"
#include "engine/engine.h"
#include "engine/sampler.h"

namespace ocelli::engine {

class ModelDrafter;

struct GenerateOptions {
  SamplingOptions sampling;
  int64_t max_tokens = 0;         // of the answer; 0: until the context is full
  std::vector<std::string> stop;  // end before any of these appears
  bool ignore_eos = false;
  // Tokens that are guessed ahead, at most kMostDraftedTokens (drafter.h); 0: none. The answer does
  // not depend on it, but for rounding beyond kDraftedTokens.
  int64_t drafted = kDraftedTokens;
  // Guesses where the text so far gives none, as long as that saves time. begin() was called.
  ModelDrafter* drafter = nullptr;
  // The place in the sequence that random draws take for that of the first token; unset: its own.
  std::optional<uint64_t> first_position;
  bool trim_start = false;  // leave out white space before the first word (after "Assistant:")
  // Called with each piece of text that is certain; whole characters only. Return false to stop.
  std::function<bool(std::string_view)> on_text;
  // Called with each token drawn, special ones too.
  std::function<void(const Sampled&)> on_token;
  // Called during the prefill with the number of tokens done and in all.
  std::function<void(int64_t done, int64_t total)> on_prefill;
  const base::CancelToken* cancel = nullptr;
};

enum class FinishReason { kStop, kStopString, kLength, kCancelled };
std::string_view name(FinishReason reason);  // "stop", "stop", "length", "cancelled"

struct Generated {
  std::string text;
  std::vector<int32_t> ids;     // without the token that ended it
  std::vector<Sampled> tokens;  // with log-probabilities, one per id
  FinishReason finish = FinishReason::kStop;
  int64_t prompt_tokens = 0, reused_tokens = 0;
  int64_t drafted_tokens = 0, accepted_tokens = 0;  // guessed ahead, and of these right
  ImageTimes images;
  double prefill_seconds = 0, decode_seconds = 0, first_token_seconds = 0;
};

class Session {
 public:
  static base::Result<Session> create(Engine& engine);

  // Answers `prompt`. What the cache already holds of it (same tokens, same pictures) is not
  // computed again. After an error or a cancellation the session can go on.
  base::Result<Generated> generate(const Prompt& prompt, const GenerateOptions& options);

  // Tokens that the cache holds.
  int64_t length() const { return cache_.length(); }

 private:
  Session(Engine& engine, nn::KvCache cache)
      : engine_(&engine), cache_(std::move(cache)), adapters_(engine.adapters_version()) {}
  base::Status check_length(const Prompt& prompt) const;
  int64_t common_prefix(const Prompt& prompt) const;
  base::Status prefill(const Prompt& prompt, const GenerateOptions& options, Generated& out,
                       std::vector<float>& logits);
  base::Status decode(const Prompt& prompt, const GenerateOptions& options, Generated& out,
                      std::vector<float>& logits);
  // Makes the next logits, behind token `id` of the answer, with guesses of at most `most` tokens.
  struct Ahead;
  base::Status advance(int32_t id, int64_t most, Ahead& ahead, Generated& out);
  base::Status guess(int64_t most, Ahead& ahead, const Generated& out) const;

  Engine* engine_;
  nn::KvCache cache_;
  Prompt held_;        // what the cache holds, as far as cache_.length()
  uint64_t adapters_;  // with which it was computed: Engine::adapters_version()
};

}  // namespace ocelli::engine
