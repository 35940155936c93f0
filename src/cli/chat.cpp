#include "cli/chat.h"

#include <algorithm>
#include <filesystem>

#include "base/file.h"
#include "base/utf8.h"
#include "cli/terminal.h"
#include "cli/terminal_features.h"
#include "cli/tool_options.h"
#include "engine/tools.h"

namespace ocelli::cli {

using base::Code;
using base::Result;
using base::Status;

namespace {

constexpr size_t kMaxWaiting = 64;

std::string absolute(const std::string& path) {
  std::error_code failed;
  const std::filesystem::path out = std::filesystem::absolute(path, failed);
  return failed ? path : out.lexically_normal().string();
}

int64_t tokens_of(const engine::Engine& engine, const Picture& picture) {
  return picture.prepared->tiles.plan.tiles * engine.info().vision->tokens_per_tile;
}

// What the model sees of the whole: its last tile, in the picture's own shape.
media::Image preview(const engine::PreparedImage& prepared) {
  const models::TilePlan& plan = prepared.tiles.plan;
  media::Image tile;
  tile.width = tile.height = plan.side;
  const size_t bytes = size_t(plan.side) * size_t(plan.side) * 3;
  const auto end = prepared.tiles.rgb.end();
  tile.rgb.assign(end - long(bytes), end);
  const double scale = double(plan.side) / std::max(prepared.width, prepared.height);
  const auto side = [&](int pixels) { return std::clamp(int(pixels * scale), 1, plan.side); };
  return media::resize(tile, side(prepared.width), side(prepared.height), media::Filter::kBicubic);
}

std::string tokens_text(int64_t count) {
  return count_text(count) + (count == 1 ? " token" : " tokens");
}

std::string picture_text(const engine::Engine& engine, const Picture& picture,
                         const std::string& name) {
  return base::printable(name) + ", " + std::to_string(picture.prepared->width) + "x" +
         std::to_string(picture.prepared->height) + ", " + count_text(tokens_of(engine, picture)) +
         " tokens";
}

}  // namespace

Result<std::unique_ptr<Chat>> Chat::create(engine::Engine& engine, const ChatSignals& signals,
                                           const GenerateFlags& generate, ChatScreen screen) {
  OCELLI_ASSIGN(engine::Session session, engine::Session::create(engine));
  return std::unique_ptr<Chat>(
      new Chat(engine, std::move(session), signals, generate, std::move(screen)));
}

Result<Picture> Chat::open_picture(const std::string& path, bool video) const {
  OCELLI_ASSIGN(const base::MappedFile file, base::MappedFile::open(path));
  Picture out{absolute(path), video, nullptr};
  OCELLI_ASSIGN(out.prepared, engine_.prepare_file(file.bytes(), path));
  return out;
}

Status Chat::attach(const std::string& path, bool video) {
  if (waiting_.size() >= kMaxWaiting) {
    return base::fail(Code::kUsage,
                      "too many pictures wait for a question (limit " +
                          std::to_string(kMaxWaiting) + "); ask about them, or /clear",
                      path);
  }
  OCELLI_ASSIGN(Picture picture, open_picture(path, video));
  if (!screen_.quiet) note("attached " + picture_text(engine_, picture, path));
  show(picture);
  waiting_.push_back(std::move(picture));
  return {};
}

void Chat::show(const Picture& picture) {
  if (!screen_.terminal || !screen_.images) return;
  if (!images_) images_ = screen_.images();
  ImageStyle style = *images_;
  fit_to_terminal(style);
  const Result<std::string> text = show_image(preview(*picture.prepared), style);
  const Status printed = text.ok() ? print(*text) : Status();
  if (!text.ok()) warn(text.error().message());
  if (!printed.ok()) broken_ = printed.error();
}

Status Chat::say(const std::string& question) {
  talk_.messages.push_back({"user", base::replace_invalid_utf8(question), std::move(waiting_)});
  waiting_.clear();
  retries_ = 0;
  Status answered = answer();
  if (!answered.ok()) {
    waiting_ = std::move(talk_.messages.back().pictures);
    talk_.messages.pop_back();
  }
  return answered;
}

Status Chat::retry() {
  if (talk_.messages.empty())
    return base::fail(Code::kUsage, "nothing was asked yet; type a question");
  std::optional<Message> old;
  if (talk_.messages.back().role == "assistant") {
    old = std::move(talk_.messages.back());
    talk_.messages.pop_back();
  }
  if (talk_.messages.empty()) {
    talk_.messages.push_back(*std::move(old));
    return base::fail(Code::kUsage, "there is no question to ask again; type one");
  }
  ++retries_;
  if (generate_.temperature == 0 && !screen_.quiet && !(old && old->stopped)) {
    note("at temperature 0 the answer is the same again; try /set temperature 0.7");
  }
  Status answered = answer();
  if (!answered.ok() && old) talk_.messages.push_back(*std::move(old));
  return answered;
}

// The last message is a question; adds its answer, or leaves the conversation as it is.
Status Chat::answer() {
  const base::CancelToken cancel;
  signals_.set_turn(&cancel);
  Answer answer;
  Status status = generate(cancel, answer);
  signals_.set_turn(nullptr);
  if (!status.ok()) {
    if (cancel.requested() && status.error().code == Code::kInterrupted) {
      return base::fail(Code::kInterrupted,
                        "stopped before the answer began; the question is taken back");
    }
    return status;
  }
  const engine::Generated& out = answer.out;
  const bool whole =
      out.finish == engine::FinishReason::kStop || out.finish == engine::FinishReason::kStopString;
  tell_end(answer);
  // The prompt has what the model wrote, so that the cache reaches to its end.
  const bool thought = !answer.parts.thinking.empty();
  talk_.messages.push_back({"assistant",
                            std::move(answer.parts.text),
                            {},
                            !whole,
                            std::move(answer.parts.thinking),
                            thought ? out.text : ""});
  last_ = std::move(answer.out);
  return {};
}

Status Chat::generate(const base::CancelToken& cancel, Answer& answer) {
  OCELLI_ASSIGN(engine::GenerateOptions options, generate_.options());
  OCELLI_ASSIGN(const engine::Prompt prompt,
                engine_.build_prompt(talk_.for_template(), talk_.pictures(), arguments_));
  const auto tokens = int64_t(prompt.ids.size());
  if (tokens >= engine_.context() && talk_.messages.size() > 1) {
    return base::fail(Code::kDoesNotFit,
                      "the conversation does not fit the context any more (" + count_text(tokens) +
                          " tokens, limit " + count_text(engine_.context()) +
                          "); the question is taken back: /save keeps the conversation, /clear "
                          "begins a new one");
  }
  options.sampling.seed += retries_;
  options.cancel = &cancel;
  options.trim_start = true;
  ProgressBar bar(!screen_.quiet);
  options.on_prefill = [&](int64_t done, int64_t total) {
    bar.update(double(done) / double(total), "reading the prompt");
  };
  const engine::AnswerFormat format = engine::answer_format(engine_, prompt, arguments_);
  AnswerPrinter printer(format, screen_.hide_thinking);
  const auto written = [&](const Status& status) {
    if (!status.ok() && !broken_) broken_ = status.error();
    return status.ok();
  };
  options.on_text = [&](std::string_view text) {
    bar.clear();
    return written(printer.push(text));
  };
  OCELLI_ASSIGN(answer.out, session_.generate(prompt, options));
  bar.clear();
  if (!broken_) written(printer.finish());
  if (broken_) return *broken_;
  answer.parts = engine::parse_answer(format, answer.out.text);
  return {};
}

Status Chat::set_thinking(bool on) {
  if (!engine_.template_mentions("enable_thinking")) {
    return base::fail(Code::kUsage, "the model's chat template has no switch for thinking",
                      "think");
  }
  arguments_.set("enable_thinking", on);
  return {};
}

void Chat::tell_end(const Answer& answer) const {
  if (screen_.quiet) return;
  const engine::Generated& out = answer.out;
  if (out.finish == engine::FinishReason::kCancelled) {
    note("(stopped; what was said so far stays in the conversation)");
  } else if (out.finish == engine::FinishReason::kLength) {
    const bool full = out.prompt_tokens + int64_t(out.ids.size()) >= engine_.context();
    if (full) {
      note("(the context is full: " + count_text(engine_.context()) +
           " tokens; /save keeps the conversation, /clear begins a new one)");
    } else {
      const bool thinking = answer.parts.text.empty() && !answer.parts.thinking.empty();
      note("(cut after " + tokens_text(int64_t(out.ids.size())) + (thinking ? " of thinking" : "") +
           "; /set max_tokens N allows more)");
    }
  }
}

void Chat::clear() {
  talk_.messages.clear();
  waiting_.clear();
  last_.reset();
}

Status Chat::save(const std::string& path) const {
  return save_conversation(talk_, engine_.name(), path);
}

Status Chat::load(const std::string& path) {
  OCELLI_ASSIGN(Conversation talk,
                load_conversation(path, [&](const std::string& file, bool video) {
                  return open_picture(file, video);
                }));
  clear();
  talk_ = std::move(talk);
  return {};
}

std::string Chat::describe() const {
  std::string out;
  const auto line = [&](const char* key, const std::string& value) {
    out += label_text(key, 13) + value + "\n";
  };
  line("model", base::printable(engine_.name()));
  line("context", count_text(talk_.messages.empty() ? 0 : session_.length()) + " of " +
                      count_text(engine_.context()) + " tokens used");
  if (last_) {
    line("last answer", tokens_text(int64_t(last_->ids.size())) + "; of its prompt's " +
                            count_text(last_->prompt_tokens) + " tokens " +
                            count_text(last_->reused_tokens) + " were in the cache");
  }
  line("messages", count_text(int64_t(talk_.messages.size())));
  if (!talk_.system.empty()) line("system", base::printable(talk_.system, 400));
  for (const Message& m : talk_.messages) {
    for (const Picture& p : m.pictures) line("picture", picture_text(engine_, p, p.path));
  }
  for (const Picture& p : waiting_)
    line("picture", picture_text(engine_, p, p.path) + " (next question)");
  return out;
}

}  // namespace ocelli::cli
