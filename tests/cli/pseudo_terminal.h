// Runs the ocelli program on a pseudo-terminal, as a person at a keyboard does.
#pragma once

#include <sys/types.h>
#include <termios.h>

#include <string>
#include <string_view>
#include <vector>

#include "process.h"

namespace ocelli::test {

struct TerminalOptions {
  std::map<std::string, std::string> environment{};  // beside PATH, HOME, OCELLI_HOME, TERM
  std::string folder{};                              // "": a temporary one
  std::string home{};                                // OCELLI_HOME; "": in a temporary folder
  std::vector<std::string> wrapper{};                // words before the program
  int columns = 80, rows = 24;
};

class PseudoTerminal {
 public:
  PseudoTerminal(std::vector<std::string> arguments, TerminalOptions options = {});
  ~PseudoTerminal();  // kills the program
  PseudoTerminal(const PseudoTerminal&) = delete;
  PseudoTerminal& operator=(const PseudoTerminal&) = delete;

  void type(std::string_view bytes);
  // Reads until `text` appears behind the last match; what stood before it. A failure of the test
  // where it does not come in time.
  std::string expect(std::string_view text, double seconds = kPatience);
  // The same for the first of several; its index.
  size_t expect_any(const std::vector<std::string>& texts, double seconds = kPatience);
  // Types a line and reads until the next prompt; what the program printed for it.
  std::string ask(const std::string& line, double seconds = kPatience);
  void resize(int columns, int rows);
  void signal(int number) const { kill_group(number); }
  // The exit status, or -SIGNAL, after the rest of the output was read.
  int wait(double seconds = kPatience);

  // Everything that was printed so far.
  const std::string& output() const { return output_; }
  // What is behind the last match.
  std::string_view rest() const { return std::string_view(output_).substr(seen_); }
  // Reads what is there now, waiting up to `seconds` for more.
  bool read_more(double seconds);
  termios modes() const;
  void set_modes(const termios& modes) const;
  pid_t pid() const { return pid_; }
  std::string home() const { return home_; }

 private:
  void kill_group(int number) const;
  TemporaryFolder folder_;
  std::string home_, output_;
  size_t seen_ = 0;
  pid_t pid_ = 0;
  int master_ = -1, slave_ = -1, wait_status_ = 0;
  bool ended_ = false;
};

// A text of a terminal without escape sequences and carriage returns.
std::string without_escapes(std::string_view text);

}  // namespace ocelli::test
