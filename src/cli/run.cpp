// ocelli run: one answer, or one per file.
#include <CLI/CLI.hpp>

#include "base/file.h"
#include "cli/batch.h"
#include "cli/command.h"
#include "cli/draft.h"
#include "cli/engine_options.h"
#include "cli/generate_options.h"
#include "cli/inputs.h"
#include "cli/report.h"
#include "cli/show_prompt.h"
#include "cli/target.h"
#include "cli/terminal.h"
#include "cli/tool_options.h"
#include "engine/tools.h"

namespace ocelli::cli {
namespace {

using base::Code;
using base::Json;
using base::Result;
using base::Status;

constexpr size_t kMaxQuestionBytes = size_t{1} << 20;

struct RunFlags {
  EngineFlags engine;
  GenerateFlags generate;
  DraftFlags draft;
  ToolFlags tools;
  std::vector<std::string> words, images, videos;
  std::optional<std::string> prompt;
  std::string system, output, prompt_file;
  bool json = false, jsonl = false, show_prompt = false, raw = false;
};

Result<engine::Prompt> make_prompt(engine::Engine& engine, const RunFlags& flags,
                                   const Target& target, const Json& arguments,
                                   engine::ImageTimes* times) {
  if (flags.raw) {
    if (!target.files.empty())
      return base::fail(Code::kUsage, "takes no pictures; leave one of them out", "--raw");
    return engine.raw_prompt(target.question.value_or(""));
  }
  return question_prompt(engine, flags.system, target.question.value_or(""), target.files, times,
                         arguments);
}

Status print_answer(engine::Engine& engine, const RunFlags& flags, const Target& target,
                    const Json& arguments, Draft& draft, Session& session, int& status) {
  engine::ImageTimes times;
  OCELLI_ASSIGN(const engine::Prompt prompt, make_prompt(engine, flags, target, arguments, &times));
  if (flags.show_prompt) {
    if (!flags.output.empty()) {
      OCELLI_ASSIGN(const std::vector<std::byte> png, contact_sheet(prompt));
      const auto* bytes = reinterpret_cast<const char*>(png.data());
      OCELLI_TRY(base::write_file_atomically(flags.output, {bytes, png.size()}));
    }
    return print(flags.json ? prompt_json(engine, prompt).dump(2) + "\n"
                            : prompt_text(engine, prompt));
  }
  OCELLI_ASSIGN(engine::GenerateOptions options, flags.generate.options());
  options.cancel = &session.cancel;
  options.trim_start = !flags.raw;
  ProgressBar bar(!flags.engine.quiet);
  options.on_prefill = [&](int64_t done, int64_t total) {
    bar.update(double(done) / double(total), "reading the prompt");
  };
  const bool json = flags.json || flags.generate.logprobs > 0;
  const engine::AnswerFormat format =
      flags.raw ? engine::AnswerFormat() : engine::answer_format(engine, prompt, arguments);
  AnswerPrinter printer(format, flags.tools.hide_thinking);
  std::optional<base::Error> broken;
  if (!json) {
    options.on_text = [&](std::string_view text) {
      bar.clear();
      Status written = printer.push(text);
      if (!written.ok()) broken = written.error();
      return written.ok();
    };
  }
  const auto read = [&](engine::Engine& e) {
    return make_prompt(e, flags, target, arguments, nullptr);
  };
  OCELLI_TRY(draft.begin(target.files, read, options));
  OCELLI_ASSIGN(engine::Session chat, engine::Session::create(engine));
  OCELLI_ASSIGN(engine::Generated out, chat.generate(prompt, options));
  bar.clear();
  if (broken) return *broken;
  out.images.decode += times.decode;
  out.images.resize += times.resize;
  if (out.finish == engine::FinishReason::kCancelled) status = int(Code::kInterrupted);
  if (json) {
    const std::string question = target.question.value_or("");
    return print(answer_json(engine, question, target.files, out, format).dump(2) + "\n");
  }
  OCELLI_TRY(printer.finish());
  if (printer.only_thought() && out.finish == engine::FinishReason::kLength)
    warn("the model was still thinking; allow more with --max-tokens, or use --no-think");
  return {};
}

Result<int> run(Session& session, RunFlags& flags) {
  OCELLI_ASSIGN(Target target, resolve_target(flags.words, flags.engine.model, flags.prompt));
  target.files.insert(target.files.end(), flags.images.begin(), flags.images.end());
  target.files.insert(target.files.end(), flags.videos.begin(), flags.videos.end());
  if (!flags.prompt_file.empty()) {
    if (target.question)
      return base::fail(Code::kUsage, "there is a question already; leave one of them out",
                        "--file");
    OCELLI_ASSIGN(target.question, base::read_file(flags.prompt_file, kMaxQuestionBytes));
  }
  if (!target.question && target.files.empty()) {
    return base::fail(Code::kUsage,
                      "nothing to do; ask something: ocelli run photo.jpg \"What is this?\"");
  }
  OCELLI_TRY(flags.generate.options().ok() ? Status() : Status(flags.generate.options().error()));
  if (!flags.output.empty() && !flags.jsonl && !flags.show_prompt) {
    return base::fail(
        Code::kUsage,
        "takes answers of --jsonl or the frames of --show-prompt; add one, or redirect the output",
        "--output");
  }
  if (flags.jsonl && (flags.raw || flags.show_prompt)) {
    return base::fail(Code::kUsage,
                      "does not go with --raw or --show-prompt; leave one of them out", "--jsonl");
  }
  if (flags.raw && flags.tools.given()) {
    return base::fail(Code::kUsage,
                      "does not go with --tools, --think or --no-think, which are for the chat "
                      "template; leave one of them out",
                      "--raw");
  }
  OCELLI_ASSIGN(const Json arguments, flags.tools.arguments());
  std::vector<std::string> notes;
  OCELLI_ASSIGN(target.files, expand_folders(target.files, notes));
  for (const std::string& text : notes)
    if (!flags.engine.quiet) note(text);
  if (!flags.jsonl) OCELLI_TRY(check_picture_count(target.files.size()));
  flags.engine.packed = true;
  flags.engine.use_weights_cache = true;
  OCELLI_ASSIGN(const OpenEngine open, open_engine(target.model, flags.engine));
  OCELLI_TRY(check_arguments(*open.engine, arguments));
  OCELLI_ASSIGN(Draft draft, Draft::open(flags.draft, flags.engine, *open.engine));
  if (flags.jsonl) {
    BatchOptions batch{flags.system,   target.question.value_or(""), target.files, flags.output,
                       flags.generate, flags.engine.quiet,           arguments};
    return run_batch(*open.engine, batch, draft, session);
  }
  int status = 0;
  OCELLI_TRY(print_answer(*open.engine, flags, target, arguments, draft, session, status));
  return status;
}

}  // namespace

Run make_run(CLI::App& app) {
  auto flags = std::make_shared<RunFlags>();
  app.description(
      "Answer a question about pictures and videos, or without any. FILE is a picture, a video, a\n"
      "folder of pictures, a data URI or - (standard input).\n\n"
      "  ocelli run photo.jpg \"What is in the picture?\"\n"
      "  ocelli run ./SmolVLM2-256M-Video-Instruct left.png right.png \"What differs?\"\n"
      "  ocelli run ./SmolVLM2-256M-Video-Instruct clip.mp4 \"What happens?\"\n"
      "  ocelli run photos/ \"Which one shows a cat?\"\n"
      "  ocelli run *.jpg -p \"Describe the picture.\" --jsonl -o answers.jsonl");
  app.add_option("words", flags->words, "[MODEL] [FILE...] [QUESTION]");
  app.add_option("-p,--prompt", flags->prompt, "the question")->type_name("TEXT");
  app.add_option("-f,--file", flags->prompt_file, "read the question from this file")
      ->type_name("FILE");
  app.add_option("--image", flags->images, "a picture (may be given several times)")
      ->type_name("FILE")
      ->allow_extra_args(false);
  app.add_option("--video", flags->videos, "a video (may be given several times)")
      ->type_name("FILE")
      ->allow_extra_args(false);
  app.add_option("--system,--system-prompt", flags->system,
                 "what the model is told before the question")
      ->type_name("TEXT");
  app.add_flag("--json", flags->json, "one JSON object with answer, tokens and times");
  app.add_flag("--jsonl", flags->jsonl, "one request and one JSON line for each file");
  app.add_option("-o,--output", flags->output,
                 "with --jsonl: add to this file, skipping what it already answers; with "
                 "--show-prompt: the frames of videos, as a PNG picture")
      ->type_name("FILE");
  app.add_flag("--show-prompt", flags->show_prompt,
               "print exactly what the model would see, and stop");
  app.add_flag("--raw", flags->raw, "continue the text as it is, without the chat template");
  flags->engine.add(app);
  flags->engine.add_cache(app);
  flags->engine.add_memory(app);
  flags->generate.add(app);
  flags->draft.add(app);
  flags->tools.add(app);
  return [flags](Session& session) { return run(session, *flags); };
}

}  // namespace ocelli::cli
