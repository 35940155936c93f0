#include "base/cache_folder.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>

#include "base/file.h"
#include "base/hash.h"

namespace ocelli::base {
namespace {

namespace fs = std::filesystem;

class CacheFolderTest : public testing::Test {
 protected:
  CacheFolderTest() {
    std::string pattern = (fs::temp_directory_path() / "ocelli-cache-XXXXXX").string();
    if (!mkdtemp(pattern.data())) ADD_FAILURE() << "no temporary folder";
    home_ = pattern;
    folders_ = {home_ + "/folders", CacheFolder::Kind::kFolders};
  }
  ~CacheFolderTest() override { fs::remove_all(home_); }

  static std::string name(int n) { return sha256("entry " + std::to_string(n)).hex(); }
  // A folder with a file of so many bytes, used so many seconds ago.
  void put(int n, size_t bytes, int seconds) const {
    fs::create_directories(folders_.path_of(name(n)) + "/a/b");
    ASSERT_TRUE(
        write_file_atomically(folders_.path_of(name(n)) + "/a/b/c", std::string(bytes, 'x')).ok());
    fs::last_write_time(folders_.path_of(name(n)),
                        fs::file_time_type::clock::now() - std::chrono::seconds(seconds));
  }
  bool has(int n) const { return fs::exists(folders_.path_of(name(n))); }

  std::string home_;
  CacheFolder folders_;
};

TEST_F(CacheFolderTest, CountsWhatLiesInFolders) {
  EXPECT_EQ(folders_.usage()->entries, 0);
  put(1, 100, 0);
  put(2, 50, 0);
  fs::create_directories(folders_.path() + "/something else");
  fs::create_directory_symlink(home_, folders_.path_of(name(3)));
  EXPECT_EQ(folders_.usage()->entries, 2);
  EXPECT_EQ(folders_.usage()->bytes, 150);
  EXPECT_EQ(folders_.clear()->bytes, 150);
  EXPECT_TRUE(fs::exists(folders_.path() + "/something else"));
  EXPECT_TRUE(fs::is_symlink(folders_.path_of(name(3))));
}

TEST_F(CacheFolderTest, TheOldestGoUnlessSomebodyHoldsThem) {
  for (int n = 0; n < 4; ++n) put(n, 100, 1000 - n);
  folders_.touch(name(0));
  const auto held = folders_.hold(name(1));
  ASSERT_TRUE(held);
  EXPECT_EQ(folders_.shrink(folders_.list().value(), 250), 200);
  EXPECT_TRUE(has(0) && has(1));
  EXPECT_FALSE(has(2) || has(3));
  put(4, 100, 0);
  const auto not_4 = [](const CacheFolder::Entry& e) { return e.name != name(4); };
  EXPECT_EQ(folders_.shrink(folders_.list().value(), 0, not_4), 200);
  EXPECT_TRUE(has(1) && has(4));
  EXPECT_FALSE(has(0));
}

TEST_F(CacheFolderTest, IsClosedToOthers) {
  fs::create_directories(folders_.path());
  fs::permissions(folders_.path(), fs::perms::all);
  ASSERT_TRUE(folders_.prepare().ok());
  EXPECT_EQ(fs::status(folders_.path()).permissions(), fs::perms::owner_all);
  ASSERT_TRUE(folders_.hold(name(1)));
  EXPECT_EQ(fs::status(folders_.path_of(name(1))).permissions(), fs::perms::owner_all);
}

}  // namespace
}  // namespace ocelli::base
