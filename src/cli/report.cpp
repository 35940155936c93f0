#include "cli/report.h"

#include "base/memory.h"
#include "base/utf8.h"
#include "cli/inputs.h"
#include "engine/messages.h"
#include "engine/tools.h"

namespace ocelli::cli {

using base::Json;
using base::Result;

Result<engine::Prompt> question_prompt(engine::Engine& engine, const std::string& system,
                                       const std::string& question,
                                       const std::vector<std::string>& files,
                                       engine::ImageTimes* times, const Json& arguments) {
  OCELLI_TRY(check_picture_count(files.size()));
  std::vector<std::shared_ptr<const engine::PreparedImage>> images;
  for (const std::string& path : files) {
    OCELLI_ASSIGN(const Input file, Input::open(path));
    OCELLI_ASSIGN(auto image, engine.prepare_file(file.bytes(), input_name(path), times));
    images.push_back(std::move(image));
  }
  Json messages = Json::array();
  if (!system.empty()) messages.push_back(engine::text_message("system", system));
  messages.push_back(engine::user_message(question, images.size()));
  return engine.build_prompt(messages, std::move(images), arguments);
}

namespace {

Json logprob_json(const engine::Engine& engine, const engine::TokenLogprob& t) {
  return Json::object({{"id", t.id},
                       {"token", base::replace_invalid_utf8(engine.tokenizer().bytes_of(t.id))},
                       {"logprob", double(t.logprob)}});
}

}  // namespace

Json answer_json(const engine::Engine& engine, const std::string& question,
                 const std::vector<std::string>& files, const engine::Generated& out,
                 const engine::AnswerFormat& format) {
  const engine::ParsedAnswer parsed = engine::parse_answer(format, out.text);
  const bool calls = !parsed.calls.empty() && out.finish == engine::FinishReason::kStop;
  Json paths = Json::array();
  for (const std::string& f : files) paths.push_back(base::replace_invalid_utf8(input_name(f)));
  Json json = Json::object({{"model", engine.name()},
                            {"files", std::move(paths)},
                            {"question", base::replace_invalid_utf8(question)},
                            {"answer", parsed.text},
                            {"finish_reason", calls ? "tool_calls" : engine::name(out.finish)},
                            {"prompt_tokens", out.prompt_tokens},
                            {"reused_tokens", out.reused_tokens},
                            {"tokens", int64_t(out.ids.size())},
                            {"drafted_tokens", out.drafted_tokens},
                            {"accepted_tokens", out.accepted_tokens}});
  if (!parsed.thinking.empty()) json.set("reasoning_content", parsed.thinking);
  if (!parsed.calls.empty()) json.set("tool_calls", engine::tool_calls_json(parsed.calls));
  json.set("seconds", Json::object({{"decode_picture", out.images.decode},
                                    {"resize", out.images.resize},
                                    {"encode", out.images.encode},
                                    {"prefill", out.prefill_seconds},
                                    {"decode", out.decode_seconds},
                                    {"first_token", out.first_token_seconds}}));
  json.set("peak_memory_bytes", base::process_memory().peak);
  if (out.tokens.empty() || out.tokens.front().top.empty()) return json;
  Json tokens = Json::array();
  for (const engine::Sampled& s : out.tokens) {
    Json token = logprob_json(engine, s.token);
    Json top = Json::array();
    for (const auto& t : s.top) top.push_back(logprob_json(engine, t));
    tokens.push_back(std::move(token.set("top_logprobs", std::move(top))));
  }
  json.set("logprobs", std::move(tokens));
  return json;
}

Json error_json(const base::Error& error) {
  const char* code = "internal";
  switch (error.code) {
    case base::Code::kUsage:
      code = "usage";
      break;
    case base::Code::kBadInput:
      code = "bad_input";
      break;
    case base::Code::kDoesNotFit:
      code = "does_not_fit";
      break;
    case base::Code::kNetwork:
      code = "network";
      break;
    case base::Code::kTraining:
      code = "training";
      break;
    case base::Code::kInterrupted:
      code = "interrupted";
      break;
    case base::Code::kInternal:
      break;
  }
  return Json::object({{"code", code}, {"message", base::replace_invalid_utf8(error.message())}});
}

}  // namespace ocelli::cli
