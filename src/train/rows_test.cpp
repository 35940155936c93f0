#include "train/rows.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ocelli::train {
namespace {

using base::Json;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

base::Result<Row> parsed(std::string_view text, const RowOptions& options = {}) {
  auto json = Json::parse(text);
  EXPECT_TRUE(json.ok()) << text;
  return parse_row(*json, options);
}

Row row(std::string_view text, const RowOptions& options = {}) {
  auto out = parsed(text, options);
  EXPECT_TRUE(out.ok()) << (out.ok() ? "" : out.error().message());
  return out.ok() ? *out : Row();
}

std::string error(std::string_view text, const RowOptions& options = {}) {
  const auto out = parsed(text, options);
  return out.ok() ? "" : out.error().message();
}

// "user: [image]text|text" of each message.
std::vector<std::string> shown(const std::optional<Json>& messages) {
  std::vector<std::string> out;
  for (const Json& message : messages ? messages->items() : Json::Array()) {
    std::string line = message.find("role")->as_string() + ":";
    const Json* content = message.find("content");
    for (const Json& part : content->is_array() ? content->items() : Json::Array()) {
      const Json* text = part.find("text");
      line += text ? " " + text->as_string() : " [" + part.find("type")->as_string() + "]";
    }
    out.push_back(line);
  }
  return out;
}

std::vector<std::string> paths(const Row& row) {
  std::vector<std::string> out;
  for (const Media& media : row.media) out.push_back(media.path + (media.video ? " (clip)" : ""));
  return out;
}

TEST(Rows, MessagesWithPartsTakeTheColumnsInOrder) {
  const Row r = row(R"({"messages": [
      {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "image", "text": null},
                                   {"type": "image"}, {"type": "video"}]},
      {"role": "assistant", "content": "b"}],
      "images": ["1.png", {"bytes": null, "path": "2.png"}], "video": "3.mp4"})");
  EXPECT_EQ(r.format, RowFormat::kMessages);
  EXPECT_THAT(shown(r.messages), ElementsAre("user: a [image] [image] [video]", "assistant: b"));
  EXPECT_THAT(paths(r), ElementsAre("1.png", "2.png", "3.mp4 (clip)"));
}

TEST(Rows, PicturesThatNobodyNamesGoBeforeTheFirstQuestion) {
  const Row r = row(R"({"messages": [{"role": "system", "content": "s"},
      {"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}],
      "images": ["1.png", "2.png"]})");
  EXPECT_THAT(shown(r.messages),
              ElementsAre("system: s", "user: [image] [image] q", "assistant: a"));
}

TEST(Rows, MarkersStandForPicturesOnlyWhereThereAreSome) {
  const std::string messages =
      R"("messages": [{"role": "user", "content": "x <image> y"}, {"role": "assistant", "content": "a"}])";
  EXPECT_THAT(shown(row("{" + messages + "}").messages),
              ElementsAre("user: x <image> y", "assistant: a"));
  EXPECT_THAT(shown(row("{" + messages + R"(, "image": "1.png"})").messages),
              ElementsAre("user: x  [image]  y", "assistant: a"));
}

TEST(Rows, PicturesInside) {
  const Row r = row(R"({"messages": [{"role": "user", "content": [
      {"type": "image_url", "image_url": {"url": "data:image/png;base64,AQID"}},
      {"type": "image", "image": "1.png"}, {"type": "image", "bytes": "BAU="}]},
      {"role": "assistant", "content": "a"}]})");
  ASSERT_EQ(r.media.size(), 3u);
  EXPECT_EQ(r.media[0].bytes, (std::vector<std::byte>{std::byte{1}, std::byte{2}, std::byte{3}}));
  EXPECT_EQ(r.media[1].path, "1.png");
  EXPECT_EQ(r.media[2].bytes.size(), 2u);
}

TEST(Rows, LlavaAndShareGpt) {
  const Row r = row(R"({"id": 1, "image": ["1.png", "2.png"], "system": "s", "conversations": [
      {"from": "human", "value": "A <image>\nthen\n<image>\nWhat?"}, {"from": "gpt", "value": "a"},
      {"from": "observation", "value": "o"}, {"from": "gpt", "value": "b"}]})");
  EXPECT_THAT(shown(r.messages), ElementsAre("system: s", "user: A  [image] then [image] What?",
                                             "assistant: a", "tool: o", "assistant: b"));
  EXPECT_THAT(paths(r), ElementsAre("1.png", "2.png"));
  // Clips are named <image> too.
  EXPECT_THAT(paths(row(R"({"video": "1.mp4", "conversations": [
      {"from": "human", "value": "<image>\nWhat?"}, {"from": "gpt", "value": "a"}]})")),
              ElementsAre("1.mp4 (clip)"));
}

