#include "cli/chat_history.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "base/file.h"

namespace ocelli::cli {
namespace {

using testing::ElementsAre;

class History : public testing::Test {
 protected:
  History() {
    std::string name = testing::TempDir() + "historyXXXXXX";
    folder_ = mkdtemp(name.data());
    path_ = folder_ + "/new/folder/chat-history";
  }
  ~History() override { std::filesystem::remove_all(folder_); }
  std::string content() const { return base::read_file(path_, 4 << 20).value(); }
  ChatHistory open() const { return ChatHistory::open(path_).value(); }
  std::string folder_, path_;
};

TEST_F(History, KeepsInputsBetweenChats) {
  ChatHistory first = open();
  for (const char* input : {"one", "two \\n \xc3\xa4", "a\nb\\\nc", "one", "one", ""})
    ASSERT_TRUE(first.add(input).ok());
  EXPECT_THAT(first.inputs(), ElementsAre("one", "two \\n \xc3\xa4", "a\nb\\\nc", "one"));
  EXPECT_EQ(open().inputs(), first.inputs());
  struct stat about;
  ASSERT_EQ(stat(path_.c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 0777, 0600u);
}

TEST_F(History, TwoChatsAtATimeLoseNothing) {
  ChatHistory a = open(), b = open();
  ASSERT_TRUE(a.add("from a").ok());
  ASSERT_TRUE(b.add("from b").ok());
  EXPECT_THAT(open().inputs(), ElementsAre("from a", "from b"));
}

TEST_F(History, IsCappedByNumberAndBytes) {
  ChatHistory h = open();
  ASSERT_TRUE(h.add("first").ok());
  std::ofstream out(path_);
  for (size_t i = 0; i < kMaxHistoryInputs + 10; ++i) out << "input " << i << "\n";
  out.close();
  ASSERT_TRUE(h.add("last").ok());
  EXPECT_EQ(open().inputs().size(), kMaxHistoryInputs);
  EXPECT_EQ(open().inputs().front(), "input 11");
  EXPECT_EQ(open().inputs().back(), "last");
  for (int i = 0; i < 70; ++i) {
    ASSERT_TRUE(h.add(std::string(kMaxHistoryInputBytes - 1, char('0' + i)) + "\n").ok());
  }
  EXPECT_LE(content().size(), kMaxHistoryBytes);
  EXPECT_GT(content().size(), kMaxHistoryBytes - 2 * kMaxHistoryInputBytes);
  ASSERT_TRUE(h.add(std::string(kMaxHistoryInputBytes + 1, 'x')).ok());
  EXPECT_NE(open().inputs().back()[0], 'x');
}

TEST_F(History, WithoutAFileItIsInMemory) {
  ChatHistory h;
  ASSERT_TRUE(h.add("one").ok());
  EXPECT_THAT(h.inputs(), ElementsAre("one"));
}

TEST_F(History, BrokenFilesAreClearErrors) {
  std::filesystem::create_directories(path_);
  const auto folder = ChatHistory::open(path_);
  ASSERT_FALSE(folder.ok());
  EXPECT_THAT(folder.error().message(), testing::HasSubstr("folder"));
  std::filesystem::remove_all(path_);
  std::ofstream(path_) << std::string(2 * kMaxHistoryBytes + 1, 'x');
  EXPECT_THAT(ChatHistory::open(path_).error().what, testing::HasSubstr("too large"));
  std::ofstream(path_) << "\xff\xfe\ngood\n\n\\";
  EXPECT_THAT(open().inputs(), ElementsAre("\xef\xbf\xbd\xef\xbf\xbd", "good", "\\"));
}

}  // namespace
}  // namespace ocelli::cli
