// Adapters: configuration, names, counts, damaged files. tests/parity_adapter_test.cpp compares
// numbers with PEFT's.
#include "models/adapter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <cstring>

#include "base/file.h"
#include "models/adapter_modules.h"
#include "models/adapter_test_kit.h"

namespace ocelli::models {
namespace {

using adapter_test::small_config;
using adapter_test::SmallModel;
using base::Json;
using testing::AllOf;
using testing::HasSubstr;

Json parse(const std::string& text) {
  return Json::parse(text).value();
}
AdapterConfig config_of(const std::string& more) {
  return AdapterConfig::parse(parse(R"({"peft_type": "LORA")" + more + "}")).value();
}
std::string error_of(const std::string& text) {
  const auto config = AdapterConfig::parse(parse(text));
  return config.ok() ? "" : config.error().message();
}

// --- counts ---

// The sizes of SmolVLM-Instruct and SmolVLM2-2.2B.
Json smolvlm_2b() {
  return parse(R"({"model_type": "smolvlm", "image_token_id": 49190, "scale_factor": 3,
    "text_config": {"model_type": "llama", "hidden_size": 2048, "intermediate_size": 8192,
      "num_hidden_layers": 24, "num_attention_heads": 32, "num_key_value_heads": 32,
      "head_dim": 64, "vocab_size": 49280},
    "vision_config": {"hidden_size": 1152, "intermediate_size": 4304, "num_hidden_layers": 27,
      "num_attention_heads": 16, "image_size": 384, "patch_size": 14}})");
}

// The notebook "Fine-tuning SmolVLM using direct preference optimization / SFT with TRL" of Hugging
// Face's cookbook prints these numbers.
TEST(AdapterCount, IsThatOfTheCookbook) {
  AdapterConfig config = config_of(
      R"(, "r": 8, "lora_alpha": 8, "lora_dropout": 0.1, "target_modules":
      ["down_proj", "o_proj", "k_proj", "q_proj", "gate_proj", "up_proj", "v_proj"])");
  EXPECT_EQ(count_adapter_parameters(smolvlm_2b(), config).value(), 10'536'960);
  config.use_dora = true;
  EXPECT_EQ(count_adapter_parameters(smolvlm_2b(), config).value(), 11'269'248);
}

TEST(AdapterCount, IsTheSameOnTheHubsConfigurations) {
  const char* const shared = std::getenv("OCELLI_SHARED");
  const std::string models =
      (shared ? std::string(shared) : std::string(OCELLI_SOURCE_DIR) + "/../shared") + "/models/";
  const AdapterConfig config = config_of(
      R"(, "r": 8, "target_modules":
      ["down_proj", "o_proj", "k_proj", "q_proj", "gate_proj", "up_proj", "v_proj"])");
  int absent = 0;
  for (const char* name : {"SmolVLM-Instruct", "SmolVLM2-2.2B-Instruct"}) {
    auto text = base::read_file(models + name + "/config.json", 1 << 20);
    if (!text.ok()) text = base::read_file(models + name + "/config.reconstructed.json", 1 << 20);
    if (!text.ok()) {
      ++absent;
      continue;
    }
    EXPECT_EQ(count_adapter_parameters(parse(*text), config).value(), 10'536'960) << name;
  }
  if (absent > 0) GTEST_SKIP() << absent << " of 2 configurations are not here";
}

TEST(AdapterCount, FollowsRanksAndWholeModules) {
  const auto count = [](const std::string& more) {
    return count_adapter_parameters(small_config(), config_of(more)).value();
  };
  EXPECT_EQ(count(R"(, "r": 2, "target_modules": ["q_proj"])"), 2 * 2 * (16 + 16));
  EXPECT_EQ(count(R"(, "r": 2, "target_modules": ["q_proj"], "layers_to_transform": 1)"), 2 * 32);
  EXPECT_EQ(count(R"(, "r": 2, "target_modules": ["q_proj"], "rank_pattern": {"1.*q_proj": 5})"),
            7 * 32);
  EXPECT_EQ(count(R"(, "r": 1, "target_modules": "all-linear")"),
            2 * (16 + 16 + 16 + 8 + 16 + 8 + 16 + 16 + 3 * (16 + 24)));
  EXPECT_EQ(count(R"(, "r": 1, "target_modules": [], "modules_to_save": ["lm_head"])"), 20 * 16);
  EXPECT_EQ(count(R"(, "r": 3, "target_modules": ["embed_tokens"])"), 3 * (20 + 16));
  EXPECT_EQ(count(R"(, "r": 1, "target_modules": ".*layers\\.0\\..*(k|v)_proj")"), 2 * 24);
  EXPECT_EQ(
      count(
          R"(, "r": 1, "target_modules": ["q_proj"],
          "exclude_modules": ["layers.0.self_attn.q_proj"])"),
      32);
  const auto none =
      count_adapter_parameters(small_config(), config_of(R"(, "target_modules": ["proj"])"));
  ASSERT_FALSE(none.ok());
  EXPECT_THAT(none.error().what, HasSubstr("q_proj"));  // says which there are
}

// Names that end so, dots of which are any sign; patterns, but not without end.
TEST(AdapterCount, TakesRanksByNameAndByPattern) {
  const auto rank = [](const std::string& pattern) {
    const auto matcher =
        AdapterMatcher::create(config_of(R"(, "r": 1, "rank_pattern": {")" + pattern + R"(": 2})"));
    return matcher.value().rank_of("model.layers.10.self_attn.q_proj").value();
  };
  for (const char* fits : {"q_proj", "self_attn.q_proj", "self_attn_q.proj", ".*", "(k|q)_proj",
                           "model.layers.10.self_attn.q_proj", "layers\\\\.1.\\\\..*q_proj"})
    EXPECT_EQ(rank(fits), std::string(fits) == "self_attn_q.proj" ? 1 : 2) << fits;
  for (const char* other :
       {"proj", "_proj", "k_proj", "attn.q_proj", "0.self_attn.q_proj", "q_pro"})
    EXPECT_EQ(rank(other), 1) << other;
  AdapterConfig many = config_of("");
  for (size_t i = 0; i <= kMaxNamePatterns; ++i)
    many.rank_pattern.emplace_back(std::to_string(i) + "(a|b)", 1);
  EXPECT_FALSE(AdapterMatcher::create(many).ok());
}

// --- names ---

TEST(AdapterKeys, InAllSpellings) {
  const auto path = [](const std::string& key, AdapterPart part) {
    const auto parsed = parse_adapter_key(key);
    return parsed && parsed->part == part ? parsed->path : "?";
  };
  const std::string prefix = "base_model.model.";
  EXPECT_EQ(path(prefix + "model.q.lora_A.weight", AdapterPart::kA), "model.q");
  EXPECT_EQ(path(prefix + prefix + "model.q.lora_B.default.weight", AdapterPart::kB), "model.q");
  EXPECT_EQ(path("model.q.lora_magnitude_vector", AdapterPart::kMagnitude), "model.q");
  EXPECT_EQ(path("q.lora_magnitude_vector.weight", AdapterPart::kMagnitude), "q");
  EXPECT_EQ(path("q.lora_magnitude_vector.default.weight", AdapterPart::kMagnitude), "q");
  EXPECT_EQ(path("e.lora_embedding_A", AdapterPart::kEmbeddingA), "e");
  EXPECT_EQ(path("e.lora_embedding_B.default", AdapterPart::kEmbeddingB), "e");
  EXPECT_EQ(path(prefix + "lm_head.weight", AdapterPart::kWhole), "lm_head.weight");
  EXPECT_EQ(path("lm_head.modules_to_save.default.weight", AdapterPart::kWhole), "lm_head.weight");
  EXPECT_EQ(path("e.base_layer.weight", AdapterPart::kBase), "e.weight");
  EXPECT_FALSE(parse_adapter_key("q.lora_A"));
  EXPECT_FALSE(parse_adapter_key("q.lora_A.bias"));
  EXPECT_FALSE(parse_adapter_key("q.lora_A.a.b.weight"));

  const std::string q = ".layers.3.self_attn.q_proj";
  for (const char* old : {"model.text_model", "model.language_model", "language_model.model",
                          "text_model", "language_model"})
    EXPECT_EQ(loose_path(old + q), "text" + q) << old;
  for (const char* old : {"model.vision_model.encoder", "vision_tower.vision_model.encoder",
                          "model.vision_tower.vision_model.encoder"})
    EXPECT_EQ(loose_path(old + q), "vision.encoder" + q) << old;
  EXPECT_EQ(loose_path("multi_modal_projector.x"), loose_path("model.connector.x"));
  EXPECT_EQ(loose_path("language_model.lm_head"), "lm_head");
  EXPECT_NE(loose_path("model" + q), loose_path("model.text_model" + q));
}

// --- configuration ---

TEST(AdapterConfigTest, IsReadAndWritten) {
  const AdapterConfig c = config_of(
      R"(, "r": 4, "lora_alpha": 6.5, "target_modules": "ALL-linear", "alpha_pattern": {"a": 2},
      "layers_to_transform": [1, 2], "layers_pattern": "layers", "megatron_core": "megatron.core",
      "use_rslora": true, "init_lora_weights": "gaussian", "task_type": "X", "bias": "none")");
  EXPECT_TRUE(c.target_modules.all_linear);
  EXPECT_EQ(c.scale(6, 4), 3);
  const Json json = c.json();
  EXPECT_EQ(AdapterConfig::parse(json).value().json(), json);
  EXPECT_EQ(json.find("megatron_core")->as_string(), "megatron.core");
  EXPECT_EQ(json.find("init_lora_weights")->as_string(), "gaussian");
  EXPECT_TRUE(json.find("inference_mode")->as_bool());
}

TEST(AdapterConfigTest, RefusesWhatWouldMeanSomethingElse) {
  const std::string lora = R"({"peft_type": "LORA", )";
  EXPECT_THAT(error_of(R"({"peft_type": "IA3"})"), HasSubstr("IA3"));
  EXPECT_THAT(error_of("{}"), HasSubstr("peft_type"));
  for (const char* key :
       {"lora_bias", "use_qalora", "layer_replication", "trainable_token_indices",
        "alora_invocation_tokens", "target_parameters", "ensure_weight_tying", "something_new"})
    EXPECT_THAT(error_of(lora + "\"" + key + "\": [1]}"), HasSubstr(key));
  EXPECT_EQ(error_of(lora + R"("something_new": null, "lora_bias": false})"), "");
  EXPECT_THAT(error_of(lora + R"("bias": "all"})"), HasSubstr("bias"));
  EXPECT_THAT(error_of(lora + R"("fan_in_fan_out": true})"), HasSubstr("fan_in_fan_out"));
  EXPECT_THAT(error_of(lora + R"("init_lora_weights": "pissa"})"), HasSubstr("pissa"));
  for (const char* r : {"0", "-1", "4097", "1.5", "\"8\"", "1e38"})
    EXPECT_NE(error_of(lora + "\"r\": " + r + "}"), "") << r;
  for (const char* alpha : {"0", "-1", "1e38", "\"x\""})
    EXPECT_NE(error_of(lora + "\"lora_alpha\": " + alpha + "}"), "") << alpha;
  for (const char* p : {"1", "-0.1", "2"})
    EXPECT_NE(error_of(lora + "\"lora_dropout\": " + p + "}"), "") << p;
  EXPECT_NE(error_of(lora + R"("target_modules": 3})"), "");
  EXPECT_NE(error_of(lora + R"("target_modules": [3]})"), "");
  EXPECT_NE(error_of(lora + R"("rank_pattern": {"a": 0}})"), "");
  std::string names;
  for (size_t i = 0; i <= kMaxSavedModules; ++i)
    names += (i ? ",\"" : "\"") + std::to_string(i) + "\"";
  EXPECT_THAT(error_of(lora + "\"modules_to_save\": [" + names + "]}"), HasSubstr("limit 256"));
  EXPECT_NE(error_of(lora + R"("layers_to_transform": ["a"]})"), "");
}

// --- files ---

struct Tensors {
  std::vector<std::pair<std::string, std::vector<int64_t>>> list;
  float fill = 0.25f;
  std::string metadata = {};
};

std::string file_of(const Tensors& tensors) {
  std::string header = "{" + tensors.metadata, data;
  for (const auto& [name, shape] : tensors.list) {
    int64_t count = 1;
    std::string dims;
    for (const int64_t n : shape) {
      count *= n;
      dims += (dims.empty() ? "" : ",") + std::to_string(n);
    }
    const size_t begin = data.size();
    for (int64_t i = 0; i < count; ++i) {
      const float x = tensors.fill;
      data.append(reinterpret_cast<const char*>(&x), sizeof x);
    }
    header += (header.size() > 1 ? ",\"" : "\"") + name + R"(":{"dtype":"F32","shape":[)" + dims +
              R"(],"data_offsets":[)" + std::to_string(begin) + "," + std::to_string(data.size()) +
              "]}";
  }
  header += "}";
  const uint64_t length = header.size();
  return std::string(reinterpret_cast<const char*>(&length), 8) + header + data;
}

const std::string kQ = "base_model.model.model.layers.0.self_attn.q_proj.";
const char kConfig[] =
    R"({"peft_type": "LORA", "r": 2, "lora_alpha": 4, "target_modules": ["q_proj"]})";
const Tensors kGood{{{kQ + "lora_A.weight", {2, 16}}, {kQ + "lora_B.weight", {16, 2}}}};

class AdapterFiles : public testing::Test {
 protected:
  base::Result<std::unique_ptr<Adapter>> open(const Tensors& tensors,
                                              const std::string& config = kConfig,
                                              Adapter::OpenOptions options = {}) {
    bytes_ = file_of(tensors);
    const auto file = formats::SafetensorsFile::parse(std::as_bytes(std::span(bytes_)));
    if (!file.ok()) return file.error();
    return Adapter::parse(config, *file, model_.loaded, pool_, options);
  }
  std::string error(const Tensors& tensors, const std::string& config = kConfig) {
    const auto adapter = open(tensors, config);
    return adapter.ok() ? "" : adapter.error().message();
  }
  std::string bytes_;
  base::ThreadPool pool_{1};
  SmallModel model_;
};

TEST_F(AdapterFiles, ListWhatMatchesNothing) {
  Tensors all = kGood;
  EXPECT_EQ(error(all), "");
  all.list.push_back({"base_model.model.model.layers.2.self_attn.q_proj.lora_A.weight", {2, 16}});
  all.list.push_back({"model.norm.weight", {16}});  // not in modules_to_save
  EXPECT_THAT(error(all), AllOf(HasSubstr("2 of 4"), HasSubstr("layers.2.self_attn.q_proj"),
                                HasSubstr("model.norm.weight")));
  EXPECT_NE(error({}), "");
}

TEST_F(AdapterFiles, NameShapesThatDoNotFit) {
  for (const auto& [a, b] :
       {std::pair<std::vector<int64_t>, std::vector<int64_t>>{{2, 15}, {16, 2}},
        {{2, 17}, {16, 2}},
        {{3, 16}, {16, 3}},
        {{2, 16}, {16, 1}},
        {{2, 16}, {15, 2}},
        {{0, 16}, {16, 0}},
        {{16, 2}, {2, 16}},
        {{32}, {16, 2}}}) {
    const std::string text = error({{{kQ + "lora_A.weight", a}, {kQ + "lora_B.weight", b}}});
    EXPECT_THAT(text, AllOf(HasSubstr("shape"), HasSubstr("asks for ["), HasSubstr(kQ)));
  }
  const std::string large = R"({"peft_type": "LORA", "r": 17, "target_modules": ["q_proj"]})";
  EXPECT_THAT(error({{{kQ + "lora_A.weight", {17, 16}}, {kQ + "lora_B.weight", {16, 17}}}}, large),
              HasSubstr("rank"));
}

TEST_F(AdapterFiles, MustBeCompleteAndFinite) {
  EXPECT_THAT(error({{{kQ + "lora_A.weight", {2, 16}}}}), HasSubstr("lora_B"));
  EXPECT_THAT(error({{{kQ + "lora_B.weight", {16, 2}}}}), HasSubstr("lora_A"));
  Tensors twice = kGood;
  twice.list.push_back({"model.layers.0.self_attn.q_proj.lora_A.weight", {2, 16}});
  EXPECT_THAT(error(twice), HasSubstr("two spellings"));
  Tensors dora = kGood;
  dora.list.push_back({kQ + "lora_magnitude_vector", {16}});
  EXPECT_THAT(error(dora), HasSubstr("use_dora"));
  EXPECT_THAT(error(kGood, R"({"peft_type": "LORA", "r": 2, "target_modules": ["q_proj"],
                              "use_dora": true})"),
              HasSubstr("lora_magnitude_vector"));
  EXPECT_THAT(error(kGood, R"({"peft_type": "LORA", "r": 2, "target_modules": ["q_proj"],
                              "modules_to_save": ["lm_head"]})"),
              HasSubstr("lm_head"));
  for (const float bad : {NAN, INFINITY}) {
    Tensors damaged = kGood;
    damaged.fill = bad;
    EXPECT_THAT(error(damaged), HasSubstr("not finite"));
  }
  EXPECT_THAT(error(kGood, "{"), HasSubstr("adapter_config.json"));
  EXPECT_THAT(error(kGood, R"({"peft_type": "LORA", "r": 2, "target_modules": "("})"),
              HasSubstr("pattern"));
}

TEST_F(AdapterFiles, ReplaceModulesOneAtATime) {
  const std::string config =
      R"({"peft_type": "LORA", "r": 2, "target_modules": [], "modules_to_save": ["embed_tokens"]})";
  const Tensors whole{{{"base_model.model.model.embed_tokens.weight", {20, 16}}}};
  const auto first = open(whole, config);
  ASSERT_TRUE(first.ok()) << first.error().message();
  const auto second = open(whole, config).value();
  EXPECT_FALSE((*first)->attach(0.5f).ok());
  ASSERT_TRUE((*first)->attach().ok());
  const base::Status both = second->attach();
  ASSERT_FALSE(both.ok());
  EXPECT_THAT(both.error().what, HasSubstr("embed_tokens"));
  (*first)->detach();
  EXPECT_TRUE(second->attach().ok());
}

TEST_F(AdapterFiles, SayWhichWeightsTheyAreFor) {
  Tensors other = kGood;
  other.metadata = R"("__metadata__":{"format":"pt","base_fingerprint":"00"})";
  EXPECT_THAT(error(other), HasSubstr("other weights"));
  EXPECT_TRUE(open(other, kConfig, {.force = true}).ok());
  const std::string own = model_.loaded.checkpoint.fingerprint().hex();
  other.metadata = R"("__metadata__":{"base_fingerprint":")" + own + "\"}";
  EXPECT_EQ(error(other), "");
}