TEST(Rows, PromptAndCompletion) {
  const Row texts = row(R"({"prompt": "The sky is", "completion": " blue."})");
  EXPECT_TRUE(texts.plain);
  EXPECT_EQ(texts.text + texts.completion, "The sky is blue.");
  EXPECT_THAT(shown(texts.messages), ElementsAre("user: The sky is", "assistant:  blue."));
  EXPECT_EQ(texts.prompt_messages, 1u);
  const Row lists = row(R"({"prompt": [{"role": "user", "content": "q"},
      {"role": "assistant", "content": "w"}, {"role": "user", "content": "e"}],
      "completion": [{"role": "assistant", "content": "a"}]})");
  EXPECT_FALSE(lists.plain);
  EXPECT_EQ(lists.prompt_messages, 3u);
  EXPECT_EQ(lists.messages->size(), 4u);
  const Row caption = row(R"({"file_name": "1.png", "text": "a box"})");
  EXPECT_THAT(shown(caption.messages), ElementsAre("user: [image]", "assistant: a box"));
  EXPECT_FALSE(caption.plain);
}

TEST(Rows, Preferences) {
  const Row r = row(R"({"prompt": "q", "chosen": "a", "rejected": "b", "images": ["1.png"]})");
  EXPECT_THAT(shown(r.messages), ElementsAre("user: [image] q", "assistant: a"));
  EXPECT_THAT(shown(r.rejected), ElementsAre("user: [image] q", "assistant: b"));
  const Row whole = row(R"({"chosen": [{"role": "user", "content": "q"},
      {"role": "assistant", "content": "a"}], "rejected": [{"role": "user", "content": "q"},
      {"role": "assistant", "content": "b"}]})");
  EXPECT_THAT(shown(whole.messages), ElementsAre("user: q", "assistant: a"));
  EXPECT_THAT(shown(whole.rejected), ElementsAre("user: q", "assistant: b"));
  EXPECT_EQ(whole.prompt_messages, 1u);
}

TEST(Rows, AlpacaCauldronText) {
  EXPECT_THAT(shown(row(R"({"instruction": "i", "input": "x", "output": "o"})").messages),
              ElementsAre("user: i\n\nx", "assistant: o"));
  EXPECT_THAT(shown(row(R"({"images": ["1.png"], "texts": [{"user": "q", "assistant": "a"},
                            {"user": "w", "assistant": "b", "source": "s"}]})")
                        .messages),
              ElementsAre("user: [image] q", "assistant: a", "user: w", "assistant: b"));
  EXPECT_EQ(row(R"({"text": "t"})").text, "t");
}

TEST(Rows, ToolsAndArguments) {
  const Row r = row(R"({"messages": [{"role": "user", "content": "q"},
      {"role": "assistant", "tool_calls": [{"type": "function", "function": {"name": "f",
       "arguments": "{\"x\": 1}"}}]}, {"role": "tool", "content": "1"},
      {"role": "assistant", "content": "a", "reasoning_content": "r"}],
      "tools": "[{\"name\": \"f\"}]", "chat_template_kwargs": {"enable_thinking": false}})");
  EXPECT_EQ(r.arguments.dump(), R"({"tools":[{"name":"f"}],"enable_thinking":false})");
  EXPECT_EQ(r.messages->items()[1].find("tool_calls")->dump(),
            R"([{"type":"function","function":{"name":"f","arguments":{"x":1}}}])");
  EXPECT_EQ(r.messages->items()[3].find("reasoning_content")->as_string(), "r");
}

TEST(Rows, ColumnsWithOtherNames) {
  RowOptions options;
  options.columns = {{"messages", "dialog"}, {"images", "photos"}};
  const std::string text = R"({"dialog": [{"role": "User", "content": "q"},
      {"role": "ASSISTANT", "content": "a"}], "photos": "1.png"})";
  EXPECT_THAT(shown(row(text, options).messages), ElementsAre("user: [image] q", "assistant: a"));
  EXPECT_THAT(error(text), AllOf(HasSubstr("dialog, photos"), HasSubstr("--columns")));
  options.columns.clear();
  options.format = RowFormat::kText;
  EXPECT_EQ(row(R"({"text": "t", "messages": 3})", options).text, "t");
}

