#include "base/resumable_folder.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/file.h"

namespace ocelli::base {
namespace {

namespace fs = std::filesystem;

class ResumableFolderTest : public testing::Test {
 protected:
  void SetUp() override {
    const auto* info = testing::UnitTest::GetInstance()->current_test_info();
    home_ = fs::path(testing::TempDir()) / (std::string("resumable_") + info->name());
    fs::remove_all(home_);
    fs::create_directories(home_);
  }
  void TearDown() override { fs::remove_all(home_); }

  std::string path(const std::string& name) const { return (home_ / name).string(); }
  static std::span<const std::byte> bytes(std::string_view text) {
    return std::as_bytes(std::span(text));
  }
  ResumableFolder open(std::string_view identity = "same") {
    auto folder = ResumableFolder::open(path("out"), identity);
    EXPECT_TRUE(folder.ok()) << folder.error().message();
    return std::move(folder).value();
  }
  size_t entries() const {
    return size_t(std::distance(fs::directory_iterator(home_), fs::directory_iterator()));
  }
  fs::path home_;
};

TEST_F(ResumableFolderTest, AppearsWhenCommitted) {
  {
    ResumableFolder folder = open();
    auto file = folder.file("a").value();
    ASSERT_TRUE(file.write(bytes("hello")).ok());
    ASSERT_TRUE(file.patch(1, bytes("u")).ok());
    ASSERT_TRUE(file.finish().ok());
    EXPECT_FALSE(fs::exists(path("out")));
    ASSERT_TRUE(folder.commit().ok());
  }
  EXPECT_EQ(read_file(path("out/a"), 100).value(), "hullo");
  EXPECT_EQ(entries(), 1u);
  EXPECT_EQ(std::distance(fs::directory_iterator(path("out")), fs::directory_iterator()), 1);
}

TEST_F(ResumableFolderTest, GoesOnBehindTheLastCheckpoint) {
  {
    ResumableFolder folder = open();
    EXPECT_FALSE(folder.resumed());
    auto file = folder.file("a").value();
    ASSERT_TRUE(file.write(bytes("first")).ok());
    ASSERT_TRUE(file.checkpoint().ok());
    ASSERT_TRUE(file.write(bytes("lost")).ok());
  }
  ResumableFolder folder = open();
  EXPECT_TRUE(folder.resumed());
  auto file = folder.file("a").value();
  EXPECT_EQ(file.done(), 5u);
  ASSERT_TRUE(file.write(bytes("!")).ok());
  ASSERT_TRUE(file.finish().ok());
  ASSERT_TRUE(folder.commit().ok());
  EXPECT_EQ(read_file(path("out/a"), 100).value(), "first!");
}

TEST_F(ResumableFolderTest, AnotherIdentityBeginsAnew) {
  {
    ResumableFolder folder = open("one");
    auto file = folder.file("a").value();
    ASSERT_TRUE(file.write(bytes("first")).ok());
    ASSERT_TRUE(file.finish().ok());
  }
  ResumableFolder folder = open("another");
  EXPECT_FALSE(folder.resumed());
  EXPECT_EQ(folder.file("b").value().done(), 0u);
  ASSERT_TRUE(folder.commit().ok());
  EXPECT_FALSE(fs::exists(path("out/a")));
}

TEST_F(ResumableFolderTest, JournalOfAShorterFileDoesNotCount) {
  {
    ResumableFolder folder = open();
    auto file = folder.file("a").value();
    ASSERT_TRUE(file.write(bytes("first")).ok());
    ASSERT_TRUE(file.finish().ok());
    fs::resize_file(file.path(), 2);
  }
  ResumableFolder folder = open();
  EXPECT_EQ(folder.file("a").value().done(), 0u);
}

TEST_F(ResumableFolderTest, TwoAtOnceAreRefused) {
  ResumableFolder folder = open();
  const auto second = ResumableFolder::open(path("out"), "same");
  ASSERT_FALSE(second.ok());
  EXPECT_NE(second.error().message().find("another process"), std::string::npos);
}

TEST_F(ResumableFolderTest, NothingWrittenLeavesNothing) {
  { ResumableFolder folder = open(); }
  EXPECT_EQ(entries(), 0u);
}

TEST_F(ResumableFolderTest, ReplacesOnlyWhenTold) {
  fs::create_directories(path("out"));
  std::ofstream(path("out/old")) << "x";
  ResumableFolder folder = open();
  auto file = folder.file("a").value();
  ASSERT_TRUE(file.finish().ok());
  EXPECT_FALSE(folder.commit().ok());
  EXPECT_TRUE(fs::exists(path("out/old")));
  ASSERT_TRUE(folder.commit(true).ok());
  EXPECT_FALSE(fs::exists(path("out/old")));
  EXPECT_TRUE(fs::exists(path("out/a")));
  EXPECT_EQ(entries(), 1u);
}

TEST_F(ResumableFolderTest, SingleFiles) {
  ResumableFolder folder = open();
  auto file = folder.file("a").value();
  ASSERT_TRUE(file.write(bytes("x")).ok());
  ASSERT_TRUE(file.finish().ok());
  ASSERT_TRUE(folder.commit_file("a", path("b.gguf")).ok());
  folder.discard();
  EXPECT_EQ(read_file(path("b.gguf"), 10).value(), "x");
  EXPECT_EQ(entries(), 1u);
}

}  // namespace
}  // namespace ocelli::base
