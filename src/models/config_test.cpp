// config.json as it should not be: every number wrong in every way, and what the hub leaves out.
#include "models/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "models/llama.h"
#include "models/registry.h"
#include "models/smolvlm.h"

namespace ocelli::models {
namespace {

using base::Json;
using testing::AllOf;
using testing::AnyOf;
using testing::ElementsAre;
using testing::HasSubstr;

Json parse(std::string_view text) {
  return Json::parse(text).value();
}

Json llama() {
  return parse(R"({"model_type": "llama", "hidden_size": 64, "intermediate_size": 96,
    "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16,
    "vocab_size": 300, "max_position_embeddings": 128, "rms_norm_eps": 1e-5, "rope_theta": 10000,
    "hidden_act": "silu", "tie_word_embeddings": true, "eos_token_id": 2})");
}

Json smolvlm() {
  Json text = llama();
  return parse(R"({"model_type": "smolvlm", "image_token_id": 299, "scale_factor": 2,
    "vision_config": {"hidden_size": 48, "intermediate_size": 64, "num_hidden_layers": 2,
      "num_attention_heads": 4, "image_size": 32, "patch_size": 8, "num_channels": 3,
      "layer_norm_eps": 1e-6, "hidden_act": "gelu_pytorch_tanh"}})")
      .set("text_config", std::move(text));
}

// `part` of the config ("" for the top) with `key` replaced, or removed where value is "-".
Json changed(Json config, const std::string& part, const std::string& key,
             const std::string& value) {
  std::vector<Json::Member> members;
  const Json& old = part.empty() ? config : *config.find(part);
  for (const auto& [name, old_value] : old.members()) {
    if (name != key) members.emplace_back(name, old_value);
  }
  if (value != "-") members.emplace_back(key, parse(value));
  Json out = Json::object(std::move(members));
  return part.empty() ? out : config.set(part, std::move(out));
}

base::Result<std::unique_ptr<Model>> make(const Json& config) {
  auto family = find_family(config);
  if (!family.ok()) return std::move(family).error();
  return family.value()->make(config, formats::Checkpoint());
}

std::string error_of(const Json& config) {
  const auto model = make(config);
  if (model.ok()) return "";
  EXPECT_EQ(model.error().code, base::Code::kBadInput);
  EXPECT_LT(model.error().message().size(), 300u);
  return model.error().message();
}

struct Number {
  std::string part, key;
  bool needed;  // no default
};

const std::vector<Number>& numbers() {
  static const std::vector<Number> all = {
      {"text_config", "hidden_size", true},
      {"text_config", "intermediate_size", true},
      {"text_config", "num_hidden_layers", true},
      {"text_config", "num_attention_heads", true},
      {"text_config", "num_key_value_heads", false},
      {"text_config", "head_dim", false},
      {"text_config", "vocab_size", true},
      {"text_config", "max_position_embeddings", false},
      {"vision_config", "hidden_size", false},
      {"vision_config", "intermediate_size", false},
      {"vision_config", "num_hidden_layers", false},
      {"vision_config", "num_attention_heads", false},
      {"vision_config", "image_size", false},
      {"vision_config", "patch_size", false},
      {"vision_config", "num_channels", false},
      {"", "scale_factor", false},
      {"", "image_token_id", true},
  };
  return all;
}

TEST(Config, TheBaseIsFine) {
  EXPECT_EQ(error_of(llama()), "");
  EXPECT_EQ(error_of(smolvlm()), "");
  const auto model = make(smolvlm());
  const ModelInfo& info = model.value()->info();
  EXPECT_EQ(info.vocab, 300);
  EXPECT_EQ(info.kv.head_dim, 16);
  EXPECT_EQ(info.vision->tokens_per_tile, 4);
  EXPECT_EQ(info.vision->tile, 32);
  EXPECT_EQ(info.vision->tower_width, 48 * 4);
  EXPECT_EQ(info.vision->image_token_id, 299);
}

