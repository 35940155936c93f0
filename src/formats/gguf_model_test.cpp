// What a GGUF file says, in the words of Hugging Face; and every way to say it wrong.
#include "formats/gguf_model.h"

#include <limits>

#include "formats/gguf_test_support.h"
#include "formats/model_folder.h"
#include "formats/test_support.h"

namespace ocelli::formats {
namespace {

using base::Json;
using testing::AllOf;
using testing::HasSubstr;

constexpr uint32_t kF32 = 0;
constexpr size_t kLimit = size_t{1} << 20;

std::string floats(size_t count) {
  std::string out;
  for (size_t i = 0; i < count; ++i) out += raw(float(i));
  return out;
}

// A text model whose keys can be left out or replaced.
struct Text {
  std::string without, architecture = "llama";
  uint32_t heads = 2, kv_heads = 1, width = 8, vocab = 4;
  float eps = 1e-5f, theta = 10000;
  std::string pre = "smollm", tokenizer = "gpt2", merge = "a b";
  std::vector<std::string> tokens = {"a", "b", "ab", "<image>"};
  std::vector<int32_t> types = {1, 1, 1, 3};
  uint32_t eos = 3;
  GgufBytes more;  // further keys and tensors

  std::string file() const {
    GgufBytes b = more;
    const auto unless = [&](std::string_view key, auto add) {
      if (key != without) add(std::string(key));
    };
    const auto u32 = [&](const char* key, uint32_t n) {
      unless(key, [&](const std::string& k) { b.u32(k, n); });
    };
    unless("general.architecture", [&](const std::string& k) { b.text(k, architecture); });
    u32("llama.block_count", 1);
    u32("llama.embedding_length", width);
    u32("llama.feed_forward_length", 16);
    u32("llama.context_length", 64);
    u32("llama.attention.head_count", heads);
    u32("llama.attention.head_count_kv", kv_heads);
    u32("llama.vocab_size", vocab);
    unless("llama.attention.layer_norm_rms_epsilon", [&](const std::string& k) { b.f32(k, eps); });
    b.f32("llama.rope.freq_base", theta);
    b.text("tokenizer.ggml.model", tokenizer).text("tokenizer.ggml.pre", pre);
    unless("tokenizer.ggml.tokens", [&](const std::string& k) { b.texts(k, tokens); });
    b.array("tokenizer.ggml.token_type", kTagI32, types);
    unless("tokenizer.ggml.merges", [&](const std::string& k) { b.texts(k, {merge}); });
    u32("tokenizer.ggml.eos_token_id", eos);
    return b.file();
  }
};

class GgufModelTest : public testing::Test {
 protected:
  base::Result<ModelFolder> open(const std::string& bytes, const std::string& projector = "none") {
    folder_.write("m.gguf", bytes);
    return ModelFolder::open(folder_.path("m.gguf"), projector);
  }
  // The error of opening a model and reading all that it says.
  std::string refusal(const Text& text) {
    const auto model = open(text.file());
    if (!model.ok()) return model.error().message();
    for (const char* name :
         {"config.json", "tokenizer.json", "tokenizer_config.json", "generation_config.json"}) {
      const auto found = model->text(name, kLimit);
      if (!found.ok()) return found.error().message();
    }
    const auto weights = model->weights();
    return weights.ok() ? "" : weights.error().message();
  }
  Json json(const ModelFolder& model, const std::string& name) {
    const auto text = model.text(name, kLimit);
    EXPECT_TRUE(text.ok()) << text.error().message();
    return Json::parse(text.ok() ? text->value_or("null") : "null").value();
  }

