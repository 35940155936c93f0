// run --jsonl: one request and one line for each file; can be stopped and continued.
#pragma once

#include "cli/command.h"
#include "cli/draft.h"
#include "cli/generate_options.h"
#include "engine/engine.h"

namespace ocelli::cli {

struct BatchOptions {
  std::string system, question;
  std::vector<std::string> files;  // none: one request without a picture
  std::string output;              // "": stdout
  GenerateFlags generate;
  bool quiet = false;
  base::Json arguments{};  // variables for the chat template
};

// A file that fails gets a line with "error" and the others go on; the status is then that of the
// first error. With `output`, lines are added to what is there: files that it answers for this
// model, question and settings are skipped, failed ones are tried again, and half a line at its end
// (the program was killed) is cut off.
base::Result<int> run_batch(engine::Engine& engine, const BatchOptions& options, Draft& draft,
                            Session& session);

}  // namespace ocelli::cli