TEST(Config, ImpossibleNumbersAreNamed) {
  for (const Number& n : numbers()) {
    for (const char* value : {"-1", "2147483647", "4294967296", "9223372036854775807", "1e300",
                              "\"8\"", "8.5", "true", "[8]", "{}", "-9223372036854775808"}) {
      const std::string error = error_of(changed(smolvlm(), n.part, n.key, value));
      EXPECT_THAT(error, HasSubstr(n.key)) << value;
      EXPECT_THAT(error, HasSubstr(n.part)) << n.key << ' ' << value;
    }
    // 0 is a token like any other.
    const std::string zero = error_of(changed(smolvlm(), n.part, n.key, "0"));
    if (n.key == "image_token_id") {
      EXPECT_EQ(zero, "");
    } else {
      EXPECT_THAT(zero, HasSubstr(n.key));
    }
    for (const char* value : {"-", "null"}) {
      const std::string error = error_of(changed(smolvlm(), n.part, n.key, value));
      if (!n.needed) continue;
      EXPECT_THAT(error, AllOf(HasSubstr(n.key), HasSubstr("missing"))) << value;
    }
  }
}

// 1 is allowed where it makes sense; nothing crashes where it does not.
TEST(Config, OneOfEverything) {
  for (const Number& n : numbers()) {
    const std::string error = error_of(changed(smolvlm(), n.part, n.key, "1"));
    if (n.key == "head_dim" || n.key == "num_channels") {
      EXPECT_THAT(error, HasSubstr(n.key));
    } else if (n.key == "vocab_size") {
      EXPECT_THAT(error, HasSubstr("image_token_id"));
    } else if (n.part == "vision_config" && n.key == "hidden_size") {
      EXPECT_THAT(error, HasSubstr("multiple of num_attention_heads"));
    } else if (n.key == "image_size") {
      EXPECT_THAT(error, HasSubstr("patch_size is larger"));
    } else if (n.part == "text_config" && n.key == "num_attention_heads") {
      EXPECT_THAT(error, HasSubstr("num_key_value_heads (2)"));
    } else {
      EXPECT_EQ(error, "") << n.part << ' ' << n.key;
    }
  }
}

TEST(Config, HeadsThatDoNotDivide) {
  EXPECT_THAT(error_of(changed(llama(), "", "num_key_value_heads", "3")),
              AllOf(HasSubstr("(4)"), HasSubstr("(3)"), HasSubstr("multiple")));
  EXPECT_THAT(error_of(changed(llama(), "", "num_key_value_heads", "8")), HasSubstr("multiple"));
  EXPECT_THAT(error_of(changed(llama(), "", "head_dim", "15")), HasSubstr("even"));
  EXPECT_THAT(error_of(changed(smolvlm(), "vision_config", "num_attention_heads", "5")),
              AllOf(HasSubstr("vision_config"), HasSubstr("(48)"), HasSubstr("(5)")));
  // Heads wider than the model are some models' choice.
  EXPECT_EQ(error_of(changed(llama(), "", "head_dim", "128")), "");
}

// hidden_size // num_attention_heads stands in for head_dim, and is held to the same limits.
TEST(Config, AHeadWidthThatFollows) {
  const Json without = changed(llama(), "", "head_dim", "-");
  EXPECT_EQ(make(without).value()->info().kv.head_dim, 16);
  EXPECT_THAT(error_of(changed(without, "", "num_attention_heads", "128")),
              HasSubstr("head_dim must be even for rotary positions and at most 1024 (0)"));
  EXPECT_THAT(error_of(changed(without, "", "hidden_size", "60")), HasSubstr("(15)"));
  EXPECT_THAT(error_of(changed(without, "", "hidden_size", "131072")), HasSubstr("(32768)"));
  EXPECT_THAT(error_of(changed(changed(smolvlm(), "vision_config", "hidden_size", "131072"),
                               "vision_config", "num_attention_heads", "1")),
              HasSubstr("limit 1024"));
}

