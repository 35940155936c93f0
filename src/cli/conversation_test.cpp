#include "cli/conversation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "base/file.h"

namespace ocelli::cli {
namespace {

using base::Json;
using base::Result;
using testing::HasSubstr;

Result<Picture> open_any(const std::string& path, bool video) {
  if (path.find("missing") != std::string::npos)
    return base::fail(base::Code::kBadInput, "no such file", path);
  return Picture{path, video, std::make_shared<engine::PreparedImage>()};
}

Result<Conversation> read(const std::string& json) {
  return Conversation::from_json(Json::parse(json).value(), open_any);
}

Conversation example() {
  Conversation talk;
  talk.system = "Be brief.";
  talk.messages.push_back({"user",
                           "What \"is\"\nthis?",
                           {*open_any("/a b/\xc3\xa4%.jpg", false), *open_any("/c.mp4", true)},
                           false});
  talk.messages.push_back({"assistant", "a\x1b[31m cat", {}, true, "furry\n"});
  talk.messages.push_back({"user", "", {*open_any("/\xff.png", false)}, false});
  return talk;
}

TEST(Conversation, RoundTripsThroughJson) {
  const Conversation talk = example();
  const std::string text = talk.to_json("m").dump(2);
  for (const char c : text) EXPECT_TRUE(c >= 0x20 || c == '\n');
  const Conversation back = read(text).value();
  EXPECT_EQ(back.system, talk.system);
  ASSERT_EQ(back.messages.size(), talk.messages.size());
  for (size_t i = 0; i < back.messages.size(); ++i) {
    const Message &a = back.messages[i], &b = talk.messages[i];
    EXPECT_EQ(a.role, b.role);
    EXPECT_EQ(a.text, b.text);
    EXPECT_EQ(a.stopped, b.stopped);
    EXPECT_EQ(a.thinking, b.thinking);
    ASSERT_EQ(a.pictures.size(), b.pictures.size());
    for (size_t k = 0; k < a.pictures.size(); ++k) {
      EXPECT_EQ(a.pictures[k].path, b.pictures[k].path);
      EXPECT_EQ(a.pictures[k].video, b.pictures[k].video);
    }
  }
  EXPECT_EQ(back.pictures().size(), 3u);
  EXPECT_EQ(back.for_template().size(), 4u);
}

TEST(Conversation, TakesWhatOtherProgramsWrite) {
  const Conversation bare = read(R"([{"role": "user", "content": "Hi"}])").value();
  EXPECT_EQ(bare.messages.at(0).text, "Hi");
  const Conversation plain = read(R"({"messages": [{"role": "user", "content": [
                {"type": "image_url", "image_url": {"url": "./a.jpg", "detail": "low"}},
                {"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}]})")
                                 .value();
  EXPECT_EQ(plain.messages.at(0).pictures.at(0).path, "./a.jpg");
  EXPECT_EQ(plain.messages.at(0).text, "ab");
}

TEST(Conversation, RefusesWithTheMessageAndAStep) {
  const std::pair<const char*, const char*> kCases[] = {
      {"{}", "there is no list \"messages\""},
      {R"({"messages": 3})", "there is no list \"messages\""},
      {R"([3])", "message 1: "},
      {R"([{"role": "user"}])", "message 1: content must be text"},
      {R"([{"role": "tool", "content": "x"}])", "message 1: the role \"tool\" is not known"},
      {R"([{"role": "user", "content": "x"}, {"role": "system", "content": "x"}])",
       "message 2: only the first message may be the system's"},
      {R"([{"role": "user", "content": [{"type": "audio"}]}])", "\"audio\" is not known"},
      {R"([{"role": "user", "content": [{"type": "image_url"}]}])", "has no url"},
      {R"([{"role": "user", "content": [{"type": "image_url", "image_url": {"url":
          "https://example.org/a.jpg"}}]}])",
       "only files of this machine"},
      {R"([{"role": "user", "content": [{"type": "image_url", "image_url": {"url":
          "file:///missing.jpg"}}]}])",
       "message 1: /missing.jpg: no such file"},
      {R"([{"role": "assistant", "content": [{"type": "image_url", "image_url": {"url":
          "file:///a.jpg"}}]}])",
       "only messages of the user have pictures"},
      {R"([{"role": "user", "content": "x", "stopped": 3}])", "stopped"},
  };
  for (const auto& [json, sentence] : kCases) {
    const auto talk = read(json);
    ASSERT_FALSE(talk.ok()) << json;
    EXPECT_THAT(talk.error().message(), HasSubstr(sentence)) << json;
  }
}

TEST(Conversation, TooManyPicturesAreRefused) {
  std::string json = R"([{"role": "user", "content": [)";
  for (size_t i = 0; i <= kMaxConversationPictures; ++i) {
    json += i ? "," : "";
    json += R"({"type": "image_url", "image_url": "/a.jpg"})";
  }
  EXPECT_THAT(read(json + "]}]").error().message(), HasSubstr("limit 256"));
}

TEST(Conversation, TheFileIsPrivateAndForeignFilesStay) {
  std::string name = testing::TempDir() + "talkXXXXXX";
  const std::string folder = mkdtemp(name.data());
  const std::string path = folder + "/talk.json";
  ASSERT_TRUE(save_conversation(example(), "m", path).ok());
  ASSERT_TRUE(save_conversation(example(), "m", path).ok());  // its own may be replaced
  struct stat about;
  ASSERT_EQ(stat(path.c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 0777, 0600u);
  EXPECT_EQ(load_conversation(path, open_any)->messages.size(), 3u);
  for (const char* content : {"my notes", "{\"a\": 1}", "[1, 2]"}) {
    std::ofstream(path) << content;
    const auto saved = save_conversation(example(), "m", path);
    ASSERT_FALSE(saved.ok()) << content;
    EXPECT_THAT(saved.error().what, HasSubstr("is not a saved conversation"));
    EXPECT_EQ(base::read_file(path, 100).value(), content);
  }
  EXPECT_THAT(load_conversation(path, open_any).error().message(), HasSubstr(path));
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace ocelli::cli
