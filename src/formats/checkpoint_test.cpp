#include "formats/checkpoint.h"

#include "base/json.h"
#include "formats/test_support.h"

namespace ocelli::formats {
namespace {

using base::Json;
using testing::AllOf;
using testing::HasSubstr;

std::string refusal(const std::string& folder) {
  const auto opened = Checkpoint::open(folder);
  return opened.ok() ? "(accepted)" : opened.error().message();
}

// Two shards of one tensor each, and an index that puts `b` where told.
void write_shards(const TempFolder& folder, const std::string& b_lies_in) {
  folder.write("s1.safetensors", safetensors("{" + entry("a", "F32", "[1]", "[0,4]") + "}", 4));
  folder.write("s2.safetensors", safetensors("{" + entry("b", "BF16", "[4]", "[0,8]") + "," +
                                                 entry("spare", "U8", "[1]", "[8,9]") + "}",
                                             9));
  Json map = Json::object({{"a", "s1.safetensors"}, {"b", b_lies_in}});
  folder.write(
      "model.safetensors.index.json",
      Json::object({{"metadata", Json::object({{"total_size", 12}})}, {"weight_map", map}}).dump());
}

TEST(Checkpoint, OneFile) {
  const TempFolder folder;
  folder.write("model.safetensors",
               safetensors("{" + entry("model.layers.0.q.weight", "F32", "[1]", "[0,4]") + "," +
                               entry("model.layers.1.q.weight", "F16", "[2]", "[4,8]") + "}",
                           8));
  auto opened = Checkpoint::open(folder.path());
  ASSERT_TRUE(opened.ok()) << opened.error().message();
  const TensorInfo* before = opened->find("model.layers.1.q.weight");
  const Checkpoint moved = std::move(*opened);
  EXPECT_EQ(moved.find("model.layers.1.q.weight"), before);  // moving leaves addresses alone
  EXPECT_EQ(moved.total_bytes(), 8);
  EXPECT_EQ(moved.tensors().size(), 2u);
  EXPECT_EQ(moved.nearest("model.layers.1.k.weight"), "model.layers.1.q.weight");
  EXPECT_EQ(moved.nearest("layers.0.q.weight"), "model.layers.0.q.weight");
  EXPECT_EQ(moved.nearest("something else"), "");
  EXPECT_FALSE(moved.find("model.layers.1.k.weight"));
}

TEST(Checkpoint, Shards) {
  const TempFolder folder;
  write_shards(folder, "s2.safetensors");
  const auto opened = Checkpoint::open(folder.path());
  ASSERT_TRUE(opened.ok()) << opened.error().message();
  EXPECT_EQ(opened->files().size(), 2u);
  EXPECT_EQ(opened->total_bytes(), 12);
  EXPECT_TRUE(opened->find("a") && opened->find("b"));
  EXPECT_FALSE(opened->find("spare"));  // not of the index
}

TEST(Checkpoint, WrongIndexes) {
  const TempFolder folder;
  write_shards(folder, "s3.safetensors");
  EXPECT_THAT(refusal(folder.path()), HasSubstr("shard s3.safetensors is missing"));
  write_shards(folder, "s1.safetensors");
  EXPECT_THAT(refusal(folder.path()), AllOf(HasSubstr("tensor b is not in s1.safetensors")));
  for (const char* outside :
       {"../s2.safetensors", "/etc/s2.safetensors", "d/s2.safetensors", "..", "", "s2.bin",
        ".s2.safetensors", "s2\n.safetensors", "..\\s2.safetensors"}) {
    write_shards(folder, outside);
    EXPECT_THAT(refusal(folder.path()), HasSubstr("file of the same folder")) << outside;
  }
  for (const char* index : {"", "[]", "{}", "{\"weight_map\":{}}", "{\"weight_map\":[1]}",
                            "{\"weight_map\":{\"a\":1}}"}) {
    folder.write("model.safetensors.index.json", index);
    EXPECT_THAT(refusal(folder.path()), HasSubstr("model.safetensors.index.json")) << index;
  }
}

TEST(Checkpoint, FoldersWithoutWeights) {
  const TempFolder folder;
  EXPECT_THAT(refusal(folder.path()), HasSubstr("model.safetensors is missing"));
  EXPECT_THAT(refusal(folder.path("none")), HasSubstr("is not a folder"));
  folder.write("m.gguf", "");
  EXPECT_THAT(refusal(folder.path()), HasSubstr("give the .gguf file itself"));
  folder.write("pytorch_model.bin", "");
  EXPECT_THAT(refusal(folder.path()),
              AllOf(HasSubstr("pickled (pytorch_model.bin)"), HasSubstr("convert them")));
  // A broken file is named, not passed over.
  folder.write("model.safetensors", "x");
  EXPECT_THAT(refusal(folder.path()), HasSubstr("model.safetensors: "));
}

TEST(Checkpoint, FingerprintFollowsContent) {
  const std::string header = "{" + entry("a", "F32", "[65536]", "[0,262144]") + "}";
  std::string file = safetensors(header, 262144);
  const auto fingerprint = [](const std::string& bytes) {
    const auto checkpoint = Checkpoint::from_memory(as_bytes(bytes));
    EXPECT_TRUE(checkpoint.ok());
    return checkpoint->fingerprint();
  };
  const auto first = fingerprint(file);
  EXPECT_EQ(fingerprint(std::string(file)), first);
  file.back() = 1;
  EXPECT_NE(fingerprint(file), first);
  EXPECT_NE(
      fingerprint(safetensors("{" + entry("b", "F32", "[65536]", "[0,262144]") + "}", 262144)),
      first);
  EXPECT_NE(
      fingerprint(safetensors("{" + entry("a", "I32", "[65536]", "[0,262144]") + "}", 262144)),
      first);
}

// The committed checkpoints of transformers' own writer.
TEST(Checkpoint, ReadsTheFixtures) {
  struct Fixture {
    const char* name;
    size_t files, tensors;
    int64_t bytes;
  };
  for (const auto& [name, files, tensors, bytes] :
       {Fixture{"smolvlm2-c", 3, 58, 1241952}, Fixture{"smollm2", 1, 38, 1057824}}) {
    const auto opened = Checkpoint::open(std::string(OCELLI_FIXTURES "/models/") + name);
    ASSERT_TRUE(opened.ok()) << opened.error().message();
    EXPECT_EQ(opened->files().size(), files);
    EXPECT_EQ(opened->tensors().size(), tensors);
    EXPECT_EQ(opened->total_bytes(), bytes);
  }
}

}  // namespace
}  // namespace ocelli::formats