TEST(Config, Epsilons) {
  for (const char* value : {"0", "-1e-5", "1", "2", "1e300", "1e-60", "\"NaN\"", "[]"}) {
    EXPECT_THAT(error_of(changed(llama(), "", "rms_norm_eps", value)), HasSubstr("rms_norm_eps"))
        << value;
    EXPECT_THAT(error_of(changed(smolvlm(), "vision_config", "layer_norm_eps", value)),
                HasSubstr("layer_norm_eps"))
        << value;
  }
  EXPECT_EQ(error_of(changed(llama(), "", "rms_norm_eps", "-")), "");
  for (const double value : {double(NAN), double(INFINITY), -double(INFINITY)}) {
    const base::Status status = check_epsilon("eps", value);
    ASSERT_FALSE(status.ok());
    EXPECT_THAT(status.error().message(), HasSubstr("eps must be between 0 and 1"));
  }
  EXPECT_FALSE(Json::parse(R"({"rms_norm_eps": NaN})").ok());
}

TEST(Config, RotaryPositions) {
  for (const char* value : {"0", "-10000", "1", "1e13", "1e300", "\"10000\"", "true"}) {
    EXPECT_THAT(error_of(changed(llama(), "", "rope_theta", value)), HasSubstr("rope_theta"))
        << value;
  }
  const auto frequencies = [](const Json& config) {
    return LlamaConfig::parse(config, {}).value().rope.inv_freq;
  };
  const auto theta = [](double value) {
    return nn::RotaryPositions::plain(value, 16, 128).inv_freq;
  };
  EXPECT_EQ(frequencies(changed(llama(), "", "rope_theta", "-")), theta(10000));
  EXPECT_EQ(frequencies(changed(llama(), "", "rope_theta", "5e6")), theta(5e6));
  EXPECT_EQ(frequencies(changed(llama(), "", "rope_parameters",
                                R"({"rope_theta": 273768, "rope_type": "default"})")),
            theta(273768));
  for (const char* fine : {"null", "{}", R"({"rope_type": "default"})", R"({"type": "default"})"}) {
    EXPECT_EQ(error_of(changed(llama(), "", "rope_scaling", fine)), "") << fine;
    EXPECT_EQ(error_of(changed(llama(), "", "rope_parameters", fine)), "") << fine;
  }
  for (const char* bad :
       {"4", "[]", "\"yarn\"", R"({"rope_type": "yarn"})", R"({"type": "linear"})",
        R"({"rope_type": 3})", R"({"rope_type": "llama3", "factor": 4})"}) {
    EXPECT_NE(error_of(changed(llama(), "", "rope_scaling", bad)), "") << bad;
    EXPECT_NE(error_of(changed(llama(), "", "rope_parameters", bad)), "") << bad;
  }
  EXPECT_THAT(error_of(changed(llama(), "", "rope_scaling", R"({"type": "dynamic\u001b"})")),
              HasSubstr(R"("dynamic\x1b" is not supported)"));
}

TEST(Config, StretchedContexts) {
  for (const auto& [scaling, context] : std::initializer_list<std::pair<const char*, int64_t>>{
           {R"({"rope_type": "linear", "factor": 4})", 512},
           {R"({"rope_type": "yarn", "factor": 8})", 1024},
           {R"({"type": "yarn", "factor": 4, "original_max_position_embeddings": 64})", 256}}) {
    for (const char* key : {"rope_scaling", "rope_parameters"}) {
      EXPECT_EQ(make(changed(llama(), "", key, scaling)).value()->info().context, context);
      EXPECT_EQ(make(changed(smolvlm(), "text_config", key, scaling)).value()->info().context,
                context);
    }
  }
  EXPECT_EQ(make(changed(llama(), "", "max_position_embeddings", "-")).value()->info().context,
            2048);
  EXPECT_THAT(error_of(changed(smolvlm(), "text_config", "rope_scaling",
                               R"({"rope_type": "linear", "factor": 65536})")),
              AllOf(HasSubstr("text_config"), HasSubstr("8388608 tokens after scaling"),
                    HasSubstr("limit 4194304")));
}

