// ocelli chat: its options, and the loop of questions and answers.
#include <sys/stat.h>
#include <unistd.h>

#include <CLI/CLI.hpp>

#include "cli/chat.h"
#include "cli/chat_commands.h"
#include "cli/chat_input.h"
#include "cli/command.h"
#include "cli/engine_options.h"
#include "cli/input_words.h"
#include "cli/target.h"
#include "cli/terminal.h"
#include "cli/terminal_features.h"
#include "cli/tool_options.h"

namespace ocelli::cli {
namespace {

using base::Code;
using base::Result;
using base::Status;

constexpr int kAskMs = 200;  // for the terminal's answer; a slow line gets blocks

struct ChatFlags {
  EngineFlags engine;
  GenerateFlags generate;
  ToolFlags thinking;
  std::vector<std::string> words, images;
  std::optional<std::string> prompt;
  std::string system, show_images = "auto";
  bool no_history = false;
};

bool is_file(const std::string& path) {
  struct stat about;
  return stat(path.c_str(), &about) == 0 && S_ISREG(about.st_mode);
}

// What a person types at a terminal, or what a pipe brings.
class Loop {
 public:
  Loop(Chat& chat, InputSource& input, const ChatSignals& signals, bool interactive)
      : chat_(chat), input_(input), signals_(signals), interactive_(interactive) {}

  Result<int> run(const std::optional<std::string>& first_question) {
    if (first_question) OCELLI_TRY(report(chat_.say(*first_question)));
    while (!left_ && !stopped()) {
      const ChatInput input = input_.next();
      switch (input.end) {
        case TypedLine::End::kStopped:
          return int(Code::kInterrupted);
        case TypedLine::End::kEndOfInput:
          if (interactive_) OCELLI_TRY(print("\n"));
          return status_;
        case TypedLine::End::kInterrupted:
          OCELLI_TRY(interrupted(!input.text.empty()));
          break;
        case TypedLine::End::kLine:
          interrupts_ = 0;
          OCELLI_TRY(report(take(input)));
      }
    }
    return stopped() ? int(Code::kInterrupted) : status_;
  }

 private:
  // SIGTERM; without a terminal Ctrl-C as well.
  bool stopped() {
    if (signals_.take_interrupt()) interrupted_ = true;
    return signals_.stop_requested() || (!interactive_ && interrupted_);
  }

  Status interrupted(bool had_text) {
    interrupts_ = had_text ? 1 : interrupts_ + 1;
    left_ = interrupts_ >= 2;
    return print(left_ || had_text ? "^C\n" : "^C (again, Ctrl-D or /exit leaves)\n");
  }

  Status take(const ChatInput& input) {
    if (input.too_long) {
      return base::fail(Code::kBadInput, "the input is too long (limit " +
                                             bytes_text(int64_t(kMaxInputBytes)) +
                                             "); give less text at a time");
    }
    input_.remember(input.typed);
    if (input.text.find_first_not_of(" \t\n") == std::string::npos) return {};
    if (is_command(input.typed)) {
      OCELLI_ASSIGN(const AfterCommand after, run_command(chat_, input.text));
      left_ = after == AfterCommand::kLeave;
      return {};
    }
    const DroppedFiles dropped = take_files(input.text, is_file);
    for (const std::string& file : dropped.files)
      OCELLI_TRY(chat_.attach(file, is_video_name(file)));
    if (dropped.text.empty()) return {};
    if (dropped.text.starts_with('/')) OCELLI_TRY(check_path(dropped.text));
    return chat_.say(dropped.text);
  }

  // "/home/me/phto.jpg what is it" names a picture that is not there.
  static Status check_path(const std::string& text) {
    const std::string first = split_words(text)[0].text;
    if (!is_picture_name(first) && !is_video_name(first)) return {};
    return base::fail(Code::kBadInput, "no such file or folder; check the name", first);
  }

  // An error is told and the chat goes on, unless nobody can read it any more.
  Status report(const Status& done) {
    if (chat_.broken()) return *chat_.broken();
    if (done.ok()) return {};
    if (done.error().code == Code::kInterrupted) {
      interrupted_ = true;
      note("(" + done.error().what + ")");
    } else {
      std::fprintf(stderr, "error: %s\n", done.error().message().c_str());
      if (status_ == 0 && !interactive_) status_ = int(done.error().code);
    }
    return {};
  }

