// ocelli chat without a terminal: lines of standard input are questions, for scripts.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <fstream>

#include "process.h"

namespace ocelli::test {
namespace {

using testing::HasSubstr;
using testing::Not;

const std::string kTurtle = fixture("tiny/turtle.png");

class ChatPipe : public testing::Test {
 protected:
  Finished chat(const std::string& input, std::vector<std::string> more = {"-q"}) {
    std::ofstream(folder_.file("input"), std::ios::binary) << input;
    more.insert(more.begin(), "chat");
    return run(more, {.in = folder_.file("input")});
  }
  TemporaryFolder folder_;
};

TEST_F(ChatPipe, LinesAreQuestions) {
  const Finished f = chat("/image " + kTurtle + "\nWhat do you see?\n\n \nWhat do you see?");
  EXPECT_EQ(f.status, 0);
  EXPECT_EQ(f.out, "turtle\nturtle\n");
  EXPECT_EQ(f.err, "");
}

TEST_F(ChatPipe, SaysTheSameAsRun) {
  EXPECT_EQ(chat("What do you see?\n", {"-q", kTurtle}).out,
            run({"run", "-q", kTurtle, "What do you see?"}).out);
}

TEST_F(ChatPipe, NotesGoToStandardError) {
  const Finished f = chat("/image " + kTurtle + "\nWhat do you see?\n", {});
  EXPECT_EQ(f.out, "turtle\n");
  EXPECT_THAT(f.err, HasSubstr("answered by the built-in model ocelli-tiny"));
  EXPECT_THAT(f.err, HasSubstr("attached " + kTurtle + ", 326x248, 16 tokens"));
  EXPECT_THAT(f.out + f.err, Not(HasSubstr("\033")));
}

TEST_F(ChatPipe, ThereIsNoHistory) {
  std::ofstream(folder_.file("input")) << "What do you see?\nWho are you?\n";
  const Finished f = run({"chat", "-q"}, {.environment = {{"OCELLI_DATA", folder_.file("data")}},
                                          .in = folder_.file("input")});
  EXPECT_EQ(f.status, 0);
  EXPECT_FALSE(fs::exists(folder_.file("data")));
}

TEST_F(ChatPipe, TheFirstMistakeIsTheStatus) {
  const Finished f =
      chat("/image nothere.png\n/imgae x\n/image " + kTurtle + "\nWhat do you see?\n");
  EXPECT_EQ(f.status, 3);
  EXPECT_EQ(f.out, "turtle\n");
  EXPECT_THAT(f.err, HasSubstr("error: nothere.png: no such file"));
  EXPECT_THAT(f.err, HasSubstr("did you mean /image?"));
  EXPECT_EQ(chat("/imgae x\n").status, 2);
  EXPECT_EQ(chat("").status, 0);
}

TEST_F(ChatPipe, AWrongPictureOfTheCommandLineEndsIt) {
  EXPECT_EQ(chat("Hello\n", {"-q", "--image", "nothere.png"}).status, 3);
  EXPECT_EQ(chat("Hello\n", {"-q", "nothere.png"}).status, 2);
  EXPECT_EQ(chat("Hello\n", {"-q", "--images", "sixels"}).status, 2);
}

TEST_F(ChatPipe, SeveralLinesMakeOneQuestion) {
  EXPECT_EQ(chat("\"\"\"What do\nyou see?\"\"\"\nWhat \\\ndo\n", {"-q", kTurtle, "-n", "1"}).status,
            0);
  // The end of input ends a block.
  const Finished f = chat("/system \\\n\"\"\"a\n/show\n\"\"\"\nb\nc");
  EXPECT_EQ(f.status, 0);
  EXPECT_THAT(f.out, HasSubstr("system       \"\"\"a\n"));
}

TEST_F(ChatPipe, ATooLongLineIsRefusedAndTheNextOneAnswered) {
  const Finished f =
      chat(std::string((1 << 20) + 1, 'x') + "\nWhat do you see?\n" + std::string(5 << 20, 'y'),
           {"-q", kTurtle});
  EXPECT_EQ(f.status, 3);
  EXPECT_EQ(f.out, "turtle\n");
  EXPECT_THAT(f.err, HasSubstr("error: the input is too long (limit 1.00 MiB)"));
}

TEST_F(ChatPipe, BytesThatAreNotTextDoNoHarm) {
  std::string bytes;
  for (int i = 1; i < 256; ++i) bytes += char(i);
  const Finished f =
      chat(bytes + "\n" + std::string("a\0b", 3) + "\n\xff\xfe\n", {"-q", "-n", "2"});
  EXPECT_EQ(f.status, 0) << f.err;
}

TEST_F(ChatPipe, SignalsEndItWithStatus7) {
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
    ASSERT_EQ(mkfifo(folder_.file("pipe").c_str(), 0600), 0);
    const int writer = open(folder_.file("pipe").c_str(), O_RDWR | O_CLOEXEC);
    ASSERT_GE(writer, 0);
    // While it answers, and while it waits.
    Process busy({"chat", "-q", "-n", "-1", "-c", "400000", "--temp", "9", "--ignore-eos", "Hello"},
                 {.in = folder_.file("pipe")});
    ASSERT_TRUE(eventually([&] { return !busy.out_so_far().empty(); }));
    busy.signal(number);
    EXPECT_EQ(busy.wait().status, 7) << number;
    Process waiting({"chat", "-q", kTurtle, "What do you see?"}, {.in = folder_.file("pipe")});
    ASSERT_TRUE(eventually([&] { return waiting.out_so_far() == "turtle\n"; }));
    waiting.signal(number);
    EXPECT_EQ(waiting.wait().status, 7) << number;
    close(writer);
    fs::remove(folder_.file("pipe"));
  }
}

TEST_F(ChatPipe, AFullDiskAndAClosedPipeAreTold) {
  std::ofstream(folder_.file("input")) << "What do you see?\n/show\n";
  const Finished f =
      run({"chat", "-q", kTurtle}, {.in = folder_.file("input"), .out = "/dev/full"});
  EXPECT_EQ(f.status, 4);
  EXPECT_THAT(f.err, HasSubstr("error: standard output: "));
}

TEST(ChatHelp, BeginsWithExamplesAndCompletionKnowsIt) {
  const Finished help = run({"chat", "--help"});
  EXPECT_EQ(help.status, 0);
  EXPECT_LT(help.out.find("ocelli chat photo.jpg"), help.out.find("Usage:"));
  for (const char* option : {"--no-history", "--images", "--temp", "--system", "--threads"})
    EXPECT_THAT(help.out, HasSubstr(option));
  for (const char* shell : {"bash", "zsh", "fish"}) {
    const std::string script = run({"completion", shell}).out;
    EXPECT_THAT(script, HasSubstr("chat"));
    EXPECT_THAT(script, HasSubstr("no-history"));
  }
}

}  // namespace
}  // namespace ocelli::test