TEST(Config, WhatWouldGiveOtherNumbersIsRefused) {
  EXPECT_THAT(error_of(changed(llama(), "", "hidden_act", "\"gelu\"")), HasSubstr("gelu"));
  EXPECT_THAT(error_of(changed(llama(), "", "attention_bias", "true")),
              HasSubstr("attention_bias true is not supported"));
  EXPECT_THAT(error_of(changed(llama(), "", "mlp_bias", "true")), HasSubstr("mlp_bias"));
  EXPECT_EQ(error_of(changed(llama(), "", "attention_bias", "false")), "");
  EXPECT_THAT(error_of(changed(smolvlm(), "text_config", "model_type", "\"qwen2\"")),
              AllOf(HasSubstr("text_config"), HasSubstr("qwen2"), HasSubstr("llama")));
  EXPECT_EQ(error_of(changed(smolvlm(), "text_config", "model_type", "-")), "");
  EXPECT_THAT(error_of(changed(smolvlm(), "vision_config", "hidden_act", "\"relu\"")),
              HasSubstr("relu"));
}

TEST(Config, TheGridAndItsPixelShuffle) {
  EXPECT_THAT(error_of(changed(smolvlm(), "", "scale_factor", "3")),
              AllOf(HasSubstr("scale_factor (3)"), HasSubstr("4 patches")));
  EXPECT_THAT(error_of(changed(smolvlm(), "vision_config", "patch_size", "64")),
              HasSubstr("larger than image_size"));
  // 384 / 14 leaves a rest: 27 patches a side.
  Json odd = changed(smolvlm(), "vision_config", "image_size", "384");
  odd = changed(changed(odd, "vision_config", "patch_size", "14"), "", "scale_factor", "3");
  EXPECT_EQ(make(odd).value()->info().vision->tokens_per_tile, 81);
}

TEST(Config, TokenIds) {
  EXPECT_THAT(error_of(changed(smolvlm(), "", "image_token_id", "300")),
              AllOf(HasSubstr("image_token_id"), HasSubstr("299")));
  EXPECT_EQ(error_of(changed(smolvlm(), "", "pad_token_id", "128002")), "");
  EXPECT_EQ(error_of(changed(llama(), "", "pad_token_id", "-1")), "");
  const auto ids = [](const char* list) {
    return read_eos_ids(changed(llama(), "", "eos_token_id", list), 300).value();
  };
  EXPECT_THAT(ids("7"), ElementsAre(7));
  EXPECT_THAT(ids("[1, 106]"), ElementsAre(1, 106));
  EXPECT_THAT(ids("[1, 300, -1, 9223372036854775807]"), ElementsAre(1));
  EXPECT_THAT(ids("null"), ElementsAre());
  EXPECT_THAT(ids("-"), ElementsAre());
  EXPECT_THAT(ids("[]"), ElementsAre());
  for (const char* bad : {"\"</s>\"", "1.5", "true", "[[1]]", "[null]", "{}"}) {
    EXPECT_THAT(error_of(changed(llama(), "", "eos_token_id", bad)), HasSubstr("eos_token_id"))
        << bad;
  }
  std::string many = "[1";
  for (int i = 0; i < 64; ++i) many += ",1";
  EXPECT_THAT(error_of(changed(llama(), "", "eos_token_id", many + "]")), HasSubstr("limit 64"));
  // The top level decides, then the text part.
  EXPECT_THAT(make(smolvlm()).value()->info().eos_ids, ElementsAre(2));
  EXPECT_THAT(make(changed(smolvlm(), "", "eos_token_id", "[5]")).value()->info().eos_ids,
              ElementsAre(5));
}

TEST(Config, FamiliesThatAreNotKnown) {
  std::string known = "supported are ";
  for (const Family& family : families()) {
    known += (&family == families().data() ? "" : ", ") + std::string(family.model_type);
  }
  EXPECT_THAT(error_of(changed(llama(), "", "model_type", "\"mamba\"")),
              AllOf(HasSubstr("\"mamba\" is not supported"), HasSubstr(known)));
  EXPECT_THAT(error_of(changed(llama(), "", "model_type", "-")), HasSubstr("model_type"));
  EXPECT_THAT(error_of(changed(llama(), "", "model_type", "[1]")), HasSubstr("model_type"));
  EXPECT_THAT(error_of(changed(smolvlm(), "", "text_config", "-")), HasSubstr("text_config"));
  EXPECT_THAT(error_of(changed(smolvlm(), "", "vision_config", "7")), HasSubstr("vision_config"));
  EXPECT_THAT(error_of(changed(smolvlm(), "", "text_config", "[]")), HasSubstr("text_config"));
  EXPECT_THAT(error_of(parse("{}")), HasSubstr("model_type"));
  EXPECT_THAT(error_of(parse("[]")), AnyOf(HasSubstr("model_type"), HasSubstr("object")));
}

