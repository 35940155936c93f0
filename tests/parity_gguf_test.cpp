// GGUF files that llama.cpp's own converter and quantizer wrote (tools/reference/make_gguf.py)
// against transformers.
#include <gtest/gtest.h>

#include <cstring>
#include <set>

#include "parity_fixture.h"

namespace ocelli::parity {
namespace {

using base::Json;
using engine::Engine;

std::string gguf(const std::string& name) {
  return std::string(OCELLI_FIXTURES) + "/gguf/" + name;
}

std::unique_ptr<Engine> load_gguf(const std::string& name, bool split = true) {
  engine::EngineOptions options;
  options.exact = true;
  options.split_images = split;
  options.threads = 2;
  auto folder = formats::ModelFolder::open(gguf(name));
  EXPECT_TRUE(folder.ok()) << folder.error().message();
  auto engine = Engine::load(std::move(*folder), options);
  EXPECT_TRUE(engine.ok()) << engine.error().message();
  return std::move(*engine);
}

// A file that lost nothing is the checkpoint: the same prompts, ids, pictures, logits and
// continuations.
void compare(const std::string& file, const std::string& checkpoint) {
  const Fixture f(checkpoint);
  for (const Json& wanted : f.json.find("cases")->items()) {
    SCOPED_TRACE(wanted.get_string("name").value());
    const auto engine = load_gguf(file, wanted.get_bool("do_image_splitting", true).value());
    const engine::Prompt prompt = make_prompt(*engine, wanted);
    EXPECT_EQ(prompt.ids, unpack_ids(*wanted.find("ids")));
    compare_features(*engine, f, wanted, prompt);
    compare_logits(*engine, f, wanted, prompt);
    compare_greedy(*engine, wanted, prompt);
  }
}

// The vision tower is found beside the text model.
TEST(GgufParity, TextAndVision) {
  compare("smolvlm2-a/smolvlm2-a-BF16.gguf", "smolvlm2-a");
}

TEST(GgufParity, ShardsAndYarn) {
  compare("smollm3-yarn-00001-of-00002.gguf", "smollm3-yarn");
}

// The numbers of a GGUF file are those of the safetensors file, bit for bit, and so are the logits.
TEST(GgufParity, SameBitsAsTheCheckpoint) {
  const Fixture f("smollm3-yarn");
  const Json& wanted = f.json.find("cases")->items()[0];
  const auto ours = load_gguf("smollm3-yarn-00001-of-00002.gguf");
  const auto checkpoint = load("smollm3-yarn", true);
  EXPECT_EQ(ours->score(make_prompt(*ours, wanted)).value(),
            checkpoint->score(make_prompt(*checkpoint, wanted)).value());
  EXPECT_EQ(ours->stop_ids(), checkpoint->stop_ids());
}

// A matrix of every type against transformers with the numbers that gguf-py reads.
TEST(GgufParity, EveryType) {
  const auto engine = load_gguf("mixed.gguf");
  std::set<std::string> types;
  for (const auto& t : engine->loaded().checkpoint.tensors()) types.insert(t.dtype);
  EXPECT_EQ(types,
            (std::set<std::string>{"F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1",
                                   "IQ4_NL", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K"}));
  const auto file = formats::SafetensorsFile::open(gguf("mixed.expected.safetensors")).value();
  const auto numbers = [&](const char* name) {
    const formats::TensorInfo* t = file.find(name);
    std::vector<float> out(t->bytes.size() / sizeof(float));
    std::memcpy(out.data(), t->bytes.data(), t->bytes.size());
    return out;
  };
  engine::Prompt prompt;
  for (const float id : numbers("ids")) {
    prompt.ids.push_back(int32_t(id));
    prompt.image_rows.push_back(-1);
  }
  const std::vector<float> wanted = numbers("logits"), got = engine->score(prompt).value();
  const auto width = size_t(engine->info().vocab);
  std::vector<int64_t> rows;
  for (size_t i = wanted.size() / width; i > 0; --i) {
    rows.push_back(int64_t(prompt.ids.size() - i));
  }
  ASSERT_EQ(rows.size(), 8u);
  constexpr double kSpread = 1.29;
  const double worst = worst_row(got, rows, wanted, width, kSpread);
  std::printf("mixed: %.1e of the spread\n", worst);
  EXPECT_LE(worst, kTolerance);
}

// Packed in memory: what is mapped is what the file holds, nothing was unpacked.
TEST(GgufParity, NothingIsExpanded) {
  const auto engine = load_gguf("mixed.gguf");
  const models::LoadedModel& loaded = engine->loaded();
  int64_t vectors = 0;
  for (const auto& t : loaded.checkpoint.tensors()) {
    if (t.shape.size() == 1) vectors += int64_t(t.bytes.size());
  }
  EXPECT_EQ(loaded.storage_bytes, vectors);
  EXPECT_EQ(loaded.mapped_bytes, loaded.checkpoint.total_bytes() - vectors);
}

}  // namespace
}  // namespace ocelli::parity
