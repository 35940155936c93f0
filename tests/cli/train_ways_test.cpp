// ocelli train in its several ways: on weights of few bits, from preferences, with clips.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "train_kit.h"

namespace ocelli::test {
namespace {

using testing::HasSubstr;

class TrainWays : public Train {
 protected:
  void rows(const std::vector<std::string>& lines) const {
    std::ofstream data(folder_.file("data.jsonl"));
    for (const std::string& line : lines) data << line << "\n";
  }
  // Of the log, by its name.
  std::vector<double> logged(const std::string& out, const std::string& name) const {
    std::vector<double> values;
    for (const base::Json& line : parse_lines(bytes(out + "/metrics.jsonl"))) {
      if (const base::Json* value = line.find(name)) values.push_back(value->as_double());
    }
    return values;
  }
};

TEST_F(TrainWays, AnAdapterOnWeightsOfFewBits) {
  for (const char* const type : {"q8", "q4"}) {
    const std::string out = folder_.file(type);
    const std::vector<std::string> more = {"--weights",       type,   "--max_steps",     "12",
                                           "--learning_rate", "1e-2", "--logging_steps", "1",
                                           "--save_steps",    "6"};
    const Finished f = train(out, more);
    ASSERT_EQ(f.status, 0) << f.err;
    ASSERT_EQ(losses(out).size(), 12u);
    EXPECT_LT(losses(out).back(), 0.8 * losses(out).front()) << type;
    const Finished answer = run({"run", "-q", model_, "after one comes", "-n", "2", "--temp", "0",
                                 "--weights", type, "--adapter", out + "/adapter"});
    EXPECT_EQ(answer.status, 0) << answer.err;
    // What goes on loads the weights as the run did, without being told, or not at all.
    const std::string adapter = bytes(out + "/adapter/adapter_model.safetensors");
    fs::remove_all(out + "/step-12");
    const Finished resumed = run({"train", "--resume", "-o", out, "-t", "1"});
    ASSERT_EQ(resumed.status, 0) << resumed.err;
    EXPECT_TRUE(bytes(out + "/adapter/adapter_model.safetensors") == adapter);
    const Finished other = run({"train", "--resume", "-o", out, "-t", "1", "--weights", "f32"});
    EXPECT_EQ(other.status, 6);
    EXPECT_THAT(other.err, HasSubstr("weights"));
  }
  EXPECT_NE(losses(folder_.file("q8")), losses(folder_.file("q4")));
}

TEST_F(TrainWays, FromPreferences) {
  rows({R"({"prompt": "after one comes", "chosen": "two", "rejected": "nine"})",
        R"({"prompt": "after two comes", "chosen": "three", "rejected": "ten"})",
        R"({"prompt": "after three comes", "chosen": "four", "rejected": "no"})",
        R"({"prompt": "after four comes", "chosen": "five", "rejected": "one"})"});
  const std::string out = folder_.file("out");
  const Finished f = train(out, {"--objective", "dpo", "--max_steps", "10", "--learning_rate",
                                 "3e-3", "--logging_steps", "1", "--save_steps", "5"});
  ASSERT_EQ(f.status, 0) << f.err;
  const std::vector<double> margins = logged(out, "train/rewards/margins");
  ASSERT_EQ(margins.size(), 10u);
  EXPECT_NEAR(margins[0], 0, 1e-6);  // the reference is the model itself
  EXPECT_GT(margins[9], 0.05);
  EXPECT_EQ(logged(out, "train/rewards/accuracies")[9], 1);
  const std::string adapter = bytes(out + "/adapter/adapter_model.safetensors");
  fs::remove_all(out + "/step-10");
  const Finished resumed = run({"train", "--resume", "-o", out, "-t", "1"});
  ASSERT_EQ(resumed.status, 0) << resumed.err;
  EXPECT_TRUE(bytes(out + "/adapter/adapter_model.safetensors") == adapter);
}

TEST_F(TrainWays, WithClipsAndPictures) {
  fs::copy_file(fixture("video/h264.mp4"), folder_.file("clip.mp4"));
  fs::copy_file(fixture("media/444.jpg"), folder_.file("picture.jpg"));
  rows({R"({"messages": [{"role": "user", "content": [{"type": "video", "video": "clip.mp4"}, )"
        R"({"type": "text", "text": "What?"}]}, {"role": "assistant", "content": "A test."}]})",
        R"({"images": ["picture.jpg"], "prompt": "What?", "completion": "Colours."})"});
  model_ = fixture("models/smolvlm2-a");
  const std::string out = folder_.file("out");
  const Finished preview = train(out, {"--preview", "2", "--no-split", "--max-frames", "2"});
  ASSERT_EQ(preview.status, 0) << preview.err;
  EXPECT_THAT(preview.out, HasSubstr("[clip 1: 96x64, 2 frames, 128 tokens]"));
  const Finished f =
      train(out, {"--no-split", "--max-frames", "2", "--max_steps", "5", "--lora_r", "4",
                  "--learning_rate", "1e-2", "--logging_steps", "1", "--samples", "1"});
  ASSERT_EQ(f.status, 0) << f.err;
  ASSERT_EQ(losses(out).size(), 5u);
  EXPECT_LT(losses(out).back(), losses(out).front());
  EXPECT_THAT(bytes(out + "/recipe.json"), HasSubstr("\"max_frames\": 2"));
}

TEST_F(TrainWays, ColumnsArgumentsAndTheDay) {
  rows(
      {R"({"dialog": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ho"}]})"});
  model_ = fixture("models/smollm3");
  const auto preview = [&](std::vector<std::string> more) {
    more.insert(more.end(), {"--preview", "1", "--columns", "messages=dialog"});
    return train(folder_.file("out"), more);
  };
  const Finished dated =
      preview({"--now", "2024-03-05", "--chat_template_kwargs", R"({"with_date": true})"});
  ASSERT_EQ(dated.status, 0) << dated.err;
  EXPECT_THAT(dated.out, HasSubstr("05 March 2024"));
  const Finished quick = preview({"--chat_template_kwargs", R"({"enable_thinking": false})"});
  ASSERT_EQ(quick.status, 0) << quick.err;
  EXPECT_NE(quick.out, preview({}).out);
  EXPECT_EQ(preview({"--now", "tomorrow"}).status, 2);
  EXPECT_EQ(preview({"--chat_template_kwargs", "[1]"}).status, 2);
  EXPECT_EQ(train(folder_.file("out"), {"--preview", "1"}).status, 3);  // no such column
}

}  // namespace
}  // namespace ocelli::test
