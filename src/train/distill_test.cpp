// Sessions whose student learns from a teacher that reads along, or from what it has written.
#include "train/distill.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/file.h"
#include "train/session.h"
#include "train/trainer_test_kit.h"
#include "train/write_top_k.h"

namespace ocelli::train {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

const char* const kRows[] = {
    R"({"prompt": "What comes after one?", "completion": "Two comes after one."})",
    R"({"messages": [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "Colour?"}]}, {"role": "assistant", "content": [{"type": "text", "text": "It is red."}]}], "images": ["red.png"]})",
    R"({"prompt": "Say abc.", "completion": "abc"})",
    R"({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, {"role": "user", "content": "c"}, {"role": "assistant", "content": "d e f"}]})",
    R"({"prompt": "Count.", "completion": "0 1 2 3 4 5"})"};

// Stops a run behind a step, as SIGTERM would.
class StopBehind : public Observer {
 public:
  StopBehind(int64_t step, base::CancelToken& cancel) : step_(step), cancel_(cancel) {}
  base::Status on_log(const LogLine& line) override {
    if (line.step >= step_) cancel_.request();
    last = line;
    return {};
  }
  LogLine last;

 private:
  int64_t step_;
  base::CancelToken& cancel_;
};

class Distilling : public testing::Test {
 protected:
  void SetUp() override {
    char path[] = "/tmp/ocelli-distill-XXXXXX";
    ASSERT_TRUE(mkdtemp(path));
    folder_ = path;
    fs::copy_file(std::string(OCELLI_FIXTURES) + "/datasets/pictures/red.png",
                  folder_ + "/red.png");
    write_data("data.jsonl", {0, 1, 2, 3, 4});
  }
  void TearDown() override { fs::remove_all(folder_); }

  void write_data(const std::string& name, std::vector<int> rows) {
    std::ofstream out(folder_ + "/" + name);
    for (const int row : rows) out << kRows[row] << "\n";
  }
  static TrainOptions options() {
    TrainOptions o;
    o.objective = "distill";
    o.teacher_top_k = 6;
    o.temperature = 2;
    o.lora_r = 2;
    o.lora_dropout = 0.1;
    o.gradient_accumulation_steps = 2;
    o.max_steps = 4;
    o.logging_steps = 1;
    o.samples = 0;
    o.max_length = 2048;
    return o;
  }
  // The two see a picture in different numbers of tokens.
  std::unique_ptr<engine::Engine> load(const std::string& model) {
    engine::EngineOptions options;
    options.threads = 2;
    options.exact = true;
    options.split_images = false;
    return engine::Engine::load(
               formats::ModelFolder::open(OCELLI_FIXTURES "/models/" + model).value(), options)
        .value();
  }
  struct Plan {
    std::string out = {}, file = {}, data = "data.jsonl", teacher = "smolvlm2-b";
    TrainOptions options = Distilling::options();
    int64_t stop = 1000;  // behind this step
    bool resume = false;
  };
  // The adapter's bytes; "" where interrupted.
  base::Result<std::string> train(Plan plan) {
    const auto student = load("smolvlm2-a");
    std::unique_ptr<engine::Engine> teacher;
    if (plan.file.empty()) {
      plan.options.teacher_model_name_or_path = plan.teacher;
      teacher = load(plan.teacher);
    } else {
      plan.options.teacher_file = folder_ + "/" + plan.file;
    }
    SessionInputs inputs{*student,
                         formats::ModelFolder::open(OCELLI_FIXTURES "/models/smolvlm2-a").value(),
                         {folder_ + "/" + plan.data},
                         {},
                         folder_ + "/" + plan.out,
                         plan.options};
    inputs.resume = plan.resume;
    inputs.teacher.engine = teacher.get();
    OCELLI_ASSIGN(const auto session, TrainSession::create(std::move(inputs)));
    base::CancelToken cancel;
    StopBehind watch(plan.stop, cancel);
    OCELLI_ASSIGN(const SessionResult result, session->run(cancel, &watch));
    last_ = watch.last;
    if (result.end == EndReason::kInterrupted) return std::string();
    return base::read_file(result.weights + "/adapter_model.safetensors", 1 << 24);
  }
  base::Result<TopKWritten> write(const std::string& file, const std::string& data,
                                  TrainOptions o = options(),
                                  const std::string& model = "smolvlm2-b") {
    const auto teacher = load(model);
    TopKInputs inputs{*teacher, {folder_ + "/" + data}, folder_ + "/" + file, o, ""};
    return write_top_k(inputs, {});
  }
  std::string error_of(const base::Result<std::string>& result) {
    EXPECT_FALSE(result.ok());
    return result.ok() ? "" : result.error().message();
  }

