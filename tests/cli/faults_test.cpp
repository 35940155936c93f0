// Batches, signals, broken pipes, a decoder that dies, and what the program may touch.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>
#include <thread>

#include "process.h"

namespace ocelli::test {
namespace {

using base::Json;
using testing::HasSubstr;
using testing::Not;

const std::string kPicture = fixture("media/444.jpg");

// A folder with `count` pictures under names of their own.
class Album : public TemporaryFolder {
 public:
  explicit Album(int count) {
    for (int i = 0; i < count; ++i) {
      const std::string name = "p" + std::to_string(1000 + i) + ".png";
      fs::create_symlink(i % 2 ? kPicture : fixture("media/lossy.webp"), path() / name);
      names.push_back(name);
    }
  }
  std::vector<std::string> command(const std::vector<std::string>& more = {}) const {
    std::vector<std::string> out{"run"};
    out.insert(out.end(), names.begin(), names.end());
    out.insert(out.end(), {"-p", "What do you see?", "--jsonl", "-o", "answers.jsonl", "-n", "6"});
    out.insert(out.end(), more.begin(), more.end());
    return out;
  }
  RunOptions here() const { return {.folder = path().string()}; }
  std::string answers() const { return read_all(file("answers.jsonl")); }
  int64_t lines() const {
    const std::string text = answers();
    return std::count(text.begin(), text.end(), '\n');
  }
  // Every picture is answered by exactly one line.
  void expect_complete() const {
    std::multiset<std::string> answered;
    for (const Json& line : parse_lines(answers())) {
      EXPECT_NE(line.find("answer"), nullptr) << line.dump();
      answered.insert(line.find("files")->items().at(0).as_string());
    }
    EXPECT_EQ(answered, std::multiset<std::string>(names.begin(), names.end()));
  }
  std::vector<std::string> names;
};

TEST(Batch, OneLineForEachFileOnStandardOutput) {
  const Finished f =
      run({"run", "-q", kPicture, fixture("media/lossy.webp"), "-p", "What?", "--jsonl"});
  EXPECT_EQ(f.status, 0);
  const auto lines = f.lines();
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[0].find("files")->items().at(0).as_string(), kPicture);
  EXPECT_EQ(lines[0].find("answer")->as_string(),
            run({"run", kPicture, "What?", "--json"}).json().find("answer")->as_string());
}

// What all prompts begin with is computed once, and the answers are those of runs of their own.
TEST(Batch, PromptsThatBeginAlikeShareTheirBeginning) {
  const std::string other = fixture("media/lossy.webp");
  const std::vector<std::string> more = {"-p", "What do you see?", "--system",
                                         "Answer in a few words, and name the colour first."};
  const auto ask = [&](std::vector<std::string> words, const char* form) {
    words.insert(words.begin(), {"run", "-q"});
    words.insert(words.end(), more.begin(), more.end());
    words.push_back(form);
    return run(words).lines();
  };
  const auto lines = ask({kPicture, other, kPicture}, "--jsonl");
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_EQ(lines[0].get_int("reused_tokens").value(), 0);
  EXPECT_GE(lines[1].get_int("reused_tokens").value(), 10);
  EXPECT_GT(lines[2].get_int("prompt_tokens").value(), lines[2].get_int("reused_tokens").value());
  const auto alone = ask({other}, "--jsonl");
  ASSERT_EQ(alone.size(), 1u);
  EXPECT_EQ(alone[0].get_int("reused_tokens").value(), 0);
  EXPECT_EQ(lines[1].get_string("answer").value(), alone[0].get_string("answer").value());
  EXPECT_EQ(lines[2].get_string("answer").value(), lines[0].get_string("answer").value());
}

TEST(Batch, ABrokenPictureIsAnErrorAndTheOthersGoOn) {
  TemporaryFolder t;
  std::ofstream(t.file("bad.png")) << "no picture";
  const Finished f = run({"run", kPicture, t.file("bad.png"), kPicture, "-p", "What?", "--jsonl"});
  EXPECT_EQ(f.status, 3);
  const auto lines = f.lines();
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_NE(lines[0].find("answer"), nullptr);
  ASSERT_NE(lines[1].find("error"), nullptr);
  EXPECT_EQ(lines[1].find("answer"), nullptr);
  EXPECT_EQ(lines[1].find("error")->find("code")->as_string(), "bad_input");
  EXPECT_THAT(lines[1].find("error")->find("message")->as_string(), HasSubstr("bad.png: "));
  EXPECT_NE(lines[2].find("answer"), nullptr);
}

TEST(Batch, ASecondRunAsksNothingAgainAndRetriesErrors) {
  Album album(3);
  std::ofstream(album.file("bad.png")) << "no picture";
  auto command = album.command();
  command.insert(command.begin() + 1, "bad.png");
  EXPECT_EQ(run(command, album.here()).status, 3);
  EXPECT_EQ(album.lines(), 4);
  const Finished again = run(command, album.here());
  EXPECT_EQ(again.status, 3);
  EXPECT_THAT(again.err, HasSubstr("skipped 3"));
  EXPECT_EQ(album.lines(), 5);  // the error a second time
  fs::copy(kPicture, album.path() / "bad.png", fs::copy_options::overwrite_existing);
  EXPECT_EQ(run(command, album.here()).status, 0);
  EXPECT_EQ(album.lines(), 6);
  // Another question and another model are other requests.
  EXPECT_EQ(run({"run", "p1000.png", "-p", "Which colour?", "--jsonl", "-o", "answers.jsonl"},
                album.here())
                .status,
            0);
  EXPECT_EQ(album.lines(), 7);
  EXPECT_EQ(run({"run", fixture("models/smolvlm2-a"), "p1000.png", "-p", "Which colour?", "-n", "2",
                 "--jsonl", "-o", "answers.jsonl"},
                album.here())
                .status,
            0);
  EXPECT_EQ(album.lines(), 8);
  // So are another system prompt and other sampling; each is answered once.
  for (const std::vector<std::string>& more :
       {std::vector<std::string>{"--system", "Be brief."}, {"--temperature", "0.7"}}) {
    std::vector<std::string> words = {"run",     "p1000.png", "-p",           "Which colour?",
                                      "--jsonl", "-o",        "answers.jsonl"};
    words.insert(words.end(), more.begin(), more.end());
    const int before = album.lines();
    for (int time = 0; time < 2; ++time) {
      EXPECT_EQ(run(words, album.here()).status, 0) << more[0];
      EXPECT_EQ(album.lines(), before + 1) << more[0];
    }
  }
}

TEST(Batch, GoesOnAfterKillWhereItStopped) {
  Album album(60);
  for (int round = 1; round <= 2; ++round) {
    Process p(album.command(), album.here());
    ASSERT_TRUE(eventually([&] { return album.lines() >= 8 * round; }));
    p.signal(SIGKILL);
    EXPECT_EQ(p.wait().status, -SIGKILL);
    // What a kill inside of write() leaves behind.
    std::ofstream(album.file("answers.jsonl"), std::ios::app)
        << "{\"model\":\"ocelli-tiny\",\"files\":[\"p10";
  }
  EXPECT_LT(album.lines(), 60);
  EXPECT_EQ(run(album.command(), album.here()).status, 0);
  album.expect_complete();
}

TEST(Batch, InterruptedIsStatus7AndGoesOn) {
  Album album(60);
  Process p(album.command(), album.here());
  ASSERT_TRUE(eventually([&] { return album.lines() >= 4; }));
  p.signal(SIGINT);
  const Finished f = p.wait();
  EXPECT_EQ(f.status, 7);
  EXPECT_THAT(f.err, HasSubstr("goes on from here"));
  EXPECT_LT(album.lines(), 60);
  EXPECT_EQ(run(album.command(), album.here()).status, 0);
  album.expect_complete();
}

TEST(Batch, AFileThatHoldsSomethingElseIsNotTouched) {
  TemporaryFolder t;
  std::ofstream(t.file("notes.txt")) << "my notes\n";
  const Finished f = run({"run", kPicture, "-p", "What?", "--jsonl", "-o", t.file("notes.txt")});
  EXPECT_EQ(f.status, 3);
  EXPECT_THAT(f.err, HasSubstr("line 1 is not a JSON object"));
  EXPECT_EQ(read_all(t.file("notes.txt")), "my notes\n");
}

// High temperature, so that it says something.
const std::vector<std::string> kEndless{"run",          "-q", "Hi",     "-n",     "-1",
                                        "--ignore-eos", "-c", "400000", "--temp", "9"};

TEST(Signals, InterruptOfAnAnswerIsStatus7) {
  for (const int number : {SIGINT, SIGTERM}) {
    Process p(kEndless);
    ASSERT_TRUE(eventually([&] { return !p.out_so_far().empty(); }));
    p.signal(number);
    EXPECT_EQ(p.wait().status, 7);
  }
}

TEST(Output, AReaderThatGoesAwayEndsTheAnswer) {
  TemporaryFolder t;
  ASSERT_EQ(mkfifo(t.file("pipe").c_str(), 0600), 0);
  const int reader = open(t.file("pipe").c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  ASSERT_GE(reader, 0);
  Process p(kEndless, {.out = t.file("pipe")});
  char byte = 0;
  ASSERT_TRUE(eventually([&] { return read(reader, &byte, 1) == 1; }));
  close(reader);
  const Finished f = p.wait();
  EXPECT_EQ(f.status, 7);
  EXPECT_THAT(f.err, HasSubstr("error: the reader of the output went away"));
}

TEST(Output, AFullDiskIsStatus4) {
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"run", "-q", "Hi", "-n", "4", "--ignore-eos"},
        {"run", "-q", "Hi", "--json"},
        {"list"},
        {"--help"}}) {
    const Finished f = run(words, {.out = "/dev/full"});
    EXPECT_EQ(f.status, 4) << words.back();
    EXPECT_THAT(f.err, HasSubstr("error: standard output: "));
  }
  EXPECT_EQ(run({"run", kPicture, "-p", "What?", "--jsonl", "-o", "/dev/full"}).status, 4);
}

