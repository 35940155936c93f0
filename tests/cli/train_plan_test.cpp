// ocelli plan --train as a person would run it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "process.h"

namespace ocelli::test {
namespace {

using testing::HasSubstr;

// A folder with nothing but the configuration of a model of 2.2 billion parameters.
class TrainPlan : public testing::Test {
 protected:
  void SetUp() override {
    std::ofstream(folder_.file("config.json")) << R"({"model_type": "smolvlm",
      "image_token_id": 49190, "scale_factor": 3, "torch_dtype": "bfloat16",
      "text_config": {"model_type": "llama", "hidden_size": 2048, "intermediate_size": 8192,
        "num_hidden_layers": 24, "num_attention_heads": 32, "num_key_value_heads": 32,
        "head_dim": 64, "vocab_size": 49280, "max_position_embeddings": 8192},
      "vision_config": {"hidden_size": 1152, "intermediate_size": 4304, "num_hidden_layers": 27,
        "num_attention_heads": 16, "image_size": 384, "patch_size": 14}})";
  }
  Finished plan(std::vector<std::string> more) {
    std::vector<std::string> all = {"plan", folder_.path().string(), "--train", "--memory", "4000"};
    all.insert(all.end(), more.begin(), more.end());
    return run(all);
  }

  TemporaryFolder folder_;
  // Of the notebook "Fine-tuning SmolVLM with TRL" in Hugging Face's cookbook, which prints the
  // numbers below.
  const std::vector<std::string> kCookbook = {
      "--lora_r",
      "8",
      "--lora_alpha",
      "8",
      "--lora_dropout",
      "0.1",
      "--init_lora_weights",
      "gaussian",
      "--train_vision",
      "--target_modules",
      "down_proj,o_proj,k_proj,q_proj,gate_proj,up_proj,v_proj"};
};

TEST_F(TrainPlan, CountsTheCookbooksAdapterFromAConfigurationAlone) {
  const Finished f = plan(kCookbook);
  ASSERT_EQ(f.status, 0) << f.err;
  EXPECT_THAT(f.out, HasSubstr("trainable    10,536,960 parameters\n"));
  EXPECT_THAT(f.err, HasSubstr("no weights; they are taken to be bf16"));
  EXPECT_LT(f.peak_bytes, int64_t{700} << 20);  // the weights would be 4.2 GiB

  std::vector<std::string> dora = kCookbook;
  dora.insert(dora.end(), {"--use_dora", "--json", "-q"});
  const Finished d = plan(dora);
  ASSERT_EQ(d.status, 0) << d.err;
  EXPECT_EQ(d.json().find("trainable_parameters")->as_int(), 11'269'248);
  EXPECT_GT(d.json().find("memory")->find("program")->as_int(), int64_t{4} << 30);
  EXPECT_GT(d.json().find("seconds_per_step")->as_double(), 0);
}

TEST_F(TrainPlan, PicturesNeedTheirConfiguration) {
  const Finished without = plan({"--picture", "640x480"});
  EXPECT_EQ(without.status, 3);
  EXPECT_THAT(without.err, HasSubstr("preprocessor_config.json"));
  std::ofstream(folder_.file("preprocessor_config.json"))
      << R"({"do_image_splitting": true, "size": {"longest_edge": 1536},
             "max_image_size": {"longest_edge": 384}})";
  std::ofstream(folder_.file("processor_config.json")) << R"({"image_seq_len": 81})";
  const Finished f = plan({"--picture", "640x480", "--json"});
  ASSERT_EQ(f.status, 0) << f.err;
  EXPECT_EQ(f.json().find("tiles")->as_int(), 13);  // 4 x 3 and the whole
  EXPECT_EQ(f.json().find("tokens")->as_int(), 13 * 81);
}

TEST_F(TrainPlan, WhatDoesNotFitIsAnsweredWithWhatDoes) {
  const Finished f = run({"plan", folder_.path().string(), "--train", "--memory", "12",
                          "--per_device_train_batch_size", "8", "-q"});
  EXPECT_EQ(f.status, 4);
  EXPECT_THAT(f.out, HasSubstr("DOES NOT FIT"));
  EXPECT_THAT(f.out, HasSubstr("would fit    --gradient_checkpointing"));
}

}  // namespace
}  // namespace ocelli::test