  Chat& chat_;
  InputSource& input_;
  const ChatSignals& signals_;
  bool interactive_, left_ = false, interrupted_ = false;
  int interrupts_ = 0, status_ = 0;
};

Result<std::unique_ptr<InputSource>> make_input(const ChatFlags& flags, const ChatSignals& signals,
                                                bool interactive) {
  if (!interactive) return make_plain_input(signals);
  ChatHistory history;
  if (!flags.no_history) {
    const Result<std::string> path = ChatHistory::default_path();
    Result<ChatHistory> opened =
        path.ok() ? ChatHistory::open(*path) : Result<ChatHistory>(path.error());
    if (opened.ok()) {
      history = std::move(opened).value();
    } else {
      warn("this chat has no history: " + opened.error().message());
    }
  }
  return make_terminal_input(signals, complete_input, std::move(history));
}

ImageStyle choose_images(const std::string& wish, InputSource& input) {
  if (const auto protocol = protocol_from_name(wish)) return style_for(*protocol, from_environment);
  return detect_images(from_environment, [&] {
    std::string typed;
    const std::string answer = ask_device_attributes(kAskMs, typed);
    input.push_back(typed);
    return answer;
  });
}

Result<int> chat(Session& session, ChatFlags& flags) {
  OCELLI_ASSIGN(Target target, resolve_target(flags.words, flags.engine.model, flags.prompt));
  target.files.insert(target.files.end(), flags.images.begin(), flags.images.end());
  OCELLI_TRY(flags.generate.options().ok() ? Status() : Status(flags.generate.options().error()));
  OCELLI_ASSIGN(base::Json arguments, flags.thinking.arguments());
  flags.engine.packed = true;
  flags.engine.use_weights_cache = true;
  OCELLI_ASSIGN(const OpenEngine open, open_engine(target.model, flags.engine));
  OCELLI_TRY(check_arguments(*open.engine, arguments));
  if (session.cancel.requested()) return int(Code::kInterrupted);
  ChatSignals signals;
  OCELLI_TRY(signals.install());
  const bool interactive = isatty(STDIN_FILENO) == 1 && stdout_is_terminal();
  OCELLI_ASSIGN(const std::unique_ptr<InputSource> input, make_input(flags, signals, interactive));
  ChatScreen screen;
  screen.terminal = stdout_is_terminal();
  screen.hide_thinking = flags.thinking.hide_thinking;
  screen.quiet = flags.engine.quiet;
  if (interactive) screen.images = [&] { return choose_images(flags.show_images, *input); };
  OCELLI_ASSIGN(const std::unique_ptr<Chat> talk,
                Chat::create(*open.engine, signals, flags.generate, std::move(screen)));
  talk->set_system(flags.system);
  talk->set_arguments(std::move(arguments));
  for (const std::string& file : target.files) OCELLI_TRY(talk->attach(file, is_video_name(file)));
  if (interactive && !flags.engine.quiet)
    note("chat with " + open.engine->name() + ": /help lists the commands, Ctrl-D leaves");
  return Loop(*talk, *input, signals, interactive).run(target.question);
}

}  // namespace

Run make_chat(CLI::App& app) {
  auto flags = std::make_shared<ChatFlags>();
  app.description(
      "A conversation about pictures, in the terminal or through a pipe.\n\n"
      "  ocelli chat photo.jpg\n"
      "  ocelli chat ./SmolVLM2-256M-Video-Instruct\n"
      "  printf '/image photo.jpg\\nWhat is this?\\n' | ocelli chat -q");
  app.add_option("words", flags->words, "[MODEL] [FILE...] [QUESTION]");
  app.add_option("-p,--prompt", flags->prompt, "the first question")->type_name("TEXT");
  app.add_option("--image", flags->images,
                 "a picture for the first question (may be given several times)")
      ->type_name("FILE")
      ->allow_extra_args(false);
  app.add_option("--system,--system-prompt", flags->system, "what the model is told first")
      ->type_name("TEXT");
  app.add_flag("--no-history", flags->no_history,
               "neither read nor write the file of what was typed");
  app.add_option("--images", flags->show_images,
                 "how pictures are shown: auto, kitty, iterm, sixel, blocks, none")
      ->type_name("HOW")
      ->check(CLI::IsMember({"auto", "kitty", "iterm", "sixel", "blocks", "none"}));
  flags->engine.add(app);
  flags->engine.add_cache(app);
  flags->engine.add_memory(app);
  flags->generate.add(app);
  flags->thinking.add_thinking(app);
  return [flags](Session& session) { return chat(session, *flags); };
}

}  // namespace ocelli::cli
