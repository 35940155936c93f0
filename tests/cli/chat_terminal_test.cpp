// ocelli chat and its terminal: pictures in each protocol, stopping and going on, faults while the
// history is saved.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <termios.h>

#include <csignal>
#include <fstream>

#include "pseudo_terminal.h"

namespace ocelli::test {
namespace {

using testing::HasSubstr;
using testing::Not;

const std::string kTurtle = fixture("tiny/turtle.png");
const std::string kImage = "/image " + kTurtle + "\r";

// What is printed between an /image command and the next prompt.
std::string shown(PseudoTerminal& t) {
  t.expect(">>> ");
  t.type(kImage);
  t.expect("\033[?2004l");
  return t.expect("\033[?2004h");
}

TEST(ChatPictures, KittyIsKnownByItsEnvironment) {
  PseudoTerminal t({"chat", "-q"}, {.environment = {{"KITTY_WINDOW_ID", "1"}}});
  const std::string text = shown(t);
  EXPECT_THAT(text, HasSubstr("\033_Ga=T,f=100,q=2,c="));
  EXPECT_THAT(text, Not(HasSubstr("\033[c")));
}

TEST(ChatPictures, ItermIsKnownByItsEnvironment) {
  PseudoTerminal t({"chat", "-q"}, {.environment = {{"TERM_PROGRAM", "iTerm.app"}}});
  EXPECT_THAT(shown(t), HasSubstr("\033]1337;File=inline=1;"));
}

TEST(ChatPictures, ATerminalThatAnswersSixelGetsSixels) {
  PseudoTerminal t({"chat", "-q"});
  t.expect(">>> ");
  t.type(kImage);
  t.expect("\033[c");
  t.type("\033[?62;4;22c");
  const std::string text = t.expect("\033[?2004h");
  EXPECT_THAT(text, HasSubstr("\033P"));
  EXPECT_THAT(text, Not(HasSubstr("\xe2\x96\x80")));
}

TEST(ChatPictures, BlocksElsewhereAndWhatIsTypedMeanwhileIsNotLost) {
  PseudoTerminal t({"chat", "-q"}, {.environment = {{"COLORTERM", "truecolor"}}});
  t.expect(">>> ");
  t.type(kImage);
  t.expect("\033[c");
  t.type("What do \033[?1;2cyou see?");
  EXPECT_THAT(t.expect("\033[?2004h"), HasSubstr("\033[38;2;"));
  t.expect("What do you see?");
  EXPECT_EQ(t.ask(""), "turtle\n");
}

TEST(ChatPictures, AnAnswerThatComesLateIsNoInput) {
  PseudoTerminal t({"chat", "-q"});
  EXPECT_THAT(shown(t), HasSubstr("\xe2\x96\x80"));
  t.expect(">>> ");
  t.type("\033[?62;4;22c");
  EXPECT_EQ(t.ask("What do you see?"), "turtle\n");
}

TEST(ChatPictures, NoneWhereTheyAreNotWanted) {
  PseudoTerminal none({"chat", "-q", "--images", "none"});
  EXPECT_EQ(shown(none), "");
  PseudoTerminal no_colour({"chat", "-q"}, {.environment = {{"NO_COLOR", "1"}}});
  EXPECT_EQ(shown(no_colour), "\033[c");
  PseudoTerminal dumb({"chat", "-q"}, {.environment = {{"TERM", "dumb"}}});
  dumb.expect(">>> ");
  dumb.type(kImage);
  dumb.expect("\n>>> ");
  EXPECT_THAT(dumb.output(), Not(HasSubstr("\033")));
}

TEST(ChatPictures, TheNamedProtocolWins) {
  PseudoTerminal t({"chat", "-q", "--images", "sixel"},
                   {.environment = {{"KITTY_WINDOW_ID", "1"}}});
  EXPECT_THAT(shown(t), HasSubstr("\033P"));
}

// 32 columns leave no room for 40.
TEST(ChatPictures, StayWithinTheWindow) {
  PseudoTerminal t({"chat", "-q", "--images", "blocks"}, {.columns = 20, .rows = 10});
  const std::string text = without_escapes(shown(t));
  size_t lines = 0, widest = 0, at = 0;
  for (size_t end; (end = text.find('\n', at)) != std::string::npos; at = end + 1, ++lines)
    widest = std::max(widest, (end - at) / 3);
  EXPECT_GE(widest, 8u);
  EXPECT_LT(widest, 20u);
  EXPECT_LE(lines, 8u);
}

TEST(ChatTerminal, GoesOnAfterItWasSuspended) {
  PseudoTerminal t({"chat", "-q", "--images", "none", kTurtle});
  const termios cooked = t.modes();
  t.expect(">>> ");
  t.type("What do ");
  t.expect("do ");
  t.signal(SIGSTOP);
  ASSERT_TRUE(eventually([&] {
    return read_all("/proc/" + std::to_string(t.pid()) + "/stat").find(") T ") != std::string::npos;
  }));
  t.set_modes(cooked);  // as a shell does
  t.signal(SIGCONT);
  t.expect("\033[?2004h");
  t.expect("do ");  // drawn again
  EXPECT_NE(t.modes().c_lflag, cooked.c_lflag);
  EXPECT_EQ(t.ask("you see?"), "turtle\n");
}

// A model whose answers are known (tools/reference/make_scripted.py): it thinks before it speaks.
const std::string kThinker = fixture("models/scripted");

TEST(ChatThinking, IsDimmedSavedAndSwitched) {
  TemporaryFolder f;
  PseudoTerminal t({"chat", kThinker, "-q"});
  t.expect(">>> ");
  t.type("Oslo?\r");
  t.expect("\033[2mThey ask about Oslo.\033[0m\r\n\r\nLet me look.");
  t.expect(">>> ");
  t.ask("/save " + f.file("talk.json"));
  const base::Json saved = base::Json::parse(read_all(f.file("talk.json"))).value();
  const base::Json& answer = saved.find("messages")->items().at(1);
  EXPECT_EQ(answer.get_string("reasoning_content").value(), "They ask about Oslo.");
  EXPECT_THAT(answer.get_string("content").value(), testing::StartsWith("Let me look."));
  // The next prompt has the answer as the model wrote it, its thinking included.
  t.ask("Oslo?");
  EXPECT_THAT(t.ask("/show"), HasSubstr("of its prompt's 40 tokens"));
  t.ask("/set think off");
  EXPECT_THAT(t.ask("Oslo?"), Not(HasSubstr("They ask")));
  EXPECT_THAT(t.ask("/set think maybe"), HasSubstr("error: think: is on or off"));
}

TEST(ChatThinking, IsHiddenWhereItIsNotWanted) {
  PseudoTerminal t({"chat", kThinker, "-q", "--hide-thinking"});
  t.expect(">>> ");
  EXPECT_THAT(t.ask("Oslo?"),
              testing::AllOf(HasSubstr("Let me look."), Not(HasSubstr("They ask"))));
  PseudoTerminal without({"chat", "-q"});
  without.expect(">>> ");
  EXPECT_THAT(without.ask("/set think on"), HasSubstr("no switch for thinking"));
}

class ChatFaults : public testing::Test {
 protected:
  static bool missing() { return std::system("strace -f -o /dev/null true >/dev/null 2>&1") != 0; }
  // A chat with a history of one line, in which this call fails.
  TerminalOptions with(const std::string& fault) {
    fs::create_directories(home_.path() / "o/data");
    std::ofstream(history()) << "old\n";
    return {.home = home_.file("o"),
            .wrapper = {"strace", "-f", "-qq", "-o", "/dev/null", "-e", "inject=" + fault}};
  }
  std::string history() const { return home_.file("o/data/chat-history"); }
  TemporaryFolder home_;
};

TEST_F(ChatFaults, AFullDiskIsToldOnceAndTheChatGoesOn) {
  if (*OCELLI_SANITIZE) GTEST_SKIP() << "1 check skipped: leak checking does not work under strace";
  if (missing()) GTEST_SKIP() << "1 check skipped: strace is not here or may not trace";
  PseudoTerminal t({"chat", "-q", "--images", "none", kTurtle}, with("fsync:error=ENOSPC"));
  t.expect(">>> ");
  EXPECT_THAT(
      t.ask("What do you see?"),
      testing::AllOf(HasSubstr("warning: the history cannot be saved: "), HasSubstr("turtle\n")));
  EXPECT_EQ(t.ask("What do you see?"), "turtle\n");
  EXPECT_EQ(read_all(history()), "old\n");
  t.type("\x04");
  EXPECT_EQ(t.wait(), 0);
  EXPECT_EQ(std::distance(fs::directory_iterator(home_.path() / "o/data"), {}), 1);
}

TEST_F(ChatFaults, KilledWhileSavingTheHistoryIsOldOrNew) {
  if (*OCELLI_SANITIZE)
    GTEST_SKIP() << "4 checks skipped: leak checking does not work under strace";
  if (missing()) GTEST_SKIP() << "4 checks skipped: strace is not here or may not trace";
  const std::string kOld = "old\n", kNew = "old\nHello\n";
  for (const auto& [fault, content] : {std::pair("fchmod:signal=KILL:when=1", kOld),
                                       {"fsync:signal=KILL:when=1", kOld},
                                       {"rename:signal=KILL:when=1", kNew},
                                       {"fsync:signal=KILL:when=2", kNew}}) {
    PseudoTerminal t({"chat", "-q", "--images", "none"}, with(fault));
    t.expect(">>> ");
    t.type("Hello\r");
    t.wait();
    const std::string now = read_all(history());
    EXPECT_TRUE(now == kOld || now == kNew) << fault << ": " << now;
    EXPECT_TRUE(now == content || std::string_view(fault).starts_with("rename")) << fault;
    // The next chat reads it.
    PseudoTerminal next({"chat", "-q", "--images", "none"}, {.home = home_.file("o")});
    next.expect(">>> ");
    next.type("\033[A");
    next.expect(now == kOld ? "old" : "Hello");
  }
}

}  // namespace
}  // namespace ocelli::test
