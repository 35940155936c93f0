// Chat templates: messages in, the model's own prompt text out.
//
//   OCELLI_ASSIGN(const ChatTemplate chat, ChatTemplate::parse(source));
//   OCELLI_ASSIGN(const Rendered prompt, chat.render(messages, {.add_generation_prompt = true}));
//
// Templates are Jinja, rendered exactly as transformers' apply_chat_template does (Jinja2's
// immutable sandbox, trim_blocks, lstrip_blocks, loop controls, {% generation %}), by our own
// interpreter, which does no input or output and keeps to the limits of jinja_limits.h.
// Differences: integers have 64 bits; include, import, inheritance and autoescape are refused, and
// so is printing what has no stable text in Python (functions, generators).
//
// Errors are kBadInput at "chat template: LINE:COLUMN"; a template's own raise_exception gives its
// message. A parsed template is immutable and may be used by several threads.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace ocelli::text {

// Bytes of a text, from begin to before end.
struct TextSpan {
  size_t begin = 0, end = 0;
  bool operator==(const TextSpan&) const = default;
};

// Bytes that were written while a loop of the template was at message number `message`. A message
// may have several spans, or none where the template leaves it out or writes it outside of loops.
struct MessageSpan {
  size_t begin = 0, end = 0;
  int message = 0;
  bool operator==(const MessageSpan&) const = default;
};

struct Rendered {
  std::string text;
  // What {% generation %} blocks wrote: the parts that an assistant-only training mask keeps.
  std::vector<TextSpan> generation;
  std::vector<MessageSpan> messages;  // in the order of the text; they do not overlap
};

struct RenderOptions {
  bool add_generation_prompt = false;
  base::Json tools{};      // an array of JSON schemas, or null
  base::Json documents{};  // an array, or null
  // Further variables of the template (an object, or null): enable_thinking, bos_token, ...
  // They win over the ones above.
  base::Json variables{};
  // Special tokens that templates print. Empty: not defined.
  std::string bos_token{}, eos_token{}, pad_token{}, unk_token{};
  // What strftime_now() prints, in seconds since 1970 (as local time); the clock if not given.
  std::optional<int64_t> now{};
};

class ChatTemplate {
 public:
  // At most 256 KiB of UTF-8.
  static base::Result<ChatTemplate> parse(std::string_view source);

  // `messages`: an array of objects with "role" and "content", the content a text or an array of
  // parts such as {"type":"image"} and {"type":"text","text":"..."}.
  base::Result<Rendered> render(const base::Json& messages, const RenderOptions& options = {}) const;

 private:
  struct State;
  explicit ChatTemplate(std::shared_ptr<const State> state) : state_(std::move(state)) {}
  std::shared_ptr<const State> state_;
};

// Where a model's directory may keep its template; absent files are nullopt.
struct TemplateFiles {
  std::optional<std::string> jinja{};           // chat_template.jinja
  std::optional<std::string> json{};            // chat_template.json: {"chat_template": "..."}
  std::optional<std::string> processor_config{};  // processor_config.json, key "chat_template"
  std::optional<std::string> tokenizer_config{};  // tokenizer_config.json, key "chat_template"
};

// The template's text in the order of transformers: the .jinja file, then chat_template.json, then
// the processor's configuration, then the tokenizer's. Where a file names several templates
// ([{"name", "template"}, ...]), `name` picks one; without a name, "tool_use" if there are tools
// and it exists, else "default". nullopt where no file has a template; an error where a file is
// broken or the name is not there.
base::Result<std::optional<std::string>> choose_template(const TemplateFiles& files,
                                                         bool has_tools = false,
                                                         std::string_view name = {});

}  // namespace ocelli::text