  TempFolder folder_;
};

TEST_F(GgufModelTest, MetadataBecomesAConfig) {
  Text text;
  text.more.text("llama.rope.scaling.type", "yarn").f32("llama.rope.scaling.factor", 4);
  text.more.u32("llama.rope.scaling.original_context_length", 16);
  text.more.text("tokenizer.chat_template", "{{ messages }}");
  const auto model = open(text.file());
  ASSERT_TRUE(model.ok()) << model.error().message();
  EXPECT_EQ(model->name(), "m");
  const Json config = json(*model, "config.json");
  EXPECT_EQ(config.get_string("model_type").value(), "llama");
  for (const auto& [key, wanted] : {std::pair{"hidden_size", 8},
                                    {"num_hidden_layers", 1},
                                    {"num_attention_heads", 2},
                                    {"num_key_value_heads", 1},
                                    {"head_dim", 4},
                                    {"intermediate_size", 16},
                                    {"vocab_size", 4},
                                    {"max_position_embeddings", 64}}) {
    EXPECT_EQ(config.get_int(key).value(), wanted) << key;
  }
  EXPECT_EQ(float(config.get_double("rms_norm_eps").value()), 1e-5f);
  EXPECT_TRUE(config.get_bool("tie_word_embeddings", false).value());
  const Json* scaling = config.find("rope_scaling");
  ASSERT_TRUE(scaling);
  EXPECT_EQ(scaling->get_string("rope_type").value(), "yarn");
  EXPECT_EQ(scaling->get_int("original_max_position_embeddings").value(), 16);
  EXPECT_EQ(json(*model, "generation_config.json").dump(), R"({"eos_token_id":[3]})");
  EXPECT_EQ(json(*model, "tokenizer_config.json").dump(), R"({"eos_token":"<image>"})");
  EXPECT_EQ(model->text("chat_template.jinja", kLimit).value(), "{{ messages }}");
  EXPECT_FALSE(model->has("preprocessor_config.json"));
  EXPECT_EQ(model->text("processor_config.json", kLimit).value(), std::nullopt);
  EXPECT_EQ(model->text("tokenizer.json", 10).error().code, base::Code::kDoesNotFit);
}

TEST_F(GgufModelTest, TokenizersByTheirPreTokenizer) {
  Text text;
  const Json bpe = json(open(text.file()).value(), "tokenizer.json");
  EXPECT_EQ(bpe.find("model")->find("vocab")->dump(), R"({"a":0,"b":1,"ab":2})");
  EXPECT_EQ(bpe.find("model")->find("merges")->dump(), R"(["a b"])");
  EXPECT_EQ(bpe.find("added_tokens")->items()[0].get_int("id").value(), 3);
  EXPECT_FALSE(bpe.find("model")->get_bool("ignore_merges", true).value());
  text.pre = "llama-bpe";
  text.more.u32("tokenizer.ggml.bos_token_id", 3);
  const Json llama = json(open(text.file()).value(), "tokenizer.json");
  EXPECT_TRUE(llama.find("model")->get_bool("ignore_merges", false).value());
  EXPECT_THAT(llama.find("post_processor")->dump(), HasSubstr("<image>"));
  text.more.flag("tokenizer.ggml.add_bos_token", false);
  EXPECT_TRUE(json(open(text.file()).value(), "tokenizer.json").find("post_processor")->is_null());
  // An unused id keeps its place before an added token, and is left out at the end.
  text.tokens = {"a", "ab", "[PAD2]", "<image>", "[PAD4]"};
  text.types = {1, 1, 5, 3, 5};
  text.vocab = 5;
  EXPECT_EQ(json(open(text.file()).value(), "tokenizer.json").find("model")->find("vocab")->dump(),
            R"({"a":0,"ab":1,"[PAD2]":2})");
}

TEST_F(GgufModelTest, RowsOfQueryAndKeyGetTheirOrderBack) {
  Text text;
  // Two heads of four rows: those of the file are 0 2 1 3 of the original.
  text.more.tensor("blk.0.attn_q.weight", {2, 8}, kF32, floats(16));
  text.more.tensor("blk.0.attn_k.weight", {2, 4}, kF32, floats(8));
  text.more.tensor("blk.0.attn_v.weight", {2, 4}, kF32, floats(8));
  text.more.tensor("token_embd.weight", {8, 4}, kF32, floats(32));
  text.more.tensor("surplus", {1}, kF32, floats(1));
  const auto weights = open(text.file()).value().weights();
  ASSERT_TRUE(weights.ok()) << weights.error().message();
  const auto first_columns = [&](const char* name) {
    const TensorInfo* t = weights->find(name);
    std::vector<int> out;
    for (size_t i = 0; t && i + 8 <= t->bytes.size(); i += 8) {
      float value;
      std::memcpy(&value, t->bytes.data() + i, 4);
      out.push_back(int(value) / 2);
    }
    return out;
  };
  using testing::ElementsAre;
  EXPECT_THAT(first_columns("model.layers.0.self_attn.q_proj.weight"),
              ElementsAre(0, 2, 1, 3, 4, 6, 5, 7));
  EXPECT_THAT(first_columns("model.layers.0.self_attn.k_proj.weight"), ElementsAre(0, 2, 1, 3));
  EXPECT_THAT(first_columns("model.layers.0.self_attn.v_proj.weight"), ElementsAre(0, 1, 2, 3));
  EXPECT_TRUE(weights->find("model.embed_tokens.weight"));
  EXPECT_TRUE(weights->find("surplus"));
}

TEST_F(GgufModelTest, NamesOfLayers) {
  EXPECT_EQ(hugging_face_name("blk.11.ffn_down.weight", true),
            "model.text_model.layers.11.mlp.down_proj.weight");
  EXPECT_EQ(hugging_face_name("v.blk.3.ln2.bias", true),
            "model.vision_model.encoder.layers.3.layer_norm2.bias");
  EXPECT_EQ(hugging_face_name("mm.model.fc.weight", true),
            "model.connector.modality_projection.proj.weight");
  for (const char* odd : {"blk.x.attn_q.weight", "blk.01.attn_q.weight", "blk..attn_q.weight",
                          "blk.1.attn_q", "blk.99999.attn_q.weight", "v.blk.3.ln2.bias", ""}) {
    EXPECT_EQ(hugging_face_name(odd, false), "") << odd;
  }
}

TEST_F(GgufModelTest, ArchitecturesThatAreNotKnown) {
  for (const std::string name : {"../../etc", "falcon", "", "clip"}) {
    Text text;
    text.architecture = name;
    EXPECT_THAT(refusal(text), HasSubstr("architecture")) << name;
  }
  Text text;
  text.architecture = std::string(size_t{1} << 20, 'x');
  EXPECT_THAT(refusal(text), HasSubstr("supported are llama, smollm3"));
  EXPECT_LT(refusal(text).size(), 500u);
  text.without = "general.architecture";
  EXPECT_THAT(refusal(text), HasSubstr("general.architecture is missing"));
}

TEST_F(GgufModelTest, HyperparametersThatCannotBe) {
  for (const char* key :
       {"llama.block_count", "llama.embedding_length", "llama.feed_forward_length",
        "llama.attention.head_count", "llama.attention.layer_norm_rms_epsilon"}) {
    Text text;
    text.without = key;
    EXPECT_THAT(refusal(text), AllOf(HasSubstr(key), HasSubstr("is missing"))) << key;
    text.more.text(key, "8");
    EXPECT_THAT(refusal(text), AllOf(HasSubstr(key), HasSubstr("type text"))) << key;
    if (std::string_view(key).ends_with("epsilon")) continue;
    for (const uint32_t bad : {0u, UINT32_MAX}) {
      Text wrong;
      wrong.without = key;
      wrong.more.u32(key, bad);
      EXPECT_THAT(refusal(wrong), HasSubstr(key)) << bad;
    }
  }
  for (const float bad :
       {std::nanf(""), std::numeric_limits<float>::infinity(), -1e-5f, 0.0f, 2.0f}) {
    Text text;
    text.eps = bad;
    EXPECT_THAT(refusal(text), HasSubstr("epsilon")) << bad;
    Text base;
    base.theta = bad;
    if (!(bad > 1)) {
      EXPECT_THAT(refusal(base), HasSubstr("freq_base")) << bad;
    }
  }
}

TEST_F(GgufModelTest, HeadsAndVocabulariesThatDoNotFit) {
  Text text;
  text.heads = 3;
  text.kv_heads = 3;
  EXPECT_THAT(refusal(text), HasSubstr("head_count (3) does not divide"));
  text.heads = 4;
  EXPECT_THAT(refusal(text), HasSubstr("head_count_kv (3) does not divide"));
  Text vocabulary;
  vocabulary.vocab = 5;
  EXPECT_THAT(refusal(vocabulary), HasSubstr("vocab_size (5) is not the number of tokens"));
  Text rows;
  rows.more.tensor("blk.0.attn_q.weight", {2, 7}, kF32, floats(14));
  EXPECT_THAT(refusal(rows), HasSubstr("heads of even width"));
  Text factors;
  factors.more.tensor("rope_freqs.weight", {2}, kF32, floats(2));
  EXPECT_THAT(refusal(factors), HasSubstr("rope_freqs.weight"));
}

TEST_F(GgufModelTest, TokenizersThatLie) {
  const auto check = [&](auto spoil, const char* wanted) {
    Text text;
    spoil(text);
    EXPECT_THAT(refusal(text), AllOf(HasSubstr("tokenizer"), HasSubstr(wanted)));
  };
  check([](Text& t) { t.without = "tokenizer.ggml.tokens"; }, "is missing");
  check([](Text& t) { t.tokens.clear(); }, "empty");
  check([](Text& t) { t.types = {1, 1}; }, "has 2 entries");
  check([](Text& t) { t.without = "tokenizer.ggml.merges"; }, "merges is missing");
  check([](Text& t) { t.eos = 4'000'000'000; }, "eos_token_id is out of range");
  check([](Text& t) { t.tokens[1] = "\xFF"; }, "not UTF-8");
  check([](Text& t) { t.merge = "\xFF b"; }, "not UTF-8");
  check([](Text& t) { t.pre = "bloom"; }, "smollm, gpt-2");
  check([](Text& t) { t.tokenizer = "rwkv"; }, "gpt2 and llama are");
  check([](Text& t) { t.tokenizer = "llama"; }, "scores is missing");
  check(
      [](Text& t) {
        t.more.array<uint8_t>("tokenizer.ggml.scores", kTagU8, {1, 2, 3, 4});
      },
      "array of float32");
  check(
      [](Text& t) {
        t.without = "tokenizer.ggml.tokens";
        t.more.array<int32_t>("tokenizer.ggml.tokens", kTagI32, {1, 2, 3, 4});
      },
      "must be an array of text");
}

// --- the vision tower ---

GgufBytes tower() {
  GgufBytes b;
  b.text("general.architecture", "clip").text("clip.projector_type", "idefics3");
  b.u32("clip.vision.image_size", 32).u32("clip.vision.patch_size", 8);
  b.u32("clip.vision.embedding_length", 4).u32("clip.vision.feed_forward_length", 8);
  b.u32("clip.vision.block_count", 1).u32("clip.vision.attention.head_count", 1);
  b.u32("clip.vision.projection_dim", 8).u32("clip.vision.projector.scale_factor", 2);
  b.f32("clip.vision.attention.layer_norm_epsilon", 1e-6f);
  const std::vector<float> half = {0.5f, 0.5f, 0.5f};
  return b.array("clip.vision.image_mean", kTagF32, half)
      .array("clip.vision.image_std", kTagF32, half);
}

TEST_F(GgufModelTest, TheVisionTowerIsFoundOrGiven) {
  EXPECT_FALSE(open(Text().file(), "").value().has("preprocessor_config.json"));
  folder_.write("mmproj-m.gguf", tower().file());
  const auto model = open(Text().file(), "");
  ASSERT_TRUE(model.ok()) << model.error().message();
  const Json config = json(*model, "config.json");
  EXPECT_EQ(config.get_string("model_type").value(), "smolvlm");
  EXPECT_EQ(config.get_int("image_token_id").value(), 3);
  EXPECT_EQ(config.find("vision_config")->get_int("image_size").value(), 32);
  EXPECT_EQ(float(config.find("vision_config")->get_double("layer_norm_eps").value()), 1e-6f);
  const Json pictures = json(*model, "preprocessor_config.json");
  EXPECT_EQ(pictures.find("size")->dump(), R"({"longest_edge":128})");
  EXPECT_EQ(json(*model, "processor_config.json").dump(), R"({"image_seq_len":4})");
  EXPECT_FALSE(open(Text().file(), "none").value().has("preprocessor_config.json"));
  // Another that fits: the one that is called as the model is.
  GgufBytes large = tower();
  large.u32("clip.vision.preproc_image_size", 512);
  folder_.write("A-MMPROJ.gguf", large.file());
  EXPECT_EQ(json(open(Text().file(), "").value(), "preprocessor_config.json"), pictures);
  // None is called so: a person has to say which.
  folder_.write("n.gguf", Text().file());
  EXPECT_THAT(ModelFolder::open(folder_.path("n.gguf")).error().message(),
              AllOf(HasSubstr("mmproj-m.gguf"), HasSubstr("A-MMPROJ.gguf")));
  EXPECT_TRUE(open(Text().file(), folder_.path("mmproj-m.gguf")).ok());
  // A model that takes no pictures does not look.
  Text blind;
  blind.tokens[3] = "<other>";
  EXPECT_TRUE(open(blind.file(), "").ok());
  EXPECT_THAT(open(blind.file(), folder_.path("mmproj-m.gguf")).error().message(),
              HasSubstr("takes no pictures"));
}

// llama.cpp's converter writes 1e-5 where the model's config is silent: that is the class's 1e-6.
TEST_F(GgufModelTest, TheConvertersEpsilonIsNoEpsilon) {
  GgufBytes b;
  b.text("general.architecture", "clip").text("clip.projector_type", "idefics3");
  for (const auto& [key, n] : {std::pair{"image_size", 32},
                               {"patch_size", 8},
                               {"embedding_length", 4},
                               {"attention.head_count", 1},
                               {"projection_dim", 8},
                               {"projector.scale_factor", 2}}) {
    b.u32("clip.vision." + std::string(key), uint32_t(n));
  }
  b.f32("clip.vision.attention.layer_norm_epsilon", 1e-5f);
  folder_.write("tower.gguf", b.file());
  const Json config = json(open(Text().file(), folder_.path("tower.gguf")).value(), "config.json");
  EXPECT_EQ(config.find("vision_config")->find("layer_norm_eps"), nullptr);
}

TEST_F(GgufModelTest, TowersThatDoNotFit) {
  const auto with = [&](const std::string& key, uint32_t n) {
    std::string bytes = tower().file();
    const size_t at = bytes.find(gguf_text(key)) + 8 + key.size() + 4;
    bytes.replace(at, 4, raw(n));
    folder_.write("tower.gguf", bytes);
    const auto model = open(Text().file(), folder_.path("tower.gguf"));
    if (!model.ok()) return model.error().message();
    for (const char* name : {"config.json", "preprocessor_config.json", "processor_config.json"}) {
      const auto text = model->text(name, kLimit);
      if (!text.ok()) return text.error().message();
    }
    return std::string();
  };
  EXPECT_EQ(with("clip.vision.block_count", 1), "");
  for (const char* key : {"image_size", "patch_size", "projector.scale_factor",
                          "attention.head_count", "embedding_length", "block_count"}) {
    EXPECT_THAT(with("clip.vision." + std::string(key), 0), HasSubstr("vision")) << key;
  }
  EXPECT_THAT(with("clip.vision.patch_size", 64), HasSubstr("vision tower"));
  EXPECT_THAT(with("clip.vision.projector.scale_factor", 3), HasSubstr("vision tower"));
  EXPECT_THAT(with("clip.vision.projection_dim", 9), HasSubstr("belongs to another model"));
  folder_.write("tower.gguf", Text().file());
  EXPECT_THAT(open(Text().file(), folder_.path("tower.gguf")).error().message(),
              HasSubstr("is clip"));
}

// --- shards ---

std::string shard(uint16_t number, uint16_t count, const std::string& tensor, int32_t tensors) {
  Text text;
  text.more.value("split.no", kTagU16, raw(number)).value("split.count", kTagU16, raw(count));
  text.more.value("split.tensors.count", kTagI32, raw(tensors));
  text.more.tensor(tensor, {1}, kF32, floats(1));
  return text.file();
}

TEST_F(GgufModelTest, Shards) {
  const std::string first = folder_.path("s-00001-of-00002.gguf");
  const auto refused = [&] { return ModelFolder::open(first).error().message(); };
  folder_.write("s-00001-of-00002.gguf", shard(0, 2, "a", 2));
  EXPECT_THAT(refused(), HasSubstr("shard 2 of 2 is missing"));
  folder_.write("s-00002-of-00002.gguf", shard(0, 2, "a", 2));
  EXPECT_THAT(refused(), HasSubstr("calls itself shard 1 of 2"));
  folder_.write("s-00002-of-00002.gguf", shard(1, 2, "a", 2));
  EXPECT_THAT(refused(), HasSubstr("two shards hold the tensor a"));
  folder_.write("s-00002-of-00002.gguf", shard(1, 2, "b", 2).substr(0, 300));
  EXPECT_THAT(refused(), AllOf(HasSubstr("shard 2 of 2"), HasSubstr("bytes")));
  folder_.write("s-00002-of-00002.gguf", shard(1, 2, "b", 2));
  EXPECT_EQ(ModelFolder::open(first).value().weights().value().tensors().size(), 2u);
  EXPECT_THAT(ModelFolder::open(folder_.path("s-00002-of-00002.gguf")).error().message(),
              HasSubstr("is shard 2 of 2; give the first one"));
  folder_.write("s-00001-of-00002.gguf", shard(0, 2, "a", 3));
  EXPECT_THAT(refused(), HasSubstr("2 tensors but the first one says 3"));
}

TEST_F(GgufModelTest, WhatIsNoFile) {
  EXPECT_FALSE(ModelFolder::open(folder_.path("none.gguf")).ok());
  folder_.write("m.gguf", "");
  EXPECT_THAT(ModelFolder::open(folder_.path("m.gguf")).error().message(),
              AllOf(HasSubstr("m.gguf: "), HasSubstr("is empty")));
  std::filesystem::create_directory(folder_.path("d.gguf"));
  EXPECT_FALSE(ModelFolder::open(folder_.path("d.gguf")).value().is_gguf());
  EXPECT_TRUE(is_gguf_name("A.GGUF"));
  EXPECT_FALSE(is_gguf_name(".gguf"));
}

}  // namespace
}  // namespace ocelli::formats
