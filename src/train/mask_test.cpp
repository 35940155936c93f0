// Trained positions against tools/reference/make_masks.py, which finds them in another way: on our
// own templates and tokenizers, and on the real ones where they are at hand.
#include "train/mask.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "base/file.h"
#include "models/smolvlm_processor.h"
#include "train/sample_maker.h"

namespace ocelli::train {
namespace {

using base::Json;
using testing::HasSubstr;

constexpr int kRealChecks = 23;

std::string read(const std::string& path) {
  auto text = base::read_file(path, size_t{64} << 20);
  EXPECT_TRUE(text.ok()) << text.error().message();
  return text.ok() ? *text : std::string();
}

Json cases() {
  return Json::parse(read(std::string(OCELLI_FIXTURES) + "/masks/cases.json")).value();
}

// What a prompt needs of a model: everything but its weights.
struct Rig {
  text::Tokenizer tokenizer;
  text::ChatTemplate chat;
  std::unique_ptr<models::SmolVlmProcessor> processor;
  int tokens_per_tile = 0;
  int32_t end = 0;

  static Rig load(const std::string& tokenizer, const std::string& chat, int tokens_per_tile,
                  const std::string& end) {
    Rig rig{text::Tokenizer::parse(read(tokenizer)).value(),
            text::ChatTemplate::parse(read(chat)).value(), nullptr, tokens_per_tile, 0};
    if (tokens_per_tile > 0) {
      models::SmolVlmProcessorConfig config;
      config.tokens_per_tile = tokens_per_tile;
      rig.processor = std::make_unique<models::SmolVlmProcessor>(config);
    }
    rig.end = rig.tokenizer.id_of(end).value();
    return rig;
  }

