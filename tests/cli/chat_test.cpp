// ocelli chat at a real pseudo-terminal: what a person types and sees. The built-in model answers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <csignal>
#include <fstream>

#include "pseudo_terminal.h"

namespace ocelli::test {
namespace {

using base::Json;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

const std::string kTurtle = fixture("tiny/turtle.png");
const std::string kTriangle = fixture("tiny/triangle.png");
constexpr char kUp[] = "\033[A", kCtrlC[] = "\x03", kCtrlD[] = "\x04", kTab[] = "\t";

// High temperature, so that it says something, and never ends by itself.
const std::vector<std::string> kEndless{"chat", "-q",     "--images", "none", "-n",          "-1",
                                        "-c",   "400000", "--temp",   "9",    "--ignore-eos"};

std::vector<std::string> quiet(const std::vector<std::string>& more = {}) {
  std::vector<std::string> out{"chat", "-q", "--images", "none"};
  out.insert(out.end(), more.begin(), more.end());
  return out;
}

TEST(Chat, SaysWhoAnswersAndHowToLeave) {
  PseudoTerminal t({"chat"});
  const std::string greeting = t.expect(">>> ");
  EXPECT_THAT(greeting, HasSubstr("answered by the built-in model ocelli-tiny"));
  EXPECT_THAT(greeting, HasSubstr("/help"));
  EXPECT_THAT(t.ask("/help"), AllOf(HasSubstr("/image FILE"), HasSubstr("Ctrl-C")));
  t.type("/bye\r");
  EXPECT_EQ(t.wait(), 0);
}

TEST(Chat, AnswersRightAboutTheDemonstrationPictures) {
  PseudoTerminal t(quiet(), {.folder = fixture("tiny")});
  t.expect(">>> ");
  const Json demo = Json::parse(read_all(fixture("tiny/demo.json"))).value();
  const Json expected = Json::parse(read_all(fixture("tiny/expected.json"))).value();
  const Json& answers = *expected.find("answers");  // of the original with the same weights
  ASSERT_EQ(demo.size(), 22u);
  int right = 0;
  for (size_t i = 0; i < demo.size(); ++i) {
    const Json& entry = demo.items()[i];
    t.ask("/image " + entry.find("files")->as_string());
    const std::string answer = t.ask(entry.find("question")->as_string());
    EXPECT_EQ(answer, answers.items()[i].find("text")->as_string() + "\n");
    right += answer == entry.find("answer")->as_string() + "\n";
    EXPECT_EQ(t.ask("/clear"), "A new conversation.\n");
  }
  EXPECT_GE(right, 14);
}

TEST(Chat, PicturesOfTheCommandLineBelongToTheFirstQuestion) {
  PseudoTerminal t(quiet({kTurtle}));
  t.expect(">>> ");
  EXPECT_EQ(t.ask("What do you see?"), "turtle\n");
}

TEST(Chat, AQuestionOfTheCommandLineIsAnsweredFirst) {
  PseudoTerminal t(quiet({kTurtle, "What do you see?"}));
  EXPECT_THAT(t.expect(">>> "), HasSubstr("turtle\r\n"));
}

TEST(Chat, ASecondTurnComputesOnlyWhatIsNew) {
  PseudoTerminal t(quiet({kTurtle}));
  t.expect(">>> ");
  t.ask("What do you see?");
  const std::string first = t.ask("/show");
  EXPECT_THAT(first,
              testing::ContainsRegex("last answer  1 token; of its prompt's 32 tokens 0 were"));
  t.ask("What do you see?");
  // The prompt of the first turn and its answer.
  EXPECT_THAT(t.ask("/show"), testing::ContainsRegex("prompt's 46 tokens 33 were in the cache"));
}

TEST(Chat, CtrlCStopsTheAnswerAndNotTheProgram) {
  PseudoTerminal t(kEndless);
  t.expect(">>> ");
  t.type("Hello\r");
  // Streaming: pieces arrive one after the other while the answer goes on.
  t.expect("\033[?2004l");
  size_t pieces = 0;
  while (pieces < 20 && t.read_more(60)) ++pieces;
  ASSERT_EQ(pieces, 20u);
  EXPECT_EQ(t.rest().find(">>> "), std::string::npos);
  t.type(kCtrlC);
  t.expect(">>> ");
  const std::string shown = t.ask("/show");
  EXPECT_THAT(shown, HasSubstr("messages     2\n"));
  // The partial answer stays, and the next question works.
  t.ask("/set temperature 0");
  t.ask("/set max_tokens 1");
  EXPECT_NE(t.ask("Hello again"), "");
  TemporaryFolder f;
  t.ask("/save " + f.file("talk.json"));
  const Json saved = Json::parse(read_all(f.file("talk.json"))).value();
  const Json& messages = *saved.find("messages");
  ASSERT_EQ(messages.size(), 4u);
  EXPECT_TRUE(messages.items()[1].find("stopped")->as_bool());
  EXPECT_GT(messages.items()[1].find("content")->as_string().size(), 10u);
  t.ask("/clear");
  t.ask("/image " + kTurtle);
  EXPECT_EQ(t.ask("What do you see?"), "turtle\n");
}

TEST(Chat, NothingThatAModelSaysSteersTheTerminal) {
  // At this temperature it says every byte there is.
  PseudoTerminal t({"chat", "-q", "--images", "none", "-n", "3000", "-c", "8000", "--temp", "9",
                    "--ignore-eos"});
  t.expect(">>> ");
  t.type("Hello\r");
  t.expect("\033[?2004l");
  const std::string answer = t.expect("\033[?2004h");
  ASSERT_GT(answer.size(), 3000u);
  EXPECT_THAT(answer, HasSubstr("\\x"));  // there was something to make visible
  for (const char c : answer) {
    const auto byte = static_cast<unsigned char>(c);
    ASSERT_TRUE(byte >= 0x20 || c == '\r' || c == '\n' || c == '\t') << int(byte);
    ASSERT_NE(byte, 0x7f);
  }
}

TEST(Chat, CtrlCClearsTheLineAndTwiceLeaves) {
  PseudoTerminal t(quiet({kTurtle}));
  t.expect(">>> ");
  t.type("something else");
  t.expect("else");
  t.type(kCtrlC);
  t.expect("^C\r\n");
  t.expect(">>> ");
  EXPECT_EQ(t.ask("What do you see?"), "turtle\n");
  t.type(kCtrlC);
  t.expect("again, Ctrl-D or /exit leaves");
  t.expect(">>> ");
  t.type(kCtrlC);
  EXPECT_EQ(t.wait(), 0);
}

TEST(Chat, CtrlDLeavesAndTheTerminalIsAsBefore) {
  PseudoTerminal t(quiet());
  const termios before = t.modes();
  t.expect(">>> ");
  EXPECT_NE(t.modes().c_lflag, before.c_lflag);
  t.type(kCtrlD);
  EXPECT_EQ(t.wait(), 0);
  const termios now = t.modes();
  EXPECT_EQ(now.c_lflag, before.c_lflag);
  EXPECT_EQ(now.c_iflag, before.c_iflag);
  EXPECT_EQ(now.c_oflag, before.c_oflag);
  EXPECT_TRUE(t.output().ends_with("\033[?2004l\r\n"));
}

TEST(Chat, TheHistoryComesBackInTheNextChat) {
  TemporaryFolder home;
  {
    PseudoTerminal t(quiet({kTurtle}), {.home = home.file("o")});
    t.expect(">>> ");
    t.ask("What do you see?");
    t.type(kUp);
    t.expect("What do you see?");
    t.ask("");
    t.type(kCtrlD);
    EXPECT_EQ(t.wait(), 0);
  }
  const std::string file = home.file("o/data/chat-history");
  EXPECT_EQ(read_all(file), "What do you see?\n");
  struct stat about;
  ASSERT_EQ(stat(file.c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 0777, 0600u);
  {
    PseudoTerminal t(quiet({kTurtle}), {.home = home.file("o")});
    t.expect(">>> ");
    t.type(kUp);
    t.expect("What do you see?");
    EXPECT_EQ(t.ask(""), "turtle\n");
  }
  {
    PseudoTerminal t(quiet({"--no-history"}), {.home = home.file("o")});
    t.expect(">>> ");
    t.ask("/show");
    t.type(kCtrlD);
    EXPECT_EQ(t.wait(), 0);
  }
  EXPECT_EQ(read_all(file), "What do you see?\n");
}

TEST(Chat, EditsCharactersNotBytes) {
  PseudoTerminal t(quiet({kTurtle}));
  t.expect(">>> ");
  t.type("What do you \xc3\xa9\xe4\xbd\xa0\xf0\x9f\x90\xa2");
  t.expect("\xf0\x9f\x90\xa2");
  t.type("\x7f\x7f\x7f");
  EXPECT_EQ(t.ask("see?"), "turtle\n");
  EXPECT_EQ(read_all(t.home() + "/data/chat-history"), "What do you see?\n");
  t.ask("/system caf\xc3\xa9 \xe4\xbd\xa0");
  EXPECT_THAT(t.ask("/show"), HasSubstr("caf\xc3\xa9 \xe4\xbd\xa0\n"));
}

TEST(Chat, MistakesAreToldAndTheChatGoesOn) {
  TemporaryFolder f;
  std::ofstream(f.file("bad.png")) << "no picture";
  PseudoTerminal t(quiet({kTurtle}), {.folder = f.path()});
  t.expect(">>> ");
  EXPECT_THAT(t.ask("/image nothere.png"), HasSubstr("error: nothere.png: no such file"));
  EXPECT_THAT(t.ask("/image bad.png"), HasSubstr("error: bad.png: "));
  EXPECT_THAT(t.ask("/image"), HasSubstr("error: /image: name a file"));
  EXPECT_THAT(t.ask("/imgae a.png"), HasSubstr("did you mean /image?"));
  EXPECT_THAT(t.ask("/set temprature 1"), HasSubstr("did you mean temperature?"));
  EXPECT_THAT(t.ask("/set top_p 3"), HasSubstr("error: top_p: "));
  EXPECT_THAT(t.ask("/load nothere.json"), HasSubstr("error: nothere.json: no such file"));
  EXPECT_THAT(t.ask("/save bad.png"), HasSubstr("is not a saved conversation"));
  EXPECT_THAT(t.ask("/home/nobody/x.png what?"), HasSubstr("no such file"));
  EXPECT_EQ(read_all(f.file("bad.png")), "no picture");
  EXPECT_EQ(t.ask("What do you see?"), "turtle\n");
  t.type(kCtrlD);
  EXPECT_EQ(t.wait(), 0);
}

TEST(Chat, AConversationIsSavedAndLoaded) {
  TemporaryFolder f;
  const std::string file = f.file("my talk.json");
  {
    PseudoTerminal t(quiet({"--system", "Be brief.", kTurtle}));
    t.expect(">>> ");
    t.ask("What do you see?");
    EXPECT_THAT(t.ask("/save '" + file + "'"), HasSubstr("Saved 2 messages"));
  }
  struct stat about;
  ASSERT_EQ(stat(file.c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 0777, 0600u);
  const std::string content = read_all(file);
  EXPECT_EQ(Json::parse(content).value(), Json::parse(R"({"model": "ocelli-tiny", "messages": [
              {"role": "system", "content": "Be brief."},
              {"role": "user", "content": [
                {"type": "image_url", "image_url": {"url": "file://)" +
                                                      kTurtle + R"("}},
                {"type": "text", "text": "What do you see?"}]},
              {"role": "assistant", "content": "turtle"}]})")
                                              .value());
  PseudoTerminal t(quiet());
  t.expect(">>> ");
  EXPECT_THAT(t.ask("/load '" + file + "'"), HasSubstr("Loaded 2 messages"));
  EXPECT_EQ(t.ask("/retry"), "turtle\n");
  EXPECT_THAT(t.ask("/show"), AllOf(HasSubstr("Be brief."), HasSubstr("turtle.png, 326x248")));
  t.ask("/save " + f.file("again.json"));
  EXPECT_EQ(read_all(f.file("again.json")), content);
}

TEST(Chat, DroppedFilesAreAttached) {
  TemporaryFolder f;
  fs::copy(kTurtle, f.path() / "my turtle's.png");
  for (const std::string& line :
       {"\"" + f.file("my turtle's.png") + "\" What do you see?",
        f.path().string() + "/my\\ turtle\\'s.png What do you see?",
        "What do you see? file://" + f.path().string() + "/my%20turtle%27s.png"}) {
    PseudoTerminal t(quiet());
    t.expect(">>> ");
    EXPECT_EQ(t.ask(line), "turtle\n") << line;
  }
}

TEST(Chat, TabCompletesCommandsAndNames) {
  TemporaryFolder f;
  fs::copy(kTurtle, f.path() / "a turtle.png");
  std::ofstream(f.file("a text.txt")) << "no";
  fs::create_directory(f.path() / "sub");
  PseudoTerminal t(quiet(), {.folder = f.path()});
  t.expect(">>> ");
  t.type(std::string("/im") + kTab);
  t.expect("age ");
  t.type(std::string("a") + kTab);
  t.expect("\\ turtle.png");
  t.ask("");
  EXPECT_EQ(t.ask("What do you see?"), "turtle\n");
  t.type(std::string("/s") + kTab);
  const std::string listed = t.expect(">>> ");
  for (const char* name : {"/save", "/show", "/system", "/set"})
    EXPECT_THAT(listed, HasSubstr(name));
}

TEST(Chat, SeveralLinesMakeOneInput) {
  PseudoTerminal t(quiet({kTurtle}));
  t.expect(">>> ");
  t.type("/system one\\\r");
  t.expect("... ");
  EXPECT_THAT(t.ask("two"), HasSubstr("from the next answer on"));
  EXPECT_THAT(t.ask("/show"), HasSubstr("one\\x0atwo"));
  t.type("\"\"\"\r");
  t.expect("... ");
  t.type("What do\r");
  t.expect("... ");
  t.ask("you see?\"\"\"");
  EXPECT_EQ(read_all(t.home() + "/data/chat-history"),
            "/system one\\\\\\ntwo\n/show\n\"\"\"\\nWhat do\\nyou see?\"\"\"\n");
}

TEST(Chat, APasteIsOneInput) {
  PseudoTerminal t(quiet({kTurtle}));
  t.expect(">>> ");
  t.type("\033[200~What do\ryou\n\tsee?\033[201~");
  t.expect("see?");
  t.ask("");
  EXPECT_EQ(read_all(t.home() + "/data/chat-history"), "What do\\nyou\\n\tsee?\n");
}

// With and without the terminal's marks around it.
TEST(Chat, ALongPasteIsAClearErrorOrWorks) {
  const std::string text(100'000, 'x');
  for (const std::string& paste : {"\033[200~" + text + "\033[201~", text}) {
    PseudoTerminal t({"chat", "-q", "--images", "none", kTurtle});
    t.expect(">>> ");
    t.type("/system ");
    t.expect("/system ");
    t.type(paste);
    t.expect("[pasted 100,000 characters #1]", 10);
    t.ask("");
    EXPECT_THAT(t.ask("Hello"), HasSubstr("error: the prompt does not fit the context ("));
    t.ask("/system");
    EXPECT_EQ(t.ask("What do you see?"), "turtle\n");
  }
}

TEST(Chat, AFullContextLosesNothing) {
  PseudoTerminal t(quiet({"-c", "64", kTurtle}));
  t.expect(">>> ");
  EXPECT_EQ(t.ask("What do you see?"), "turtle\n");
  EXPECT_EQ(t.ask("What do you see?"), "turtle\n");
  std::string full;
  int answers = 2;
  while (answers < 8 && (full = t.ask("What do you see?")).find("error") == std::string::npos)
    ++answers;
  EXPECT_THAT(full, AllOf(HasSubstr("the conversation does not fit the context any more ("),
                          HasSubstr("limit 64"), HasSubstr("/clear")));
  const std::string shown = t.ask("/show");
  EXPECT_THAT(shown, AllOf(HasSubstr("messages     " + std::to_string(2 * answers) + "\n"),
                           HasSubstr("turtle.png")));
  t.ask("/clear");
  t.ask("/image " + kTurtle);
  EXPECT_EQ(t.ask("What do you see?"), "turtle\n");
}

TEST(Chat, AnotherWindowSizeIsHarmless) {
  PseudoTerminal t(quiet({kTurtle}));
  t.expect(">>> ");
  t.type("What do ");
  t.expect("do ");
  for (const auto& [columns, rows] : {std::pair(20, 5), {1, 1}, {500, 200}, {80, 24}}) {
    t.resize(columns, rows);
    t.expect("do ");  // drawn again
  }
  EXPECT_EQ(t.ask("you see?"), "turtle\n");
}

TEST(Chat, TerminationIsStatus7WithTheHistorySaved) {
  PseudoTerminal t(quiet({kTurtle}));
  const termios before = t.modes();
  t.expect(">>> ");
  t.ask("What do you see?");
  t.type("half of a line");
  t.expect("line");
  t.signal(SIGTERM);
  EXPECT_EQ(t.wait(), 7);
  EXPECT_EQ(t.modes().c_lflag, before.c_lflag);
  EXPECT_EQ(read_all(t.home() + "/data/chat-history"), "What do you see?\n");

  PseudoTerminal busy(kEndless);
  busy.expect(">>> ");
  busy.type("Hello\r");
  busy.expect("\033[?2004l");
  ASSERT_TRUE(busy.read_more(60));
  busy.signal(SIGTERM);
  EXPECT_EQ(busy.wait(), 7);
  EXPECT_EQ(read_all(busy.home() + "/data/chat-history"), "Hello\n");
}

}  // namespace
}  // namespace ocelli::test
