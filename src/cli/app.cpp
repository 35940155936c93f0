// The program: subcommands, errors, exit statuses, signals.
#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>

#include "cli/command.h"
#include "cli/terminal.h"
#include "media/decoder_child.h"
#include "ocelli/ocelli.h"

namespace ocelli::cli {
namespace {

struct CommandEntry {
  const char* name;
  const char* summary;
  MakeCommand make;
};

constexpr CommandEntry kCommands[] = {
    {"run", "one answer about nothing, one or several pictures", make_run},
    {"show", "what a model is: sizes, tokens, template, tensors", make_show},
    {"list", "the models that are here", make_list},
    {"plan", "tokens, time and memory before running", make_plan},
    {"tokenize", "token ids of a text", make_tokenize},
    {"doctor", "version, CPU, kernels, folders", make_doctor},
    {"bench", "load time, seconds per picture, tokens per second, memory", make_bench},
    {"completion", "a completion script for bash, zsh or fish", make_completion},
};

// The handler may only set a flag; the second signal ends the program at once.
const base::CancelToken* on_signal = nullptr;
volatile std::sig_atomic_t signals = 0;

void handle_signal(int) {
  if (signals > 0) std::_Exit(int(base::Code::kInterrupted));
  signals = 1;
  if (on_signal) on_signal->request();
}

int fail_with(const base::Error& error) {
  std::fprintf(stderr, "error: %s\n", error.message().c_str());
  return int(error.code);
}

int parse_error(const CLI::App& app, const CLI::ParseError& e) {
  if (e.get_exit_code() == 0) return app.exit(e);  // --help, --version
  std::fprintf(stderr, "error: %s; see ocelli --help\n", base::printable(e.what(), 1000).c_str());
  return int(base::Code::kUsage);
}

}  // namespace

int run_program(int argc, char** argv) {
  if (const auto status = media::run_as_decoder(argc, argv)) return *status;
  Session session;
  on_signal = &session.cancel;
  std::signal(SIGINT, handle_signal);
  std::signal(SIGTERM, handle_signal);
  std::signal(SIGPIPE, SIG_IGN);

  CLI::App app("Runs small multimodal models on your own machine. Nothing leaves it.\n\n"
               "  ocelli run photo.jpg \"What is in the picture?\"");
  app.name("ocelli");
  app.set_version_flag("--version", "ocelli " + std::string(version()));
  app.require_subcommand(1);
  std::vector<std::pair<CLI::App*, Run>> commands;
  for (const CommandEntry& entry : kCommands) {
    CLI::App* sub = app.add_subcommand(entry.name, entry.summary);
    Run run = entry.make(*sub);
    commands.emplace_back(sub, std::move(run));
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return parse_error(app, e);
  }
  for (const auto& [sub, run] : commands) {
    if (!sub->parsed()) continue;
    const base::Result<int> status = run(session);
    return status.ok() ? *status : fail_with(status.error());
  }
  return int(base::Code::kUsage);
}

}  // namespace ocelli::cli
