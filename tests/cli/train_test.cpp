// ocelli train as a person would run it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>

#include "train_kit.h"

namespace ocelli::test {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST_F(Train, AnAdapter) {
  const std::string out = folder_.file("out");
  const Finished f = train(out, {"--max_steps", "5", "--logging_steps", "1", "--lora_r", "4"});
  ASSERT_EQ(f.status, 0) << f.err;
  EXPECT_THAT(f.out, HasSubstr(out + "/adapter"));
  EXPECT_THAT(f.err, HasSubstr("trainable parameters"));
  EXPECT_THAT(f.err, HasSubstr("step 5/5"));
  EXPECT_TRUE(fs::exists(out + "/adapter/adapter_model.safetensors"));
  EXPECT_TRUE(fs::exists(out + "/adapter/adapter_config.json"));
  EXPECT_THAT(bytes(out + "/metrics.jsonl"), HasSubstr("\"train/loss\""));
  EXPECT_THAT(bytes(out + "/recipe.json"), HasSubstr("\"lora_r\": 4"));
  EXPECT_FALSE(fs::is_empty(out + "/runs"));
  // Again into the same folder: not by accident.
  const Finished again = train(out);
  EXPECT_EQ(again.status, 2);
  EXPECT_THAT(again.err, HasSubstr("--resume"));
}

TEST_F(Train, SwitchesTakeAWordAsInTransformersScripts) {
  const std::string out = folder_.file("out");
  const Finished f = train(out, {"--max_steps", "1", "--shuffle", "False", "--use-dora", "true"});
  ASSERT_EQ(f.status, 0) << f.err;
  EXPECT_THAT(bytes(out + "/recipe.json"), HasSubstr("\"shuffle\": false"));
  EXPECT_THAT(bytes(out + "/recipe.json"), HasSubstr("\"use_dora\": true"));
}

TEST_F(Train, AWholeModelThatRunsAfterwards) {
  const std::string out = folder_.file("out");
  const Finished f = train(out, {"--method", "full", "--max_steps", "30", "--learning_rate", "3e-3",
                                 "--eval_split", "0.2", "--eval_steps", "10"});
  ASSERT_EQ(f.status, 0) << f.err;
  EXPECT_THAT(f.err, HasSubstr("evaluation behind step 30"));
  const Finished answer = run({"run", out + "/model", "after one comes", "-n", "3", "--temp", "0"});
  EXPECT_EQ(answer.status, 0) << answer.err;
}

TEST_F(Train, ARecipeAPresetAndTheCommandLine) {
  std::ofstream(folder_.file("r.toml")) << "lora_r = 3\nmax_steps = 2\n[options]\nseed = 9\n";
  const Finished f = train(folder_.file("out"), {"--preset", "smollm-sft", "--recipe",
                                                 folder_.file("r.toml"), "--seed", "11"});
  ASSERT_EQ(f.status, 0) << f.err;
  const std::string recipe = bytes(folder_.file("out") + "/recipe.json");
  EXPECT_THAT(recipe, HasSubstr("\"lora_r\": 3"));
  EXPECT_THAT(recipe, HasSubstr("\"seed\": 11"));
  EXPECT_THAT(recipe, HasSubstr("\"lr_scheduler_type\": \"cosine\""));
  EXPECT_THAT(run({"train", "--preset", "list"}).out, HasSubstr("smolvlm2-official"));
}

// A teacher that reads along, and the same by way of a file; its memory is in the forecast.
TEST_F(Train, LearnsFromATeacher) {
  const std::string teacher = fixture("models/smollm2"), file = folder_.file("top");
  const std::vector<std::string> common = {"--objective", "distill", "--max_steps",     "2",
                                           "--lora_r",    "2",       "--teacher_top_k", "5"};
  const auto distill = [&](const std::string& out, std::vector<std::string> more) {
    more.insert(more.end(), common.begin(), common.end());
    return train(folder_.file(out), more);
  };
  const Finished online = distill("online", {"--teacher-model-name-or-path", teacher});
  ASSERT_EQ(online.status, 0) << online.err;
  EXPECT_THAT(online.err, HasSubstr("divergence"));
  const Finished written = run({"train", teacher, folder_.file("data.jsonl"), "--write-top-k", file,
                                "--teacher_top_k", "5", "-t", "1"});
  ASSERT_EQ(written.status, 0) << written.err;
  EXPECT_EQ(written.out, file + "\n");
  EXPECT_THAT(written.err, HasSubstr("7 rows"));
  const Finished offline = distill("offline", {"--teacher_file", file});
  ASSERT_EQ(offline.status, 0) << offline.err;
  const char* const kWeights = "/adapter/adapter_model.safetensors";
  EXPECT_EQ(bytes(folder_.file("online") + kWeights), bytes(folder_.file("offline") + kWeights));
  // A recipe is a recipe: the run again from what it saved.
  EXPECT_THAT(bytes(folder_.file("online") + "/recipe.json"),
              HasSubstr("\"teacher_model_name_or_path\": \"" + teacher));
  EXPECT_EQ(distill("none", {}).status, 2);
  EXPECT_EQ(train(folder_.file("idle"), {"--teacher_file", file}).status, 2);
  const Finished plan = run({"plan", model_, "--train", "--max_length", "64", "--objective",
                             "distill", "--teacher_model_name_or_path", teacher});
  EXPECT_EQ(plan.status, 0) << plan.err;
  EXPECT_THAT(plan.out, HasSubstr("teacher"));
}

TEST_F(Train, WhatIsWrongIsSaidBeforeTheFirstStep) {
  const std::string out = folder_.file("out");
  const auto status = [&](std::vector<std::string> more, const std::string& sentence) {
    const Finished f = train(out, std::move(more));
    EXPECT_THAT(f.err, HasSubstr(sentence));
    return f.status;
  };
  EXPECT_EQ(status({"--lora_r", "0"}, "lora_r"), 2);
  EXPECT_EQ(status({"--optim", "lion"}, "adamw_8bit"), 2);
  EXPECT_EQ(status({"--target_modules", "nothing"}, "target_modules"), 2);
  EXPECT_EQ(status({"--preset", "smolvlm2-oficial"}, "did you mean"), 2);
  EXPECT_EQ(run({"train", model_, folder_.file("no.jsonl"), "-o", out}).status, 2);
  std::ofstream(folder_.file("data.jsonl")) << "{\"messages\": [{\"role\": \"user\", \"content\": "
                                               "\"a\"}]}\n";
  const Finished masked = train(out);
  EXPECT_NE(masked.status, 0);
  EXPECT_FALSE(fs::exists(out + "/adapter"));
}

TEST_F(Train, ALossThatIsNotFiniteKeepsTheLastGood) {
  const std::string out = folder_.file("out");
  const Finished f = train(out, {"--method", "full", "--learning_rate", "1e12", "--max_grad_norm",
                                 "0", "--optim", "sgd", "--max_steps", "5", "--save_steps", "1"});
  EXPECT_EQ(f.status, 6) << f.err;
  EXPECT_THAT(f.err, HasSubstr("not finite"));
  EXPECT_THAT(f.err, HasSubstr("rows"));
  EXPECT_TRUE(fs::exists(out + "/step-1/training.json"));
}

// What was on the command line counts on: the encoding of the weights too. A later end may be asked
// for, but no other numbers.
TEST_F(Train, AResumedRunIsTheOneThatBegan) {
  std::vector<std::string> common = {"--weights", "q4", "--lr_scheduler_type", "constant",
                                     "--lora_r",  "2",  "--max_steps"};
  const auto with = [&](const char* steps) {
    std::vector<std::string> all = common;
    all.push_back(steps);
    return all;
  };
  const std::string whole = folder_.file("whole"), out = folder_.file("out");
  ASSERT_EQ(train(whole, with("4")).status, 0);
  ASSERT_EQ(train(out, with("2")).status, 0);
  const auto resume = [&](std::vector<std::string> more) {
    more.insert(more.begin(), {"train", "--resume", "-o", out, "-t", "1"});
    return run(more);
  };
  const Finished other = resume({"--lora_r", "8", "--weights", "q8"});
  EXPECT_EQ(other.status, 6);
  EXPECT_THAT(other.err, HasSubstr("lora_r 2 (now 8)"));
  EXPECT_THAT(other.err, HasSubstr("weights \"q4\" (now \"q8\")"));
  const Finished longer = resume({"--max_steps", "4"});
  ASSERT_EQ(longer.status, 0) << longer.err;
  EXPECT_THAT(longer.err, HasSubstr("max_steps 2 (now 4)"));
  const char* const kWeights = "/adapter/adapter_model.safetensors";
  EXPECT_EQ(bytes(out + kWeights), bytes(whole + kWeights));
}

TEST_F(Train, DamagedCheckpointsAndOthersModels) {
  const std::string out = folder_.file("out");
  ASSERT_EQ(train(out, {"--max_steps", "4", "--save_steps", "1"}).status, 0);
  const std::string newest = out + "/step-4/state.safetensors";
  std::fstream(newest, std::ios::in | std::ios::out | std::ios::binary).seekp(3000).put('x');
  const Finished named = run({"train", "--resume-from", out + "/step-4", "-t", "1"});
  EXPECT_EQ(named.status, 6);
  EXPECT_THAT(named.err, HasSubstr("state.safetensors"));
  EXPECT_THAT(named.err, HasSubstr("step-3 is whole"));
  fs::create_directory(out + "/step-9.tmp");
  const Finished taken = run({"train", "--resume", "-o", out, "-t", "1"});
  EXPECT_EQ(taken.status, 0) << taken.err;
  EXPECT_THAT(taken.err, HasSubstr("going on from " + out + "/step-3"));
  EXPECT_THAT(taken.err, HasSubstr("removed " + out + "/step-9.tmp"));
  EXPECT_FALSE(fs::exists(out + "/step-9.tmp"));
  const Finished other =
      run({"train", fixture("models/smollm3"), "--resume", "-o", out, "-t", "1"});
  EXPECT_EQ(other.status, 6);
  EXPECT_THAT(other.err, HasSubstr("hash"));
}

TEST_F(Train, OneRunInAFolderAtATime) {
  const std::string out = folder_.file("out");
  Process first(words(out, {"--max_steps", "100000", "--method", "full"}));
  ASSERT_TRUE(eventually([&] { return fs::exists(out + "/recipe.json"); }));
  const Finished second = train(out);
  EXPECT_EQ(second.status, 6);
  EXPECT_THAT(second.err, HasSubstr("in use by pid " + std::to_string(first.pid())));
  first.signal(SIGTERM);
  EXPECT_EQ(first.wait().status, 7);
}

}  // namespace
}  // namespace ocelli::test
