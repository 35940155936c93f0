#include "base/file.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <limits>
#include <set>

namespace ocelli::base {
namespace {

namespace fs = std::filesystem;

class Files : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "ocelli_file_XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::string path(const std::string& name) const { return folder_ + "/" + name; }
  std::string make(const std::string& name, const std::string& text) const {
    std::ofstream(path(name), std::ios::binary) << text;
    return path(name);
  }
  std::string content(const std::string& name) const {
    return read_file(path(name), 1 << 20).value();
  }
  std::set<std::string> names() const {
    std::set<std::string> found;
    for (const auto& entry : fs::directory_iterator(folder_)) found.insert(entry.path().filename());
    return found;
  }

  std::string folder_;
};

TEST_F(Files, MapsAndReads) {
  std::string text(10'000, 'x');
  text[0] = '\0';
  make("a", text);
  auto mapped = MappedFile::open(path("a"));
  ASSERT_TRUE(mapped.ok()) << mapped.error().message();
  EXPECT_EQ(mapped->text(), text);
  mapped->advise_sequential();
  mapped->prefetch(5000, std::numeric_limits<size_t>::max());
  mapped->release(1, 9000);
  mapped->release(20'000, 1);
  EXPECT_EQ(mapped->text(), text);
  MappedFile moved = std::move(*mapped);
  EXPECT_EQ(moved.bytes().size(), text.size());
  EXPECT_EQ(read_file(path("a"), 10'000).value(), text);
}

TEST_F(Files, EmptyIsEmpty) {
  make("empty", "");
  EXPECT_TRUE(MappedFile::open(path("empty")).value().bytes().empty());
  EXPECT_EQ(read_file(path("empty"), 0).value(), "");
  EXPECT_TRUE(MappedFile().bytes().empty());
}

TEST_F(Files, ReadsWithinTheLimit) {
  make("a", "12345");
  EXPECT_EQ(read_file(path("a"), 5).value(), "12345");
  const auto over = read_file(path("a"), 4);
  ASSERT_FALSE(over.ok());
  EXPECT_EQ(over.error().message(),
            path("a") + ": too large (5 bytes, limit 4); give a smaller file");
  // Files of /proc have the size 0 and content all the same.
  EXPECT_GT(read_file("/proc/self/status", 1 << 20).value().size(), 100u);
  EXPECT_FALSE(read_file("/proc/self/status", 20).ok());
}

TEST_F(Files, RefusesWhatIsNoFileWithoutWaiting) {
  ASSERT_EQ(mkfifo(path("pipe").c_str(), 0600), 0);
  const int listener = socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path("socket").copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  const auto start = std::chrono::steady_clock::now();
  const std::pair<std::string, std::string> cases[] = {
      {path("pipe"), "is a pipe"},
      {folder_, "is a folder"},
      {"/dev/zero", "is a device"},
      {"/dev/null", "is a device"},
      {path("socket"), "is a pipe, socket or device"},
      {path("none"), "no such file"},
      {path("none") + "/x", "no such file"},
      {"/proc/self/status/x", "not a folder"},
      {path(std::string(300, 'n')), "name is too long"},
      {"", "name is empty"},
      {std::string("a\0b", 3), "NUL byte"},
  };
  for (const auto& [name, expected] : cases) {
    for (const Error& error : {MappedFile::open(name).error(), read_file(name, 100).error()}) {
      EXPECT_NE(error.what.find(expected), std::string::npos) << name << ": " << error.message();
      EXPECT_EQ(error.code, Code::kBadInput);
    }
  }
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(2));
  close(listener);
}

TEST_F(Files, PermissionIsASentence) {
  make("secret", "x");
  chmod(path("secret").c_str(), 0);
  const bool root = geteuid() == 0;  // may read everything, so look as somebody else
  if (root) {
    ASSERT_EQ(seteuid(65534), 0);
  }
  const auto opened = MappedFile::open(path("secret"));
  if (root) {
    ASSERT_EQ(seteuid(0), 0);
  }
  ASSERT_FALSE(opened.ok());
  EXPECT_NE(opened.error().what.find("permission denied"), std::string::npos);
}

TEST_F(Files, WriterReplacesAtCommit) {
  make("out", "old");
  {
    auto writer = AtomicWriter::create(path("out"), 0640);
    ASSERT_TRUE(writer.ok()) << writer.error().message();
    ASSERT_TRUE(writer->write("new ").ok());
    ASSERT_TRUE(writer->write("content").ok());
    EXPECT_EQ(writer->written(), 11u);
    EXPECT_EQ(content("out"), "old");
    EXPECT_EQ(names().size(), 2u);
    for (const std::string& name : names()) {
      struct stat about;
      if (name != "out" && stat(path(name).c_str(), &about) == 0) {
        EXPECT_EQ(about.st_mode & 0777, 0600u);
      }
    }
    const auto done = writer->commit();
    ASSERT_TRUE(done.ok()) << done.error().message();
  }
  EXPECT_EQ(content("out"), "new content");
  EXPECT_EQ(names(), std::set<std::string>{"out"});
  struct stat about;
  ASSERT_EQ(stat(path("out").c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 0777, 0640u);
  ASSERT_TRUE(write_file_atomically(path("fresh"), "abc").ok());
  EXPECT_EQ(content("fresh"), "abc");
}

TEST_F(Files, WriterWithoutCommitLeavesNothing) {
  make("out", "old");
  {
    AtomicWriter first = AtomicWriter::create(path("out")).value();
    ASSERT_TRUE(first.write("new").ok());
    AtomicWriter second = std::move(first);
    ASSERT_TRUE(second.write("more").ok());
  }
  EXPECT_EQ(content("out"), "old");
  EXPECT_EQ(names(), std::set<std::string>{"out"});
}

TEST_F(Files, WriterThatIsKilledLeavesTheOldFile) {
  make("out", "old");
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    auto writer = AtomicWriter::create(path("out"));
    if (writer.ok() && writer->write("half").ok()) raise(SIGKILL);
    _exit(1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
  EXPECT_EQ(content("out"), "old");
  ASSERT_TRUE(write_file_atomically(path("out"), "newer").ok());  // what is left is not in the way
  EXPECT_EQ(content("out"), "newer");
}

TEST_F(Files, WriterReportsAFullDisk) {
  make("out", "old");
  rlimit before;
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto handler = signal(SIGXFSZ, SIG_IGN);
  const rlimit small{1000, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  Status result;
  {
    AtomicWriter writer = AtomicWriter::create(path("out")).value();
    result = writer.write(std::string(4096, 'x'));  // a short write of 1000, then EFBIG
    EXPECT_EQ(writer.written(), 1000u);
  }
  setrlimit(RLIMIT_FSIZE, &before);
  signal(SIGXFSZ, handler);
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code, Code::kDoesNotFit);
  EXPECT_EQ(result.error().where, path("out"));
  EXPECT_EQ(content("out"), "old");
  EXPECT_EQ(names(), std::set<std::string>{"out"});
  EXPECT_EQ(errno_error(ENOSPC, "write", "f").message(),
            "f: cannot write: the disk is full; free some space");
  EXPECT_EQ(errno_error(ENOSPC, "write", "f").code, Code::kDoesNotFit);
}

TEST_F(Files, WriterRefusesImpossiblePlaces) {
  EXPECT_NE(AtomicWriter::create(folder_).error().what.find("is a folder"), std::string::npos);
  EXPECT_NE(AtomicWriter::create("/dev/null").error().what.find("is a device"), std::string::npos);
  EXPECT_NE(AtomicWriter::create(path("no/such")).error().what.find("no such"), std::string::npos);
  EXPECT_FALSE(AtomicWriter::create("").ok());
  EXPECT_TRUE(names().empty());
}

TEST_F(Files, UnknownErrorsKeepTheirText) {
  EXPECT_NE(errno_error(ETXTBSY, "open", "f").message().find("cannot open: Text file busy"),
            std::string::npos);
}

}  // namespace
}  // namespace ocelli::base
