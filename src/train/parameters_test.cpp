#include "train/parameters.h"

#include <gtest/gtest.h>

#include "engine/engine.h"

namespace ocelli::train {
namespace {

TEST(Parameters, Parts) {
  EXPECT_EQ(part_of("model.vision_model.post_layernorm.weight"), Part::kVision);
  EXPECT_EQ(part_of("model.connector.modality_projection.proj.weight"), Part::kConnector);
  EXPECT_EQ(part_of("model.text_model.norm.weight"), Part::kText);
  EXPECT_EQ(part_of("lm_head.weight"), Part::kText);
  EXPECT_EQ(part_of("base_model.model.model.vision_model.encoder.layers.0.self_attn.q_proj.lora_A"),
            Part::kVision);
}

TEST(Parameters, DecayAsHuggingFace) {
  EXPECT_TRUE(decays("model.layers.0.self_attn.q_proj.weight"));
  EXPECT_TRUE(decays("model.vision_model.embeddings.position_embedding.weight"));
  EXPECT_FALSE(decays("model.norm.weight"));
  EXPECT_FALSE(decays("model.layers.0.input_layernorm.weight"));
  EXPECT_FALSE(decays("model.vision_model.encoder.layers.0.layer_norm1.weight"));
  EXPECT_FALSE(decays("model.layers.0.self_attn.q_norm.weight"));
  EXPECT_FALSE(decays("model.vision_model.encoder.layers.0.mlp.fc1.bias"));
}

std::unique_ptr<engine::Engine> load(const std::string& name) {
  auto folder = formats::ModelFolder::open(OCELLI_FIXTURES "/models/" + name);
  engine::EngineOptions options;
  options.threads = 1;
  options.exact = true;
  auto engine = engine::Engine::load(std::move(folder).value(), options);
  EXPECT_TRUE(engine.ok());
  return std::move(engine).value();
}

TEST(Parameters, TakingOverKeepsTheLogits) {
  const auto engine = load("smollm2");
  auto prompt = engine->raw_prompt("One two three");
  const std::vector<float> before = *engine->score(*prompt);
  const int64_t parameters = engine->loaded().parameters;
  auto set = ParameterSet::take_over(engine->mutable_loaded(), engine->pool(), {});
  ASSERT_TRUE(set.ok()) << set.error().message();
  EXPECT_EQ(set->count(), parameters);
  EXPECT_EQ(*engine->score(*prompt), before);
  // And they are the model's: a change shows.
  set->all()[0].value[engine->info().hidden * prompt->ids[0]] += 1;
  EXPECT_NE(*engine->score(*prompt), before);
}

TEST(Parameters, OnlyTheWantedParts) {
  const auto engine = load("smolvlm2-a");
  auto set = ParameterSet::take_over(engine->mutable_loaded(), engine->pool(),
                                     {.vision = false, .connector = true, .text = false});
  ASSERT_TRUE(set.ok());
  ASSERT_EQ(set->all().size(), 1u);
  EXPECT_TRUE(set->trains(Part::kConnector));
  EXPECT_FALSE(set->trains(Part::kText));
  EXPECT_EQ(set->all()[0].name, "model.connector.modality_projection.proj.weight");
}

TEST(Parameters, Bf16StorageRoundsTheMasters) {
  const auto engine = load("smollm2");
  auto prompt = engine->raw_prompt("One two three");
  const std::vector<float> before = *engine->score(*prompt);
  auto set = ParameterSet::take_over(engine->mutable_loaded(), engine->pool(),
                                     {.storage = encoding::Encoding::kBF16});
  ASSERT_TRUE(set.ok());
  const std::vector<float> rounded = *engine->score(*prompt);
  const Parameter& p = set->all()[0];
  p.value[engine->info().hidden * prompt->ids[0]] += 1;
  EXPECT_EQ(*engine->score(*prompt), rounded);  // not before publish()
  set->publish(engine->pool());
  EXPECT_NE(*engine->score(*prompt), rounded);
  EXPECT_FALSE(ParameterSet::take_over(engine->mutable_loaded(), engine->pool(),
                                       {.storage = encoding::Encoding::kQ80})
                   .ok());
}

TEST(Parameters, ANameTwiceIsRefused) {
  ParameterSet set;
  Parameter p;
  p.name = "a";
  EXPECT_TRUE(set.add(p).ok());
  EXPECT_FALSE(set.add(p).ok());
}

}  // namespace
}  // namespace ocelli::train