TEST(Config, KeysThatMeanNothingHere) {
  Json junk = smolvlm();
  for (const char* key : {"auto_map", "neftune_noise_alpha", "torch_dtype", "perceiver_config"})
    junk = changed(junk, "", key, R"({"AutoModel": "evil.py", "hidden_size": -1})");
  EXPECT_EQ(error_of(changed(junk, "text_config", "qk_layer_norms", "null")), "");
}

// The hub's SmolVLM2-500M leaves out the tower's depth and MLP width: the tensors tell.
TEST(Config, WhatTheHubLeavesOutIsReadFromTheTensors) {
  Json config = changed(smolvlm(), "vision_config", "num_hidden_layers", "-");
  config = changed(config, "vision_config", "intermediate_size", "-");
  const SiglipConfig::FromTensors found{3, 80};
  EXPECT_EQ(SmolVlmConfig::parse(config, found).value().vision.layers, 3);
  EXPECT_EQ(SmolVlmConfig::parse(config, found).value().vision.intermediate, 80);
  EXPECT_EQ(SmolVlmConfig::parse(smolvlm(), found).value().vision.layers, 2);
  const SiglipConfig none = SmolVlmConfig::parse(config, {}).value().vision;
  EXPECT_EQ(none.layers, 12);
  EXPECT_EQ(none.intermediate, 3072);
  const auto wide = SmolVlmConfig::parse(config, {3, int64_t{1} << 62});
  ASSERT_FALSE(wide.ok());
  EXPECT_THAT(wide.error().message(), HasSubstr("too wide"));
}

// The largest of everything is refused or harmless: nothing is allocated for it.
TEST(Config, LargestNumbers) {
  Json text = llama();
  for (const auto& [key, value] : std::initializer_list<std::pair<const char*, int64_t>>{
           {"hidden_size", kMaxWidth},
           {"intermediate_size", kMaxWidth},
           {"num_hidden_layers", kMaxLayers},
           {"num_attention_heads", kMaxHeads},
           {"num_key_value_heads", kMaxHeads},
           {"head_dim", kMaxHeadDim},
           {"vocab_size", kMaxVocab},
           {"max_position_embeddings", kMaxContext}}) {
    text = changed(text, "", key, std::to_string(value));
  }
  const auto model = make(text);
  ASSERT_TRUE(model.ok()) << model.error().message();
  const ModelInfo& info = model.value()->info();
  EXPECT_GT(nn::KvCache::bytes_per_token(info.kv, tensor::DType::kF32) * info.context, 0);
  const auto cache = nn::KvCache::create(info.kv, info.context, tensor::DType::kF32);
  ASSERT_FALSE(cache.ok());
  EXPECT_EQ(cache.error().code, base::Code::kDoesNotFit);

  // A few small tensors could ask for activations of terabytes.
  Json tower = changed(smolvlm(), "vision_config", "image_size", "1024");
  tower = changed(tower, "vision_config", "patch_size", "1");
  EXPECT_EQ(error_of(tower), "");
  EXPECT_THAT(error_of(changed(tower, "vision_config", "intermediate_size", "131072")),
              AllOf(HasSubstr("1048576 patches"), HasSubstr("limit 268435456")));
  tower = changed(tower, "", "scale_factor", "1");
  EXPECT_THAT(error_of(changed(tower, "text_config", "hidden_size", "131072")),
              HasSubstr("tokens of a picture"));
}

}  // namespace
}  // namespace ocelli::models
