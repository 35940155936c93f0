#include "cli/line_editor.h"

#include <histedit.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <clocale>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>
#include <optional>

#include "base/error.h"
#include "base/utf8.h"
#include "cli/terminal.h"

namespace ocelli::cli {

using base::Code;
using base::Result;

namespace {

// XTerm's bracketed paste: with 2004h the terminal puts these around what is pasted.
constexpr std::string_view kPasteBegin = "\033[200~", kPasteEnd = "\033[201~";
constexpr size_t kBurst = 256;        // bytes at once that no fingers type
constexpr int kBurstPauseMs = 30;     // a paste without marks has ended
constexpr size_t kShownPaste = 1000;  // characters; a longer paste gets a label
constexpr size_t kMaxListed = 60;     // candidates shown by Tab

std::wstring wide(std::string_view text) {
  std::wstring out;
  for (size_t at = 0; at < text.size();) {
    const base::Utf8Char c = base::next_utf8(text, at);
    out += wchar_t(c.code_point);
    at += c.bytes;
  }
  return out;
}

std::string narrow(const wchar_t* begin, const wchar_t* end) {
  std::string out;
  for (; begin != end; ++begin) base::append_utf8(out, uint32_t(*begin));
  return out;
}

size_t count_characters(std::string_view text) {
  return size_t(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

// Line ends become \n; other controls but tabs go.
std::string clean_paste(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (text[i] == '\r') {
      if (i + 1 == text.size() || text[i + 1] != '\n') out += '\n';
    } else if (byte >= 0x20 || byte == '\t' || byte == '\n') {
      if (byte != 0x7f) out += text[i];
    }
  }
  return out;
}

// The length of the answer to a device query ("ESC [ ? digits ; ... c") at the beginning of
// `bytes`: 0 where there is none, npos where its end has not come yet.
size_t device_report(std::string_view bytes) {
  if (!bytes.starts_with("\033[?")) return 0;
  const size_t end = bytes.find_first_not_of("0123456789;", 3);
  if (end == std::string_view::npos) return bytes.size() < 64 ? end : 0;
  return bytes[end] == 'c' ? end + 1 : 0;
}

bool use_utf8() {
  // Not the user's locale: only how characters are laid out matters here, and text is UTF-8.
  for (const char* name : {"C.UTF-8", "C.utf8", "en_US.UTF-8", ""}) {
    if (std::setlocale(LC_CTYPE, name)) return true;
  }
  return false;
}

}  // namespace

struct LineEditor::Impl {
  explicit Impl(const ChatSignals& s) : signals(s) {}
  ~Impl() {
    if (editor) el_end(editor);
    if (history) history_wend(history);
    if (quiet) std::fclose(quiet);
  }

  static Impl& of(EditLine* editor) {
    void* self = nullptr;
    el_wget(editor, EL_CLIENTDATA, &self);
    return *static_cast<Impl*>(self);
  }

  bool fill(int timeout_ms);
  std::optional<wchar_t> take();
  int next(wchar_t* out);
  void take_burst();
  bool read_paste(std::string& text);
  unsigned char paste();
  unsigned char complete();
  void list(const std::vector<std::string>& candidates);
  bool insert(std::string_view text) {
    return text.empty() || el_winsertstr(editor, wide(text).c_str()) == 0;
  }
  std::string expand(std::string text) const;

  const ChatSignals& signals;
  EditLine* editor = nullptr;
  HistoryW* history = nullptr;
  FILE* quiet = nullptr;  // libedit's complaints about TERM
  Completer completer;
  std::wstring prompt;
  bool bracketed = true;

