#include "text/chat_template.h"

#include <ctime>

#include "base/advice.h"
#include "base/utf8.h"
#include "text/jinja_interp.h"

namespace ocelli::text {

using base::Code;
using base::fail;
using base::Json;
using base::Result;

namespace {

constexpr std::string_view kPlace = "chat template";
constexpr std::string_view kAdvice = "correct the template or download it again";
constexpr size_t kMaxTemplateFileBytes = size_t{16} << 20;  // tokenizer_config.json can be large

// Older names of a message's reasoning; templates read "reasoning_content" (or "thinking").
Json with_reasoning(const Json& message) {
  for (const char* key : {"reasoning_content", "thinking", "reasoning"}) {
    const Json* reasoning = message.find(key);
    if (reasoning == nullptr || reasoning->is_null()) continue;
    Json out = Json::object();
    if (message.find("thinking") == nullptr) out.set("thinking", *reasoning);
    for (const auto& [name, value] : message.members()) out.set(name, value);
    out.set("reasoning_content", *reasoning);
    return out;
  }
  return message;
}

}  // namespace

struct ChatTemplate::State {
  std::string source;
  jinja::Parsed parsed;
};

Result<ChatTemplate> ChatTemplate::parse(std::string_view source) {
  if (source.size() > jinja::kMaxSourceBytes) {
    return fail(Code::kBadInput, "the template is too large (" + std::to_string(source.size()) +
                                     " bytes, limit " + std::to_string(jinja::kMaxSourceBytes) +
                                     "); " + std::string(kAdvice),
                kPlace);
  }
  if (!base::is_valid_utf8(source)) return fail(Code::kBadInput, "the template is not UTF-8; save it as UTF-8", kPlace);
  auto state = std::make_shared<State>();
  state->source = jinja::normalize_source(source);
  Result<jinja::Parsed> parsed = jinja::parse(state->source);
  if (!parsed.ok()) return with_advice(std::move(parsed).error().in(kPlace), kAdvice);
  state->parsed = std::move(parsed).value();
  return ChatTemplate(std::move(state));
}

Result<Rendered> ChatTemplate::render(const Json& messages, const RenderOptions& options) const {
  if (!messages.is_array()) return fail(Code::kBadInput, "the messages are no array", kPlace);
  Json chat = Json::array();
  for (const Json& message : messages.items()) {
    if (!message.is_object()) return fail(Code::kBadInput, "a message is no object", kPlace);
    chat.push_back(with_reasoning(message));
  }
  jinja::Interpreter::Variables variables;
  jinja::Meter meter;  // the input's own; rendering counts its steps apart
  const auto set = [&](const std::string& name, const Json& json) -> base::Status {
    OCELLI_ASSIGN(variables[name], jinja::from_json(json, meter));
    return {};
  };
  OCELLI_TRY(set("messages", chat).in(kPlace));
  OCELLI_TRY(set("tools", options.tools).in(kPlace));
  OCELLI_TRY(set("documents", options.documents).in(kPlace));
  OCELLI_TRY(set("add_generation_prompt", options.add_generation_prompt));
  for (const auto& [name, token] : {std::pair<const char*, const std::string&>
                                        {"bos_token", options.bos_token},
                                    {"eos_token", options.eos_token},
                                    {"pad_token", options.pad_token},
                                    {"unk_token", options.unk_token}}) {
    if (!token.empty()) OCELLI_TRY(set(name, token));
  }
  if (options.variables.is_object()) {
    for (const auto& [name, value] : options.variables.members()) {
      OCELLI_TRY(set(name, value).in(kPlace));
    }
  }
  const int64_t now = options.now ? *options.now : static_cast<int64_t>(std::time(nullptr));
  jinja::Interpreter interpreter(state_->source, state_->parsed, std::move(variables), now);
  OCELLI_TRY(with_advice(interpreter.run().in(kPlace), kAdvice));
  Rendered rendered;
  rendered.text = interpreter.take_output();
  for (const jinja::ByteSpan& span : interpreter.take_generation()) {
    rendered.generation.push_back({span.begin, span.end});
  }
  for (const jinja::MessageBytes& bytes : interpreter.take_messages())
    rendered.messages.push_back({bytes.begin, bytes.end, bytes.message});
  return rendered;
}

namespace {

struct Found {
  bool any = false;
  std::string text;
};

// The template under "chat_template" of a configuration file.
Result<Found> template_of(const std::optional<std::string>& file, std::string_view where,
                          bool has_tools, std::string_view name) {
  if (!file) return Found{};
  Result<Json> parsed = Json::parse(*file, {.max_bytes = kMaxTemplateFileBytes});
  if (!parsed.ok()) return std::move(parsed).error().in(where);
  const Json* value = parsed->find("chat_template");
  if (value == nullptr || value->is_null()) return Found{};
  if (value->is_string()) return Found{true, value->as_string()};
  if (!value->is_array() && !value->is_object()) {
    return fail(Code::kBadInput, "\"chat_template\" is neither a text nor a list of templates", where);
  }
  std::vector<std::pair<std::string, std::string>> named;
  for (const auto& [key, text] : value->is_object() ? value->members() : std::vector<Json::Member>{}) {
    if (text.is_string()) named.emplace_back(key, text.as_string());
  }
  for (const Json& entry : value->is_array() ? value->items() : Json::Array{}) {
    Result<std::string> entry_name = entry.get_string("name");
    if (!entry_name.ok()) return std::move(entry_name).error().in(where);
    Result<std::string> text = entry.get_string("template");
    if (!text.ok()) return std::move(text).error().in(where);
    named.emplace_back(std::move(entry_name).value(), std::move(text).value());
  }
  const auto pick = [&](std::string_view wanted) -> const std::string* {
    for (const auto& [key, text] : named) {
      if (key == wanted) return &text;
    }
    return nullptr;
  };
  const std::string* chosen = name.empty() ? nullptr : pick(name);
  if (name.empty() && has_tools) chosen = pick("tool_use");
  if (name.empty() && chosen == nullptr) chosen = pick("default");
  if (chosen != nullptr) return Found{true, *chosen};
  std::string known;
  for (const auto& entry : named) known += (known.empty() ? "" : ", ") + entry.first;
  return fail(Code::kBadInput, "there is no template \"" +
                                   std::string(name.empty() ? "default" : name) + "\" among (" +
                                   base::printable(known) + ")", where);
}

}  // namespace

Result<std::optional<std::string>> choose_template(const TemplateFiles& files, bool has_tools,
                                                   std::string_view name) {
  if (files.jinja) return files.jinja;
  const std::pair<const std::optional<std::string>*, const char*> configurations[] = {
      {&files.json, "chat_template.json"},
      {&files.processor_config, "processor_config.json"},
      {&files.tokenizer_config, "tokenizer_config.json"}};
  for (const auto& [file, where] : configurations) {
    OCELLI_ASSIGN(Found found,
                  with_advice(template_of(*file, where, has_tools, name), kAdvice));
    if (found.any) return std::optional<std::string>(std::move(found.text));
  }
  return std::optional<std::string>();
}

}  // namespace ocelli::text
