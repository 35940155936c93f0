// The program: subcommands, errors, exit statuses, signals.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <new>

#include "base/thread_pool.h"
#include "cli/command.h"
#include "cli/help.h"
#include "cli/terminal.h"
#include "cli/train_options.h"
#include "media/decoder_child.h"
#include "ocelli/ocelli.h"

namespace ocelli::cli {
namespace {

struct CommandEntry {
  const char* name;
  MakeCommand make;
};

constexpr CommandEntry kCommands[] = {
    {"run", make_run},
    {"chat", make_chat},
    {"show", make_show},
    {"pull", make_pull},
    {"list", make_list},
    {"verify", make_verify},
    {"rm", make_rm},
    {"train", make_train},
    {"plan", make_plan},
    {"tokenize", make_tokenize},
    {"doctor", make_doctor},
    {"cache", make_cache},
    {"bench", make_bench},
    {"merge", make_merge},
    {"quantize", make_quantize},
    {"completion", make_completion},
};

// The handler may only set a flag; the second signal ends the program at once.
const base::CancelToken* on_signal = nullptr;
volatile std::sig_atomic_t signals = 0;

void handle_signal(int) {
  if (signals > 0) std::_Exit(int(base::Code::kInterrupted));
  signals = 1;
  if (on_signal) on_signal->request();
}

// Where nobody is left to return an error to: memory that ran out in the middle of something, in any
// thread. Allocates nothing.
[[noreturn]] void end_with_words() {
  std::string_view words =
      "error: ocelli: an exception that nobody took; please report it\n";
  base::Code code = base::Code::kInternal;
  try {
    if (std::current_exception()) std::rethrow_exception(std::current_exception());
  } catch (const std::bad_alloc&) {
    words = "error: memory: there is not enough of it; close other programs or raise ulimit -v\n";
    code = base::Code::kDoesNotFit;
  } catch (...) {
  }
  if (write(STDERR_FILENO, words.data(), words.size()) < 0) code = base::Code::kInternal;
  std::_Exit(int(code));
}

int fail_with(const base::Error& error) {
  std::fprintf(stderr, "error: %s\n", error.message().c_str());
  return int(error.code);
}

int parse_error(const CLI::App& app, const CLI::ParseError& e) {
  if (e.get_exit_code() == 0) {
    const bool version = dynamic_cast<const CLI::CallForVersion*>(&e) != nullptr;
    const base::Status printed = print(version ? std::string(e.what()) + "\n" : app.help());
    return printed.ok() ? 0 : fail_with(printed.error());
  }
  std::fprintf(stderr, "error: %s\n", parse_error_text(app, e).c_str());
  return int(base::Code::kUsage);
}

// The thread pool ignores a number of threads that makes no sense; a person wants to know.
base::Status check_environment() {
  const char* const wish = std::getenv("OCELLI_THREADS");
  if (!wish || !*wish) return {};
  int threads = 0;
  const auto read = std::from_chars(wish, wish + std::strlen(wish), threads);
  if (read.ec == std::errc() && !*read.ptr && threads >= 1 && threads <= base::kMaxThreads)
    return {};
  return base::fail(base::Code::kUsage,
                    "must be a whole number from 1 to " + std::to_string(base::kMaxThreads) + " (" +
                        base::printable(wish, 40) + "); unset it to use every CPU",
                    "OCELLI_THREADS");
}

// "ocelli help run" means "ocelli run --help". In reverse order, as CLI11 takes them.
std::vector<std::string> arguments(int argc, char** argv) {
  std::vector<std::string> out(argv + std::min(argc, 1), argv + argc);
  if (!out.empty() && out[0] == "help") {
    out.erase(out.begin());
    out.resize(std::min<size_t>(out.size(), 1));
    out.push_back("--help");
  }
  if (!out.empty() && (out[0] == "train" || out[0] == "plan")) join_switches(out);
  std::reverse(out.begin(), out.end());
  return out;
}

}  // namespace

int run_program(int argc, char** argv) {
  if (const auto status = media::run_as_decoder(argc, argv)) return *status;
  std::set_terminate(end_with_words);
  Session session;
  on_signal = &session.cancel;
  std::signal(SIGINT, handle_signal);
  std::signal(SIGTERM, handle_signal);
  std::signal(SIGUSR1, handle_signal);  // how batch systems announce the end of a job
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);  // a file too large is an error of write()

  CLI::App app(
      "Runs small multimodal models on your own machine. Nothing leaves it.\n\n"
      "  ocelli run photo.jpg \"What is in the picture?\"");
  app.name("ocelli");
  app.formatter(make_help_formatter());
  app.set_help_flag("-h,--help", "print this page");
  app.set_version_flag("--version", "ocelli " + std::string(version()), "print the version");
  app.require_subcommand(1);
  std::vector<std::pair<CLI::App*, Run>> commands;
  for (const CommandEntry& entry : kCommands) {
    CLI::App* sub = app.add_subcommand(entry.name);
    Run run = entry.make(*sub);
    commands.emplace_back(sub, std::move(run));
  }
  if (argc < 2) {
    std::fputs(app.help().c_str(), stderr);
    return int(base::Code::kUsage);
  }
  try {
    app.parse(arguments(argc, argv));
  } catch (const CLI::ParseError& e) {
    return parse_error(app, e);
  }
  if (const base::Status known = check_environment(); !known.ok()) return fail_with(known.error());
  for (const auto& [sub, run] : commands) {
    if (!sub->parsed()) continue;
    const base::Result<int> status = run(session);
    return status.ok() ? *status : fail_with(status.error());
  }
  return int(base::Code::kUsage);
}

}  // namespace ocelli::cli
