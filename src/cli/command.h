// A command: its options, and what it does. One file per command; app.cpp lists them.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/cancel.h"
#include "base/result.h"

namespace CLI {
class App;
}

namespace ocelli::cli {

// What commands share: where output goes and whether the user wants to stop.
struct Session {
  base::CancelToken cancel;  // requested by SIGINT, SIGTERM and SIGUSR1
};

// Adds a subcommand's options to `app`; the result runs it after parsing and returns the exit
// status.
using Run = std::function<base::Result<int>(Session&)>;
using MakeCommand = Run (*)(CLI::App& app);

Run make_run(CLI::App& app);
Run make_chat(CLI::App& app);
Run make_show(CLI::App& app);
Run make_list(CLI::App& app);
Run make_pull(CLI::App& app);
Run make_verify(CLI::App& app);
Run make_rm(CLI::App& app);
Run make_plan(CLI::App& app);
Run make_tokenize(CLI::App& app);
Run make_doctor(CLI::App& app);
Run make_cache(CLI::App& app);
Run make_bench(CLI::App& app);
Run make_train(CLI::App& app);
Run make_completion(CLI::App& app);
Run make_merge(CLI::App& app);
Run make_quantize(CLI::App& app);

// The whole program: parses, runs, prints errors on stderr, returns the exit status. Statuses are
// documented in docs/exit-codes.md.
int run_program(int argc, char** argv);

}  // namespace ocelli::cli
