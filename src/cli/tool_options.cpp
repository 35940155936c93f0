#include "cli/tool_options.h"

#include <CLI/CLI.hpp>
#include <cstdlib>

#include "base/file.h"
#include "cli/terminal.h"
#include "engine/tools.h"

namespace ocelli::cli {

using base::Code;
using base::Json;
using base::Result;
using base::Status;
using Kind = engine::AnswerPart::Kind;

namespace {
constexpr char kDim[] = "\033[2m", kPlain[] = "\033[0m";
}

void ToolFlags::add(CLI::App& app) {
  app.option_defaults()->group("Tools and thinking");
  app.add_option("--tools", tools,
                 "functions that the model may call: a JSON list as OpenAI's API takes it")
      ->type_name("FILE");
  add_thinking(app);
}

void ToolFlags::add_thinking(CLI::App& app) {
  app.option_defaults()->group("Tools and thinking");
  auto* on = app.add_flag("--think", think, "let the model think before it answers");
  app.add_flag("--no-think", no_think, "let it answer at once")->excludes(on);
  app.add_flag("--hide-thinking", hide_thinking,
               "do not show what it thinks (nor is it shown where the output is no terminal)");
  app.option_defaults()->group("Options");
}

Result<Json> ToolFlags::arguments() const {
  Json out = Json::object();
  if (!tools.empty()) {
    OCELLI_ASSIGN(const std::string text, base::read_file(tools, engine::kMaxToolsBytes));
    OCELLI_ASSIGN(out, engine::tool_arguments(text).in(tools));
  }
  if (think || no_think) out.set("enable_thinking", think);
  return out;
}

Status check_arguments(const engine::Engine& engine, const Json& arguments) {
  if (arguments.find("enable_thinking") && !engine.template_mentions("enable_thinking"))
    warn("the model's chat template has no switch for thinking; --think and --no-think do nothing");
  return engine::check_tools(engine, arguments).in("--tools");
}

AnswerPrinter::AnswerPrinter(const engine::AnswerFormat& format, bool hide_thinking)
    : parser_(format),
      terminal_(stdout_is_terminal()),
      hide_thinking_(hide_thinking || !terminal_),
      dim_(!std::getenv("NO_COLOR")) {}

Status AnswerPrinter::push(std::string_view text) {
  return show(parser_.push(text));
}

Status AnswerPrinter::finish() {
  OCELLI_TRY(show(parser_.finish()));
  OCELLI_TRY(end_kind());
  return ends_line_ && said_ ? Status() : print("\n");
}

Status AnswerPrinter::write(std::string_view text) {
  if (text.empty()) return {};
  ends_line_ = text.ends_with('\n');
  return print(terminal_ ? safe_.push(text) : std::string(text));
}

// What is held back of one kind of text comes before the next kind; a blank line stands between
// thinking and answer.
Status AnswerPrinter::end_kind() {
  if (const std::string rest = safe_.finish(); !rest.empty()) {
    ends_line_ = rest.ends_with('\n');
    OCELLI_TRY(print(rest));
  }
  if (!dimmed_) return {};
  dimmed_ = false;
  ends_line_ = true;
  return print(std::string(dim_ ? kPlain : "") + "\n\n");
}

Status AnswerPrinter::show_thinking(const std::string& text) {
  thought_ = true;
  if (hide_thinking_) return {};
  if (!dimmed_ && dim_) OCELLI_TRY(print(kDim));
  dimmed_ = true;
  return write(text);
}

Status AnswerPrinter::show_call(const engine::ToolCall& call) {
  OCELLI_TRY(end_kind());
  const std::string begin = ends_line_ ? "" : "\n";
  const Json arguments = Json::parse(call.arguments).value();  // was dumped from JSON
  const Json json = Json::object({{"name", call.name}, {"arguments", arguments}});
  ends_line_ = true;
  return print(begin + (terminal_ ? safe_text(json.dump()) : json.dump()) + "\n");
}

Status AnswerPrinter::show(const std::vector<engine::AnswerPart>& parts) {
  for (const engine::AnswerPart& part : parts) {
    if (part.kind == Kind::kThinking) {
      OCELLI_TRY(show_thinking(part.text));
      continue;
    }
    if (dimmed_) OCELLI_TRY(end_kind());
    said_ = true;
    OCELLI_TRY(part.kind == Kind::kText ? write(part.text) : show_call(part.call));
  }
  return {};
}

}  // namespace ocelli::cli
