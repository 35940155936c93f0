#include "base/folders.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>

namespace ocelli::base {
namespace {

class Folders : public testing::Test {
 protected:
  static constexpr const char* kNames[] = {
      "OCELLI_CONFIG",   "OCELLI_CACHE",   "OCELLI_DATA",   "OCELLI_HOME",
      "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "HOME"};
  void SetUp() override {
    for (const char* name : kNames) {
      if (const char* value = std::getenv(name)) kept_[name] = value;
      unsetenv(name);
    }
    setenv("HOME", "/home/me", 1);
  }
  void TearDown() override {
    for (const char* name : kNames) {
      kept_.contains(name) ? setenv(name, kept_[name].c_str(), 1) : unsetenv(name);
    }
  }
  std::map<std::string, std::string> kept_;
};

TEST_F(Folders, FollowXdg) {
  EXPECT_EQ(config_dir().value(), "/home/me/.config/ocelli");
  EXPECT_EQ(cache_dir().value(), "/home/me/.cache/ocelli");
  EXPECT_EQ(data_dir().value(), "/home/me/.local/share/ocelli");
  setenv("XDG_CACHE_HOME", "/fast/", 1);
  setenv("XDG_DATA_HOME", "relative", 1);
  EXPECT_EQ(cache_dir().value(), "/fast/ocelli");
  EXPECT_EQ(data_dir().value(), "/home/me/.local/share/ocelli");
}

TEST_F(Folders, OursComeFirst) {
  setenv("XDG_CACHE_HOME", "/fast", 1);
  setenv("OCELLI_HOME", "/all", 1);
  EXPECT_EQ(config_dir().value(), "/all/config");
  EXPECT_EQ(cache_dir().value(), "/all/cache");
  EXPECT_EQ(data_dir().value(), "/all/data");
  setenv("OCELLI_CACHE", "/mine", 1);
  EXPECT_EQ(cache_dir().value(), "/mine");
  setenv("OCELLI_CACHE", "mine", 1);
  EXPECT_EQ(cache_dir().error().message(),
            "OCELLI_CACHE: must be an absolute path (\"mine\"); begin it with /");
}

TEST_F(Folders, WithoutHomeAsksTheSystem) {
  unsetenv("HOME");
  const auto found = data_dir();
  if (found.ok()) {
    EXPECT_TRUE(found->starts_with("/"));
  } else {
    EXPECT_EQ(found.error().code, Code::kUsage);
  }
}

TEST_F(Folders, AreMadePrivate) {
  std::string top = testing::TempDir() + "ocelli_folders_XXXXXX";
  ASSERT_NE(mkdtemp(top.data()), nullptr);
  const auto made = make_folders(top + "/a//b/c/");
  ASSERT_TRUE(made.ok()) << made.error().message();
  struct stat about;
  ASSERT_EQ(stat((top + "/a/b").c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 0777, 0700u);
  EXPECT_TRUE(make_folders(top + "/a/b/c").ok());
  EXPECT_TRUE(make_folders("/").ok());
  std::ofstream(top + "/file") << "x";
  EXPECT_NE(make_folders(top + "/file/x").error().message().find("/file: is a file"),
            std::string::npos);
  EXPECT_FALSE(make_folders("").ok());
  EXPECT_FALSE(make_folders("/proc/nothing/here").ok());
  std::filesystem::remove_all(top);
}

TEST_F(Folders, Join) {
  EXPECT_EQ(join_path("a", "b"), "a/b");
  EXPECT_EQ(join_path("a/", "b"), "a/b");
  EXPECT_EQ(join_path("", "b"), "b");
  EXPECT_EQ(join_path("a", ""), "a");
  EXPECT_EQ(join_path("a", "/b"), "/b");
}

}  // namespace
}  // namespace ocelli::base
