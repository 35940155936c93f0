// SmolLM3's config as it should not be, what it leaves out, and the names of its parameters.
#include "models/smollm3.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <map>

#include "base/file.h"
#include "models/config.h"
#include "models/registry.h"

namespace ocelli::models {
namespace {

using base::Json;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

Json parse_json(std::string_view text) {
  return Json::parse(text).value();
}

Json plain() {
  return parse_json(R"({"model_type": "smollm3", "hidden_size": 64, "intermediate_size": 96,
    "num_hidden_layers": 8, "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 300,
    "max_position_embeddings": 1024, "rope_theta": 5e6, "rms_norm_eps": 1e-6,
    "no_rope_layers": [1, 1, 1, 0, 1, 1, 1, 0], "no_rope_layer_interval": 4,
    "use_sliding_window": false, "sliding_window": null, "eos_token_id": 12})");
}

// plain() with one key replaced, or removed where `value` is "-".
Json with(const std::string& key, const std::string& value) {
  const Json base = plain();
  std::vector<Json::Member> members;
  for (const auto& member : base.members()) {
    if (member.first != key) members.push_back(member);
  }
  if (value != "-") members.emplace_back(key, parse_json(value));
  return Json::object(std::move(members));
}

std::string error_of(const Json& config) {
  const auto model = find_family(config).value()->make(config, formats::Checkpoint());
  if (model.ok()) return "";
  EXPECT_EQ(model.error().code, base::Code::kBadInput);
  EXPECT_LT(model.error().message().size(), 300u);
  return model.error().message();
}

std::vector<bool> turns_of(const Json& config) {
  const auto parsed = parse_smollm3(config);
  EXPECT_TRUE(parsed.ok()) << parsed.error().message();
  return parsed.ok() ? parsed->rotates : std::vector<bool>();
}

TEST(SmolLm3, KnowsItsLayers) {
  const std::vector<bool> two_periods{true, true, true, false, true, true, true, false};
  EXPECT_EQ(turns_of(plain()), two_periods);
  for (const char* missing : {"-", "null"}) {
    EXPECT_EQ(turns_of(with("no_rope_layers", missing)), two_periods);
  }
  Json every_second = with("no_rope_layers", "-");
  every_second.set("no_rope_layer_interval", 2);
  EXPECT_THAT(turns_of(every_second),
              ElementsAre(true, false, true, false, true, false, true, false));
  every_second.set("no_rope_layer_interval", 1);
  EXPECT_EQ(turns_of(every_second), std::vector<bool>(8, false));
  // The list counts where both are there; what goes beyond the layers is left alone.
  EXPECT_EQ(turns_of(with("no_rope_layers", "[0, 0, 0, 0, 1, 1, 1, 1, 0, 1]")),
            (std::vector<bool>{false, false, false, false, true, true, true, true}));
}

TEST(SmolLm3, FallsBackToTheOriginalsDefaults) {
  Json bare = parse_json(R"({"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 4,
                             "num_attention_heads": 8, "vocab_size": 128256})");
  const LlamaConfig c = parse_smollm3(bare).value();
  EXPECT_EQ(c.kv_heads, 4);
  EXPECT_EQ(c.head_dim, 8);
  EXPECT_EQ(c.rope.context, 32768);
  EXPECT_TRUE(c.tied);
  EXPECT_EQ(c.rope.inv_freq, nn::RotaryPositions::plain(2e6, 8, 1).inv_freq);
  EXPECT_THAT(make_smollm3(bare, {}).value()->info().eos_ids, ElementsAre(128001));
  // null is not the same as missing for these.
  EXPECT_EQ(parse_smollm3(bare.set("num_key_value_heads", nullptr))->kv_heads, 8);
  EXPECT_THAT(make_smollm3(bare.set("eos_token_id", nullptr), {}).value()->info().eos_ids,
              testing::IsEmpty());
}

TEST(SmolLm3, StretchesItsContext) {
  const std::string yarn =
      R"({"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 1024})";
  for (const char* key : {"rope_scaling", "rope_parameters"}) {
    const LlamaConfig c = parse_smollm3(with(key, yarn)).value();
    EXPECT_EQ(c.rope.context, 4096) << key;
    EXPECT_FLOAT_EQ(c.rope.attention_factor, 1.1386294f) << key;
  }
  const auto model = make_smollm3(with("rope_scaling", yarn), {});
  EXPECT_EQ(model.value()->info().context, 4096);
  EXPECT_EQ(make_smollm3(plain(), {}).value()->info().context, 1024);
  EXPECT_THAT(error_of(with("rope_scaling", R"({"type": "yarn", "factor": 65536})")),
              AllOf(HasSubstr("67108864"), HasSubstr("limit 4194304")));
}

