#include "train/sample_maker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "formats/model_folder.h"
#include "formats/test_support.h"
#include "train/preview.h"

namespace ocelli::train {
namespace {

using formats::TempFolder;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

engine::Engine& engine_of(const std::string& model) {
  static std::map<std::string, std::unique_ptr<engine::Engine>> engines;
  auto& engine = engines[model];
  if (!engine) {
    engine::EngineOptions options;
    options.threads = 1;
    options.split_images = false;
    auto folder = formats::ModelFolder::open(std::string(OCELLI_FIXTURES) + "/models/" + model);
    engine = engine::Engine::load(std::move(folder).value(), options).value();
  }
  return *engine;
}

Dataset data(const std::string& name) {
  auto out = Dataset::open({std::string(OCELLI_FIXTURES) + "/datasets/" + name});
  EXPECT_TRUE(out.ok()) << (out.ok() ? "" : out.error().message());
  return std::move(out).value();
}

Dataset lines(const TempFolder& folder, const std::string& text) {
  folder.write("d.jsonl", text);
  auto out = Dataset::open({folder.path("d.jsonl")});
  EXPECT_TRUE(out.ok()) << (out.ok() ? "" : out.error().message());
  return std::move(out).value();
}

struct Trial {
  engine::Engine& engine;
  SampleMaker maker;
  Trial(const std::string& model, SampleOptions options = {})
      : engine(engine_of(model)), maker(SampleMaker::create(engine, std::move(options)).value()) {}