  std::string pending;           // bytes from the terminal
  bool in_sequence = false;      // an ESC was taken from them: what follows belongs to it
  std::deque<wchar_t> injected;  // what goes before them
  std::optional<std::string> burst;
  std::map<std::string, std::string> pastes;  // label -> text, of this line
  std::optional<TypedLine::End> ended;
  bool too_long = false;
};

// Waits for bytes. False: a signal that ends the line, the end of input, or the time is up.
bool LineEditor::Impl::fill(int timeout_ms) {
  while (!signals.wait_readable(STDIN_FILENO, timeout_ms)) {
    if (signals.stop_requested()) ended = TypedLine::End::kStopped;
    if (signals.take_interrupt()) ended = ended.value_or(TypedLine::End::kInterrupted);
    if (ended) return false;
    if (signals.take_continue()) {
      el_wset(editor, EL_PREP_TERM, 0);
      el_wset(editor, EL_PREP_TERM, 1);
      if (bracketed) (void)print("\033[?2004h");
      el_resize(editor);
      el_wset(editor, EL_REFRESH);
    } else if (signals.take_resize()) {
      el_resize(editor);
      el_wset(editor, EL_REFRESH);
    } else if (timeout_ms >= 0) {
      return false;
    }
  }
  char bytes[4096];
  const ssize_t n = ::read(STDIN_FILENO, bytes, sizeof bytes);
  if (n < 0 && errno == EINTR) return true;
  if (n <= 0) {
    ended = TypedLine::End::kEndOfInput;
    return false;
  }
  if (pending.empty()) in_sequence = false;
  pending.append(bytes, size_t(n));
  return true;
}

// The next character that is complete.
std::optional<wchar_t> LineEditor::Impl::take() {
  if (!injected.empty()) {
    const wchar_t c = injected.front();
    injected.pop_front();
    return c;
  }
  const size_t report = device_report(pending);
  if (report == std::string::npos) return std::nullopt;
  pending.erase(0, report);
  if (!in_sequence) take_burst();
  if (!injected.empty()) return take();
  if (pending.empty() || base::incomplete_utf8_tail(pending) == pending.size()) return std::nullopt;
  const base::Utf8Char c = base::next_utf8(pending, 0);
  pending.erase(0, c.bytes);
  in_sequence |= c.code_point == '\033';
  return wchar_t(c.code_point);
}

// A terminal without bracketed paste: many printable bytes at once are taken together, as drawing
// the line anew for each of them would take seconds. A line feed ends the input as ever.
void LineEditor::Impl::take_burst() {
  const auto printable_bytes = [&] {
    size_t n = 0;
    while (n < pending.size() && static_cast<unsigned char>(pending[n]) >= 0x20 &&
           pending[n] != 0x7f)
      ++n;
    return n;
  };
  size_t n = printable_bytes();
  if (n < kBurst) return;
  while (n == pending.size() && n < kMaxInputBytes && fill(kBurstPauseMs)) n = printable_bytes();
  n -= base::incomplete_utf8_tail(std::string_view(pending).substr(0, n));
  burst = pending.substr(0, n);
  pending.erase(0, n);
  for (const char c : kPasteBegin) injected.push_back(wchar_t(c));
}

int LineEditor::Impl::next(wchar_t* out) {
  for (;;) {
    if (const auto c = take()) {
      *out = *c;
      return 1;
    }
    if (ended || !fill(-1)) return -1;
  }
}

// What stands before the end mark.
bool LineEditor::Impl::read_paste(std::string& text) {
  if (burst) {
    text = std::move(*burst);
    burst.reset();
    return true;
  }
  for (;;) {
    const size_t end = pending.find(kPasteEnd);
    // All but what may be the beginning of the mark.
    const size_t sure = end != std::string::npos            ? end
                        : pending.size() < kPasteEnd.size() ? 0
                                                            : pending.size() - kPasteEnd.size() + 1;
    const size_t room = kMaxInputBytes - std::min(kMaxInputBytes, text.size());
    if (sure > room) too_long = true;
    text.append(pending, 0, std::min(sure, room));
    pending.erase(0, end == std::string::npos ? sure : end + kPasteEnd.size());
    if (end != std::string::npos) return true;
    if (!fill(-1)) return false;
  }
}

unsigned char LineEditor::Impl::paste() {
  std::string text;
  in_sequence = false;
  if (!read_paste(text)) return CC_EOF;
  text = clean_paste(base::replace_invalid_utf8(text));
  const size_t characters = count_characters(text);
  if (characters > kShownPaste) {
    std::string label = "[pasted " + count_text(int64_t(characters)) + " characters #" +
                        std::to_string(pastes.size() + 1) + "]";
    if (insert(label)) pastes.emplace(std::move(label), std::move(text));
    return CC_REFRESH;
  }
  return insert(text) ? CC_REFRESH : CC_ERROR;
}

std::string LineEditor::Impl::expand(std::string text) const {
  for (const auto& [label, pasted] : pastes) {
    const size_t at = text.find(label);
    if (at != std::string::npos) text.replace(at, label.size(), pasted);
  }
  return text;
}

void LineEditor::Impl::list(const std::vector<std::string>& candidates) {
  std::string out = "\r\n";
  size_t shown = 0;
  for (const std::string& c : candidates) {
    if (shown++ == kMaxListed) break;
    out += base::printable(c, 200) + "  ";
  }
  if (candidates.size() > kMaxListed)
    out += "... " + std::to_string(candidates.size() - kMaxListed) + " more";
  out += "\r\n";
  (void)print(out);
}

unsigned char LineEditor::Impl::complete() {
  const LineInfoW* const line = el_wline(editor);
  const std::string typed = narrow(line->buffer, line->cursor);
  const Completion found = completer ? completer(typed) : Completion{};
  if (found.candidates.empty()) return CC_ERROR;
  std::string common = found.candidates[0];
  for (const std::string& c : found.candidates) {
    const auto ends = std::mismatch(common.begin(), common.end(), c.begin(), c.end());
    common.erase(ends.first, common.end());
  }
  common.resize(common.size() - base::incomplete_utf8_tail(common));
  const bool one = found.candidates.size() == 1;
  if (one && !common.ends_with('/')) common += ' ';
  const std::string word = typed.substr(std::min(found.begin, typed.size()));
  if (!one && common.size() <= word.size()) {
    list(found.candidates);
    return CC_REDISPLAY;
  }
  el_wdeletestr(editor, int(wide(word).size()));
  return insert(common) ? CC_REFRESH : CC_ERROR;
}

LineEditor::LineEditor(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
LineEditor::~LineEditor() = default;

Result<std::unique_ptr<LineEditor>> LineEditor::create(const ChatSignals& signals,
                                                       Completer completer) {
  const auto failed = [] {
    return base::fail(Code::kInternal, "line editing cannot be started; pipe the questions in");
  };
  if (!use_utf8()) return failed();
  auto impl = std::make_unique<Impl>(signals);
  impl->completer = std::move(completer);
  const char* const term = std::getenv("TERM");
  impl->bracketed = term && std::strcmp(term, "dumb") != 0;
  impl->quiet = std::fopen("/dev/null", "we");
  impl->history = history_winit();
  if (!impl->quiet || !impl->history) return failed();
  impl->editor = el_init("ocelli", stdin, stdout, impl->quiet);
  if (!impl->editor) return failed();
  EditLine* const e = impl->editor;
  HistEventW event;
  history_w(impl->history, &event, H_SETSIZE, 1000);
  el_wset(e, EL_CLIENTDATA, impl.get());
  el_wset(
      e, EL_GETCFN, +[](EditLine* el, wchar_t* out) { return Impl::of(el).next(out); });
  el_wset(
      e, EL_PROMPT, +[](EditLine* el) { return Impl::of(el).prompt.data(); });
  el_wset(e, EL_HIST, history_w, impl->history);
  el_wset(e, EL_EDITOR, L"emacs");
  el_wset(
      e, EL_ADDFN, L"ocelli-paste", L"take a paste",
      +[](EditLine* el, wint_t) { return Impl::of(el).paste(); });
  el_wset(
      e, EL_ADDFN, L"ocelli-complete", L"complete a command or a name",
      +[](EditLine* el, wint_t) { return Impl::of(el).complete(); });
  el_wset(
      e, EL_ADDFN, L"ocelli-newline", L"a line feed inside of the input",
      +[](EditLine* el, wint_t) {
        return (unsigned char)(Impl::of(el).insert("\n") ? CC_REFRESH : CC_ERROR);
      });
  el_wset(e, EL_BIND, L"^R", L"em-inc-search-prev", nullptr);
  el_source(e, nullptr);  // ~/.editrc
  el_wset(e, EL_BIND, L"\\e[200~", L"ocelli-paste", nullptr);
  el_wset(e, EL_BIND, L"\\e^M", L"ocelli-newline", nullptr);
  el_wset(e, EL_BIND, L"^I", L"ocelli-complete", nullptr);
  return std::unique_ptr<LineEditor>(new LineEditor(std::move(impl)));
}

TypedLine LineEditor::read(const std::string& prompt) {
  Impl& i = *impl_;
  i.prompt = wide(prompt);
  i.ended.reset();
  i.pastes.clear();
  i.too_long = false;
  // libedit itself would first print the prompt, and what is typed in between is echoed twice.
  el_wset(i.editor, EL_PREP_TERM, 1);
  if (i.bracketed) (void)print("\033[?2004h");
  int count = 0;
  const wchar_t* const line = el_wgets(i.editor, &count);
  if (i.bracketed) (void)print("\033[?2004l");
  TypedLine out;
  out.too_long = i.too_long;
  if (line && count > 0 && !i.ended) {
    out.text = i.expand(narrow(line, line + count));
    if (out.text.ends_with('\n')) out.text.pop_back();
    if (out.text.size() > kMaxInputBytes) {
      out.text.resize(kMaxInputBytes);
      out.too_long = true;
    }
    return out;
  }
  out.end = i.ended.value_or(TypedLine::End::kEndOfInput);
  if (out.end == TypedLine::End::kInterrupted) {
    const LineInfoW* const info = el_wline(i.editor);
    out.text = narrow(info->buffer, info->lastchar);
    i.injected.clear();
    i.burst.reset();
  }
  return out;
}

void LineEditor::remember(std::string_view input) {
  HistEventW event;
  history_w(impl_->history, &event, H_ENTER, wide(input).c_str());
}

void LineEditor::push_back(std::string_view bytes) {
  impl_->pending += bytes;
}

}  // namespace ocelli::cli