// The child is held so that the program waits for it, then killed: one picture is lost, no more.
TEST(Decoder, ItsDeathCostsOnePicture) {
  Album album(40);
  Process p(album.command(), album.here());
  std::vector<pid_t> children;
  ASSERT_TRUE(
      eventually([&] { return album.lines() >= 3 && (children = p.children()).size() == 1; }));
  kill(children[0], SIGSTOP);
  int64_t before = -1;
  ASSERT_TRUE(eventually([&] {
    const int64_t now = album.lines();
    const bool still = now == before;
    before = now;
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    return still;
  }));
  ASSERT_LT(before, 40) << "the batch ended too soon to disturb it";
  kill(children[0], SIGKILL);
  EXPECT_EQ(p.wait().status, 3);
  int errors = 0;
  for (const Json& line : parse_lines(album.answers())) {
    if (const Json* error = line.find("error")) {
      ++errors;
      EXPECT_THAT(error->find("message")->as_string(), HasSubstr("the picture decoder failed"));
    }
  }
  EXPECT_EQ(errors, 1);
  EXPECT_EQ(album.lines(), 40);
  EXPECT_EQ(run(album.command(), album.here()).status, 0);
  EXPECT_EQ(album.lines(), 41);
}

TEST(Decoder, NoneIsLeftBehind) {
  Album album(40);
  Process p(album.command(), album.here());
  std::vector<pid_t> children;
  ASSERT_TRUE(eventually([&] { return (children = p.children()).size() == 1; }));
  p.signal(SIGKILL);
  p.wait();
  EXPECT_TRUE(eventually(
      [&] {
        const std::string stat = read_all("/proc/" + std::to_string(children[0]) + "/stat");
        return stat.empty() || stat.find(") Z ") != std::string::npos;
      },
      10));
}

