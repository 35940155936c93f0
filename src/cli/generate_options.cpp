#include "cli/generate_options.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <limits>

#include "base/utf8.h"

namespace ocelli::cli {

using base::Code;
using base::Result;

void GenerateFlags::add(CLI::App& app) {
  app.option_defaults()->group("Answer");
  app.add_option("-n,--max-tokens,--max-new-tokens,--n-predict", max_tokens,
                 "most tokens of the answer (default 512; -1: until the context is full)")
      ->type_name("N");
  app.add_option("--temp,--temperature", temperature, "0: always the most likely token (default)")
      ->type_name("X");
  app.add_option("--top-k", top_k, "keep the k most likely tokens (default 0: all)")
      ->type_name("K");
  app.add_option("--top-p", top_p, "keep the fewest tokens that reach this probability (default 1)")
      ->type_name("P");
  app.add_option("--min-p", min_p,
                 "keep tokens of at least this fraction of the best one's probability (default 0)")
      ->type_name("P");
  app.add_option("--repeat-penalty,--repetition-penalty", repetition_penalty,
                 "above 1: against repetition (default 1)")
      ->type_name("X");
  app.add_option("--presence-penalty", presence_penalty,
                 "subtracted from the logits of tokens of the answer")
      ->type_name("X");
  app.add_option("--frequency-penalty", frequency_penalty, "the same, times how often")
      ->type_name("X");
  app.add_option("-s,--seed", seed, "of the random draws (default 0)")->type_name("N");
  app.add_option("--stop", stop, "end the answer before this text (may be given several times)")
      ->type_name("TEXT")
      ->allow_extra_args(false);
  app.add_option("--logit-bias", logit_bias,
                 "added to a token's logit (may be given several times)")
      ->type_name("ID=BIAS")
      ->allow_extra_args(false);
  app.add_option(
         "--draft-max,--draft,--draft-n", drafted,
         "most tokens that are guessed ahead from the text so far (default 3; 0: none): the "
         "same answer, sooner where it quotes")
      ->type_name("N")
      ->check(CLI::Range(int64_t{0}, engine::kMostDraftedTokens));
  app.add_flag("--ignore-eos", ignore_eos, "go on after the end of the answer (for measurements)");
  app.add_option("--logprobs", logprobs,
                 "report log-probabilities of this many alternatives (implies --json)")
      ->type_name("N");
  app.option_defaults()->group("Options");
}

namespace {

Result<std::pair<int32_t, double>> parse_bias(const std::string& text) {
  const size_t equals = text.find('=');
  std::pair<int32_t, double> out{};
  if (equals != std::string::npos) {
    const char* end = text.data() + text.size();
    const auto id = std::from_chars(text.data(), text.data() + equals, out.first);
    const char* begin = text.data() + equals + 1;
    const auto bias = std::from_chars(begin + (begin < end && *begin == '+'), end, out.second);
    if (id.ec == std::errc() && id.ptr == text.data() + equals && bias.ec == std::errc() &&
        bias.ptr == end)
      return out;
  }
  return base::fail(Code::kUsage,
                    "\"" + base::printable(text, 40) + "\" is not of the form ID=BIAS",
                    "--logit-bias");
}

}  // namespace

Result<engine::GenerateOptions> GenerateFlags::options() const {
  engine::GenerateOptions g;
  if (max_tokens < 1 && max_tokens != -1) {
    return base::fail(Code::kUsage,
                      "must be at least 1, or -1 for no limit but the context (" +
                          std::to_string(max_tokens) + ")",
                      "--max-tokens");
  }
  g.max_tokens = std::max<int64_t>(max_tokens, 0);
  g.stop = stop;
  g.ignore_eos = ignore_eos;
  g.drafted = drafted;
  engine::SamplingOptions& s = g.sampling;
  s.temperature = temperature;
  s.top_k = top_k;
  s.top_p = top_p;
  s.min_p = min_p;
  s.repetition_penalty = repetition_penalty;
  s.presence_penalty = presence_penalty;
  s.frequency_penalty = frequency_penalty;
  s.seed = seed;
  s.logprobs = logprobs > 0;
  s.top_logprobs = logprobs;
  for (const std::string& text : logit_bias) {
    OCELLI_ASSIGN(auto bias, parse_bias(text));
    s.logit_bias.push_back(bias);
  }
  // Again with the model's vocabulary once it is loaded; this one comes before the waiting.
  OCELLI_TRY(engine::check(s, std::numeric_limits<int32_t>::max()));
  return g;
}

base::Json GenerateFlags::json() const {
  const auto list = [](const std::vector<std::string>& texts) {
    base::Json out = base::Json::array();
    for (const std::string& text : texts) out.push_back(base::replace_invalid_utf8(text));
    return out;
  };
  return base::Json::object(
      {{"max_tokens", max_tokens},
       {"temperature", temperature},
       {"top_k", int64_t(top_k)},
       {"top_p", top_p},
       {"min_p", min_p},
       {"repetition_penalty", repetition_penalty},
       {"presence_penalty", presence_penalty},
       {"frequency_penalty", frequency_penalty},
       {"seed", std::to_string(seed)},  // 64 bits are too many for some readers
       {"stop", list(stop)},
       {"logit_bias", list(logit_bias)},
       {"ignore_eos", ignore_eos}});
}

}  // namespace ocelli::cli
