// The model that ships with the program: the same words as the original, and right about pictures.
// The demonstration pictures and clips come from a seed that its training never used
// (docs/ocelli-tiny.md).
#include <gtest/gtest.h>

#include <sstream>

#include "base/file.h"
#include "base/hash.h"
#include "engine/builtin.h"
#include "engine/messages.h"
#include "engine/session.h"

namespace ocelli::engine {
namespace {

using base::Json;

Json read(const std::string& name) {
  const std::string path = std::string(OCELLI_FIXTURES) + "/tiny/" + name;
  return Json::parse(base::read_file(path, 1 << 20).value()).value();
}

class Builtin : public testing::Test {
 protected:
  static std::unique_ptr<Engine> load() {
    EngineOptions options;
    options.exact = true;
    return Engine::load(builtin_model().value(), options).value();
  }

  // `files` are names with spaces between them.
  Generated ask(const std::string& files, const std::string& question) {
    std::vector<std::shared_ptr<const PreparedImage>> media;
    std::istringstream names(files);
    for (std::string name; names >> name;) {
      const base::MappedFile bytes =
          base::MappedFile::open(std::string(OCELLI_FIXTURES) + "/tiny/" + name).value();
      media.push_back(engine_->prepare_file(bytes.bytes(), name).value());
    }
    Json messages = Json::array();
    messages.push_back(user_message(question, media.size()));
    prompt_ = engine_->build_prompt(messages, std::move(media)).value();
    GenerateOptions options;
    options.max_tokens = 64;
    options.trim_start = true;
    return Session::create(*engine_)->generate(prompt_, options).value();
  }

  std::unique_ptr<Engine> engine_ = load();
  Prompt prompt_;
};

TEST_F(Builtin, SaysWhatTransformersSays) {
  const Json expected = read("expected.json"), demo = read("demo.json");
  const Json::Array& answers = expected.find("answers")->items();
  ASSERT_EQ(answers.size(), demo.size());
  for (size_t i = 0; i < answers.size(); ++i) {
    const std::string file = answers[i].get_string("files").value();
    ASSERT_EQ(file, demo.items()[i].get_string("files").value());
    const Generated out = ask(file, demo.items()[i].get_string("question").value());
    std::vector<int64_t> ids(out.ids.begin(), out.ids.end());
    if (out.finish == FinishReason::kStop) ids.push_back(engine_->stop_ids().front());
    std::vector<int64_t> wanted;
    for (const Json& id : answers[i].find("ids")->items()) wanted.push_back(id.as_int());
    EXPECT_EQ(ids, wanted) << file;
    EXPECT_EQ(out.text, answers[i].get_string("text").value()) << file;
  }
}

TEST_F(Builtin, PromptsAreTheOriginals) {
  const Json expected = read("expected.json");
  for (const Json& detail : expected.find("detail")->items()) {
    ask(detail.get_string("files").value(), detail.get_string("question").value());
    EXPECT_EQ(prompt_.text, detail.get_string("prompt").value());
    std::vector<int64_t> wanted;
    for (const Json& id : detail.find("prompt_ids")->items()) wanted.push_back(id.as_int());
    EXPECT_EQ(std::vector<int64_t>(prompt_.ids.begin(), prompt_.ids.end()), wanted);
  }
  EXPECT_GE(expected.find("detail")->size(), 3u);
}

// As many as it got right when it was put in.
TEST_F(Builtin, AnswersAreRight) {
  constexpr int kLeast = 14;
  int right = 0, asked = 0;
  const Json demo = read("demo.json");
  for (const Json& item : demo.items()) {
    const Generated out =
        ask(item.get_string("files").value(), item.get_string("question").value());
    right += out.text == item.get_string("answer").value();
    ++asked;
  }
  std::printf("%d of %d right\n", right, asked);
  EXPECT_EQ(asked, 22);
  EXPECT_GE(right, kLeast);
}

}  // namespace
}  // namespace ocelli::engine
