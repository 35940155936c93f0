// GGUF files on the command line: wherever a model may stand.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "process.h"

namespace ocelli::test {
namespace {

using base::Json;
using testing::HasSubstr;

const std::string kText = fixture("gguf/smolvlm2-a/smolvlm2-a-BF16.gguf");
const std::string kTower = fixture("gguf/smolvlm2-a/mmproj-BF16.gguf");
const std::string kMixed = fixture("gguf/mixed.gguf");

// The same model in either format prints the same, but for what the files are.
TEST(Gguf, ShowPrintsEitherFormatAlike) {
  const Json ours = run({"show", kText, "--json", "--tensors", "--metadata", "--template"}).json();
  const Json other =
      run({"show", fixture("models/smolvlm2-a"), "--json", "--tensors", "--metadata", "--template"})
          .json();
  EXPECT_EQ(ours.get_string("format").value(), "GGUF 3");
  EXPECT_EQ(other.get_string("format").value(), "safetensors");
  ASSERT_EQ(ours.size(), other.size());
  for (size_t i = 0; i < ours.size(); ++i)
    EXPECT_EQ(ours.members()[i].first, other.members()[i].first);
  for (const char* key : {"family", "parameters", "context", "vocabulary", "layers", "template",
                          "stop_tokens", "vision", "cache_bytes_per_token"}) {
    EXPECT_EQ(*ours.find(key), *other.find(key)) << key;
  }
  EXPECT_EQ(ours.find("tensors")->size(), other.find("tensors")->size());
  EXPECT_EQ(ours.find("metadata")->get_string("general.architecture").value(), "llama");
  const std::string text = run({"show", kMixed, "--metadata"}).out;
  EXPECT_THAT(text, HasSubstr("Q5_K "));
  EXPECT_THAT(text, HasSubstr("llama.block_count\t2"));
}

TEST(Gguf, EveryCommandTakesAFile) {
  const Finished answer =
      run({"run", kText, fixture("media/444.jpg"), "What?", "-n", "4", "--ignore-eos", "-q"});
  EXPECT_EQ(answer.status, 0) << answer.err;
  EXPECT_FALSE(answer.out.empty());
  EXPECT_EQ(run({"run", "-m", kText, "--mmproj", kTower, "-p", "Hi", "-n", "1"}).status, 0);
  EXPECT_EQ(run({"plan", "-m", kMixed, "-p", "Hi"}).status, 0);
  EXPECT_EQ(run({"tokenize", "-m", kText, "a b"}).out,
            run({"tokenize", "-m", fixture("models/smolvlm2-a"), "a b"}).out);
  const Finished blind =
      run({"run", "-m", kText, "--mmproj", "none", fixture("media/444.jpg"), "What?"});
  EXPECT_NE(blind.status, 0);
  const Finished folder =
      run({"run", "-m", fixture("models/smolvlm2-a"), "--mmproj", kTower, "-p", "Hi"});
  EXPECT_EQ(folder.status, 2);
  EXPECT_THAT(folder.err, HasSubstr("belongs to a .gguf model"));
  const Finished tower = run({"show", kTower});
  EXPECT_EQ(tower.status, 3);
  EXPECT_THAT(tower.err, HasSubstr("give the text model"));
}

// Numbers that are not finite end in an error, not in text.
TEST(Gguf, DamagedWeightsGiveNoAnswer) {
  std::string bytes = read_all(kMixed);
  // The last tensor's bytes lie at the end, whatever it is: no number of them is finite.
  bytes.replace(bytes.size() - 4096, 4096, std::string(4096, '\xFF'));
  const TemporaryFolder folder;
  std::ofstream(folder.file("nan.gguf"), std::ios::binary) << bytes;
  const Finished f = run({"run", "-m", folder.file("nan.gguf"), "-p", "Hi"});
  EXPECT_EQ(f.status, 3);
  EXPECT_EQ(f.out, "");
  EXPECT_THAT(f.err, HasSubstr("not finite"));
}

}  // namespace
}  // namespace ocelli::test