TEST(Rows, WhatIsRefused) {
  const auto chat = [](const std::string& content, const std::string& more = "") {
    return R"({"messages": [{"role": "user", "content": )" + content +
           R"(}, {"role": "assistant", "content": "a"}])" + more + "}";
  };
  EXPECT_THAT(error("[1]"), HasSubstr("is no object"));
  EXPECT_THAT(error(R"({"messages": []})"), HasSubstr("at least one"));
  EXPECT_THAT(error(R"({"messages": 3})"), HasSubstr("must be a list"));
  EXPECT_THAT(error(R"({"messages": [3]})"), HasSubstr("no object"));
  EXPECT_THAT(error(R"({"messages": [{"content": "q"}]})"), HasSubstr("\"role\" or \"from\""));
  EXPECT_THAT(error(R"({"messages": [{"role": "boss", "content": "q"}]})"), HasSubstr("\"boss\""));
  EXPECT_THAT(error(R"({"messages": [{"role": "user", "content": "q"}]})"),
              HasSubstr("no message of the assistant"));
  EXPECT_THAT(error(chat("3")), HasSubstr("text or a list of parts"));
  EXPECT_THAT(error(chat("null")), HasSubstr("no \"content\""));
  EXPECT_THAT(error(chat(R"([{"type": "sound"}])")), HasSubstr("\"sound\""));
  EXPECT_THAT(error(chat(R"([{"type": "image"}])")),
              HasSubstr("name 1 pictures but the row has 0"));
  EXPECT_THAT(error(chat(R"([{"type": "image"}])", R"(, "images": ["1", "2"])")),
              HasSubstr("name 1 pictures but the row has 2"));
  EXPECT_THAT(error(chat("\"q\"", R"(, "images": ["http://x/1.png"])")),
              HasSubstr("nothing is downloaded"));
  EXPECT_THAT(error(chat("\"q\"", R"(, "images": [""])")), HasSubstr("no path"));
  EXPECT_THAT(error(chat("\"q\"", R"(, "images": [7])")), HasSubstr("must be a path"));
  EXPECT_THAT(error(chat("\"q\"", R"(, "images": ["data:image/png;base64,@@"])")),
              HasSubstr("base64"));
  EXPECT_THAT(error(R"({"conversations": [{"from": "human", "value": "<image>\nq"},
                        {"from": "gpt", "value": "a"}]})"),
              HasSubstr("name 1 pictures but the row has 0"));
  EXPECT_THAT(error(R"({"prompt": "p", "completion": "c", "label": true})"), HasSubstr("label"));
  EXPECT_THAT(error(R"({"prompt": "p", "completion": 3})"), HasSubstr("list"));
  EXPECT_THAT(error(R"({"chosen": [{"role": "user", "content": "q"}],
                        "rejected": [{"role": "user", "content": "w"}]})"),
              HasSubstr("share their first messages"));
  EXPECT_THAT(error(R"({"texts": []})"), HasSubstr("empty"));
  EXPECT_THAT(error(R"({"text": 3})"), HasSubstr("must be a text"));
  std::string markers;
  for (size_t i = 0; i <= kMaxRowMedia; ++i) markers += "<image>";
  EXPECT_THAT(error(chat("\"" + markers + "\"", R"(, "images": ["1"])")),
              HasSubstr("too many pictures (limit 256)"));
  std::string parts;
  for (size_t i = 0; i < kMaxRowParts; ++i) parts += "\"\",";
  EXPECT_THAT(error(chat("[" + parts + "\"\"]")), HasSubstr("4097, limit 4096"));
  std::string many = R"({"text": "t", "images": [)";
  for (size_t i = 0; i < kMaxRowMedia; ++i) many += "\"x\",";
  EXPECT_THAT(error(many + "\"x\"]}"), HasSubstr("limit 256"));
}

TEST(Rows, ColumnsAsAnOption) {
  EXPECT_TRUE(columns_of("")->empty());
  EXPECT_THAT(*columns_of("messages=dialog,images=my photos"),
              ElementsAre(std::pair<const std::string, std::string>("images", "my photos"),
                          std::pair<const std::string, std::string>("messages", "dialog")));
  for (const char* wrong : {"messages", "=a", "a=", ",", "a=b,,"})
    EXPECT_FALSE(columns_of(wrong).ok()) << wrong;
}

TEST(Rows, NamesOfFormats) {
  for (const char* name : {"auto", "messages", "prompt-completion", "preference", "llava", "alpaca",
                           "cauldron", "text"})
    EXPECT_EQ(name_of(row_format_of(name).value()), name);
  EXPECT_FALSE(row_format_of("csv"));
}

}  // namespace
}  // namespace ocelli::train
