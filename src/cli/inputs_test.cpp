#include "cli/inputs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace ocelli::cli {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class InputsTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "ocelli-inputs-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    root_ = pattern;
  }
  void TearDown() override { fs::remove_all(root_); }

  std::string at(const std::string& name) const { return (root_ / name).string(); }
  std::string put(const std::string& name, const std::string& text) const {
    fs::create_directories(fs::path(at(name)).parent_path());
    std::ofstream(at(name), std::ios::binary) << text;
    return at(name);
  }
  static std::string error_of(const std::vector<std::string>& words) {
    std::vector<std::string> notes;
    const auto out = expand_folders(words, notes);
    return out.ok() ? "no error" : out.error().message();
  }

  fs::path root_;
};

constexpr char kGif[] = "GIF89a......";

TEST_F(InputsTest, AFolderIsItsPicturesInNaturalOrder) {
  for (const char* name : {"in/img10.gif", "in/img2.gif", "in/IMG1.bin", "in/img02b.gif",
                           "in/.hidden.gif", "in/sub/x.gif"})
    put(name, kGif);
  put("in/notes.txt", "hello");
  const std::string file = put("single.png", "x");
  std::vector<std::string> notes;
  const auto out = expand_folders({file, at("in"), "data:,x"}, notes);
  ASSERT_TRUE(out.ok()) << out.error().message();
  EXPECT_THAT(*out, ElementsAre(file, at("in/IMG1.bin"), at("in/img2.gif"), at("in/img02b.gif"),
                                at("in/img10.gif"), "data:,x"));
  ASSERT_EQ(notes.size(), 1u);
  EXPECT_THAT(notes[0], HasSubstr("skipped 2 entries of "));
  EXPECT_THAT(notes[0], HasSubstr("(notes.txt, sub)"));
}

TEST_F(InputsTest, NoNoteWhereNothingIsSkipped) {
  put("in/a.gif", kGif);
  std::vector<std::string> notes;
  ASSERT_TRUE(expand_folders({at("in")}, notes).ok());
  EXPECT_THAT(notes, IsEmpty());
}

TEST_F(InputsTest, FoldersThatAreNoPictures) {
  put("model/config.json", "{}");
  put("model/photo.gif", kGif);
  put("texts/a.txt", "x");
  fs::create_directories(at("empty"));
  EXPECT_THAT(error_of({at("model")}), HasSubstr("is a model folder"));
  EXPECT_THAT(error_of({at("texts")}), HasSubstr("no pictures in this folder (1 other"));
  EXPECT_THAT(error_of({at("empty")}), HasSubstr("no pictures in this folder (0 other"));
}

TEST_F(InputsTest, TooManyPictures) {
  EXPECT_TRUE(check_picture_count(kMaxPicturesPerRequest).ok());
  const auto status = check_picture_count(1000);
  ASSERT_FALSE(status.ok());
  EXPECT_THAT(status.error().message(), HasSubstr("(1000, limit 32)"));
}

TEST_F(InputsTest, OpensFilesAndDataUris) {
  const auto file = Input::open(put("a.txt", "hello"));
  ASSERT_TRUE(file.ok());
  EXPECT_EQ(file->bytes().size(), 5u);
  const auto uri = Input::open("data:image/png;base64,aGVsbG8=");
  ASSERT_TRUE(uri.ok()) << uri.error().message();
  EXPECT_EQ(uri->bytes().size(), 5u);
  const auto html = Input::open("data:text/html,<b>");
  ASSERT_FALSE(html.ok());
  EXPECT_THAT(html.error().message(), HasSubstr("unsupported: a data URI of text/html"));
  const auto broken = Input::open("data:image/png;base64,@@");
  ASSERT_FALSE(broken.ok());
  EXPECT_THAT(broken.error().message(), HasSubstr("base64"));
  EXPECT_FALSE(Input::open(at("missing")).ok());
}

TEST_F(InputsTest, NamesAreShort) {
  EXPECT_EQ(input_name("photo.jpg"), "photo.jpg");
  const std::string long_uri = "data:image/png;base64," + std::string(100000, 'A');
  EXPECT_THAT(input_name(long_uri), HasSubstr("data:image/png (100022 characters, "));
  EXPECT_LT(input_name(long_uri).size(), 100u);
  EXPECT_NE(input_name(long_uri), input_name(long_uri + "A"));
}

TEST(NaturalOrder, CountsNumbers) {
  EXPECT_TRUE(natural_less("a2", "a10"));
  EXPECT_FALSE(natural_less("a10", "a2"));
  EXPECT_TRUE(natural_less("a", "a1"));
  EXPECT_TRUE(natural_less("B1", "b2"));
  EXPECT_TRUE(natural_less("a99999999999999999999", "a100000000000000000000"));
  EXPECT_FALSE(natural_less("a1", "a1"));
  EXPECT_NE(natural_less("a01", "a1"), natural_less("a1", "a01"));
}

}  // namespace
}  // namespace ocelli::cli
