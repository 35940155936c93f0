// ocelli run: answers, forms of output, exit statuses.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "process.h"

namespace ocelli::test {
namespace {

using base::Json;
using testing::HasSubstr;
using testing::MatchesRegex;

const std::string kPicture = fixture("media/444.jpg");
const std::string kOther = fixture("media/lossy.webp");
const std::string kModel = fixture("models/smolvlm2-a");

// Contract of a refusal: the status, nothing on standard output, and one line of the documented
// form.
void expect_error(const Finished& f, int status, const std::string& part) {
  EXPECT_EQ(f.status, status) << f.out << f.err;
  EXPECT_EQ(f.out, "");
  const size_t at = f.err.find("error: ");
  ASSERT_NE(at, std::string::npos) << f.err;
  const std::string line = f.err.substr(at);
  EXPECT_EQ(line.find('\n'), line.size() - 1) << line;
  EXPECT_THAT(line, HasSubstr(part));
}

TEST(Run, APictureAndAQuestion) {
  const Finished f = run({"run", kPicture, "What shape do you see?"});
  EXPECT_EQ(f.status, 0) << f.err;
  EXPECT_THAT(f.out, MatchesRegex("[^ \n].*\n"));
  EXPECT_THAT(f.err, HasSubstr("ocelli-tiny"));
}

TEST(Run, QuietSaysNothingButTheAnswer) {
  const Finished f = run({"run", "-q", kPicture, "What shape do you see?"});
  EXPECT_EQ(f.status, 0);
  EXPECT_EQ(f.err, "");
}

TEST(Run, JsonHasAnswerTokensTimesAndMemory) {
  const Json j = run({"run", kPicture, "-p", "What shape do you see?", "--json"}).json();
  EXPECT_EQ(j.find("model")->as_string(), "ocelli-tiny");
  EXPECT_EQ(j.find("files")->items().at(0).as_string(), kPicture);
  EXPECT_EQ(j.find("question")->as_string(), "What shape do you see?");
  EXPECT_NE(j.find("answer")->as_string(), "");
  EXPECT_EQ(j.find("finish_reason")->as_string(), "stop");
  EXPECT_GT(j.find("prompt_tokens")->as_int(), 16);
  EXPECT_GT(j.find("tokens")->as_int(), 0);
  EXPECT_GT(j.find("seconds")->find("first_token")->as_double(), 0);
  EXPECT_GT(j.find("peak_memory_bytes")->as_int(), 1 << 20);
}

TEST(Run, TextAndJsonSayTheSame) {
  const std::vector<std::string> words{"run", "-q", kPicture, "What shape do you see?"};
  auto with_json = words;
  with_json.push_back("--json");
  std::string answer = run(with_json).json().find("answer")->as_string();
  answer.erase(0, answer.find_first_not_of(' '));
  EXPECT_EQ(run(words).out, answer + "\n");
}

TEST(Run, SeveralPicturesInOneRequest) {
  const Json one = run({"run", kPicture, "What differs?", "--json"}).json();
  const Json two = run({"run", kPicture, kOther, "What differs?", "--json"}).json();
  EXPECT_EQ(two.find("files")->size(), 2u);
  EXPECT_GT(two.find("prompt_tokens")->as_int(), one.find("prompt_tokens")->as_int() + 15);
  const Json flags =
      run({"run", "--image", kPicture, "--image", kOther, "What differs?", "--json"}).json();
  EXPECT_EQ(flags.find("answer")->as_string(), two.find("answer")->as_string());
  EXPECT_EQ(flags.find("prompt_tokens")->as_int(), two.find("prompt_tokens")->as_int());
}

TEST(Run, TextOnly) {
  const Json j = run({"run", "Hello", "--json", "-n", "4"}).json();
  EXPECT_EQ(j.find("files")->size(), 0u);
  EXPECT_GE(j.find("tokens")->as_int(), 0);
}

TEST(Run, TheQuestionFromAFile) {
  TemporaryFolder t;
  std::ofstream(t.file("q.txt")) << "What shape do you see?";
  EXPECT_EQ(run({"run", "-q", kPicture, "-f", t.file("q.txt")}).out,
            run({"run", "-q", kPicture, "What shape do you see?"}).out);
}

TEST(Run, AModelFolder) {
  for (const char* model : {"smolvlm2-a", "smolvlm2-b", "smolvlm2-c", "smolvlm1"}) {
    const Finished f = run(
        {"run", fixture(std::string("models/") + model), kPicture, "What?", "-n", "3", "--json"});
    EXPECT_EQ(f.status, 0) << model << f.err;
    EXPECT_EQ(f.json().find("model")->as_string(), model);
  }
}

TEST(Run, Logprobs) {
  const Json j = run({"run", kPicture, "What?", "--logprobs", "2", "-n", "3"}).json();
  const Json* list = j.find("logprobs");
  ASSERT_NE(list, nullptr);
  ASSERT_EQ(int64_t(list->size()), j.find("tokens")->as_int());
  for (const Json& token : list->items()) {
    const Json* top = token.find("top_logprobs");
    ASSERT_EQ(top->size(), 2u);
    EXPECT_EQ(token.find("id")->as_int(), top->items()[0].find("id")->as_int());  // greedy
    EXPECT_LE(token.find("logprob")->as_double(), 0);
    EXPECT_GE(top->items()[0].find("logprob")->as_double(),
              top->items()[1].find("logprob")->as_double());
  }
}

TEST(Run, ShowPromptAsTextAndJson) {
  const Finished text = run({"run", kPicture, "What <image> is this?", "--show-prompt"});
  EXPECT_EQ(text.status, 0);
  EXPECT_THAT(text.out, HasSubstr("<image>*16"));
  EXPECT_THAT(text.out, HasSubstr("What <image> is this?"));
  EXPECT_THAT(text.out, HasSubstr("16 picture"));
  EXPECT_THAT(text.out, HasSubstr("444.jpg: JPEG "));
  const Json j = run({"run", kPicture, "What <image> is this?", "--show-prompt", "--json"}).json();
  EXPECT_EQ(j.find("picture_tokens")->as_int(), 16);
  EXPECT_EQ(int64_t(j.find("ids")->size()), j.find("tokens")->as_int());
  EXPECT_EQ(j.find("pictures")->items().at(0).find("tiles")->as_int(), 1);
  // The one that the person typed is text: the token of a picture appears 16 times only.
  std::map<int64_t, int> counts;
  for (const Json& id : j.find("ids")->items()) ++counts[id.as_int()];
  int most = 0;
  for (const auto& [id, n] : counts) most = std::max(most, n);
  EXPECT_EQ(most, 16);
}

TEST(Run, ShowPromptWarnsOfSurprises) {
  EXPECT_THAT(run({"run", fixture("media/la8.png"), "What?", "--show-prompt"}).out,
              HasSubstr("warning: "));
  EXPECT_THAT(run({"run", fixture("media/grey16.png"), "What?", "--show-prompt"}).out,
              HasSubstr("16-bit"));
}

TEST(Run, RawContinuesATextAsItIs) {
  const Json j = run({"run", "--raw", "What shape", "--json", "-n", "4"}).json();
  const Json chat = run({"run", "What shape", "--json", "-n", "4"}).json();
  EXPECT_LT(j.find("prompt_tokens")->as_int(), chat.find("prompt_tokens")->as_int());
  expect_error(run({"run", "--raw", kPicture, "What?"}), 2, "--raw: takes no pictures");
}

TEST(Run, SameSeedSameAnswerWhateverTheThreads) {
  std::vector<std::string> words{"run",          "-q", kPicture, "What do you see?", "--temp", "2",
                                 "--ignore-eos", "-n", "24"};
  const auto with = [&](std::vector<std::string> more) {
    auto all = words;
    all.insert(all.end(), more.begin(), more.end());
    return run(all).out;
  };
  const std::string first = with({"-s", "5", "-t", "1"});
  EXPECT_EQ(with({"-s", "5", "-t", "2"}), first);
  EXPECT_EQ(with({"-s", "5", "-t", "7"}), first);
  EXPECT_NE(with({"-s", "6", "-t", "1"}), first);
}

TEST(Run, StopStringsAndLimits) {
  const std::vector<std::string> base{"run",    "-q",           kPicture, "What do you see?",
                                      "--json", "--ignore-eos", "-n",     "12"};
  const std::string whole = run(base).json().find("answer")->as_string();
  ASSERT_GT(whole.size(), 8u);
  auto stopped = base;
  stopped.insert(stopped.end(), {"--stop", whole.substr(5, 3), "--stop", "never there"});
  const Json j = run(stopped).json();
  EXPECT_EQ(j.find("answer")->as_string(), whole.substr(0, whole.find(whole.substr(5, 3))));
  EXPECT_EQ(j.find("finish_reason")->as_string(), "stop");
  EXPECT_EQ(run({"run", kPicture, "What?", "-n", "1", "--ignore-eos", "--json"})
                .json()
                .find("finish_reason")
                ->as_string(),
            "length");
  // -1 as in llama.cpp: until the context is full.
  EXPECT_EQ(run({"run", "Hi", "-n", "-1", "--ignore-eos", "-c", "64", "--json"})
                .json()
                .find("finish_reason")
                ->as_string(),
            "length");
}

// The built-in model drafts for itself: always right.
TEST(Run, ASmallModelGuessesAheadAndTheAnswerStays) {
  const std::vector<std::string> words{
      "run",    "-q",           kPicture,       "What shape do you see?",
      "--json", "--ignore-eos", "--max-tokens", "60"};
  auto drafted = words;
  drafted.insert(drafted.end(), {"--model-draft", "ocelli-tiny"});
  const Json plain = run(words).json(), ahead = run(drafted).json();
  EXPECT_EQ(ahead.find("answer")->as_string(), plain.find("answer")->as_string());
  EXPECT_GT(ahead.find("accepted_tokens")->as_int(), 0);
  expect_error(run({"run", "-q", kPicture, "What?", "--model-draft", kModel}), 2, "tokenizer");
  expect_error(
      run({"run", "-q", kPicture, "What?", "--model-draft", "ocelli-tiny", "--memory", "2"}), 2,
      "--memory");
  expect_error(
      run({"run", "-q", "-", "-p", "What?", "--model-draft", "ocelli-tiny"}, {.in = kPicture}), 2,
      "standard input");
}

TEST(Run, KeysAndValuesInEightBits) {
  const Finished f = run({"run", "-q", kPicture, "What shape do you see?", "--cache-type", "q8_0"});
  EXPECT_EQ(f.status, 0) << f.err;
  EXPECT_THAT(f.out, MatchesRegex("[^ \n].*\n"));
  expect_error(run({"run", "-m", kModel, "Hello", "--cache-type", "q8_0"}), 2, "multiple of 32");
  expect_error(run({"run", "Hello", "--cache-type", "q5"}), 2, "q8_0");
}

TEST(Run, UsageErrorsAreStatus2) {
  expect_error(run({"run"}), 2, "nothing to do");
  expect_error(run({"run", "oceli-tiny", kPicture, "What?"}), 2, "nearest name is ocelli-tiny");
  expect_error(run({"run", "SmolVLM2-256M", kPicture, "What?"}), 2,
               "SmolVLM2-256M: neither a model nor an existing file; ");
  expect_error(run({"run", kPicture + "x.png"}), 2, "x.png");
  expect_error(run({"run", "-m", "nothing", "Hi"}), 2, "nothing: no model of this name");
  expect_error(run({"run", "Hi", "--prot", "x"}), 2, "--prot: no such option");
  expect_error(run({"run", "Hi", "--max-tokes", "3"}), 2, "did you mean --max-tokens?");
  expect_error(run({"run", "Hi", "--temp", "1e9x"}), 2, "--temp");
  expect_error(run({"run", "Hi", "--temp", "-1"}), 2, "temperature must be from 0 to 100 (-1)");
  expect_error(run({"run", "Hi", "-n", "0"}), 2, "--max-tokens: must be at least 1");
  expect_error(run({"run", "Hi", "-t", "0"}), 2, "--threads");
  expect_error(run({"run", "Hi", "-t", "10000"}), 2, "--threads");
  expect_error(run({"run", "Hi", "-c", "-1"}), 2, "-c");
  expect_error(run({"run", "Hi", "--weights", "q3"}), 2, "--weights");
  expect_error(run({"run", "Hi", "--logit-bias", "a=b"}), 2, "--logit-bias");
  expect_error(run({"run", "Hi", "--logit-bias", "9999999=1"}), 2, "logit bias");
  expect_error(run({"run", "Hi", "-o", "x"}), 2, "--jsonl");
  expect_error(run({"run", "Hi", "-m"}), 2, "--model");
}

TEST(Run, FilesThatAreBrokenAreStatus3) {
  TemporaryFolder t;
  const std::string picture = read_all(kPicture);
  std::ofstream(t.file("empty.png"));
  std::ofstream(t.file("text.png")) << "This is no picture.";
  std::ofstream(t.file("head.png"), std::ios::binary) << picture.substr(0, 20);
  expect_error(run({"run", t.file("empty.png"), "What?"}), 3, "empty.png: ");
  expect_error(run({"run", t.file("text.png"), "What?"}), 3, "; use JPEG, PNG or WebP");
  expect_error(run({"run", t.file("head.png"), "What?"}), 3, "head.png: ");
  expect_error(run({"run", t.path().string(), "What?"}), 3, t.path().string());
  expect_error(run({"run", "--image", t.file("none.png"), "What?"}), 3, "none.png: ");
  expect_error(run({"run", kPicture, "What?", "-m", t.path().string()}), 3,
               "config.json is missing");
  expect_error(run({"run", "Hi", "-m", kPicture}), 3, "is not a model");
  expect_error(run({"run", fixture("models/smollm2"), kPicture, "Hi"}), 2, "takes no pictures");
}

TEST(Run, ABrokenModelIsStatus3) {
  TemporaryFolder t;
  const auto copy = [&](const std::string& name) {
    const fs::path to = t.path() / name;
    fs::copy(kModel, to, fs::copy_options::recursive);
    return to;
  };
  std::ofstream(copy("config") / "config.json") << "{\"model_type\": 3";
  expect_error(run({"run", t.file("config"), "Hi"}), 3, "config.json");
  std::ofstream(copy("family") / "config.json") << "{\"model_type\": \"../../etc\"}";
  expect_error(run({"run", t.file("family"), "Hi"}), 3, "");
  const fs::path weights = copy("weights") / "model.safetensors";
  fs::resize_file(weights, fs::file_size(weights) - 100);
  expect_error(run({"run", t.file("weights"), "Hi"}), 3, "model.safetensors");
  fs::remove(copy("tokenizer") / "tokenizer.json");
  expect_error(run({"run", t.file("tokenizer"), "Hi"}), 3, "tokenizer.json is missing");
}

TEST(Run, WhatDoesNotFitIsStatus4) {
  expect_error(run({"run", kPicture, "What?", "-c", "10"}), 4, "1 picture takes 16 tokens");
  std::string words;
  for (int i = 0; i < 3000; ++i) words += "word ";
  expect_error(run({"run", words}), 4, "shorten it");
}

}  // namespace
}  // namespace ocelli::test
