// Options of the answer: length, sampling, stops.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "engine/session.h"

namespace CLI {
class App;
}

namespace ocelli::cli {

struct GenerateFlags {
  int64_t max_tokens = 512, drafted = engine::kDraftedTokens;
  double temperature = 0, top_p = 1, min_p = 0, repetition_penalty = 1, presence_penalty = 0,
         frequency_penalty = 0;
  int top_k = 0, logprobs = 0;
  uint64_t seed = 0;
  std::vector<std::string> stop, logit_bias;
  bool ignore_eos = false;

  void add(CLI::App& app);
  base::Result<engine::GenerateOptions> options() const;
  // Everything that decides the answer, under the names of the options.
  base::Json json() const;
};

}  // namespace ocelli::cli