class Strace : public testing::Test {
 protected:
  // Runs the program under strace; the lines of its log.
  std::vector<std::string> trace(std::vector<std::string> words) {
    const Finished f =
        run(std::move(words),
            {.wrapper = {"strace", "-f", "-qq", "-e",
                         "trace=network,open,openat,openat2,creat,execve,seccomp,prctl", "-o",
                         folder_.file("log")}});
    EXPECT_EQ(f.status, 0) << f.err;
    std::vector<std::string> out;
    std::istringstream in(read_all(folder_.file("log")));
    for (std::string line; std::getline(in, line);) out.push_back(line);
    return out;
  }
  static bool missing() { return std::system("strace -f -o /dev/null true >/dev/null 2>&1") != 0; }
  TemporaryFolder folder_;
};

TEST_F(Strace, NoNetworkAndTheDecoderOpensNothing) {
  if (*OCELLI_SANITIZE)
    GTEST_SKIP() << "2 checks skipped: leak checking does not work under strace";
  if (missing()) GTEST_SKIP() << "2 checks skipped: strace is not here or may not trace";
  const auto log = trace({"run", "-q", kPicture, fixture("media/444.jpg"), "What?", "-n", "4"});
  ASSERT_GT(log.size(), 10u);
  std::string decoder;
  bool confined = false;
  int confinements = 0;
  for (const std::string& line : log) {
    EXPECT_THAT(line, Not(HasSubstr("AF_INET")));
    const std::string pid = line.substr(0, line.find(' '));
    if (line.find("execve(") != std::string::npos &&
        line.find("--ocelli-decoder") != std::string::npos)
      decoder = pid;
    if (pid != decoder) continue;
    if (confined) {
      EXPECT_EQ(line.find("open"), std::string::npos) << line;
    }
    if (line.find("SECCOMP_SET_MODE_FILTER") != std::string::npos ||
        line.find("PR_SET_SECCOMP") != std::string::npos) {
      confined = true;
      ++confinements;
    }
  }
  EXPECT_NE(decoder, "");
  EXPECT_GE(confinements, 1);
}

}  // namespace
}  // namespace ocelli::test
