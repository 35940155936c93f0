// Runs the ocelli program as a person would, with folders of its own and nothing else.
#pragma once

#include <sys/resource.h>
#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/slower.h"

namespace ocelli::test {

namespace fs = std::filesystem;

// A folder that goes away with the object.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const fs::path& path() const { return path_; }
  std::string file(const std::string& name) const { return (path_ / name).string(); }

 private:
  fs::path path_;
};

struct Finished {
  int status = 0;  // exit status, or -SIGNAL
  std::string out, err;
  double seconds = 0;      // from the start to the end
  double cpu_seconds = 0;  // of it and of the processes it started and waited for
  int64_t peak_bytes = 0;  // of memory in use, the larger of it and of those

  base::Json json() const;                // `out`; a failure of the test where it is none
  std::vector<base::Json> lines() const;  // one per line of `out`
};

// Seconds that a test waits for what takes one, on a busy machine.
inline constexpr double kPatience = 60 * base::kSlower;

struct RunOptions {
  std::map<std::string, std::string> environment{};  // beside PATH, HOME and OCELLI_HOME
  std::string folder{};                              // "": a temporary one
  std::string in{};                    // where standard input comes from; "": /dev/null
  std::string out{};                   // where standard output goes; "": to Finished::out
  std::vector<std::string> wrapper{};  // words before the program
  double deadline_seconds = kPatience;
};

// A program's words and environment as exec takes them. The variables: PATH, HOME and OCELLI_HOME,
// what steers sanitizers and kernels, then `more`, which wins.
class Command {
 public:
  Command(std::vector<std::string> words, const std::string& home, const std::string& ocelli_home,
          const std::map<std::string, std::string>& more);
  Command(const Command&) = delete;
  Command& operator=(const Command&) = delete;
  char* const* argv() const { return argv_.data(); }
  char* const* envp() const { return envp_.data(); }

 private:
  std::vector<std::string> words_, environment_;
  std::vector<char*> argv_, envp_;
};

// `wrapper`, the ocelli program, then `arguments`.
std::vector<std::string> program_words(std::vector<std::string> wrapper,
                                       const std::vector<std::string>& arguments);

class Process {
 public:
  Process(std::vector<std::string> arguments, RunOptions options = {});
  ~Process();  // kills it
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  pid_t pid() const { return pid_; }
  bool running();
  void signal(int number) const;
  // Processes that it started itself.
  std::vector<pid_t> children() const;
  std::string out_so_far() const;
  // Kills it after the deadline, which fails the test.
  Finished wait();

 private:
  RunOptions options_;
  TemporaryFolder folder_;
  pid_t pid_ = 0;
  bool ended_ = false;
  int wait_status_ = 0;
  rusage usage_{};
  std::chrono::steady_clock::time_point start_, end_;
};

Finished run(std::vector<std::string> arguments, RunOptions options = {});

std::string read_all(const std::string& path);
std::vector<base::Json> parse_lines(const std::string& text);
// A file of tests/fixtures.
std::string fixture(const std::string& name);
// Waits until `condition` holds; false after `seconds`.
bool eventually(const std::function<bool()>& condition, double seconds = kPatience);

}  // namespace ocelli::test
