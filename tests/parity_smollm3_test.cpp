// SmolLM3 against transformers beyond what every checkpoint shows (parity_model_test.cpp): chunks
// of a prompt that lies across the original context, and layers without rotary positions.
#include <gtest/gtest.h>

#include <algorithm>

#include "parity_fixture.h"

namespace ocelli::parity {
namespace {

using base::Json;

class SmolLm3 : public testing::TestWithParam<const char*> {
 protected:
  Fixture fixture{GetParam()};
};

// The reference's last row of logits, through the cache, however the prompt is cut.
TEST_P(SmolLm3, AnyChunksGiveTheReferencesLogits) {
  for (const Json& wanted : fixture.json.find("cases")->items()) {
    const std::string name = wanted.get_string("name").value();
    const std::vector<float> all = fixture.numbers(name + ".logits");
    const double spread = wanted.get_double("logits_std").value();
    for (const int64_t chunk : {1, 7, 100, 4096}) {
      const auto engine = load(fixture.name, true, chunk);
      const engine::Prompt prompt = make_prompt(*engine, wanted);
      const auto width = size_t(engine->info().vocab);
      const std::vector<int64_t> row{0};
      const double worst = worst_row(last_logits(*engine, prompt, chunk), row,
                                     std::span(all).subspan(all.size() - width), width, spread);
      std::printf("%-12s %-6s chunks of %-4d %.1e of the spread\n", fixture.name.c_str(),
                  name.c_str(), int(chunk), worst);
      EXPECT_LE(worst, kTolerance) << name << " in chunks of " << chunk;
    }
  }
}

// The logits of steps of the continuation, which come one token at a time.
TEST_P(SmolLm3, TheCacheGivesTheReferencesLogits) {
  for (const Json& wanted : fixture.json.find("cases")->items()) {
    const std::string name = wanted.get_string("name").value();
    const auto engine = load(fixture.name, true);
    engine::Prompt prompt = make_prompt(*engine, wanted);
    const std::vector<float> rows = fixture.numbers(name + ".greedy_logits");
    const std::vector<int64_t> steps = ints(*wanted.find("greedy_logit_steps"));
    const std::vector<int64_t> greedy = ints(*wanted.find("greedy"));
    const auto width = size_t(engine->info().vocab);
    ASSERT_EQ(rows.size(), steps.size() * width);
    nn::KvCache cache = engine->make_cache().value();
    std::vector<float> logits;
    const std::vector<int64_t> row{0};
    for (int64_t step = 0, at = 0; step < int64_t(greedy.size()); ++step) {
      const auto now = int64_t(prompt.ids.size());
      ASSERT_TRUE(engine->forward(prompt, {}, at, now - at, cache, &logits).ok());
      at = now;
      EXPECT_EQ(std::max_element(logits.begin(), logits.end()) - logits.begin(),
                greedy[size_t(step)]);
      const auto kept = std::find(steps.begin(), steps.end(), step) - steps.begin();
      if (kept < std::ssize(steps)) {
        const auto reference = std::span(rows).subspan(size_t(kept) * width, width);
        EXPECT_LE(worst_row(logits, row, reference, width, wanted.get_double("logits_std").value()),
                  kTolerance)
            << name << " step " << step;
      }
      prompt.ids.push_back(int32_t(greedy[size_t(step)]));
      prompt.image_rows.push_back(-1);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Checkpoints, SmolLm3, testing::Values("smollm3", "smollm3-yarn"),
                         [](const auto& parameter) {
                           std::string name = parameter.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

// What the fixture is for: its prompts reach beyond the context that the model was trained with.
TEST(SmolLm3Yarn, PromptsReachBeyondTheOriginalContext) {
  const Fixture fixture("smollm3-yarn");
  const auto engine = load(fixture.name, true);
  EXPECT_EQ(engine->context(), 512);
  for (const Json& wanted : fixture.json.find("cases")->items()) {
    EXPECT_GT(wanted.get_int("prompt_tokens").value(), 2 * 128);
    EXPECT_LE(wanted.get_int("prompt_tokens").value() + 64, engine->context());
  }
}

}  // namespace
}  // namespace ocelli::parity
