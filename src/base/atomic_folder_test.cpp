#include "base/atomic_folder.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "base/file.h"

namespace ocelli::base {
namespace {

namespace fs = std::filesystem;

class AtomicFolderTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "atomic_folder_XXXXXX";
    ASSERT_TRUE(mkdtemp(name.data()));
    root_ = name;
  }
  void TearDown() override { fs::remove_all(root_); }
  size_t entries() const {
    return size_t(std::distance(fs::directory_iterator(root_), fs::directory_iterator()));
  }
  std::string root_;
};

TEST_F(AtomicFolderTest, AppearsWholeOrNotAtAll) {
  const std::string path = root_ + "/out";
  {
    AtomicFolder out = AtomicFolder::create(path + "/").value();
    ASSERT_TRUE(write_file_atomically(out.file("a"), "1").ok());
    EXPECT_FALSE(fs::exists(path));
  }
  EXPECT_EQ(entries(), 0u);
  AtomicFolder out = AtomicFolder::create(path).value();
  ASSERT_TRUE(write_file_atomically(out.file("a"), "1").ok());
  ASSERT_TRUE(out.commit().ok());
  EXPECT_EQ(read_file(path + "/a", 10).value(), "1");
  EXPECT_EQ(entries(), 1u);
}

TEST_F(AtomicFolderTest, ReplacesOnlyWhenAsked) {
  const std::string path = root_ + "/deep/out";
  for (const char* text : {"1", "2"}) {
    AtomicFolder out = AtomicFolder::create(path, true).value();
    ASSERT_TRUE(write_file_atomically(out.file(text), text).ok());
    ASSERT_TRUE(out.commit().ok());
  }
  EXPECT_FALSE(fs::exists(path + "/1"));
  EXPECT_EQ(read_file(path + "/2", 10).value(), "2");
  EXPECT_FALSE(AtomicFolder::create(path).ok());
  EXPECT_FALSE(AtomicFolder::create(path + "/2").ok());
  EXPECT_FALSE(AtomicFolder::create("").ok());
  fs::create_directory(root_ + "/empty");
  AtomicFolder into = AtomicFolder::create(root_ + "/empty").value();
  EXPECT_TRUE(into.commit().ok());
  EXPECT_EQ(entries(), 2u);
}

}  // namespace
}  // namespace ocelli::base
