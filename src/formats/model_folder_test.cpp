#include "formats/model_folder.h"

#include "formats/test_support.h"

namespace ocelli::formats {
namespace {

using testing::HasSubstr;

TEST(ModelFolder, OnDisk) {
  const TempFolder temp;
  std::filesystem::create_directory(temp.path("tiny"));
  temp.write("tiny/config.json", "{}");
  temp.write("tiny/model.safetensors",
             safetensors("{" + entry("a", "F32", "[1]", "[0,4]") + "}", 4));
  for (const std::string& path : {temp.path("tiny"), temp.path("tiny/"), temp.path("tiny/.")}) {
    const auto folder = ModelFolder::open(path);
    ASSERT_TRUE(folder.ok()) << folder.error().message();
    EXPECT_EQ(folder->name(), "tiny");
    EXPECT_TRUE(folder->has("config.json"));
    EXPECT_EQ(**folder->text("config.json", 2), "{}");
    EXPECT_FALSE(folder->text("config.json", 1).ok());
    const auto absent = folder->text("tokenizer.json", 100);
    ASSERT_TRUE(absent.ok());
    EXPECT_FALSE(absent->has_value());
    const auto weights = folder->weights();
    ASSERT_TRUE(weights.ok()) << weights.error().message();
    EXPECT_TRUE(weights->find("a"));
  }
  EXPECT_THAT(ModelFolder::open(temp.path("none")).error().message(), HasSubstr("no such folder"));
  EXPECT_THAT(ModelFolder::open(temp.path("tiny/config.json")).error().message(),
              HasSubstr("is not a folder"));
  EXPECT_FALSE(ModelFolder::open("").ok());
}

TEST(ModelFolder, InTheProgram) {
  const std::string weights = safetensors("{" + entry("a", "F32", "[1]", "[0,4]") + "}", 4);
  const EmbeddedFile files[] = {{"config.json", as_bytes("{\"a\":1}")},
                                {"model.safetensors", as_bytes(weights)}};
  const ModelFolder folder = ModelFolder::embedded("builtin", files);
  EXPECT_EQ(folder.name(), "builtin");
  EXPECT_EQ(folder.path(), "");
  EXPECT_EQ(**folder.text("config.json", 7), "{\"a\":1}");
  EXPECT_FALSE(folder.text("config.json", 6).ok());
  EXPECT_FALSE(folder.text("tokenizer.json", 6)->has_value());
  const auto checkpoint = folder.weights();
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.error().message();
  EXPECT_TRUE(checkpoint->find("a"));
  EXPECT_FALSE(ModelFolder::embedded("none", {}).weights().ok());
}

}  // namespace
}  // namespace ocelli::formats
