#include "engine/session.h"

#include <algorithm>

#include "base/clock.h"
#include "engine/answer_parser.h"
#include "engine/model_drafter.h"
#include "engine/stop_matcher.h"
#include "text/detokenizer.h"

namespace ocelli::engine {

using base::Code;
using base::Result;
using base::Status;

std::string_view name(FinishReason reason) {
  switch (reason) {
    case FinishReason::kStop:
    case FinishReason::kStopString:
      return "stop";
    case FinishReason::kLength:
      return "length";
    case FinishReason::kCancelled:
      return "cancelled";
  }
  return "";
}

namespace {

std::vector<int32_t> answer_tag_ids(const text::Tokenizer& tokenizer) {
  std::vector<int32_t> ids;
  for (const std::string_view tag : kAnswerTags) {
    if (const auto id = tokenizer.id_of(tag)) ids.push_back(*id);
  }
  return ids;
}

}  // namespace

Result<Session> Session::create(Engine& engine) {
  OCELLI_ASSIGN(nn::KvCache cache, engine.make_cache());
  return Session(engine, std::move(cache));
}

// One token must be left for the answer.
Status Session::check_length(const Prompt& prompt) const {
  const auto tokens = int64_t(prompt.ids.size());
  if (tokens == 0)
    return base::fail(Code::kUsage, "the prompt is empty; say something or give a picture");
  if (tokens < engine_->context()) return {};
  const int64_t pictures = prompt.image_tokens();
  std::string what = "the prompt does not fit the context (" + std::to_string(tokens) +
                     " tokens, limit " + std::to_string(engine_->context()) + "): ";
  const bool clips = std::any_of(prompt.images.begin(), prompt.images.end(),
                                 [](const auto& image) { return image->clip.has_value(); });
  if (pictures > 0) {
    what += std::to_string(prompt.images.size()) +
            (prompt.images.size() == 1 ? " picture takes " : " pictures take ") +
            std::to_string(pictures) + " tokens, text takes " + std::to_string(tokens - pictures) +
            (clips ? "; use --max-frames or fewer files" : "; use fewer pictures or --no-split");
  } else {
    what += "it is all text; shorten it";
  }
  return base::fail(Code::kDoesNotFit, std::move(what));
}

int64_t Session::common_prefix(const Prompt& prompt) const {
  const auto most =
      int64_t(std::min({prompt.ids.size() - 1, held_.ids.size(), size_t(cache_.length())}));
  // The picture that a row belongs to, by content.
  const auto owner = [&](const Prompt& p, int64_t row) -> std::pair<const PreparedImage*, int64_t> {
    for (const auto& image : p.images) {
      const int64_t rows = image->tiles.plan.tiles * engine_->info().vision->tokens_per_tile;
      if (row < rows) return {image.get(), row};
      row -= rows;
    }
    return {nullptr, 0};
  };
  int64_t n = 0;
  for (; n < most; ++n) {
    const auto at = size_t(n);
    if (prompt.ids[at] != held_.ids[at] ||
        (prompt.image_rows[at] < 0) != (held_.image_rows[at] < 0))
      break;
    if (prompt.image_rows[at] < 0) continue;
    const auto [a, a_row] = owner(prompt, prompt.image_rows[at]);
    const auto [b, b_row] = owner(held_, held_.image_rows[at]);
    if (!a || !b || a->key != b->key || a_row != b_row) break;
  }
  return n;
}

Status Session::prefill(const Prompt& prompt, const GenerateOptions& options, Generated& out,
                        std::vector<float>& logits) {
  const auto total = int64_t(prompt.ids.size());
  const uint64_t adapters = engine_->adapters_version();
  const int64_t reused = adapters == adapters_ ? common_prefix(prompt) : 0;
  adapters_ = adapters;
  cache_.set_length(reused);
  held_ = prompt;
  out.prompt_tokens = total;
  out.reused_tokens = reused;
  // Only pictures with a token that is still to be computed are needed.
  std::vector<std::shared_ptr<const PreparedImage>> needed(prompt.images);
  int32_t first_row = 0;
  const auto begin = prompt.image_rows.begin() + reused;
  for (auto& image : needed) {
    const auto rows = int32_t(image->tiles.plan.tiles * engine_->info().vision->tokens_per_tile);
    const bool used = std::any_of(begin, prompt.image_rows.end(), [&](int32_t row) {
      return row >= first_row && row < first_row + rows;
    });
    if (!used) image = nullptr;
    first_row += rows;
  }
  std::vector<std::shared_ptr<const Embeddings>> images;
  if (!needed.empty()) {
    OCELLI_ASSIGN(images, engine_->encode_images(needed, options.cancel, &out.images));
  }
  const base::Stopwatch watch;
  for (int64_t at = reused; at < total;) {
    if (options.cancel && options.cancel->requested())
      return base::fail(Code::kInterrupted, "stopped");
    const int64_t count = std::min(engine_->options().prefill_chunk, total - at);
    const bool last = at + count == total;
    OCELLI_TRY(engine_->forward(prompt, images, at, count, cache_, last ? &logits : nullptr));
    at += count;
    if (options.on_prefill) options.on_prefill(at, total);
  }
  out.prefill_seconds = watch.seconds();
  return {};
}

// A pass over the last token of the text and a few guesses behind it.
struct Session::Ahead {
  const GenerateOptions& options;
  PromptLookup lookup;
  DraftGain gain;  // of options.drafter
  std::vector<int32_t> guesses;
  bool by_model = false;       // the guesses
  double seconds = 0;          // that they and their pass took
  std::vector<float>& logits;  // [1 + guesses, V]
  size_t row = 0;              // guesses that turned out right so far: whose logits are next
  std::vector<int32_t> text;   // the tokens, pictures' as -1