TEST(SmolLm3, SaysWhatIsWrong) {
  EXPECT_EQ(error_of(plain()), "");
  for (const char* key : {"hidden_size", "intermediate_size", "num_hidden_layers",
                          "num_attention_heads", "num_key_value_heads", "head_dim", "vocab_size",
                          "max_position_embeddings", "no_rope_layer_interval"}) {
    for (const char* value : {"0", "-1", "2147483647", "9223372036854775807", "1e300", "\"8\"",
                              "8.5", "true", "[8]", "{}"}) {
      EXPECT_THAT(error_of(with(key, value)), HasSubstr(key)) << value;
    }
  }
  for (const char* key : {"hidden_size", "intermediate_size", "num_hidden_layers",
                          "num_attention_heads", "vocab_size"}) {
    EXPECT_THAT(error_of(with(key, "-")), AllOf(HasSubstr(key), HasSubstr("missing")));
  }
  EXPECT_THAT(error_of(with("num_key_value_heads", "3")), HasSubstr("multiple"));
  EXPECT_THAT(error_of(with("head_dim", "15")), HasSubstr("even"));
  EXPECT_THAT(error_of(with("rms_norm_eps", "0")), HasSubstr("rms_norm_eps"));
  EXPECT_THAT(error_of(with("rope_theta", "0")), HasSubstr("rope_theta"));
  EXPECT_THAT(error_of(with("hidden_act", "\"gelu\"")), HasSubstr("gelu"));
  EXPECT_THAT(error_of(with("attention_bias", "true")), HasSubstr("attention_bias"));
  for (const char* factor : {"0", "-2", "\"NaN\"", "1e300", "null"}) {
    const std::string scaling = std::string(R"({"rope_type": "yarn", "factor": )") + factor +
                                R"(, "original_max_position_embeddings": 2048})";
    EXPECT_THAT(error_of(with("rope_scaling", scaling)),
                AllOf(HasSubstr("rope_scaling"), HasSubstr("factor")))
        << factor;
  }
  EXPECT_THAT(error_of(with("rope_scaling", R"({"rope_type": "longrope"})")),
              HasSubstr("longrope"));
}

TEST(SmolLm3, SaysWhichLayersAreWrong) {
  for (const char* list : {"[]", "[1, 1, 1, 0]", "[1, 1, 1, 0, 1, 1, 1]"}) {
    EXPECT_THAT(error_of(with("no_rope_layers", list)), HasSubstr("each of the 8 layers")) << list;
  }
  for (const char* list : {"3", "\"1110\"", "{}", "true"}) {
    EXPECT_THAT(error_of(with("no_rope_layers", list)), HasSubstr("a list of 0 and 1")) << list;
  }
  for (const char* entry : {"2", "-1", "0.0", "\"1\"", "null", "true", "[1]"}) {
    EXPECT_THAT(error_of(with("no_rope_layers", std::string("[1,1,1,0,1,1,1,") + entry + "]")),
                AllOf(HasSubstr("0 and 1 only"), HasSubstr(entry)));
  }
  std::string endless = "[1";
  for (int i = 0; i < 2000; ++i) endless += ",1";
  EXPECT_THAT(error_of(with("no_rope_layers", endless + "]")), HasSubstr("(2001)"));
}

TEST(SmolLm3, RefusesSlidingWindows) {
  EXPECT_EQ(error_of(with("sliding_window", "512")), "") << "not used";
  Json windowed = with("sliding_window", "512");
  EXPECT_THAT(error_of(windowed.set("use_sliding_window", true)),
              AllOf(HasSubstr("sliding windows"), HasSubstr("512")));
  EXPECT_EQ(error_of(with("use_sliding_window", "true")), "") << "no window";
  EXPECT_THAT(error_of(with("sliding_window", "-1")), HasSubstr("sliding_window"));
  EXPECT_THAT(error_of(with("use_sliding_window", "1")), HasSubstr("use_sliding_window"));
  const std::string full = R"("full_attention",)";
  const std::string seven = "[" + full + full + full + full + full + full + full;
  EXPECT_EQ(error_of(with("layer_types", seven + "\"full_attention\"]")), "");
  EXPECT_THAT(error_of(with("layer_types", seven + "\"sliding_attention\"]")),
              HasSubstr("sliding_attention"));
  EXPECT_THAT(error_of(with("layer_types", seven + "3]")), HasSubstr("layer_types 3"));
  EXPECT_THAT(error_of(with("layer_types", "[\"full_attention\"]")), HasSubstr("8 layers"));
  EXPECT_THAT(error_of(with("layer_types", "3")), HasSubstr("layer_types"));
}

// Names and shapes of all parameters.
struct Names : nn::ParameterVisitor {
  std::map<std::string, std::vector<int64_t>> all;
  void matrix(const std::string& name, nn::Weight&, int64_t rows, int64_t cols) override {
    all[name] = {rows, cols};
  }
  void vector(const std::string& name, Tensor&, std::initializer_list<int64_t> shape) override {
    all[name] = shape;
  }
};

TEST(SmolLm3, HasTheHubsParameters) {
  const char* set = std::getenv("OCELLI_SHARED");
  const std::string folder =
      (set ? set : std::string(OCELLI_SOURCE_DIR) + "/../shared") + "/models/SmolLM3-3B/";
  if (!std::filesystem::exists(folder + "tensors.derived.json"))
    GTEST_SKIP() << "no folder of models: 326 names and shapes skipped";
  const auto read = [&](const char* name) {
    return parse_json(base::read_file(folder + name, 1 << 20).value());
  };
  const auto model = make_smollm3(read("config.reconstructed.json"), {}).value();
  EXPECT_EQ(model->info().context, 65536);
  Names names;
  model->visit(names);
  const Json known = read("tensors.derived.json");
  const Json& tensors = *known.find("tensors");
  EXPECT_EQ(names.all.size(), tensors.size());
  for (const auto& [name, shape] : tensors.members()) {
    std::vector<int64_t> wanted;
    for (const Json& n : shape.items()) wanted.push_back(n.as_int());
    EXPECT_EQ(names.all[name], wanted) << name;
  }
}

}  // namespace
}  // namespace ocelli::models
