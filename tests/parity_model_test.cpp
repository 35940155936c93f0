// Whole models against transformers in float32: prompts, ids, picture features, logits,
// continuations. The fixtures are described in tools/reference/README.md.
#include <gtest/gtest.h>

#include <algorithm>

#include "backend/cpu/cpu_backend.h"
#include "parity_fixture.h"
#include "parity_pictures.h"

namespace ocelli::parity {
namespace {

using base::Json;

// Every checkpoint, with the kernels of every instruction set that this machine executes.
class ModelParity
    : public testing::TestWithParam<std::tuple<const char*, cpu::InstructionSetInfo>> {};

TEST_P(ModelParity, EqualsTransformers) {
  const auto& [model, isa] = GetParam();
  if (!isa.executable)
    GTEST_SKIP() << isa.name
                 << " is not executable here; its kernels run emulated in test backend_cpu";
  const ForcedIsa forced(isa.name);
  const Fixture f(model);
  for (const Json& wanted : f.json.find("cases")->items()) {
    SCOPED_TRACE(wanted.get_string("name").value());
    const auto engine = load(f.name, wanted.get_bool("do_image_splitting", true).value());
    const engine::Prompt prompt = make_prompt(*engine, wanted);
    EXPECT_EQ(prompt.ids, unpack_ids(*wanted.find("ids")));
    const std::vector<int64_t> rows =
        wanted.find("rows") ? ints(*wanted.find("rows")) : std::vector<int64_t>();
    ASSERT_EQ(rows.size(), prompt.images.size());
    for (size_t i = 0; i < rows.size(); ++i) EXPECT_EQ(prompt.images[i]->tiles.plan.rows, rows[i]);
    compare_features(*engine, f, wanted, prompt);
    compare_logits(*engine, f, wanted, prompt);
    compare_greedy(*engine, wanted, prompt);
  }
}

std::string test_name(const testing::TestParamInfo<ModelParity::ParamType>& info) {
  std::string name =
      std::string(std::get<0>(info.param)) + "_" + std::string(std::get<1>(info.param).name);
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(Checkpoints, ModelParity,
                         testing::Combine(testing::Values("smollm2", "smollm3", "smollm3-yarn",
                                                          "smolvlm2-a", "smolvlm2-b", "smolvlm2-c",
                                                          "smolvlm1"),
                                          testing::ValuesIn(cpu::instruction_sets().begin(),
                                                            cpu::instruction_sets().end())),
                         test_name);

// design.md 5.3: the cache, the cutting of the prefill and the number of threads.
class Determinism : public testing::Test {
 protected:
  Fixture fixture{"smolvlm2-a"};
  const Json& wanted = fixture.json.find("cases")->items()[1];

  // Logits after the whole prompt.
  std::vector<float> last_logits(int64_t chunk, int threads) {
    const auto engine = load(fixture.name, true, chunk, threads);
    return parity::last_logits(*engine, make_prompt(*engine, wanted), chunk);
  }
};

TEST_F(Determinism, ThreadsGiveTheSameBits) {
  const std::vector<float> reference = last_logits(512, 1);
  for (const int threads : {2, 3})
    EXPECT_EQ(last_logits(512, threads), reference) << threads << " threads";
}

TEST_F(Determinism, ChunksOfThePrefillAgree) {
  const std::vector<float> reference = last_logits(4096, 2);
  const std::vector<int64_t> row{0};
  for (const int64_t chunk : {1, 7, 64, 300}) {
    EXPECT_LE(worst_row(last_logits(chunk, 2), row, reference, reference.size(),
                        wanted.get_double("logits_std").value()),
              1e-5)
        << "chunks of " << chunk;
  }
}

TEST_F(Determinism, TurnsReuseTheCache) {
  const auto engine = load("smolvlm2-a", false);
  const auto image =
      engine->prepare_image(formula_picture("texture", 9, 120, 80), "formula").value();
  const auto ask = [&](const char* messages) {
    return engine->build_prompt(Json::parse(messages).value(), {image}).value();
  };
  const engine::Prompt first = ask(
      R"([{"role":"user","content":[{"type":"image"},{"type":"text","text":"What is this?"}]}])");
  const engine::Prompt second =
      ask(R"([{"role":"user","content":[{"type":"image"},{"type":"text","text":"What is this?"}]},
                                        {"role":"assistant","content":[{"type":"text","text":"A cat."}]},
                                        {"role":"user","content":[{"type":"text","text":"Why?"}]}])");
  engine::GenerateOptions options;
  options.max_tokens = 16;
  options.ignore_eos = true;
  engine::Session turns = engine::Session::create(*engine).value();
  const engine::Generated opening = turns.generate(first, options).value();
  EXPECT_EQ(opening.reused_tokens, 0);
  const engine::Generated reused = turns.generate(second, options).value();
  engine::Session fresh = engine::Session::create(*engine).value();
  const engine::Generated computed = fresh.generate(second, options).value();
  const auto common = std::mismatch(first.ids.begin(), first.ids.end(), second.ids.begin()).first -
                      first.ids.begin();
  EXPECT_GT(common, first.image_tokens());
  EXPECT_EQ(reused.reused_tokens, common);
  EXPECT_EQ(reused.ids, computed.ids);
  EXPECT_LT(reused.images.encode, 1e-3) << "the picture's tokens are in the cache";
}

TEST_F(Determinism, AnotherPictureIsNotTakenForTheSame) {
  const auto engine = load("smolvlm2-a", false);
  const Json messages = Json::parse(R"([{"role":"user","content":[{"type":"image"}]}])").value();
  engine::GenerateOptions options;
  options.max_tokens = 8;
  options.ignore_eos = true;
  const auto prompt = [&](uint32_t seed) {
    const auto image =
        engine->prepare_image(formula_picture("texture", seed, 120, 80), "formula").value();
    return engine->build_prompt(messages, {image}).value();
  };
  engine::Session session = engine::Session::create(*engine).value();
  ASSERT_TRUE(session.generate(prompt(1), options).ok());
  const engine::Generated other = session.generate(prompt(2), options).value();
  EXPECT_LT(other.reused_tokens, 10);
  engine::Session fresh = engine::Session::create(*engine).value();
  EXPECT_EQ(other.ids, fresh.generate(prompt(2), options).value().ids);
}

}  // namespace
}  // namespace ocelli::parity
