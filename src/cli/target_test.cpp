#include "cli/target.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace ocelli::cli {
namespace {

namespace fs = std::filesystem;
using base::Code;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

// A store with the models "mono" and "owner/duo", and a working folder with pictures and a model.
class TargetTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "ocelli-target-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    root_ = pattern;
    before_ = fs::current_path();
    for (const char* model : {"data/models/mono", "data/models/owner/duo", "work/local"}) {
      fs::create_directories(root_ / model);
      std::ofstream(root_ / model / "config.json") << "{}";
    }
    fs::create_directories(root_ / "work/empty");
    for (const char* file : {"photo.jpg", "other.png", "what", "weights.gguf"})
      std::ofstream(root_ / "work" / file) << "x";
    fs::current_path(root_ / "work");
    setenv("OCELLI_DATA", (root_ / "data").c_str(), 1);
    setenv("HF_HUB_CACHE", (root_ / "hub").c_str(), 1);
  }
  void TearDown() override {
    unsetenv("OCELLI_DATA");
    unsetenv("HF_HUB_CACHE");
    fs::current_path(before_);
    fs::remove_all(root_);
  }

  static Target ok(const std::vector<std::string>& words, const std::string& model = "",
                   const std::optional<std::string>& question = {}) {
    auto out = resolve_target(words, model, question);
    EXPECT_TRUE(out.ok()) << (out.ok() ? "" : out.error().message());
    return out.ok() ? *out : Target{};
  }
  static std::string usage_error(const std::vector<std::string>& words,
                                 const std::string& model = "",
                                 const std::optional<std::string>& question = {}) {
    const auto out = resolve_target(words, model, question);
    EXPECT_FALSE(out.ok());
    if (out.ok()) return {};
    EXPECT_EQ(out.error().code, Code::kUsage);
    return out.error().message();
  }

  fs::path root_, before_;
};

TEST_F(TargetTest, FilesAndAQuestion) {
  const Target t = ok({"photo.jpg", "other.png", "What differs?"});
  EXPECT_EQ(t.model, "");
  EXPECT_THAT(t.files, ElementsAre("photo.jpg", "other.png"));
  EXPECT_EQ(t.question, "What differs?");
}

TEST_F(TargetTest, AQuestionAlone) {
  EXPECT_EQ(ok({"Hello"}).question, "Hello");
  EXPECT_EQ(ok({"yes/no?"}).question, "yes/no?");
  EXPECT_EQ(ok({"Is it in photo.jpg"}).question, "Is it in photo.jpg");
  EXPECT_EQ(ok({""}).question, "");
}

TEST_F(TargetTest, NothingAtAll) {
  const Target t = ok({});
  EXPECT_FALSE(t.question.has_value());
  EXPECT_THAT(t.files, IsEmpty());
}

TEST_F(TargetTest, ModelsByNameAndByFolder) {
  EXPECT_EQ(ok({"mono", "Hello"}).model, (root_ / "data/models/mono").string());
  EXPECT_EQ(ok({"owner/duo", "Hello"}).model, (root_ / "data/models/owner/duo").string());
  EXPECT_EQ(ok({"local", "photo.jpg", "Hello"}).model, "local");
  EXPECT_EQ(ok({"./local", "Hello"}).model, "./local");
  EXPECT_EQ(ok({"ocelli-tiny", "Hello"}).model, "");
}

TEST_F(TargetTest, OptionsInsteadOfPositions) {
  const Target t = ok({"photo.jpg"}, "mono", "What?");
  EXPECT_EQ(t.model, (root_ / "data/models/mono").string());
  EXPECT_THAT(t.files, ElementsAre("photo.jpg"));
  EXPECT_EQ(t.question, "What?");
  // With -m no word is taken for a model: "local" is a file that exists.
  EXPECT_THAT(ok({"local", "Hello"}, "mono").files, ElementsAre("local"));
}

TEST_F(TargetTest, ALastWordThatIsAFileIsAFile) {
  const Target t = ok({"photo.jpg", "what"});
  EXPECT_THAT(t.files, ElementsAre("photo.jpg", "what"));
  EXPECT_FALSE(t.question.has_value());
}

TEST_F(TargetTest, AMistypedModelIsNeverAQuestion) {
  EXPECT_THAT(usage_error({"mno", "photo.jpg", "What?"}), HasSubstr("nearest name is mono"));
  EXPECT_THAT(usage_error({"owner/dua", "What?"}), HasSubstr("nearest name is owner/duo"));
  EXPECT_THAT(usage_error({"oceli-tiny", "What?"}), HasSubstr("nearest name is ocelli-tiny"));
  EXPECT_THAT(usage_error({"something-else-entirely", "What?"}), HasSubstr("ocelli list"));
  EXPECT_THAT(usage_error({"mno"}, "", "What?"), HasSubstr("nearest name is mono"));
  EXPECT_THAT(usage_error({"Hello"}, "mno"), HasSubstr("nearest name is mono"));
}

TEST_F(TargetTest, AMistypedFileIsNeverAQuestion) {
  EXPECT_THAT(usage_error({"phto.jpg", "What?"}), HasSubstr("nearest name is photo.jpg"));
  EXPECT_THAT(usage_error({"photo.jpg", "othr.png", "What?"}),
              HasSubstr("nearest name is other.png"));
  EXPECT_THAT(usage_error({"photo.jpg", "othr.png"}), HasSubstr("nearest name is other.png"));
  EXPECT_THAT(usage_error({"phto.JPEG"}), HasSubstr("phto.JPEG"));
  EXPECT_THAT(usage_error({"./nothing"}), HasSubstr("./nothing"));
  EXPECT_THAT(usage_error({"photo.jpg", "What?"}, "", "What else?"), HasSubstr("What?"));
}

TEST_F(TargetTest, FoldersAndFilesThatAreNoModel) {
  auto none = resolve_model("empty");
  ASSERT_FALSE(none.ok());
  EXPECT_EQ(none.error().code, Code::kBadInput);
  EXPECT_THAT(none.error().message(), HasSubstr("config.json is missing"));
  EXPECT_EQ(*resolve_model("weights.gguf"), "weights.gguf");  // what is in it is seen later
  EXPECT_THAT(open_model("weights.gguf").error().message(), HasSubstr("weights.gguf: "));
  EXPECT_FALSE(resolve_model("photo.jpg").ok());
}

TEST_F(TargetTest, TheStoreIsListedByName) {
  const auto models = stored_models();
  ASSERT_TRUE(models.ok());
  ASSERT_EQ(models->size(), 2u);
  EXPECT_EQ(models->at(0).name, "mono");
  EXPECT_EQ(models->at(1).name, "owner/duo");
}

TEST_F(TargetTest, HostileWordsAreEscapedInErrors) {
  const std::string text = usage_error({"\x1b[31mred\n", "What?"});
  EXPECT_THAT(text, Not(HasSubstr("\x1b")));
  EXPECT_THAT(text, Not(HasSubstr("\n")));
}

}  // namespace
}  // namespace ocelli::cli
