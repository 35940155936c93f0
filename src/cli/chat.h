// Chat: one conversation with a model at a terminal or through a pipe. The commands typed with a
// slash are in chat_commands.h, options and the loop in chat_program.cpp.
//
// An answer that fails takes its question with it: the conversation is as before, and its pictures
// wait for the next question. An answer that is stopped stays, marked.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/chat_signals.h"
#include "cli/conversation.h"
#include "cli/generate_options.h"
#include "cli/terminal_image.h"
#include "engine/answer_parser.h"
#include "engine/session.h"

namespace ocelli::cli {

// How to print.
struct ChatScreen {
  bool terminal = false;  // standard output is one: control characters in answers are made visible
  bool quiet = false;
  bool hide_thinking = false;
  // Asked once, when the first picture is shown.
  std::function<ImageStyle()> images;
};

class Chat {
 public:
  static base::Result<std::unique_ptr<Chat>> create(engine::Engine& engine,
                                                    const ChatSignals& signals,
                                                    const GenerateFlags& generate,
                                                    ChatScreen screen);

  // Opens a picture (or a clip, with `video`) for the next question, and shows it.
  base::Status attach(const std::string& path, bool video);
  // Asks and prints the answer while it comes.
  base::Status say(const std::string& question);
  // The last question again, with the next seed.
  base::Status retry();
  // Forgets what was said and the pictures that wait; the system prompt stays.
  void clear();
  base::Status save(const std::string& path) const;
  base::Status load(const std::string& path);
  // Model, context, settings, pictures: for /show.
  std::string describe() const;

  // "enable_thinking" for the chat template. Refused where the template has no such switch.
  base::Status set_thinking(bool on);
  void set_arguments(base::Json arguments) { arguments_ = std::move(arguments); }
  void set_system(std::string text) { talk_.system = std::move(text); }
  const Conversation& conversation() const { return talk_; }
  GenerateFlags& settings() { return generate_; }
  const ChatScreen& screen() const { return screen_; }
  engine::Engine& engine() const { return engine_; }
  // Standard output cannot be written any more.
  const std::optional<base::Error>& broken() const { return broken_; }

 private:
  struct Answer {
    engine::Generated out;
    engine::ParsedAnswer parts;
  };
  Chat(engine::Engine& engine, engine::Session session, const ChatSignals& signals,
       const GenerateFlags& generate, ChatScreen screen)
      : engine_(engine),
        session_(std::move(session)),
        signals_(signals),
        generate_(generate),
        screen_(std::move(screen)) {}
  base::Result<Picture> open_picture(const std::string& path, bool video) const;
  void show(const Picture& picture);
  base::Status answer();
  base::Status generate(const base::CancelToken& cancel, Answer& answer);
  void tell_end(const Answer& answer) const;

  engine::Engine& engine_;
  engine::Session session_;
  const ChatSignals& signals_;
  GenerateFlags generate_;
  ChatScreen screen_;
  base::Json arguments_ = base::Json::object();  // variables of the chat template
  Conversation talk_;
  std::vector<Picture> waiting_;  // pictures of the next question
  std::optional<ImageStyle> images_;
  std::optional<base::Error> broken_;
  std::optional<engine::Generated> last_;
  uint64_t retries_ = 0;  // of the last question
};

}  // namespace ocelli::cli
