// Adapters on the command line: run, show, merge, and folders that are no adapters. Rows A01 to A05
// of the list of bad inputs; src/models/adapter_test.cpp has the shapes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "process.h"

namespace ocelli::test {
namespace {

using base::Json;
using testing::HasSubstr;

const std::string kModel = fixture("models/smolvlm2-a");
const std::string kText = fixture("models/smollm2");
const std::string kLora = fixture("adapters/lora");
const std::string kDora = fixture("adapters/dora");

Finished ask(const std::vector<std::string>& more, const std::string& model = kModel) {
  std::vector<std::string> words = {
      "run", "-m",           model, "-p",      "What is 12 + 34?", "-n",
      "8",   "--ignore-eos", "-q",  "--exact", "--temperature",    "0"};
  words.insert(words.end(), more.begin(), more.end());
  return run(words);
}

TEST(Adapter, ChangesTheAnswerAndItsWeightScalesIt) {
  const std::string plain = ask({}).out;
  const Finished adapted = ask({"--adapter", kLora});
  ASSERT_EQ(adapted.status, 0) << adapted.err;
  EXPECT_NE(adapted.out, plain);
  EXPECT_EQ(ask({"--adapter", kLora + "=0"}).out, plain);
  EXPECT_EQ(ask({"--lora", kLora}).out, adapted.out);
  EXPECT_EQ(ask({"--lora-scaled", kLora + ":1.0"}).out, adapted.out);
  EXPECT_EQ(ask({"--adapter", kLora, "--adapter", kDora + "=0.5"}).status, 0);
}

TEST(Adapter, IsShown) {
  const Json json = run({"show", kDora, "--json", "--tensors"}).json();
  EXPECT_EQ(json.get_string("adapter").value(), "DoRA");
  EXPECT_EQ(json.get_int("rank").value(), 2);
  EXPECT_GT(json.find("tensors")->size(), 10u);
  EXPECT_THAT(run({"show", kLora}).out, HasSubstr("LoRA"));
}

TEST(Adapter, IsMerged) {
  const TemporaryFolder folder;
  const std::string out = folder.file("merged");
  const Finished f = run({"merge", kModel, "--adapter", kLora, "--adapter", kDora + "=0.5", "-o",
                          out, "--dtype", "f32", "--json", "-q"});
  ASSERT_EQ(f.status, 0) << f.err;
  const Json printed = f.json();
  const auto& rows = printed.find("check")->items();
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_LE(rows[0].get_double("largest").value(), 1e-4);
  EXPECT_LE(rows[1].get_double("largest").value(), 1e-4);
  EXPECT_GE(rows[2].get_double("largest").value(), 0.1);
  EXPECT_EQ(ask({}, out).out, ask({"--adapter", kLora, "--adapter", kDora + "=0.5"}).out);
  // There already; nothing left beside it.
  EXPECT_EQ(run({"merge", kModel, "--adapter", kLora, "-o", out}).status, 2);
  EXPECT_EQ(std::distance(fs::directory_iterator(folder.path()), fs::directory_iterator()), 1);
  const Finished low =
      run({"merge", kModel, "--adapter", kLora, "-o", folder.file("b"), "--dtype", "q8"});
  EXPECT_EQ(low.status, 2);
  EXPECT_THAT(low.err, HasSubstr("round away"));
  EXPECT_EQ(run({"merge", kModel, "-o", folder.file("b")}).status, 2);
}

TEST(Adapter, MergesIntoTheDtypeAndShardsOfTheModel) {
  const TemporaryFolder folder;
  const std::string out = folder.file("merged");
  const Finished f = run({"merge", fixture("models/smolvlm2-c"), "--adapter",
                          fixture("adapters/layers"), "-o", out, "-q"});
  ASSERT_EQ(f.status, 0) << f.err;
  EXPECT_TRUE(fs::exists(out + "/model-00003-of-00003.safetensors"));
  EXPECT_TRUE(fs::exists(out + "/model.safetensors.index.json"));
  EXPECT_FALSE(fs::exists(out + "/model.safetensors"));
  EXPECT_TRUE(fs::exists(out + "/preprocessor_config.json"));
  const Json shown = run({"show", out, "--json", "--tensors"}).json();
  EXPECT_EQ(shown.find("unused_tensors")->size(), 0u);
  for (const Json& t : shown.find("tensors")->items())
    EXPECT_EQ(t.get_string("dtype").value(), t.find("shape")->size() == 1 ? "F32" : "BF16")
        << t.dump();
}

std::string bad_folder(const TemporaryFolder& folder, const std::string& name,
                       const std::string& config, const std::string& weights) {
  const std::string path = folder.file(name);
  fs::create_directory(path);
  std::ofstream(path + "/adapter_config.json") << config;
  std::ofstream(path + "/adapter_model.safetensors", std::ios::binary) << weights;
  return path;
}

void expect_refused(const std::string& adapter, const std::string& words, int status = 3) {
  const Finished f = ask({"--adapter", adapter});
  EXPECT_EQ(f.status, status) << f.err;
  EXPECT_EQ(f.out, "");
  EXPECT_THAT(f.err, HasSubstr(words));
}

TEST(Adapter, A01FilesThatAreNone) {
  const TemporaryFolder folder;
  const std::string config = read_all(kLora + "/adapter_config.json");
  const std::string weights = read_all(kLora + "/adapter_model.safetensors");
  expect_refused(folder.file("absent"), "no such folder");
  expect_refused(kLora + "/adapter_config.json", "is a file");
  expect_refused(kText, "is a model, not an adapter");
  fs::create_directory(folder.file("empty"));
  expect_refused(folder.file("empty"), "adapter_config.json");
  expect_refused(bad_folder(folder, "a", "BAD!", weights), "adapter_config.json");
  expect_refused(bad_folder(folder, "b", config, "BAD!"), "adapter_model.safetensors");
  expect_refused(bad_folder(folder, "c", config, ""), "adapter_model.safetensors");
  for (const size_t part : {size_t{4}, size_t{100}, weights.size() / 2, weights.size() - 1})
    expect_refused(
        bad_folder(folder, "cut" + std::to_string(part), config, weights.substr(0, part)),
        "adapter_model.safetensors");
  const std::string pickled = folder.file("pickled");
  fs::create_directory(pickled);
  std::ofstream(pickled + "/adapter_config.json") << config;
  std::ofstream(pickled + "/adapter_model.bin") << "x";
  expect_refused(pickled, "pickled");
  // A named adapter's folder inside is found; two of them are not.
  fs::create_directories(folder.file("named/first"));
  fs::copy(kLora, folder.file("named/first"));
  EXPECT_EQ(ask({"--adapter", folder.file("named")}).out, ask({"--adapter", kLora}).out);
  fs::create_directories(folder.file("named/second"));
  fs::copy(kLora, folder.file("named/second"));
  expect_refused(folder.file("named"), "several adapters", 2);
}

TEST(Adapter, A02ShapesThatDoNotFit) {
  const TemporaryFolder folder;
  Json config = Json::parse(read_all(kLora + "/adapter_config.json")).value();
  const std::string weights = read_all(kLora + "/adapter_model.safetensors");
  for (const int r : {1, 3, 5}) {
    config.set("r", r);
    expect_refused(bad_folder(folder, "r" + std::to_string(r), config.dump(), weights),
                   "shape [4, ");
  }
  config.set("r", 0);
  expect_refused(bad_folder(folder, "r0", config.dump(), weights), "\"r\"");
}

TEST(Adapter, A03OfAnotherModel) {
  const Finished f = ask({"--adapter", kLora}, kText);
  EXPECT_EQ(f.status, 3);
  EXPECT_THAT(f.err, HasSubstr("match nothing in the model"));
  EXPECT_THAT(f.err, HasSubstr("vision_model"));
  EXPECT_EQ(ask({"--adapter", kLora}, fixture("models/smolvlm2-c")).status, 3);
}

TEST(Adapter, A04ScalesThatAreNotSane) {
  const TemporaryFolder folder;
  Json config = Json::parse(read_all(kLora + "/adapter_config.json")).value();
  const std::string weights = read_all(kLora + "/adapter_model.safetensors");
  int n = 0;
  for (const Json& alpha : {Json(0), Json(-8), Json(1e38), Json("NaN")}) {
    config.set("lora_alpha", alpha);
    expect_refused(bad_folder(folder, "alpha" + std::to_string(n++), config.dump(), weights),
                   "lora_alpha");
  }
  std::string text = read_all(kLora + "/adapter_config.json");
  text.replace(text.find("\"lora_alpha\": 8"), 15, "\"lora_alpha\": NaN");
  expect_refused(bad_folder(folder, "nan", text, weights), "adapter_config.json");
  EXPECT_EQ(ask({"--adapter", kLora + "=-1"}).status, 0);  // documented: turned around
  for (const char* weight : {"=nan", "=1e9", "=x", "="})
    EXPECT_EQ(ask({"--adapter", kLora + weight}).status, 2) << weight;
}

TEST(Adapter, A05ManyOrTheSameTwice) {
  const Finished twice = ask({"--adapter", kLora, "--adapter", kLora + "=0.5"});
  EXPECT_EQ(twice.status, 2);
  EXPECT_THAT(twice.err, HasSubstr("twice"));
  std::vector<std::string> many;
  for (int i = 0; i < 100; ++i) many.insert(many.end(), {"--adapter", kLora + std::to_string(i)});
  const Finished f = ask(many);
  EXPECT_EQ(f.status, 4);
  EXPECT_THAT(f.err, HasSubstr("limit 16"));
}

}  // namespace
}  // namespace ocelli::test
