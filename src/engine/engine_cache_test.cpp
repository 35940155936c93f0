// Pictures that one engine saw and another need not look at again.
#include <gtest/gtest.h>

#include <filesystem>

#include "engine/messages.h"
#include "engine/session.h"
#include "formats/test_support.h"

namespace ocelli::engine {
namespace {

using base::Json;

media::Image noise() {
  media::Image image;
  image.width = 40;
  image.height = 30;
  image.rgb.resize(40 * 30 * 3);
  for (size_t i = 0; i < image.rgb.size(); ++i) image.rgb[i] = uint8_t(i * i / 7);
  return image;
}

class EngineCache : public testing::Test {
 protected:
  EngineOptions options() const {
    EngineOptions o;
    o.threads = 2;
    o.split_images = false;
    o.disk_cache = folder_.path("pictures");
    return o;
  }
  struct Outcome {
    std::vector<int32_t> ids;
    Embeddings embeddings;
    int64_t hits = 0;
  };
  // A program's start, one question, its end.
  Outcome ask(const EngineOptions& o,
              const std::string& model = OCELLI_FIXTURES "/models/smolvlm2-a") const {
    const auto engine = Engine::load(formats::ModelFolder::open(model).value(), o).value();
    const std::vector images{engine->prepare_image(noise(), "noise").value()};
    const Prompt prompt =
        engine->build_prompt(Json::array({user_message("What is it?", 1)}), images).value();
    GenerateOptions generate;
    generate.max_tokens = 8;
    generate.ignore_eos = true;
    Session session = Session::create(*engine).value();
    Outcome out;
    out.ids = session.generate(prompt, generate).value().ids;
    out.embeddings = *engine->encode_images(images).value()[0];
    if (engine->disk_cache()) out.hits = engine->disk_cache()->hits();
    return out;
  }
  int64_t entries() const {
    return DiskCache::folder(folder_.path("pictures")).usage().value().entries;
  }
  formats::TempFolder folder_;
};

TEST_F(EngineCache, TheAnswerIsTheSameToTheLastBit) {
  for (const bool exact : {true, false}) {
    EngineOptions o = options();
    o.exact = exact;
    EngineOptions none = o;
    none.disk_cache = "";
    const Outcome plain = ask(none), cold = ask(o), warm = ask(o);
    EXPECT_EQ(cold.hits, 0);
    EXPECT_EQ(warm.hits, 1);
    for (const Outcome* out : {&cold, &warm}) {
      EXPECT_EQ(out->ids, plain.ids);
      EXPECT_EQ(out->embeddings, plain.embeddings);
    }
  }
  EXPECT_EQ(entries(), 2);  // exact arithmetic gives other numbers
}

TEST_F(EngineCache, WhateverDecidesTheNumbersIsInTheName) {
  ask(options());
  EXPECT_EQ(entries(), 1);
  EngineOptions weights = options(), split = options();
  weights.weights = encoding::Encoding::kQ8;
  split.split_images = true;
  EXPECT_EQ(ask(weights).hits, 0);
  EXPECT_EQ(ask(split).hits, 0);
  EXPECT_EQ(ask(options(), OCELLI_FIXTURES "/models/smolvlm1").hits, 0);
  EXPECT_EQ(entries(), 4);
  EXPECT_EQ(ask(options()).hits, 1);
}

TEST_F(EngineCache, ConfigAndWeightsAreInTheName) {
  namespace fs = std::filesystem;
  const std::string model = folder_.path("model");
  fs::copy(OCELLI_FIXTURES "/models/smolvlm2-a", model);
  const Outcome before = ask(options(), model);
  const auto edit = [&](const std::string& file, const std::string& from, const std::string& to) {
    std::string text = base::read_file(model + "/" + file, 64 << 20).value();
    const size_t at = text.find(from);
    ASSERT_NE(at, std::string::npos);
    ASSERT_TRUE(
        base::write_file_atomically(model + "/" + file, text.replace(at, from.size(), to)).ok());
  };
  edit("config.json", "\"model_type\"", "\"note\": 1, \"model_type\"");
  EXPECT_EQ(ask(options(), model).hits, 0);
  EXPECT_EQ(ask(options(), model).hits, 1);
  // The last number of the last tensor.
  std::string bytes = base::read_file(model + "/model.safetensors", 64 << 20).value();
  bytes[bytes.size() - 2] = char(bytes[bytes.size() - 2] ^ 8);
  ASSERT_TRUE(base::write_file_atomically(model + "/model.safetensors", bytes).ok());
  EXPECT_EQ(ask(options(), model).hits, 0);
}

}  // namespace
}  // namespace ocelli::engine
