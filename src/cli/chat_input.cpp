#include "cli/chat_input.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/error.h"
#include "base/utf8.h"
#include "cli/terminal.h"

namespace ocelli::cli {

using base::Result;

namespace {

constexpr std::string_view kBlock = "\"\"\"";
constexpr char kPrompt[] = ">>> ", kMorePrompt[] = "... ";

bool goes_on(std::string_view line) {
  size_t backslashes = 0;
  while (backslashes < line.size() && line[line.size() - 1 - backslashes] == '\\') ++backslashes;
  return backslashes % 2 == 1;
}

}  // namespace

bool InputAssembler::push(std::string_view line) {
  typed_ += inside_ ? "\n" : "";
  typed_ += line;
  if (!inside_ && line.starts_with(kBlock)) {
    block_ = true;
    line.remove_prefix(kBlock.size());
  } else if (inside_) {
    text_ += '\n';
  }
  // The first line feed of a block belongs to its mark.
  if (block_ && text_ == "\n") text_.clear();
  if (block_) {
    inside_ = !line.ends_with(kBlock);
    if (!inside_) line.remove_suffix(kBlock.size());
  } else {
    inside_ = goes_on(line);
    if (inside_) line.remove_suffix(1);
  }
  text_ += line;
  return !inside_;
}

std::string InputAssembler::take() {
  std::string text = std::move(text_);
  if (block_ && text.ends_with('\n')) text.pop_back();
  *this = {};
  return text;
}

namespace {

// Reads on until the input is complete or something ends it.
template <typename Read>
ChatInput assemble(Read&& read_line) {
  InputAssembler assembler;
  ChatInput out;
  for (;;) {
    const TypedLine line = read_line(assembler.inside());
    out.end = line.end;
    out.too_long |= line.too_long;
    if (line.end != TypedLine::End::kLine) {
      out.text = line.text;
      // Input that ends inside of a block or after a backslash is still an input; the end comes
      // again.
      if (line.end != TypedLine::End::kEndOfInput || !assembler.inside()) return out;
      out.end = TypedLine::End::kLine;
      break;
    }
    if (assembler.size() + line.text.size() > kMaxInputBytes) out.too_long = true;
    // Of what is too long only the end counts: it may close a block.
    const size_t keep = out.too_long ? std::min<size_t>(line.text.size(), 3) : line.text.size();
    const bool complete =
        assembler.push(std::string_view(line.text).substr(line.text.size() - keep));
    if (complete) break;
  }
  out.typed = assembler.typed();
  out.text = base::replace_invalid_utf8(assembler.take());
  return out;
}

class TerminalInput : public InputSource {
 public:
  TerminalInput(std::unique_ptr<LineEditor> editor, ChatHistory history)
      : editor_(std::move(editor)), history_(std::move(history)) {
    for (const std::string& input : history_.inputs()) editor_->remember(input);
  }

  ChatInput next() override {
    return assemble([&](bool more) { return editor_->read(more ? kMorePrompt : kPrompt); });
  }

  void remember(const std::string& typed) override {
    if (typed.empty() || typed.size() > kMaxHistoryInputBytes) return;
    editor_->remember(typed);
    const base::Status kept = history_.add(typed);
    if (kept.ok() || warned_) return;
    warned_ = true;
    warn("the history cannot be saved: " + kept.error().message());
  }

  void push_back(std::string_view bytes) override { editor_->push_back(bytes); }

 private:
  std::unique_ptr<LineEditor> editor_;
  ChatHistory history_;
  bool warned_ = false;
};

class PlainInput : public InputSource {
 public:
  explicit PlainInput(const ChatSignals& signals) : signals_(signals) {}
  ChatInput next() override {
    return assemble([&](bool) { return read_line(); });
  }

 private:
  TypedLine read_line() {
    TypedLine out;
    for (;;) {
      const size_t end = pending_.find('\n', looked_);
      if (end != std::string::npos || (at_end_ && !pending_.empty())) {
        out.text = pending_.substr(0, end);
        out.too_long = cut_ || out.text.size() > kMaxInputBytes;
        pending_.erase(0, end == std::string::npos ? end : end + 1);
        looked_ = 0;
        cut_ = false;
        if (out.text.ends_with('\r')) out.text.pop_back();
        return out;
      }
      looked_ = pending_.size();
      if (at_end_) {
        out.end = TypedLine::End::kEndOfInput;
        return out;
      }
      if (looked_ > kMaxInputBytes) {  // the rest of the line is read and dropped
        pending_.clear();
        looked_ = 0;
        cut_ = true;
      }
      if (!fill()) {
        out.end = TypedLine::End::kStopped;
        return out;
      }
    }
  }

  // False: told to stop.
  bool fill() {
    while (!signals_.wait_readable(STDIN_FILENO)) {
      if (signals_.stop_requested() || signals_.take_interrupt()) return false;
    }
    char bytes[1 << 16];
    const ssize_t n = ::read(STDIN_FILENO, bytes, sizeof bytes);
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) return true;
    at_end_ = n <= 0;
    if (n > 0) pending_.append(bytes, size_t(n));
    return true;
  }

  const ChatSignals& signals_;
  std::string pending_;
  size_t looked_ = 0;  // bytes of pending_ without a line feed
  bool at_end_ = false, cut_ = false;
};

}  // namespace

Result<std::unique_ptr<InputSource>> make_terminal_input(const ChatSignals& signals,
                                                         Completer completer, ChatHistory history) {
  OCELLI_ASSIGN(std::unique_ptr<LineEditor> editor,
                LineEditor::create(signals, std::move(completer)));
  return std::unique_ptr<InputSource>(
      std::make_unique<TerminalInput>(std::move(editor), std::move(history)));
}

std::unique_ptr<InputSource> make_plain_input(const ChatSignals& signals) {
  return std::make_unique<PlainInput>(signals);
}

}  // namespace ocelli::cli
