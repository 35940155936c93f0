#include "quantize/recipe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "engine/builtin.h"
#include "models/loader.h"

namespace ocelli::quantize {
namespace {

using encoding::Encoding;
using testing::HasSubstr;

TEST(Recipe, PatternsAreNamesTheirEndsAndGlobs) {
  const char* name = "model.text_model.layers.10.mlp.down_proj.weight";
  for (const char* pattern :
       {"model.text_model.layers.10.mlp.down_proj.weight", "down_proj", "mlp.down_proj",
        "down_proj.weight", "layers.10.*", "*", "*.mlp.*", "layers.1?.mlp.down_proj",
        "text_model.*", "*down*", "*.weight"}) {
    EXPECT_TRUE(matches(pattern, name)) << pattern;
  }
  for (const char* pattern : {"", "down", "proj", "layers.1.*", "down_proj.bias", "vision_model.*",
                              "mlp", "Down_proj", "layers.?.mlp.down_proj"}) {
    EXPECT_FALSE(matches(pattern, name)) << pattern;
  }
}

TEST(Recipe, GlobsTakeNoLongTime) {
  std::string pattern, name(2000, 'a');
  for (int i = 0; i < 100; ++i) pattern += "*a";
  EXPECT_TRUE(matches(pattern, name));
  EXPECT_FALSE(matches(pattern + "b", name));
}

TEST(Recipe, TypesInAnyCase) {
  EXPECT_EQ(parse_type("F16", Format::kSafetensors).value(), Encoding::kF16);
  EXPECT_EQ(encoding::name(parse_type("Q4_0", Format::kSafetensors).value()), "q4_0");
  EXPECT_EQ(encoding::name(parse_type("q4", Format::kSafetensors).value()), "q4");
  EXPECT_EQ(encoding::name(parse_type("q4", Format::kGguf).value()), "q4_0");
  EXPECT_EQ(encoding::name(parse_type("Q8", Format::kGguf).value()), "q8_0");
  EXPECT_THAT(parse_type("q4_k", Format::kGguf).error().message(), HasSubstr("not written"));
  EXPECT_THAT(parse_type("int3", Format::kGguf).error().message(), HasSubstr("no type"));
}

class RecipeChoiceTest : public testing::Test {
 protected:
  RecipeChoiceTest() : pool_(1) {
    const auto folder = engine::builtin_model().value();
    const auto config = base::Json::parse(folder.text("config.json", 1 << 20)->value()).value();
    loaded_ = models::load_model(config, folder.weights().value(), pool_).value();
    map_.emplace(*loaded_.model);
  }
  std::map<std::string, Choice> choose(const Recipe& recipe) {
    std::map<std::string, Choice> out;
    const std::vector<Choice> choices = recipe.choose(*map_).value();
    for (const Choice& c : choices) out[c.parameter.name] = c;
    return out;
  }
  base::ThreadPool pool_;
  models::LoadedModel loaded_;
  std::optional<models::ModelMap> map_;
};

TEST_F(RecipeChoiceTest, FourBitsKeepEightWhereItCounts) {
  const auto recipe = Recipe::parse("q4", {}, Format::kSafetensors).value();
  const auto choices = choose(recipe);
  const auto encoding_of = [&](const char* name) {
    return std::string(encoding::name(choices.at(name).encoding));
  };
  EXPECT_EQ(encoding_of("model.text_model.layers.0.mlp.down_proj.weight"), "q4");
  EXPECT_EQ(encoding_of("model.text_model.embed_tokens.weight"), "q8");
  EXPECT_EQ(encoding_of("lm_head.weight"), "q8");
  EXPECT_EQ(encoding_of("model.vision_model.encoder.layers.0.mlp.fc1.weight"), "q8");
  EXPECT_EQ(encoding_of("model.connector.modality_projection.proj.weight"), "q8");
  EXPECT_EQ(encoding_of("model.text_model.norm.weight"), "f32");
  EXPECT_EQ(encoding_of("model.vision_model.encoder.layers.0.mlp.fc1.bias"), "f32");
  EXPECT_EQ(encoding_of("model.vision_model.embeddings.position_embedding.weight"), "f32");
  EXPECT_EQ(choices.size(), map_->parameters().size());
  EXPECT_EQ(recipe.text(), "q4, vision q8, embedding and head q8");
}

TEST_F(RecipeChoiceTest, TheLastRuleCounts) {
  const auto recipe =
      Recipe::parse("Q8_0", {"down_proj=bf16", "layers.1.*=f16", "text_model.*.q_proj=Q4_0"},
                    Format::kGguf)
          .value();
  const auto choices = choose(recipe);
  const auto encoding_of = [&](const std::string& end) {
    return encoding::name(choices.at("model.text_model.layers." + end + ".weight").encoding);
  };
  EXPECT_EQ(encoding_of("0.mlp.down_proj"), "bf16");
  EXPECT_EQ(encoding_of("1.mlp.down_proj"), "f16");
  EXPECT_EQ(encoding_of("1.mlp.up_proj"), "f16");
  EXPECT_EQ(encoding_of("1.self_attn.q_proj"), "q4_0");
  EXPECT_EQ(encoding_of("2.mlp.up_proj"), "q8_0");
}

TEST_F(RecipeChoiceTest, RowsOfBrokenBlocksBecomeF16InGguf) {
  const auto recipe = Recipe::parse("q8_0", {}, Format::kGguf).value();
  const auto choices = choose(recipe);
  // 3 x 12 x 12 = 432 columns, thirteen and a half blocks
  const Choice& patch = choices.at("model.vision_model.embeddings.patch_embedding.weight");
  EXPECT_EQ(patch.encoding, Encoding::kF16);
  EXPECT_TRUE(patch.fallback);
  const auto folder = choose(Recipe::parse("q8_0", {}, Format::kSafetensors).value());
  EXPECT_FALSE(folder.at(patch.parameter.name).fallback);
}

TEST_F(RecipeChoiceTest, RulesThatMeanNothingAreErrors) {
  const auto refusal = [&](const std::string& rule) {
    const auto recipe = Recipe::parse("q4", {rule}, Format::kSafetensors);
    if (!recipe.ok()) return recipe.error().message();
    const auto choices = recipe->choose(*map_);
    return choices.ok() ? std::string() : choices.error().message();
  };
  EXPECT_THAT(refusal("down_prj=q8"), HasSubstr("the nearest is down_proj"));
  EXPECT_THAT(refusal("input_layernorm=q8"), HasSubstr("no weight"));
  EXPECT_THAT(refusal("down_proj"), HasSubstr("PATTERN=TYPE"));
  EXPECT_THAT(refusal("=q8"), HasSubstr("PATTERN=TYPE"));
  EXPECT_THAT(refusal("down_proj=q9"), HasSubstr("\"q9\" is no type"));
  EXPECT_EQ(refusal("*=q8"), "");
}

}  // namespace
}  // namespace ocelli::quantize