  std::string folder_;
  LogLine last_;
};

TEST_F(Distilling, AFileSaysWhatTheTeacherSays) {
  const std::string online = train({.out = "online"}).value();
  const auto more = last_.window.sums.more;
  EXPECT_GT(more.at("divergence"), 0);
  EXPECT_GT(more.at("cross_entropy"), 0);
  EXPECT_GT(more.at("teacher_mass"), 0);
  // Rows in another order, and one of them twice.
  write_data("other.jsonl", {4, 1, 3, 0, 2, 1});
  const TopKWritten written = write("top", "other.jsonl").value();
  EXPECT_EQ(written.rows, 5);
  EXPECT_EQ(written.repeated, 1);
  const std::string offline = train({.out = "offline", .file = "top"}).value();
  EXPECT_TRUE(online == offline);
  // A file that holds more than is asked for.
  TrainOptions wide = options();
  wide.teacher_top_k = 9;
  ASSERT_TRUE(write("wide", "data.jsonl", wide).ok());
  EXPECT_TRUE(train({.out = "narrow", .file = "wide"}).value() == online);
  EXPECT_FALSE(train({.out = "wide-out", .file = "wide", .options = wide}).value() == online);
}

TEST_F(Distilling, ResumesToTheSameBits) {
  ASSERT_TRUE(write("top", "data.jsonl").ok());
  for (const std::string file : {"", "top"}) {
    const std::string whole = train({.out = "whole" + file, .file = file}).value();
    Plan plan{.out = "cut" + file, .file = file, .stop = 2};
    EXPECT_EQ(train(plan).value(), "");
    plan.stop = 1000;
    plan.resume = true;
    plan.options.gradient_checkpointing = true;  // which may change: the same numbers
    EXPECT_TRUE(train(plan).value() == whole);
  }
  // What decides numbers may not.
  Plan other{.out = "changed", .file = "top", .stop = 2};
  EXPECT_EQ(train(other).value(), "");
  other.resume = true;
  other.options.kd_ratio = 0.25;
  EXPECT_THAT(error_of(train(other)), HasSubstr("kd_ratio 0.5 (now 0.25)"));
  // With another teacher it would be another run.
  TrainOptions less = options();
  less.teacher_top_k = 3;
  ASSERT_TRUE(write("other", "data.jsonl", less).ok());
  Plan plan{.out = "again", .file = "top", .stop = 2};
  EXPECT_EQ(train(plan).value(), "");
  plan.resume = true;
  plan.file = "other";
  EXPECT_THAT(error_of(train(plan)), HasSubstr("another teacher"));
}

TEST_F(Distilling, EvaluatesWhatWasHeldBack) {
  TrainOptions o = options();
  o.eval_split = 0.4;
  o.eval_steps = 2;
  ASSERT_TRUE(write("top", "data.jsonl").ok());
  EXPECT_TRUE(train({.out = "online", .options = o}).value() ==
              train({.out = "offline", .file = "top", .options = o}).value());
}

TEST_F(Distilling, SamplesThatWereShortenedKeepTheirTeacher) {
  ASSERT_TRUE(write("top", "data.jsonl").ok());
  for (const std::string how : {"keep_start", "keep_end"}) {
    TrainOptions o = options();
    o.max_length = 24;
    o.truncation = how;
    EXPECT_TRUE(train({.out = how, .file = "top", .options = o}).ok()) << how;
    EXPECT_TRUE(train({.out = how + "-online", .options = o}).ok()) << how;
  }
  // But not the other way round.
  TrainOptions o = options();
  o.max_length = 24;
  ASSERT_TRUE(write("short", "data.jsonl", o).ok());
  EXPECT_THAT(error_of(train({.out = "longer", .file = "short"})), HasSubstr("--max_length"));
}

TEST_F(Distilling, WhatDoesNotFitTogetherIsSaid) {
  write_data("less.jsonl", {0, 1, 2, 3});
  ASSERT_TRUE(write("less", "less.jsonl").ok());
  const std::string missing = error_of(train({.out = "a", .file = "less"}));
  EXPECT_THAT(missing, HasSubstr("data.jsonl: line 5"));
  EXPECT_THAT(missing, HasSubstr("--write_top_k"));
  ASSERT_TRUE(write("top", "data.jsonl").ok());
  TrainOptions o = options();
  o.temperature = 1;
  EXPECT_THAT(error_of(train({.out = "c", .file = "top", .options = o})),
              HasSubstr("--temperature 2"));
  o = options();
  o.mask = "last";
  const std::string masked = error_of(train({.out = "d", .file = "top", .options = o}));
  EXPECT_THAT(masked, HasSubstr("--mask assistant"));
  // The picture is another one now.
  fs::copy_file(std::string(OCELLI_FIXTURES) + "/datasets/pictures/blue.png", folder_ + "/red.png",
                fs::copy_options::overwrite_existing);
  EXPECT_THAT(error_of(train({.out = "b", .file = "top"})), HasSubstr("data.jsonl: line 2"));
  // Id 0 and more are the same everywhere; the first that differs is named.
  EXPECT_THAT(error_of(train({.out = "e", .teacher = "smollm3"})),
              HasSubstr("another vocabulary: id"));
  ASSERT_TRUE(write("other", "less.jsonl", options(), "smollm3").ok() ==
              false);  // it has a picture
  write_data("texts.jsonl", {0, 2, 4});
  ASSERT_TRUE(write("other", "texts.jsonl", options(), "smollm3").ok());
  EXPECT_THAT(error_of(train({.out = "f", .file = "other"})), HasSubstr("another vocabulary"));
  std::ofstream(folder_ + "/pair.jsonl") << R"({"prompt": "a", "chosen": "b", "rejected": "c"})"
                                         << "\n";
  EXPECT_THAT(error_of(train({.out = "g", .data = "pair.jsonl"})), HasSubstr("preference pair"));
}

TEST_F(Distilling, AnInterruptedFileLeavesNothing) {
  const auto teacher = load("smolvlm2-b");
  const base::CancelToken cancel;
  TopKInputs inputs{*teacher, {folder_ + "/data.jsonl"}, folder_ + "/top", options(), ""};
  inputs.progress = [&](int64_t row, int64_t) {
    if (row == 2) cancel.request();
  };
  const auto written = write_top_k(inputs, cancel);
  ASSERT_FALSE(written.ok());
  EXPECT_EQ(written.error().code, base::Code::kInterrupted);
  for (const auto& entry : fs::directory_iterator(folder_)) {
    EXPECT_THAT(entry.path().filename().string(), testing::Not(HasSubstr("top")));
  }
}

}  // namespace
}  // namespace ocelli::train