  std::optional<Example> make(const Dataset& rows, int64_t index = 0) {
    auto made = maker.make(rows, index);
    EXPECT_TRUE(made.ok()) << (made.ok() ? "" : made.error().message());
    return made.ok() ? std::move(*made) : std::nullopt;
  }
  // The trained stretches.
  std::vector<std::string> learnt(const Sample& sample) {
    std::vector<std::string> out;
    for (size_t i = 0; i < sample.trained.size(); ++i) {
      if (!sample.trained[i]) continue;
      if (i == 0 || !sample.trained[i - 1]) out.emplace_back();
      out.back() += engine.tokenizer().decode(std::span(sample.prompt.ids).subspan(i, 1)).value();
    }
    return out;
  }
  std::vector<std::string> learnt(const Dataset& rows, int64_t index = 0) {
    const auto made = make(rows, index);
    return made ? learnt(made->sample) : std::vector<std::string>{"dropped"};
  }
};

TEST(SampleMaker, PicturesComeFromPathsAndFromInside) {
  Trial t("smolvlm2-a");
  const Dataset rows = data("messages.jsonl");
  EXPECT_THAT(t.learnt(rows, 0), ElementsAre(" Red.<end_of_utterance>"));
  const auto two = t.make(rows, 1);
  ASSERT_TRUE(two);
  EXPECT_EQ(two->row, 1);
  ASSERT_EQ(two->sample.prompt.images.size(), 2u);
  EXPECT_EQ(two->sample.prompt.images[0]->width, 24);
  EXPECT_EQ(two->sample.prompt.images[1]->width, 16);
  EXPECT_EQ(two->sample.prompt.image_tokens(), 128);
  const auto inside = t.make(rows, 2);
  ASSERT_TRUE(inside);
  EXPECT_EQ(inside->sample.prompt.images[0]->key, two->sample.prompt.images[0]->key);
  for (int64_t i = 0; i < rows.size(); ++i) {
    const auto made = t.make(rows, i);
    ASSERT_TRUE(made);
    const Sample& s = made->sample;
    ASSERT_EQ(s.trained.size(), s.prompt.ids.size());
    for (size_t k = 0; k < s.trained.size(); ++k) {
      const bool picture = s.prompt.image_rows[k] >= 0 || (!s.picture.empty() && s.picture[k] >= 0);
      ASSERT_FALSE(picture && s.trained[k]) << "row " << i << ", token " << k;
    }
  }
  EXPECT_EQ(t.make(rows, 4)->sample.prompt.image_tokens(), 0);
}

TEST(SampleMaker, Llava) {
  Trial t("smolvlm2-a");
  const Dataset rows = data("llava.json");
  EXPECT_THAT(t.learnt(rows, 1),
              ElementsAre(" The colour.<end_of_utterance>", " Not at all.<end_of_utterance>"));
  const auto made = t.make(rows, 1);
  EXPECT_THAT(made->sample.prompt.text,
              AllOf(HasSubstr("User: First <fake_token"), HasSubstr(">then <fake_token"),
                    HasSubstr(">What changed?<end_of_utterance>")));
}

TEST(SampleMaker, AClip) {
  Trial t("smolvlm2-a");
  const TempFolder folder;
  std::filesystem::copy(std::string(OCELLI_FIXTURES) + "/video/one_a_second.mp4",
                        folder.path("clip.mp4"));
  const Dataset rows =
      lines(folder, R"({"video": "clip.mp4", "conversations": [{"from": "human", "value": )"
                    R"("<video>\nWhat moves?"}, {"from": "gpt", "value": "A ball."}]})");
  const auto made = t.make(rows);
  ASSERT_TRUE(made);
  const Sample& s = made->sample;
  ASSERT_TRUE(s.prompt.images.size() == 1 && s.prompt.images[0]->clip);
  EXPECT_EQ(s.prompt.image_tokens(), s.prompt.images[0]->tiles.plan.tiles * 64);
  EXPECT_THAT(t.learnt(s), ElementsAre(" A ball.<end_of_utterance>"));
  // The times of the frames are part of the clip: a cut goes around all of it.
  EXPECT_EQ(std::count(s.picture.begin(), s.picture.end(), 0),
            int64_t(t.engine.raw_prompt(s.prompt.images[0]->clip->prompt).value().ids.size()));
}

TEST(SampleMaker, CallsAreWrittenWhereTheTemplateWritesTexts) {
  Trial t("smollm3");
  EXPECT_THAT(
      t.learnt(data("tools.jsonl")),
      ElementsAre("<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": \"Oslo\"}}\n"
                  "</tool_call><|im_end|>",
                  "4 degrees.<|im_end|>"));
  const auto made = t.make(data("tools.jsonl"));
  // The row says not to think; the empty thought is asked for, not learnt.
  EXPECT_THAT(made->sample.prompt.text, HasSubstr("<think>\n\n</think>\n4 degrees."));
  // A template without tools leaves rows with them out.
  Trial vision("smolvlm2-a");
  EXPECT_FALSE(vision.maker.make(data("tools.jsonl"), 0).ok());
}

TEST(SampleMaker, ArgumentsForAllRows) {
  SampleOptions options;
  options.arguments = base::Json::object({{"enable_thinking", false}});
  Trial t("smollm3", options);
  const auto made = t.make(data("prompt_completion.jsonl"), 1);
  EXPECT_THAT(made->sample.prompt.text, HasSubstr("Way of answering: /no_think"));
  EXPECT_THAT(t.learnt(made->sample), ElementsAre("Hi!<|im_end|>"));
}

TEST(SampleMaker, PairsHaveBothSides) {
  Trial t("smolvlm2-a");
  const auto pair = t.make(data("preference.jsonl"), 0);
  ASSERT_TRUE(pair && pair->rejected);
  EXPECT_THAT(t.learnt(pair->sample), ElementsAre(" Yes.<end_of_utterance>"));
  EXPECT_THAT(t.learnt(*pair->rejected),
              ElementsAre(" Perhaps it is, perhaps not.<end_of_utterance>"));
  EXPECT_EQ(pair->rejected->prompt.images.size(), 1u);
}

TEST(SampleMaker, TextsOfABaseModel) {
  Trial t("smollm3");
  const auto text = t.make(data("texts.txt"), 0);
  ASSERT_TRUE(text);
  EXPECT_TRUE(text->sample.plain);
  EXPECT_EQ(text->sample.trained_tokens(), text->sample.tokens() - 1);
  EXPECT_TRUE(text->sample.prompt.text.ends_with("It has two lines.<|im_end|>"));
  SampleOptions raw;
  raw.raw = true;
  Trial joined("smollm3", raw);
  const auto rows = data("prompt_completion.jsonl");
  EXPECT_THAT(joined.learnt(rows, 0), ElementsAre(" blue.<|im_end|>"));
  EXPECT_THAT(joined.maker.make(rows, 1).error().message(), HasSubstr("raw training takes texts"));
}

TEST(SampleMaker, LongRowsAreCutAndCounted) {  // T02
  const TempFolder folder;
  std::string words;
  for (int i = 0; i < 60; ++i) words += "word ";
  const std::string user = R"({"messages": [{"role": "user", "content": ")",
                    then = R"("}, {"role": "assistant", "content": ")", end = "\"}]}\n";
  const Dataset rows = lines(folder, user + "q" + then + words + end + user + words + then + "a" +
                                         end + user + "q" + then + "a" + end);
  SampleOptions options;
  options.max_length = 40;
  Trial t("smolvlm2-a", options);
  const auto cut = t.make(rows, 0);
  ASSERT_TRUE(cut);
  EXPECT_EQ(cut->sample.tokens(), 40);
  EXPECT_GT(cut->sample.trained_tokens(), 20);
  EXPECT_EQ(t.engine.tokenizer().decode(cut->sample.prompt.ids).value(), cut->sample.prompt.text);
  EXPECT_FALSE(t.make(rows, 1));  // only the question is left
  EXPECT_TRUE(t.make(rows, 2));
  EXPECT_EQ(t.maker.counts().truncated, 1);
  EXPECT_EQ(t.maker.counts().too_long, 1);
  EXPECT_EQ(t.maker.counts().made, 2);
  options.truncation = Truncation::kKeepEnd;
  Trial behind("smolvlm2-a", options);
  EXPECT_THAT(behind.learnt(rows, 1), ElementsAre(" a<end_of_utterance>"));
  options.truncation = Truncation::kDrop;
  Trial whole("smolvlm2-a", options);
  EXPECT_FALSE(whole.make(rows, 0));
  EXPECT_EQ(whole.maker.counts().too_long, 1);
}

TEST(SampleMaker, ACutNeverGoesThroughAPicture) {
  SampleOptions options;
  options.mask = Mask::kAll;
  const Sample whole = Trial("smolvlm2-a", options).make(data("messages.jsonl"), 1)->sample;
  for (const Truncation truncation : {Truncation::kKeepStart, Truncation::kKeepEnd}) {
    for (int64_t length = 1; length < whole.tokens(); ++length) {
      Sample cut = whole;
      truncate(cut, length, truncation);
      const engine::Prompt& p = cut.prompt;
      // As long as it can be: at most a picture and its markers are missing.
      ASSERT_LE(cut.tokens(), length);
      ASSERT_GT(cut.tokens(), length - 67);
      ASSERT_EQ(p.image_tokens(), int64_t(p.images.size()) * 64) << length;
      int32_t row = 0;
      for (const int32_t r : p.image_rows) {
        if (r >= 0) {
          ASSERT_EQ(r, row++);
        }
      }
      const auto same = truncation == Truncation::kKeepEnd
                            ? std::equal(p.ids.rbegin(), p.ids.rend(), whole.prompt.ids.rbegin())
                            : std::equal(p.ids.begin(), p.ids.end(), whole.prompt.ids.begin());
      ASSERT_TRUE(same && cut.trained.size() == p.ids.size()) << length;
      if (truncation == Truncation::kKeepEnd && p.images.size() == 1) {
        ASSERT_EQ(p.images[0]->width, 16);  // the second one stays
        ASSERT_TRUE(std::all_of(cut.picture.begin(), cut.picture.end(),
                                [](int32_t number) { return number <= 0; }));
      }
    }
  }
}

TEST(SampleMaker, BrokenPicturesAreNamed) {
  const TempFolder folder;
  folder.write("cut.png", std::string("\x89PNG\r\n\x1a\n\0\0\0\rIHDR", 16));
  const Dataset rows = lines(folder, R"({"file_name": "cut.png", "text": "a"})");
  Trial t("smolvlm2-a");
  const auto made = t.maker.make(rows, 0);
  ASSERT_FALSE(made.ok());
  EXPECT_EQ(made.error().code, base::Code::kBadInput);
  EXPECT_THAT(made.error().message(), AllOf(HasSubstr("d.jsonl: line 1"), HasSubstr("cut.png")));
  // A model without a tower says so, whatever the picture is.
  EXPECT_EQ(Trial("smollm3").maker.make(data("captions.jsonl"), 0).error().code,
            base::Code::kUsage);
}

TEST(SampleMaker, OptionsOutOfRange) {
  engine::Engine& engine = engine_of("smolvlm2-a");
  EXPECT_EQ(SampleMaker::create(engine, {.max_length = -1}).error().code, base::Code::kUsage);
  EXPECT_EQ(SampleMaker::create(engine, {.max_length = 1 << 20}).error().code,
            base::Code::kDoesNotFit);
  for (const char* name : {"keep_start", "keep_end", "drop"})
    EXPECT_EQ(name_of(truncation_of(name).value()), name);
  EXPECT_FALSE(truncation_of("middle"));
}

TEST(Preview, MarksWhatIsTrained) {
  Trial t("smolvlm2-a");
  const Dataset rows = data("messages.jsonl");
  const auto made = t.make(rows, 0);
  const std::string text = preview(t.engine, rows, *made);
  EXPECT_THAT(text, HasSubstr("messages.jsonl: line 1\n"
                              "<|im_start|>User:[image 1: 24x16, 1 tile, 64 tokens]What colour is "
                              "it?<end_of_utterance>\nAssistant:[ Red.<end_of_utterance>]\n"
                              "1 sample, "));
  EXPECT_THAT(text, HasSubstr("(67 of pictures), "));
  const std::string colored = preview(t.engine, made->sample, {.color = true});
  EXPECT_THAT(colored, HasSubstr("\x1b[32m Red.<end_of_utterance>\x1b[0m"));
  const auto pair = t.make(data("preference.jsonl"), 1);
  EXPECT_THAT(preview(t.engine, data("preference.jsonl"), *pair),
              AllOf(HasSubstr("line 2, chosen\n"), HasSubstr("--- rejected\n"),
                    HasSubstr("[ Five.<end_of_utterance>]")));
}

TEST(Preview, WhatSteersATerminalIsShown) {
  const TempFolder folder;
  Trial t("smolvlm2-a");
  const Dataset rows = lines(folder, R"({"prompt": "a\u001b[31mb\u202ec", "completion": "d"})");
  EXPECT_THAT(preview(t.engine, t.make(rows)->sample), HasSubstr("a\\u001B[31mb\\u202Ec"));
}

TEST(Preview, RefusesMasksThatCannotBeMeant) {
  MaskCounts counts;
  counts.samples = 2;
  counts.tokens = 1000;
  counts.picture_tokens = 800;
  EXPECT_THAT(check_trained(counts, Mask::kAssistant).error().message(),
              HasSubstr("no trainable token"));
  EXPECT_EQ(check_trained(counts, Mask::kAll).error().code, base::Code::kUsage);
  counts.trained = 180;
  EXPECT_TRUE(check_trained(counts, Mask::kAssistant).ok());
  counts.trained = 181;
  EXPECT_THAT(check_trained(counts, Mask::kAssistant).error().message(),
              AllOf(HasSubstr("90.5 %, limit 90.0 %"), HasSubstr("--mask all")));
  EXPECT_TRUE(check_trained(counts, Mask::kAll).ok());
  EXPECT_EQ(counts_text(counts),
            "2 samples, 1000 tokens (800 of pictures), 181 trained (90.5 % of the text)");
  // Texts are learnt whole without being asked for.
  Trial t("smollm3");
  MaskCounts texts;
  texts.add(*t.make(data("texts.txt"), 0));
  EXPECT_TRUE(check_trained(texts, Mask::kAssistant).ok());
}

}  // namespace
}  // namespace ocelli::train
