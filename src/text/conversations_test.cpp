// Whole conversations with tools and thinking as transformers renders them
// (tools/reference/make_conversations.py). $OCELLI_CONVERSATIONS names another such file, made with
// a model's real template, which is no part of this repository.
#include <gtest/gtest.h>

#include <cstdlib>

#include "base/file.h"
#include "text/chat_template.h"

namespace ocelli::text {
namespace {

using base::Json;

std::vector<TextSpan> spans_of(const Json& list) {
  std::vector<TextSpan> out;
  for (const Json& span : list.items()) {
    out.push_back({size_t(span.items()[0].as_int()), size_t(span.items()[1].as_int())});
  }
  return out;
}

// Compares every conversation of a file; returns how many there are.
int check_file(const std::string& path) {
  const auto content = base::read_file(path, size_t{16} << 20);
  EXPECT_TRUE(content.ok()) << content.error().message();
  if (!content.ok()) return 0;
  const Json document = Json::parse(*content).value();
  const auto chat = ChatTemplate::parse(document.get_string("template").value());
  EXPECT_TRUE(chat.ok()) << chat.error().message();
  if (!chat.ok()) return 0;
  for (const Json& c : document.find("cases")->items()) {
    RenderOptions options;
    options.add_generation_prompt = c.get_bool("add_generation_prompt", false).value();
    options.tools = *c.find("tools");
    options.variables = *c.find("variables");
    options.now = document.get_int("now").value();
    const std::string name = c.get_string("name").value();
    const auto rendered = chat->render(*c.find("messages"), options);
    EXPECT_TRUE(rendered.ok()) << name << ": " << rendered.error().message();
    if (!rendered.ok()) continue;
    EXPECT_EQ(rendered->text, c.get_string("text").value()) << name;
    EXPECT_EQ(rendered->generation, spans_of(*c.find("spans"))) << name;
  }
  return int(document.find("cases")->size());
}

TEST(Conversations, OfOurTemplateAreThoseOfTransformers) {
  EXPECT_GE(check_file(std::string(OCELLI_FIXTURES) + "/conversations/cases.json"), 50);
}

TEST(Conversations, OfARealTemplateAreThoseOfTransformers) {
  const char* path = std::getenv("OCELLI_CONVERSATIONS");
  if (!path) GTEST_SKIP() << "no $OCELLI_CONVERSATIONS: 56 checks of a real template skipped";
  const int done = check_file(path);
  std::printf("%d conversations of a real template compared\n", done);
  EXPECT_GE(done, 50);
}

}  // namespace
}  // namespace ocelli::text
