// ocelli quantize: what is written runs, and bad requests are told apart.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "process.h"

namespace ocelli::test {
namespace {

using base::Json;
using testing::HasSubstr;
using testing::Not;

Finished answer(const std::string& model) {
  return run({"run", "-m", model, fixture("tiny/turtle.png"), "What do you see?", "-q",
              "--temperature", "0"});
}

TEST(Quantize, FoldersAndGgufAnswerAsTheModelDoes) {
  const TemporaryFolder folder;
  const std::string plain =
      run({"run", fixture("tiny/turtle.png"), "What do you see?", "-q", "--temperature", "0"}).out;
  for (const char* name : {"q8", "m.gguf"}) {
    const std::string out = folder.file(name);
    const Finished f =
        run({"quantize", "-o", out, "--type", "q8", "--tokens", "40", "--json", "-q", "-t", "1"});
    ASSERT_EQ(f.status, 0) << f.err;
    const Json certificate = *f.json().find("certificate");
    EXPECT_LT(certificate.get_double("kl_mean").value(), 0.05);
    EXPECT_GE(certificate.get_int("tokens").value(), 35);
    // 8.5, and float32 for what is no matrix and, in GGUF, the patches
    EXPECT_LT(certificate.get_double("bits_per_weight").value(), 9.5);
    EXPECT_EQ(answer(out).out, plain);
    EXPECT_EQ(run({"quantize", "-o", out, "-q"}).status, 2);
  }
  const Finished shown = run({"show", folder.file("q8")});
  EXPECT_EQ(shown.status, 0) << shown.err;
  EXPECT_THAT(shown.out, HasSubstr("Q8"));
  EXPECT_THAT(shown.out, HasSubstr("KL divergence"));
  // Of two towers that fit, the one with the model's name.
  fs::copy_file(folder.file("mmproj-m.gguf"), folder.file("mmproj-other.gguf"));
  EXPECT_EQ(answer(folder.file("m.gguf")).out, plain);
}

TEST(Quantize, CalibratesOnWhatItIsGiven) {
  const TemporaryFolder folder;
  std::ofstream(folder.file("mine.jsonl"))
      << R"({"question": "What is 3 + 4?", "answer": "7"})" << '\n';
  const std::string out = folder.file("q4");
  const Finished f = run({"quantize", "-o", out, "--calibration-data", folder.file("mine.jsonl"),
                          "--tokens", "20", "--json", "-t", "1"});
  ASSERT_EQ(f.status, 0) << f.err;
  EXPECT_THAT(f.err, HasSubstr("chosen by calibration"));
  EXPECT_GT(f.json().get_int("calibrated_weights").value(), 20);
  EXPECT_THAT(f.json().find("certificate")->get_string("recipe").value(), HasSubstr("mine.jsonl"));
  EXPECT_THAT(f.err, Not(HasSubstr("chosen for")));
  EXPECT_EQ(answer(out).status, 0);
  const Finished same =
      run({"quantize", "-o", folder.file("same"), "--calibration-data", folder.file("mine.jsonl"),
           "--data", folder.file("mine.jsonl"), "-t", "1"});
  ASSERT_EQ(same.status, 0) << same.err;
  EXPECT_THAT(same.err, HasSubstr("data that the codes were chosen for"));
}

TEST(Quantize, PrintsForPeople) {
  const TemporaryFolder folder;
  const Finished f = run({"quantize", "-o", folder.file("q4"), "--tokens", "20", "-q", "-t", "1",
                          "--per-tensor", "--tensor", "lm_head=f16"});
  ASSERT_EQ(f.status, 0) << f.err;
  for (const char* part : {"KL divergence", "same top token", "perplexity", "picture features",
                           "lm_head=f16", "down_proj.weight"}) {
    EXPECT_THAT(f.out, HasSubstr(part));
  }
}

// --weights q4 converts once, and what is kept computes the same.
TEST(Quantize, ConvertedWeightsAreKept) {
  const TemporaryFolder home;
  const auto ask = [&](std::vector<std::string> more) {
    more.insert(more.begin(), {"run", "-m", fixture("models/smolvlm2-a"), "-p", "What is 12 + 34?",
                               "-n", "8", "--ignore-eos", "--weights", "q4", "-t", "1"});
    RunOptions options;
    options.environment["OCELLI_CACHE"] = home.file("cache");
    return run(more, options);
  };
  const Finished plain = ask({"--no-weights-cache"});
  ASSERT_EQ(plain.status, 0) << plain.err;
  EXPECT_FALSE(fs::exists(home.file("cache/weights")));
  const Finished first = ask({}), second = ask({});
  EXPECT_EQ(first.out, plain.out);
  EXPECT_EQ(second.out, plain.out);
  EXPECT_THAT(first.err, HasSubstr("--no-weights-cache"));
  EXPECT_EQ(second.err.find("--no-weights-cache"), std::string::npos);
  EXPECT_TRUE(fs::exists(home.file("cache/weights")));
  // An adapter of the model is one of its converted form too.
  EXPECT_EQ(ask({"--adapter", fixture("adapters/lora")}).status, 0);
}

TEST(Quantize, RefusesWithASentence) {
  const TemporaryFolder folder;
  const auto refused = [&](std::vector<std::string> more) {
    more.insert(more.begin(), {"quantize", "-q", "-o", folder.file("out")});
    const Finished f = run(more);
    EXPECT_EQ(f.status, 2) << f.out;
    return f.err;
  };
  EXPECT_THAT(refused({"--type", "q3"}), HasSubstr("no type"));
  EXPECT_THAT(refused({"--tensor", "nothing_of_this_name=q8"}), HasSubstr("no weight"));
  EXPECT_THAT(refused({"--tokens", "0"}), HasSubstr("--tokens"));
  EXPECT_THAT(refused({"--calibration-tokens", "0"}), HasSubstr("--calibration-tokens"));
  EXPECT_THAT(refused({"--format", "onnx"}), HasSubstr("onnx"));
  EXPECT_EQ(run({"quantize"}).status, 2);
  const Finished none = run({"quantize", "-q", "-o", folder.file("out"), "--calibration-data",
                             folder.file("none.jsonl")});
  EXPECT_EQ(none.status, 3);
  EXPECT_THAT(none.err, HasSubstr("none.jsonl"));
}

}  // namespace
}  // namespace ocelli::test