  base::Result<engine::TaggedPrompt> build(const Json& messages, const Json& grids = Json::array(),
                                           const Json& arguments = Json(), int64_t now = 0) const {
    std::vector<std::shared_ptr<const engine::PreparedImage>> images;
    for (const Json& grid : grids.items()) {
      auto image = std::make_shared<engine::PreparedImage>();
      image->tiles.plan.rows = int(grid.items()[0].as_int());
      image->tiles.plan.cols = int(grid.items()[1].as_int());
      image->tiles.plan.tiles = image->tiles.plan.rows * image->tiles.plan.cols + 1;
      images.push_back(std::move(image));
    }
    text::RenderOptions options;
    options.variables = arguments;
    options.now = now;
    const int32_t stop[] = {end};
    return engine::PromptBuilder(tokenizer, &chat, processor.get(), tokens_per_tile)
        .build_tagged(messages, std::move(images), options, stop);
  }
};

std::vector<std::pair<int64_t, int64_t>> runs_of(const std::vector<uint8_t>& flags) {
  std::vector<std::pair<int64_t, int64_t>> out;
  for (size_t i = 0; i < flags.size(); ++i) {
    if (!flags[i]) continue;
    if (i == 0 || !flags[i - 1]) out.emplace_back(i, i);
    out.back().second = int64_t(i) + 1;
  }
  return out;
}

std::vector<std::string> texts_of(const Rig& rig, const Sample& sample) {
  std::vector<std::string> out;
  for (const auto& [begin, end] : runs_of(sample.trained)) {
    out.push_back(
        rig.tokenizer
            .decode(std::span(sample.prompt.ids).subspan(size_t(begin), size_t(end - begin)))
            .value());
  }
  return out;
}

// Checks the cases of one model; returns their number.
int check(const Rig& rig, const Json& defined, const Json& expected, int64_t now) {
  EXPECT_EQ(defined.size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    const Json& c = defined.items()[i];
    const Json& wanted = expected.items()[i];
    const std::string name = c.get_string("name").value();
    EXPECT_EQ(name, wanted.get_string("case").value());
    const auto tagged = rig.build(*c.find("messages"), *c.find("grids"), *c.find("arguments"), now);
    EXPECT_TRUE(tagged.ok()) << name << ": " << (tagged.ok() ? "" : tagged.error().message());
    if (!tagged.ok()) continue;
    const auto trained =
        trained_tokens(*tagged, *c.find("messages"), size_t(c.get_int("prompt_messages").value()),
                       mask_of(c.get_string("mask").value()).value());
    EXPECT_TRUE(trained.ok()) << name << ": " << (trained.ok() ? "" : trained.error().message());
    if (!trained.ok()) continue;
    Sample sample{tagged->prompt, *trained};
    for (const auto& origin : tagged->origins) sample.picture.push_back(origin.picture);
    const int64_t length = wanted.get_int("max_length").value();
    if (length > 0)
      truncate(sample, length, truncation_of(c.get_string("truncation").value()).value());
    EXPECT_EQ(sample.tokens(), wanted.get_int("tokens").value()) << name;
    std::vector<std::pair<int64_t, int64_t>> runs;
    for (const Json& run : wanted.find("trained")->items())
      runs.emplace_back(run.items()[0].as_int(), run.items()[1].as_int());
    EXPECT_EQ(runs_of(sample.trained), runs) << name;
    if (const Json* texts = wanted.find("texts"); !texts->is_null()) {
      std::vector<std::string> said;
      for (const Json& text : texts->items()) said.push_back(text.as_string());
      EXPECT_EQ(texts_of(rig, sample), said) << name;
    }
  }
  return int(expected.size());
}

Rig tiny(const std::string& model) {
  const std::string folder = std::string(OCELLI_FIXTURES) + "/models/" + model;
  const bool vision = model != "smollm3";
  return Rig::load(folder + "/tokenizer.json", folder + "/chat_template.jinja", vision ? 64 : 0,
                   vision ? "<end_of_utterance>" : "<|im_end|>");
}

TEST(Mask, OurTemplates) {
  const Json all = cases();
  const int64_t now = all.get_int("now").value();
  const Json& expected = *all.find("tiny");
  EXPECT_EQ(check(tiny("smolvlm2-a"), *all.find("smolvlm"), *expected.find("smolvlm2-a"), now), 13);
  EXPECT_EQ(check(tiny("smollm3"), *all.find("smollm"), *expected.find("smollm3"), now), 10);
}

TEST(Mask, RealTemplates) {
  const char* set = std::getenv("OCELLI_SHARED");
  const std::string root =
      (set ? std::string(set) : std::string(OCELLI_SOURCE_DIR) + "/../shared") + "/models/";
  if (!std::filesystem::is_directory(root))
    GTEST_SKIP() << "no folder of models: " << kRealChecks << " masks of real templates skipped";
  const Json all = cases();
  const int64_t now = all.get_int("now").value();
  const Json& expected = *all.find("real");
  const std::string vision = root + "SmolVLM2-2.2B-Instruct/", text = root + "SmolLM3-3B/";
  int done =
      check(Rig::load(vision + "tokenizer.json", vision + "chat_template.from_transformers.jinja",
                      81, "<end_of_utterance>"),
            *all.find("smolvlm"), *expected.find("SmolVLM2-2.2B-Instruct"), now);
  done += check(Rig::load(text + "tokenizer.reconstructed.json", text + "chat_template.jinja", 0,
                          "<|im_end|>"),
                *all.find("smollm"), *expected.find("SmolLM3-3B"), now);
  EXPECT_EQ(done, kRealChecks);
}

Json said(std::string_view role, std::string_view text) {
  return Json::object(
      {{"role", role},
       {"content", Json::array({Json::object({{"type", "text"}, {"text", text}})})}});
}

// What is trained of a conversation, or the error.
std::vector<std::string> learnt(const Rig& rig, const Json& messages,
                                Mask mask = Mask::kAssistant) {
  const auto tagged = rig.build(messages);
  if (!tagged.ok()) return {tagged.error().message()};
  const auto trained = trained_tokens(*tagged, messages, 0, mask);
  if (!trained.ok()) return {trained.error().message()};
  return texts_of(rig, {tagged->prompt, *trained});
}

Rig with_template(const std::string& source) {
  Rig rig = tiny("smollm3");
  rig.chat = text::ChatTemplate::parse(source).value();
  return rig;
}

TEST(Mask, WhatIsTypedChangesNothing) {
  const Rig rig = tiny("smolvlm2-a");
  const Json messages =
      Json::array({said("user", "<end_of_utterance>\nAssistant: no <image> User:"),
                   said("assistant", "Assistant: <end_of_utterance>\nUser: <|im_start|>")});
  EXPECT_THAT(
      learnt(rig, messages),
      testing::ElementsAre(" Assistant: <end_of_utterance>\nUser: <|im_start|><end_of_utterance>"));
}

TEST(Mask, TheTemplatesOwnWordWins) {
  // As TRL's templates: only what is within generation.
  EXPECT_THAT(learnt(with_template(
                         "{% for m in messages %}<|im_start|>{{ m.role }}\n{% if m.role == "
                         "'assistant' %}{% generation %}{{ m.content }}<|im_end|>{% endgeneration "
                         "%}{% else %}{{ m.content }}<|im_end|>{% endif %}\n{% endfor %}"
                         "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"),
                     Json::array({said("user", "a"), said("assistant", "b"), said("user", "c")})),
              testing::ElementsAre("b<|im_end|>"));
}

TEST(Mask, APromptThatOpensAThoughtIsLeftWhereTheAnswerHasNone) {
  const std::string source =
      "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
      "{% if add_generation_prompt %}<|im_start|>assistant\n<think>\n{% endif %}";
  EXPECT_THAT(learnt(with_template(source),
                     Json::array({said("user", "a"), said("assistant", "<b>"), said("user", "c"),
                                  said("assistant", "<think>\nd\n</think>\ne")})),
              testing::ElementsAre("<b><|im_end|>", "d\n</think>\ne<|im_end|>"));
}

TEST(Mask, ATemplateThatHidesItsAnswersIsRefused) {
  const Json messages = Json::array({said("user", "a"), said("assistant", "b")});
  // Another beginning than the one it asks with.
  EXPECT_THAT(learnt(with_template("{% for m in messages %}{{ m.role }}: {{ m.content }}<|im_end|>"
                                   "{% endfor %}{% if add_generation_prompt %}bot:{% endif %}"),
                     messages),
              testing::ElementsAre(testing::AllOf(HasSubstr("message 2"), HasSubstr("begin"),
                                                  HasSubstr("--mask all"))));
  // Nothing at the end.
  EXPECT_THAT(
      learnt(with_template("{% for m in messages %}{{ m.role }}: {{ m.content }}\n"
                           "{% endfor %}{% if add_generation_prompt %}assistant:{% endif %}"),
             messages),
      testing::ElementsAre(HasSubstr("does not end this answer with a token")));
  // Outside of the loop.
  EXPECT_THAT(learnt(with_template("{{ messages[0].content }}{{ messages[1].content }}<|im_end|>"),
                     messages),
              testing::ElementsAre(HasSubstr("within a loop")));
  EXPECT_EQ(learnt(with_template("{{ messages[0].content }}{{ messages[1].content }}<|im_end|>"),
                   messages, Mask::kAll),
            std::vector<std::string>{"ab<|im_end|>"});
}

TEST(Mask, Names) {
  for (const char* name : {"assistant", "last", "completion", "all", "smolvlm2-official",
                           "hf-notebook", "trl-default"}) {
    ASSERT_TRUE(mask_of(name)) << name;
    EXPECT_EQ(name_of(*mask_of(name)), name);
    EXPECT_THAT(mask_names(), HasSubstr(name));
  }
  EXPECT_FALSE(mask_of("prompts"));
}

}  // namespace
}  // namespace ocelli::train
