// The public interface, with the built-in model.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "ocelli/ocelli.h"

namespace ocelli {
namespace {

using testing::HasSubstr;

const std::string kPicture = OCELLI_FIXTURES "/media/444.jpg";
const std::string kOther = OCELLI_FIXTURES "/media/lossy.webp";

const Model& tiny() {
  static const Result<Model> model = Model::load("", {.threads = 2});
  return *model;
}

TEST(Api, LoadAndAsk) {
  EXPECT_EQ(tiny().name(), "ocelli-tiny");
  EXPECT_TRUE(tiny().takes_pictures());
  const auto answer = tiny().ask("What shape do you see?", {kPicture});
  ASSERT_TRUE(answer.ok()) << answer.error().message();
  EXPECT_NE(answer->text, "");
  EXPECT_EQ(answer->finish_reason, "stop");
  EXPECT_GT(answer->prompt_tokens, 16);
  EXPECT_EQ(answer->reused_tokens, 0);
  EXPECT_GT(answer->tokens, 0);
  EXPECT_GE(answer->seconds, answer->first_token_seconds);
  EXPECT_FALSE(version().empty());
}

TEST(Api, AFolderAndItsOptions) {
  const std::string folder = OCELLI_FIXTURES "/models/smolvlm2-a";
  const auto model =
      Model::load(folder, {.threads = 1, .weights = "f32", .context = 1200, .exact = true});
  ASSERT_TRUE(model.ok()) << model.error().message();
  const auto answer = model->ask("What?", {kPicture}, {.max_tokens = 3});
  ASSERT_TRUE(answer.ok()) << answer.error().message();
  EXPECT_LE(answer->tokens, 3);
}

TEST(Api, BytesAreAsGoodAsAPath) {
  std::ifstream in(kPicture, std::ios::binary);
  const std::string file{std::istreambuf_iterator<char>(in), {}};
  const auto* begin = reinterpret_cast<const std::byte*>(file.data());
  const auto from_bytes =
      tiny().ask("What shape do you see?", {Picture::from_bytes({begin, begin + file.size()})});
  ASSERT_TRUE(from_bytes.ok()) << from_bytes.error().message();
  EXPECT_EQ(from_bytes->text, tiny().ask("What shape do you see?", {kPicture})->text);
}

TEST(Api, PicturesWithoutAByteAreAnError) {
  const auto answer = tiny().ask("What?", {Picture::from_bytes({})});
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().code, Code::kBadInput);
  EXPECT_THAT(answer.error().message(), HasSubstr("picture: "));
  EXPECT_THAT(answer.error().message(), testing::Not(HasSubstr("no such file")));
}

TEST(Api, AConversationReusesWhatItKnows) {
  auto chat = tiny().chat();
  ASSERT_TRUE(chat.ok());
  const auto first = chat->ask("What shape do you see?", {kPicture});
  ASSERT_TRUE(first.ok());
  const auto second = chat->ask("Which colour is it?");
  ASSERT_TRUE(second.ok());
  EXPECT_GE(second->reused_tokens, first->prompt_tokens - 1);
  EXPECT_GT(second->prompt_tokens, second->reused_tokens);
  // What was reused makes no difference to the answer.
  auto fresh = tiny().chat();
  ASSERT_TRUE(fresh->ask("What shape do you see?", {kPicture}).ok());
  EXPECT_EQ(fresh->ask("Which colour is it?")->text, second->text);
}

TEST(Api, AnotherPictureIsNotReused) {
  auto chat = tiny().chat();
  ASSERT_TRUE(chat->ask("What?", {kPicture}).ok());
  const auto second = chat->ask("And here?", {kOther});
  ASSERT_TRUE(second.ok()) << second.error().message();
  EXPECT_GE(second->prompt_tokens - second->reused_tokens, 16);
}

TEST(Api, StreamingGivesTheSameText) {
  std::string streamed;
  AskOptions options;
  options.on_text = [&](std::string_view text) {
    streamed += text;
    return true;
  };
  const auto answer = tiny().ask("What shape do you see?", {kPicture}, options);
  ASSERT_TRUE(answer.ok());
  EXPECT_EQ(streamed, answer->text);
}

TEST(Api, AListenerCanStop) {
  // The last character is held back, as it could begin the stop string.
  const std::string whole = tiny().ask("What shape do you see?", {kPicture})->text;
  ASSERT_GE(whole.size(), 2u);
  AskOptions options;
  options.stop = {whole.substr(whole.size() - 1) + "!"};
  int pieces = 0;
  options.on_text = [&](std::string_view) { return ++pieces < 1; };
  const auto answer = tiny().ask("What shape do you see?", {kPicture}, options);
  ASSERT_TRUE(answer.ok());
  EXPECT_EQ(answer->finish_reason, "cancelled");
  EXPECT_EQ(pieces, 1);  // not called again, not even with what was held back
}

TEST(Api, AfterACancelledAnswerTheConversationGoesOn) {
  auto chat = tiny().chat();
  ASSERT_TRUE(chat.ok());
  const std::string expected = tiny().ask("What shape do you see?", {kPicture})->text;
  const CancelToken cancel;
  AskOptions options;
  options.cancel = &cancel;
  options.on_text = [&](std::string_view) {
    cancel.request();
    return true;
  };
  const auto cut = chat->ask("What shape do you see?", {kPicture}, options);
  ASSERT_TRUE(cut.ok());
  EXPECT_EQ(cut->finish_reason, "cancelled");
  const auto before = chat->ask("What shape do you see?", {kPicture}, options);
  ASSERT_FALSE(before.ok());  // requested before it began
  EXPECT_EQ(before.error().code, Code::kInterrupted);
  const auto again = chat->ask("What shape do you see?", {kPicture});
  ASSERT_TRUE(again.ok()) << again.error().message();
  EXPECT_EQ(again->text, expected);
}

TEST(Api, ATurnThatFailsIsForgotten) {
  auto chat = tiny().chat();
  const auto bad = chat->ask("What?", {Picture(kPicture + ".missing")});
  ASSERT_FALSE(bad.ok());
  EXPECT_THAT(bad.error().message(), HasSubstr(".missing: "));
  EXPECT_EQ(chat->ask("What shape do you see?", {kPicture})->text,
            tiny().ask("What shape do you see?", {kPicture})->text);
}

TEST(Api, ErrorsSayWhatAndWhere) {
  const auto none = Model::load("/nowhere/model");
  ASSERT_FALSE(none.ok());
  EXPECT_EQ(none.error().code, Code::kBadInput);
  EXPECT_THAT(none.error().message(), HasSubstr("/nowhere/model: "));
  const auto weights = Model::load("", {.weights = "q3"});
  ASSERT_FALSE(weights.ok());
  EXPECT_EQ(weights.error().code, Code::kUsage);
  const auto hot = tiny().ask("Hi", {}, {.temperature = -1});
  ASSERT_FALSE(hot.ok());
  EXPECT_EQ(hot.error().code, Code::kUsage);
  const auto small = Model::load("", {.context = 10})->ask("What?", {kPicture});
  ASSERT_FALSE(small.ok());
  EXPECT_EQ(small.error().code, Code::kDoesNotFit);
}

TEST(Api, ThreadsTakeTurnsAndAgree) {
  const std::string expected = tiny().ask("What shape do you see?", {kPicture})->text;
  std::vector<std::string> answers(4);
  std::vector<std::thread> threads;
  for (std::string& answer : answers) {
    threads.emplace_back(
        [&answer] { answer = tiny().ask("What shape do you see?", {kPicture})->text; });
  }
  for (std::thread& t : threads) t.join();
  for (const std::string& answer : answers) EXPECT_EQ(answer, expected);
}

TEST(Api, CopiesShareTheModel) {
  const Model copy = tiny();
  EXPECT_EQ(copy.ask("What shape do you see?", {kPicture})->text,
            tiny().ask("What shape do you see?", {kPicture})->text);
}

// A model whose answers are known (tools/reference/make_scripted.py).
TEST(Api, ToolsAreCalledAndAnswered) {
  const auto model = Model::load(OCELLI_FIXTURES "/models/scripted", {.threads = 1});
  ASSERT_TRUE(model.ok()) << model.error().message();
  Conversation chat = std::move(model->chat()).value();
  AskOptions options;
  options.tools = R"([{"type": "function", "function": {"name": "get_weather"}}])";
  std::string said, thought;
  options.on_text = [&](std::string_view text) { return said += text, true; };
  options.on_thinking = [&](std::string_view text) { return thought += text, true; };
  const auto answer = chat.ask("Oslo?", {}, options);
  ASSERT_TRUE(answer.ok()) << answer.error().message();
  EXPECT_EQ(answer->text, "Let me look.");
  EXPECT_EQ(answer->thinking, "They ask about Oslo.");
  EXPECT_EQ(answer->finish_reason, "tool_calls");
  ASSERT_EQ(answer->tool_calls.size(), 1u);
  EXPECT_EQ(answer->tool_calls[0].name, "get_weather");
  EXPECT_EQ(answer->tool_calls[0].arguments, R"({"city":"Oslo","days":2})");
  EXPECT_EQ(said, answer->text);
  EXPECT_EQ(thought, answer->thinking);
  const auto next = chat.give({"3 degrees <|im_end|>"}, options);
  ASSERT_TRUE(next.ok()) << next.error().message();
  EXPECT_GT(next->prompt_tokens, answer->prompt_tokens);
  EXPECT_GE(next->reused_tokens, answer->prompt_tokens) << "the turn before is in the cache";
  EXPECT_FALSE(chat.give({}, options).ok());

  options.thinking = Thinking::kOff;
  EXPECT_EQ(model->ask("Oslo?", {}, options)->thinking, "");
  const auto none = tiny().ask("Hello", {}, options);
  ASSERT_FALSE(none.ok());
  EXPECT_THAT(none.error().message(), HasSubstr("takes no \"tools\""));
  options.tools = "[";
  EXPECT_FALSE(model->ask("Oslo?", {}, options).ok());
}

// The same where the tokenizer calls the tags special, as some models' do.
TEST(Api, SpecialTagsAreSeenToo) {
  namespace fs = std::filesystem;
  const fs::path folder =
      fs::path(testing::TempDir()) / ("ocelli-tags-" + std::to_string(getpid()));
  fs::copy(OCELLI_FIXTURES "/models/scripted", folder);
  std::ifstream in(folder / "tokenizer.json");
  std::string tokenizer{std::istreambuf_iterator<char>(in), {}};
  const std::string plain = "\"special\": false", special = "\"special\": true";
  int tags = 0;
  for (const char* tag : {"<think>", "</think>", "<tool_call>", "</tool_call>"}) {
    const size_t at = tokenizer.find("\"content\": \"" + std::string(tag) + '"');
    ASSERT_NE(at, std::string::npos) << tag;
    const size_t flag = tokenizer.find(plain, at);
    ASSERT_LT(flag, at + 200) << tag;
    tokenizer.replace(flag, plain.size(), special);
    ++tags;
  }
  fs::permissions(folder / "tokenizer.json", fs::perms::owner_write, fs::perm_options::add);
  std::ofstream(folder / "tokenizer.json") << tokenizer;
  const auto model = Model::load(folder.string(), {.threads = 1});
  ASSERT_TRUE(model.ok()) << model.error().message();
  AskOptions options;
  options.tools = R"([{"type": "function", "function": {"name": "get_weather"}}])";
  const auto answer = model->ask("Oslo?", {}, options);
  ASSERT_TRUE(answer.ok()) << answer.error().message();
  EXPECT_EQ(answer->thinking, "They ask about Oslo.");
  EXPECT_EQ(answer->text, "Let me look.");
  EXPECT_EQ(answer->tool_calls.size(), 1u);
  EXPECT_EQ(tags, 4);
  fs::remove_all(folder);
}

}  // namespace
}  // namespace ocelli
