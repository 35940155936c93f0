#include "train/recipe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ocelli::train {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(Recipe, JsonAndTomlSayTheSame) {
  const auto json = parse_recipe(
      R"({"model": "m", "data": ["a.jsonl"], "options": {"lora_r": 4, "use_dora": true,
          "learning_rate": 0.001, "target_modules": ["q_proj", "v_proj"]}})");
  const auto toml = parse_recipe(
      "model = 'm'\ndata = ['a.jsonl']\nlora_r = 4\nuse_dora = true\n[options]\nlearning_rate = "
      "1e-3\ntarget_modules = ['q_proj', 'v_proj']\n");
  for (const auto* r : {&json, &toml}) {
    ASSERT_TRUE(r->ok()) << r->error().message();
    EXPECT_EQ((*r)->model, "m");
    EXPECT_THAT((*r)->data, ElementsAre("a.jsonl"));
    TrainOptions o;
    ASSERT_TRUE(apply(**r, o).ok());
    EXPECT_EQ(o.lora_r, 4);
    EXPECT_TRUE(o.use_dora);
    EXPECT_EQ(o.learning_rate, 0.001);
    EXPECT_THAT(o.target_modules, ElementsAre("q_proj", "v_proj"));
  }
}

TEST(Recipe, ListsTextsAndTables) {
  const auto options = [](std::string_view text) {
    TrainOptions o;
    const auto recipe = parse_recipe(text);
    EXPECT_TRUE(recipe.ok() && apply(*recipe, o).ok()) << text;
    return o;
  };
  EXPECT_THAT(options(R"({"target_modules": ["q_proj"]})").target_modules, ElementsAre("q_proj"));
  EXPECT_THAT(options(R"({"target_modules": "all-linear"})").target_modules,
              ElementsAre("all-linear"));
  EXPECT_THAT(options("target_modules = 'a,b'").target_modules, ElementsAre("a", "b"));
  EXPECT_EQ(options("[columns]\nmessages = 'dialog'\nimages = 'photos'\n").columns,
            "images=photos,messages=dialog");
  EXPECT_EQ(options(R"({"columns": "messages=dialog"})").columns, "messages=dialog");
  EXPECT_EQ(options(R"({"chat_template_kwargs": {"a": [1, true]}})").chat_template_kwargs,
            R"({"a":[1,true]})");
  EXPECT_EQ(options(R"({"now": "2026-11-21", "options": {}})").now, "2026-11-21");
  EXPECT_EQ(options(R"({"now": 1234567890})").now, "");  // a saved recipe's own day
  EXPECT_EQ(parse_recipe(R"({"engine": {"weights": "q4"}})")->engine.dump(), R"({"weights":"q4"})");
}

TEST(Recipe, WhatIsWrongIsNamed) {
  const auto message = [](std::string_view text) {
    const auto r = parse_recipe(text);
    return r.ok() ? "(accepted)" : r.error().message();
  };
  EXPECT_THAT(message(R"({"lora_rank": 4})"), HasSubstr("did you mean lora_r"));
  EXPECT_THAT(message(R"({"lora_r": "four"})"), HasSubstr("lora_r: must be a whole number"));
  EXPECT_THAT(message(R"({"lora_r": 0})"), HasSubstr("must be from 1 to"));
  EXPECT_THAT(message(R"({"method": "lore"})"), HasSubstr("lora|full"));
  EXPECT_THAT(message("lora_r = 4\nlora_alpha = \n"), HasSubstr("line 2"));
  EXPECT_THAT(message("seed = 2020-01-01\n"), HasSubstr("dates"));
  EXPECT_THAT(message("{"), HasSubstr("line 1"));
}

TEST(Recipe, EveryOptionReadsBackWhatItSays) {
  TrainOptions o;
  o.lora_r = 3;
  o.packing = true;
  o.modules_to_save = {"lm_head"};
  o.weight_decay = 0.1;
  TrainOptions back;
  for (const OptionField& f : option_fields()) {
    const base::Json value = option_json(o, f);
    ASSERT_TRUE(set_option(back, f.name, value).ok()) << f.name;
    EXPECT_EQ(option_json(back, f), value) << f.name;
  }
  EXPECT_TRUE(check_options(back).ok());
}

TEST(Recipe, PresetsAreValid) {
  for (const Preset& p : presets()) {
    TrainOptions o;
    ASSERT_TRUE(apply_preset(p.name, o).ok()) << p.name;
    EXPECT_TRUE(check_options(o).ok()) << p.name;
  }
  TrainOptions o;
  ASSERT_TRUE(apply_preset("smolvlm2-official", o).ok());
  EXPECT_EQ(o.vision_learning_rate, 5e-6);
  EXPECT_EQ(o.connector_learning_rate, 1e-4);
  const auto unknown = apply_preset("smolvlm2-oficial", o);
  EXPECT_THAT(unknown.error().message(), HasSubstr("did you mean smolvlm2-official?"));
}

TEST(Options, ThatContradictEachOtherAreRefused) {
  TrainOptions o;
  EXPECT_TRUE(check_options(o).ok());
  o.train_text = o.train_connector = false;
  EXPECT_FALSE(check_options(o).ok());
  o = {};
  o.lr_scheduler_type = "step";
  EXPECT_FALSE(check_options(o).ok());
  o = {};
  o.load_best_model_at_end = true;
  EXPECT_FALSE(check_options(o).ok());
  o = {};
  o.frozen_vision = "q8";
  EXPECT_TRUE(check_options(o).ok());
  o.train_vision = true;
  EXPECT_EQ(check_options(o).error().where, "frozen_vision");
  for (const auto& [name, value] :
       {std::pair("columns", "messages"), std::pair("now", "2026-13-01"),
        std::pair("chat_template_kwargs", "[1]")}) {
    o = {};
    ASSERT_TRUE(set_option_text(o, name, value).ok());
    EXPECT_EQ(check_options(o).error().code, base::Code::kUsage) << name;
    EXPECT_EQ(check_options(o).error().where, name);
  }
  EXPECT_FALSE(set_option_text(o, "seed", "1x").ok());
  EXPECT_TRUE(set_option_text(o, "learning_rate", "2e-4").ok());
  EXPECT_EQ(o.learning_rate, 2e-4);
}

}  // namespace
}  // namespace ocelli::train
