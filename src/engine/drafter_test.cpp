#include "engine/drafter.h"

#include <gtest/gtest.h>

#include "engine/builtin.h"
#include "engine/messages.h"
#include "engine/model_drafter.h"
#include "engine/session.h"

namespace ocelli::engine {
namespace {

using base::Json;
using Ids = std::vector<int32_t>;

Ids guess(const PromptLookup& lookup, const Ids& tokens, int64_t most = 3) {
  return lookup.guess(tokens, most);
}

TEST(PromptLookup, GoesOnAsTheTextDidBefore) {
  const PromptLookup lookup;
  EXPECT_EQ(guess(lookup, {1, 2, 3, 4, 5, 9, 1, 2}), (Ids{3, 4, 5}));
  EXPECT_EQ(guess(lookup, {1, 2, 3, 4, 5, 9, 1, 2}, 2), (Ids{3, 4}));
  EXPECT_EQ(guess(lookup, {1, 2, 3, 4, 5, 9, 7, 2}), (Ids{}));  // one token says little
  EXPECT_EQ(guess(lookup, {}), (Ids{}));
  EXPECT_EQ(guess(lookup, {1}), (Ids{}));
  EXPECT_EQ(guess(lookup, {1, 2}), (Ids{}));
}

TEST(PromptLookup, TakesTheLongestAgreementAndOfEqualOnesTheLatest) {
  const PromptLookup lookup;
  EXPECT_EQ(guess(lookup, {7, 1, 2, 50, 8, 1, 2, 60, 7, 1, 2}, 1), (Ids{50}));
  EXPECT_EQ(guess(lookup, {6, 1, 2, 50, 8, 1, 2, 60, 7, 1, 2}, 1), (Ids{60}));
}

TEST(PromptLookup, ARepetitionGoesOn) {
  const PromptLookup lookup;
  EXPECT_EQ(guess(lookup, {5, 5, 5}), (Ids{5, 5, 5}));
  EXPECT_EQ(guess(lookup, {1, 2, 3, 1, 2, 3}, 5), (Ids{1, 2, 3, 1, 2}));
}

TEST(PromptLookup, PicturesAreNoText) {
  const PromptLookup lookup;
  EXPECT_EQ(guess(lookup, {-1, -1, -1, -1}), (Ids{}));
  EXPECT_EQ(guess(lookup, {1, 2, 3, -1, -1, 1, 2}), (Ids{3}));
  EXPECT_EQ(guess(lookup, {-1, 2, 3, 4, -1, 2}), (Ids{}));  // one token of text
}

TEST(PromptLookup, WrongGuessesMakeItCautious) {
  PromptLookup lookup;
  const Ids two = {1, 2, 3, 9, 1, 2}, three = {1, 2, 3, 4, 9, 1, 2, 3};
  lookup.learn(3, 0);
  EXPECT_EQ(guess(lookup, two, 1), (Ids{}));
  EXPECT_EQ(guess(lookup, three, 1), (Ids{4}));
  lookup.learn(3, 1);
  EXPECT_EQ(guess(lookup, two, 1), (Ids{}));
  lookup.learn(3, 3);
  EXPECT_EQ(guess(lookup, two, 1), (Ids{3}));
  for (int i = 0; i < 100; ++i) lookup.learn(1, 0);
  const Ids long_one = {1, 2, 3, 4, 5, 6, 7, 8, 77, 1, 2, 3, 4, 5, 6, 7, 8};
  EXPECT_EQ(guess(lookup, long_one, 1), (Ids{77}));
}

// A machine on which a pass takes a second, and one with guesses `round` and gives `tokens`.
int guessed(DraftGain& gain, double round, int64_t tokens, int passes) {
  int count = 0;
  for (int i = 0; i < passes; ++i) {
    if (gain.wanted()) {
      gain.drafted(round, tokens);
      ++count;
    } else {
      gain.plain(1);
    }
  }
  return count;
}

TEST(DraftGain, RestsWhereGuessingLosesTime) {
  DraftGain good, bad;
  EXPECT_EQ(guessed(good, 1.6, 3, 1000), 998);
  EXPECT_LT(guessed(bad, 1.6, 1, 1000), 50);
  // and tries again later
  EXPECT_GT(guessed(bad, 1.6, 3, 3000), 2000);
  EXPECT_LT(guessed(good, 1.6, 1, 1000), 60);
}

TEST(DraftGain, ReadingThePromptIsNotHeldAgainstTheGuesses) {
  DraftGain gain;
  EXPECT_EQ(guessed(gain, 1.6, 3, 2), 0);  // first how long it takes without
  gain.drafted(1000, 1);
  EXPECT_EQ(guessed(gain, 1.6, 3, 100), 100);
}

// The built-in model with its own weights, or with those in 8 bits, packed.
std::unique_ptr<Engine> tiny(bool packed) {
  EngineOptions options;
  options.threads = 1;
  options.packed = packed;
  options.context = 130;
  if (packed) options.weights = encoding::Encoding::kQ8;
  return Engine::load(builtin_model().value(), options).value();
}

struct Case {
  std::string name;
  GenerateOptions options;
};

std::vector<Case> cases() {
  std::vector<Case> all;
  const auto add = [&](const char* name, auto change) {
    GenerateOptions o;
    o.max_tokens = 100;
    o.ignore_eos = true;  // a text that goes on and on repeats itself
    change(o);
    all.push_back({name, o});
  };
  add("greedy", [](GenerateOptions&) {});
  add("sampled", [](GenerateOptions& o) {
    o.sampling.temperature = 0.4;
    o.sampling.seed = 3;
  });
  add("penalties", [](GenerateOptions& o) {
    o.sampling.frequency_penalty = 0.2;
    o.sampling.repetition_penalty = 1.1;
    o.sampling.top_logprobs = 2;
  });
  add("one token", [](GenerateOptions& o) { o.max_tokens = 1; });
  add("five tokens", [](GenerateOptions& o) { o.max_tokens = 5; });
  add("stop at the end", [](GenerateOptions& o) { o.ignore_eos = false; });
  add("until the context is full", [](GenerateOptions& o) { o.max_tokens = 0; });
  return all;
}

TEST(Drafting, ChangesNoBitOfAnAnswer) {
  for (const bool packed : {false, true}) {
    const auto engine = tiny(packed);
    const Prompt prompt =
        engine->raw_prompt("red circle, blue square, red circle, blue square, red circle, blue")
            .value();
    int64_t accepted = 0;
    for (const Case& c : cases()) {
      SCOPED_TRACE(c.name + (packed ? ", q8" : ""));
      Session plain = Session::create(*engine).value(), ahead = Session::create(*engine).value();
      GenerateOptions off = c.options;
      off.drafted = 0;
      for (int turn = 0; turn < 2; ++turn) {  // the second finds the first in the cache
        const Generated want = plain.generate(prompt, off).value();
        const Generated got = ahead.generate(prompt, c.options).value();
        EXPECT_EQ(got.ids, want.ids);
        EXPECT_EQ(got.text, want.text);
        EXPECT_EQ(got.finish, want.finish);
        EXPECT_EQ(got.reused_tokens, want.reused_tokens);
        EXPECT_EQ(ahead.length(), plain.length());
        ASSERT_EQ(got.tokens.size(), want.tokens.size());
        for (size_t i = 0; i < want.tokens.size(); ++i) {
          EXPECT_EQ(got.tokens[i].token.logprob, want.tokens[i].token.logprob);
        }
        EXPECT_EQ(want.drafted_tokens, 0);
        EXPECT_LE(got.accepted_tokens, got.drafted_tokens);
        accepted += got.accepted_tokens;
      }
    }
    EXPECT_GT(accepted, 100);
  }
}

TEST(Drafting, AStopStringEndsInTheMiddleOfAGuess) {
  const auto engine = tiny(false);
  const Prompt prompt = engine->raw_prompt("one two three four one two three four one").value();
  GenerateOptions options;
  options.max_tokens = 40;
  options.ignore_eos = true;
  Session session = Session::create(*engine).value();
  const Generated all = session.generate(prompt, options).value();
  ASSERT_GT(all.text.size(), 12u);
  options.stop = {all.text.substr(8, 3)};
  const Generated cut = session.generate(prompt, options).value();
  EXPECT_EQ(cut.finish, FinishReason::kStopString);
  EXPECT_EQ(cut.text, all.text.substr(0, all.text.find(options.stop[0])));
  options.stop = {};
  EXPECT_EQ(session.generate(prompt, options).value().ids, all.ids);
}

TEST(Drafting, ItsLimitIsChecked) {
  const auto engine = tiny(false);
  Session session = Session::create(*engine).value();
  GenerateOptions options;
  options.drafted = kMostDraftedTokens + 1;
  EXPECT_EQ(session.generate(engine->raw_prompt("a").value(), options).error().code,
            base::Code::kUsage);
}

// A model that drafts for itself is always right; one whose weights were rounded mostly is.
TEST(ModelDrafting, ChangesNoBitOfAnAnswer) {
  const auto engine = tiny(false);
  const Prompt prompt = engine->raw_prompt("What is in the picture? A red circle, a").value();
  for (const bool rounded : {false, true}) {
    const auto small = tiny(rounded);
    ModelDrafter drafter = ModelDrafter::create(*small, *engine).value();
    int64_t drafted = 0, accepted = 0;
    for (const Case& c : cases()) {
      SCOPED_TRACE(c.name + (rounded ? ", rounded" : ""));
      Session plain = Session::create(*engine).value(), ahead = Session::create(*engine).value();
      GenerateOptions off = c.options, on = c.options;
      off.drafted = 0;
      on.drafter = &drafter;
      drafter.begin(small->raw_prompt("What is in the picture? A red circle, a").value());
      const Generated want = plain.generate(prompt, off).value();
      const Generated got = ahead.generate(prompt, on).value();
      EXPECT_EQ(got.ids, want.ids);
      EXPECT_EQ(got.finish, want.finish);
      for (size_t i = 0; i < want.tokens.size(); ++i) {
        EXPECT_EQ(got.tokens[i].token.logprob, want.tokens[i].token.logprob);
      }
      drafted += got.drafted_tokens;
      accepted += got.accepted_tokens;
    }
    EXPECT_GT(drafted, 40);
    // Penalties see other texts, and wrong guesses from the text so far count, too.
    EXPECT_GT(double(accepted), (rounded ? 0.3 : 0.5) * double(drafted));
  }
}

// Its prompt may be longer or shorter than the large one's, and its context may end before.
TEST(ModelDrafting, GuessesFromAPromptOfItsOwn) {
  const auto engine = tiny(false), small = tiny(false);
  ModelDrafter drafter = ModelDrafter::create(*small, *engine).value();
  GenerateOptions options;
  options.sampling.temperature = 1;
  options.sampling.seed = 5;
  options.max_tokens = 6;
  options.ignore_eos = true;
  options.drafted = 0;
  const Prompt prompt = engine->raw_prompt("the colour of the circle is").value();
  const Generated want = Session::create(*engine).value().generate(prompt, options).value();
  // The same text behind another one: the random numbers are those of the large model's places.
  drafter.begin(small->raw_prompt("the colour of the circle is").value());
  const std::vector<int32_t> first(want.ids.begin(), want.ids.begin() + 2);
  const auto ids = drafter.guess(first, 3, uint64_t(want.prompt_tokens) + 2, options).value();
  EXPECT_EQ(ids, (Ids(want.ids.begin() + 2, want.ids.begin() + 5)));
  std::string words = "star";
  while (small->raw_prompt(words + " star").value().ids.size() < 130) words += " star";
  drafter.begin(small->raw_prompt(words).value());
  EXPECT_EQ(drafter.guess({}, 3, 0, options).value(), Ids{});
}

TEST(ModelDrafting, AnotherTokenizerIsRefused) {
  const auto engine = tiny(false);
  const auto other = Engine::load(
      formats::ModelFolder::open(std::string(OCELLI_FIXTURES) + "/models/smolvlm2-a").value());
  const auto drafter = ModelDrafter::create(*other.value(), *engine);
  ASSERT_FALSE(drafter.ok());
  EXPECT_EQ(drafter.error().code, base::Code::kUsage);
}

}  // namespace
}  // namespace ocelli::engine