TEST_F(AdapterFiles, WarnOfModulesWithoutNumbers) {
  const auto adapter = open(kGood).value();
  ASSERT_EQ(adapter->warnings().size(), 1u);
  EXPECT_THAT(adapter->warnings()[0], HasSubstr("layers.1.self_attn.q_proj"));
}

// --- new ones ---

TEST(NewAdapter, ChangesNothingYetAndDrawsFromItsSeed) {
  SmallModel model;
  base::ThreadPool pool{1};
  const AdapterConfig config = config_of(
      R"(, "r": 2, "use_dora": true, "target_modules": ["q_proj", "k_proj"],
      "modules_to_save": ["norm"])");
  const auto create = [&](uint64_t seed) {
    return Adapter::create(config, model.loaded, pool, seed).value();
  };
  const auto a = create(1), same = create(1), other = create(2);
  std::vector<std::vector<float>> firsts;
  for (size_t i = 0; i < a->tensors().size(); ++i) {
    const AdapterTensor& t = a->tensors()[i];
    const std::vector<float> numbers(t.value, t.value + t.count);
    EXPECT_TRUE(std::equal(numbers.begin(), numbers.end(), same->tensors()[i].value));
    ASSERT_NE(t.grad, nullptr);
    if (t.name.find("lora_B") != std::string::npos) {
      EXPECT_EQ(numbers, std::vector<float>(numbers.size(), 0.0f));
    } else if (t.name.find("lora_A") != std::string::npos) {
      EXPECT_FALSE(std::equal(numbers.begin(), numbers.end(), other->tensors()[i].value));
      float most = 0;
      for (const float x : numbers) most = std::max(most, std::abs(x));
      EXPECT_LE(most, 0.25f);  // 1 / sqrt(16)
      EXPECT_GE(most, 0.2f);
      firsts.push_back(numbers);
    }
  }
  ASSERT_EQ(firsts.size(), 4u);
  EXPECT_NE(firsts[0], firsts[2]);  // each module has its own
  EXPECT_EQ(a->parameters(), count_adapter_parameters(small_config(), config).value());
  // W' = W: the magnitudes are the norms.
  SaveOptions edits;
  ASSERT_TRUE(a->add_edits(1, edits).ok());
  ModelMap map(*model.loaded.model);
  for (const ParameterRef& p : map.parameters()) {
    const auto edit = edits.edits.find(p.name);
    if (edit == edits.edits.end() || !p.weight) continue;
    std::vector<float> row(size_t(p.shape[1])), before;
    std::memcpy(row.data(), p.weight->row(3), row.size() * sizeof(float));
    before = row;
    edit->second(3, row);
    for (size_t i = 0; i < row.size(); ++i) EXPECT_NEAR(row[i], before[i], 1e-6);
  }
}

}  // namespace
}  // namespace ocelli::models