  Ahead(const Prompt& prompt, const GenerateOptions& asked, std::vector<float>& numbers)
      : options(asked), logits(numbers), text(prompt.ids) {
    for (size_t i = 0; i < text.size(); ++i) {
      if (prompt.image_rows[i] >= 0) text[i] = -1;
    }
  }
  std::span<float> next(int64_t vocab) {
    return std::span(logits).subspan(row * size_t(vocab), size_t(vocab));
  }
  // What came of the last pass.
  void learn() {
    if (guesses.empty()) {
      if (seconds > 0) gain.plain(seconds);
    } else if (by_model) {
      gain.drafted(seconds, int64_t(row) + 1);
    } else {
      lookup.learn(int64_t(guesses.size()), int64_t(row));
    }
  }
};

Status Session::guess(int64_t most, Ahead& ahead, const Generated& out) const {
  ahead.guesses = ahead.lookup.guess(ahead.text, most);
  ahead.by_model = ahead.guesses.empty() && ahead.options.drafter && ahead.gain.wanted();
  if (!ahead.by_model) return {};
  const auto position = uint64_t(out.prompt_tokens) + out.ids.size();
  auto guesses = ahead.options.drafter->guess(out.ids, most, position, ahead.options);
  // Who is asked to stop while the small model reads keeps the answer so far.
  if (!guesses.ok() && guesses.error().code == Code::kInterrupted) return {};
  OCELLI_ASSIGN(ahead.guesses, std::move(guesses));
  return {};
}

Status Session::advance(int32_t id, int64_t most, Ahead& ahead, Generated& out) {
  held_.ids.push_back(id);
  held_.image_rows.push_back(-1);
  ahead.text.push_back(id);
  if (ahead.row < ahead.guesses.size() && ahead.guesses[ahead.row] == id) {
    ++ahead.row;  // in the cache already
    ++out.accepted_tokens;
    return {};
  }
  ahead.learn();
  const base::Stopwatch watch;
  const size_t length = held_.ids.size();
  cache_.set_length(int64_t(length) - 1);
  ahead.row = 0;
  ahead.guesses.clear();
  if (most > 0) OCELLI_TRY(guess(most, ahead, out));
  const auto count = int64_t(ahead.guesses.size()) + 1;
  out.drafted_tokens += count - 1;
  held_.ids.insert(held_.ids.end(), ahead.guesses.begin(), ahead.guesses.end());
  held_.image_rows.resize(held_.ids.size(), -1);
  const Status done =
      engine_->forward(held_, {}, cache_.length(), count, cache_, &ahead.logits, count);
  held_.ids.resize(length);
  held_.image_rows.resize(length);
  ahead.seconds = watch.seconds();
  return done;
}

Status Session::decode(const Prompt& prompt, const GenerateOptions& options, Generated& out,
                       std::vector<float>& logits) {
  Sampler sampler(options.sampling);
  text::Detokenizer detokenizer(engine_->tokenizer(), true, answer_tag_ids(engine_->tokenizer()));
  StopMatcher stops(options.stop);
  const auto& eos = engine_->stop_ids();
  const int64_t room = engine_->context() - out.prompt_tokens;
  const int64_t most = options.max_tokens > 0 ? std::min(options.max_tokens, room) : room;
  const auto emit = [&](std::string_view text) {
    if (options.trim_start && out.text.empty()) {
      text.remove_prefix(std::min(text.find_first_not_of(" \t\r\n"), text.size()));
    }
    out.text += text;
    return text.empty() || !options.on_text || options.on_text(text);
  };
  Ahead ahead(prompt, options, logits);
  const uint64_t first = options.first_position.value_or(uint64_t(out.prompt_tokens));
  bool wanted = true;
  out.finish = FinishReason::kLength;
  while (wanted && int64_t(out.ids.size()) < most) {
    if (options.cancel && options.cancel->requested()) {
      out.finish = FinishReason::kCancelled;
      break;
    }
    const uint64_t position = first + out.ids.size();
    OCELLI_ASSIGN(Sampled sampled,
                  sampler.sample(ahead.next(engine_->info().vocab), prompt.ids, out.ids, position)
                      .in(engine_->name()));
    const int32_t id = sampled.token.id;
    if (options.on_token) options.on_token(sampled);
    if (!options.ignore_eos && std::find(eos.begin(), eos.end(), id) != eos.end()) {
      out.finish = FinishReason::kStop;
      break;
    }
    out.ids.push_back(id);
    out.tokens.push_back(std::move(sampled));
    wanted = emit(stops.push(detokenizer.push(id)));
    if (stops.stopped()) {
      out.finish = FinishReason::kStopString;
      return {};
    }
    if (int64_t(out.ids.size()) == most) break;
    // One token comes from this pass anyway.
    const int64_t useful = most - int64_t(out.ids.size()) - 1;
    OCELLI_TRY(advance(id, std::min(options.drafted, useful), ahead, out));
  }
  if (!wanted) {
    out.finish = FinishReason::kCancelled;
    return {};
  }
  // What was held back in case it became a stop string or a whole character.
  emit(stops.push(detokenizer.finish()));
  if (!stops.stopped()) emit(stops.finish());
  return {};
}

Result<Generated> Session::generate(const Prompt& prompt, const GenerateOptions& options) {
  OCELLI_TRY(check(options.sampling, engine_->info().vocab));
  OCELLI_TRY(check_length(prompt));
  if (options.drafted < 0 || options.drafted > kMostDraftedTokens) {
    return base::fail(Code::kUsage, "tokens guessed ahead must be from 0 to " +
                                        std::to_string(kMostDraftedTokens) + " (" +
                                        std::to_string(options.drafted) + ")");
  }
  if (options.max_tokens < 0) return base::fail(Code::kUsage, "max tokens must not be negative");
  const base::Stopwatch watch;
  Generated out;
  std::vector<float> logits;
  OCELLI_TRY(prefill(prompt, options, out, logits));
  out.first_token_seconds = watch.seconds();
  const base::Stopwatch decode_watch;
  const Status decoded = decode(prompt, options, out, logits);
  // Guesses that were not needed any more are no part of the text.
  cache_.set_length(std::min(cache_.length(), int64_t(held_.ids.size())));
  OCELLI_TRY(decoded);
  out.decode_seconds = decode_watch.seconds();
  return out;
}

}  // namespace ocelli::engine
