#include "train/rows.h"

#include <algorithm>

#include "base/names.h"
#include "train/rows_parts.h"

namespace ocelli::train {

using base::Code;
using base::fail;
using base::Json;
using base::Result;
using base::Status;

namespace {

constexpr base::Named<RowFormat> kNames[] = {{RowFormat::kAuto, "auto"},
                                             {RowFormat::kMessages, "messages"},
                                             {RowFormat::kPromptCompletion, "prompt-completion"},
                                             {RowFormat::kPreference, "preference"},
                                             {RowFormat::kConversations, "llava"},
                                             {RowFormat::kAlpaca, "alpaca"},
                                             {RowFormat::kTexts, "cauldron"},
                                             {RowFormat::kText, "text"}};

// A row's columns under our names.
class Columns {
 public:
  Columns(const Json& row, const RowOptions& options) : row_(row), options_(options) {}

  // Null where it is missing or null.
  const Json* find(const std::string& name) const {
    const auto mapped = options_.columns.find(name);
    const Json* value = row_.find(mapped == options_.columns.end() ? name : mapped->second);
    return value && !value->is_null() ? value : nullptr;
  }
  // The first of these that is there.
  const Json* any(std::initializer_list<const char*> names) const {
    for (const char* name : names) {
      if (const Json* value = find(name)) return value;
    }
    return nullptr;
  }
  const Json* prompt() const { return any({"prompt", "question", "query"}); }
  const Json* completion() const { return any({"completion", "answer", "response"}); }
  const Json& row() const { return row_; }

 private:
  const Json& row_;
  const RowOptions& options_;
};

RowFormat detect(const Columns& c) {
  if (c.find("messages")) return RowFormat::kMessages;
  if (c.find("conversations")) return RowFormat::kConversations;
  if (c.find("chosen") && c.find("rejected")) return RowFormat::kPreference;
  if (c.completion() && c.prompt()) return RowFormat::kPromptCompletion;
  if (c.find("instruction") && c.find("output")) return RowFormat::kAlpaca;
  if (c.find("texts")) return RowFormat::kTexts;
  // A picture with a text is a caption, as in the folders of pictures of Hugging Face.
  if (c.find("text")) {
    return c.any({"images", "image", "file_name"}) ? RowFormat::kPromptCompletion
                                                   : RowFormat::kText;
  }
  return RowFormat::kAuto;
}

Status add_media(const Json* column, bool video, std::vector<Media>& out) {
  if (!column) return {};
  if (!column->is_array()) {
    OCELLI_ASSIGN(Media media, parse_media(*column, video));
    out.push_back(std::move(media));
    return {};
  }
  if (column->size() > kMaxRowMedia) {
    return fail(Code::kBadInput, "too many pictures in one row (" + std::to_string(column->size()) +
                                     ", limit " + std::to_string(kMaxRowMedia) + "); split it");
  }
  for (const Json& item : column->items()) {
    OCELLI_ASSIGN(Media media, parse_media(item, video));
    out.push_back(std::move(media));
  }
  return {};
}

Result<MediaColumns> media_columns(const Columns& c) {
  MediaColumns out;
  OCELLI_TRY(add_media(c.any({"images", "image", "file_name"}), false, out.images));
  OCELLI_TRY(add_media(c.any({"videos", "video"}), true, out.videos));
  return out;
}

// A list of messages, or a text that holds one as JSON.
Result<Json> list_of(const Json& value, const char* name) {
  if (value.is_array()) return value;
  if (value.is_string()) {
    auto parsed = Json::parse(value.as_string());
    if (parsed.ok() && parsed->is_array()) return parsed;
  }
  return fail(Code::kBadInput, "\"" + std::string(name) + "\" must be a list; correct the row");
}

Result<std::string> text_of(const Json* value, const char* name) {
  if (value && value->is_string()) return value->as_string();
  return fail(Code::kBadInput, "\"" + std::string(name) + "\" must be a text; correct the row");
}

Status read_arguments(const Columns& c, Json& arguments) {
  for (const char* key : {"tools", "xml_tools", "python_tools"}) {
    const Json* tools = c.find(key);
    if (!tools || (tools->is_string() && tools->as_string().empty())) continue;
    OCELLI_ASSIGN(Json list, list_of(*tools, key));
    if (list.size() > 0) arguments.set(key, std::move(list));
  }
  const Json* more = c.find("chat_template_kwargs");
  if (!more) return {};
  if (!more->is_object())
    return fail(Code::kBadInput, "\"chat_template_kwargs\" must be an object; correct the row");
  for (const auto& [key, value] : more->members()) arguments.set(key, value);
  return {};
}

bool starts_with_system(const Json* messages) {
  if (!messages || !messages->is_array() || messages->size() == 0) return false;
  const Json& first = messages->items().front();
  for (const char* key : {"role", "from"}) {
    const Json* role = first.find(key);
    if (role && role->is_string()) return role_of(role->as_string()) == "system";
  }
  return false;
}

// The column "system", before messages that have no such message of their own.
Status add_system(const Columns& c, const Json* messages, ConversationBuilder& builder) {
  const Json* system = c.find("system");
  if (!system || starts_with_system(messages)) return {};
  OCELLI_ASSIGN(const std::string text, text_of(system, "system"));
  return text.empty() ? Status() : builder.add_text("system", text);
}

Status add_side(const Json& side, std::string_view role, ConversationBuilder& builder) {
  return side.is_string() ? builder.add_text(role, side.as_string()) : builder.add_list(side);
}

Status read_list(const Columns& c, const char* column, bool markers, Row& row) {
  const Json* value = c.find(column);
  if (!value) return fail(Code::kBadInput, "has no \"" + std::string(column) + "\"; add it");
  OCELLI_ASSIGN(const Json list, list_of(*value, column));
  OCELLI_ASSIGN(MediaColumns media, media_columns(c));
  ConversationBuilder builder(std::move(media), markers);
  builder.look_at(list);
  OCELLI_TRY(add_system(c, &list, builder));
  OCELLI_TRY(builder.add_list(list));
  OCELLI_ASSIGN(row.messages, builder.finish(row.media));
  return {};
}

Status read_completion(const Columns& c, Row& row) {
  const Json* label = c.find("label");
  if (label && label->is_bool()) {
    return fail(Code::kBadInput,
                "answers with a \"label\" of their own are not supported; pair them as \"chosen\" "
                "and \"rejected\"");
  }
  const Json* completion = c.completion();
  if (!completion) completion = c.find("text");  // of a caption
  if (!completion) return fail(Code::kBadInput, "has no \"completion\"; add it");
  const Json nothing("");
  const Json& prompt = c.prompt() ? *c.prompt() : nothing;
  OCELLI_ASSIGN(MediaColumns media, media_columns(c));
  row.plain = prompt.is_string() && completion->is_string() && media.empty();
  if (row.plain) {
    row.text = prompt.as_string();
    row.completion = completion->as_string();
  }
  ConversationBuilder builder(std::move(media), false);
  builder.look_at(prompt.is_string() ? Json::array({Json::object({{"content", prompt}})}) : prompt);
  OCELLI_TRY(add_system(c, &prompt, builder));
  OCELLI_TRY(add_side(prompt, "user", builder));
  row.prompt_messages = builder.size();
  OCELLI_TRY(add_side(*completion, "assistant", builder));
  OCELLI_ASSIGN(row.messages, builder.finish(row.media));
  return {};
}

// Both sides of a pair as lists without what they have in common.
Status split_pair(Json& prompt, Json& chosen, Json& rejected) {
  OCELLI_ASSIGN(chosen, list_of(chosen, "chosen"));
  OCELLI_ASSIGN(rejected, list_of(rejected, "rejected"));
  size_t same = 0;
  while (same < chosen.size() && same < rejected.size() &&
         chosen.items()[same] == rejected.items()[same])
    ++same;
  if (same == 0 || same == chosen.size() || same == rejected.size()) {
    return fail(Code::kBadInput,
                "\"chosen\" and \"rejected\" must share their first messages and then differ; give "
                "a \"prompt\" apart");
  }
  const auto cut = [&](const Json& all) {
    return Json::array({all.items().begin() + long(same), all.items().end()});
  };
  prompt = Json::array({chosen.items().begin(), chosen.items().begin() + long(same)});
  chosen = cut(chosen);
  rejected = cut(rejected);
  return {};
}

Status read_preference(const Columns& c, Row& row) {
  if (!c.find("chosen") || !c.find("rejected"))
    return fail(Code::kBadInput, "has no \"chosen\" and \"rejected\"; add them");
  Json chosen = *c.find("chosen"), rejected = *c.find("rejected"), prompt;
  if (c.prompt()) {
    prompt = *c.prompt();
  } else {
    OCELLI_TRY(split_pair(prompt, chosen, rejected));
  }
  OCELLI_ASSIGN(MediaColumns media, media_columns(c));
  row.plain = prompt.is_string() && chosen.is_string() && rejected.is_string() && media.empty();
  if (row.plain) {
    row.text = prompt.as_string();
    row.completion = chosen.as_string();
    row.rejected_completion = rejected.as_string();
  }
  ConversationBuilder builder(std::move(media), false);
  builder.look_at(prompt.is_string() ? Json::array({Json::object({{"content", prompt}})}) : prompt);
  OCELLI_TRY(add_system(c, &prompt, builder));
  OCELLI_TRY(add_side(prompt, "user", builder));
  row.prompt_messages = builder.size();
  OCELLI_ASSIGN(const Json asked, builder.finish(row.media));
  OCELLI_ASSIGN(row.messages, ConversationBuilder::texts_behind(asked, chosen));
  OCELLI_ASSIGN(row.rejected, ConversationBuilder::texts_behind(asked, rejected));
  return {};
}

Status read_alpaca(const Columns& c, Row& row) {
  OCELLI_ASSIGN(std::string text, text_of(c.find("instruction"), "instruction"));
  OCELLI_ASSIGN(row.completion, text_of(c.find("output"), "output"));
  const Json* input = c.find("input");
  if (input && input->is_string() && !input->as_string().empty())
    text += "\n\n" + input->as_string();
  OCELLI_ASSIGN(MediaColumns media, media_columns(c));
  row.plain = media.empty();
  row.text = text;
  const Json asked =
      Json::array({Json::object({{"role", "user"}, {"content", Json(std::move(text))}})});
  ConversationBuilder builder(std::move(media), false);
  builder.look_at(asked);
  OCELLI_TRY(add_system(c, &asked, builder));
  OCELLI_TRY(builder.add_list(asked));
  row.prompt_messages = builder.size();
  OCELLI_TRY(builder.add_text("assistant", row.completion));
  OCELLI_ASSIGN(row.messages, builder.finish(row.media));
  return {};
}

Status read_texts(const Columns& c, Row& row) {
  if (!c.find("texts")) return fail(Code::kBadInput, "has no \"texts\"; add it");
  OCELLI_ASSIGN(const Json texts, list_of(*c.find("texts"), "texts"));
  if (2 * texts.size() > kMaxRowMessages) {
    return fail(Code::kBadInput, "\"texts\" has too many turns (" + std::to_string(texts.size()) +
                                     ", limit " + std::to_string(kMaxRowMessages / 2) +
                                     "); split the row");
  }
  if (texts.size() == 0) return fail(Code::kBadInput, "\"texts\" is empty; leave the row out");
  Json turns = Json::array();
  for (const Json& turn : texts.items()) {
    OCELLI_ASSIGN(std::string user, text_of(turn.find("user"), "user"));
    OCELLI_ASSIGN(std::string assistant, text_of(turn.find("assistant"), "assistant"));
    turns.push_back(Json::object({{"role", "user"}, {"content", Json(std::move(user))}}));
    turns.push_back(Json::object({{"role", "assistant"}, {"content", Json(std::move(assistant))}}));
  }
  OCELLI_ASSIGN(MediaColumns media, media_columns(c));
  ConversationBuilder builder(std::move(media), false);
  builder.look_at(turns);
  OCELLI_TRY(add_system(c, &turns, builder));
  OCELLI_TRY(builder.add_list(turns));
  OCELLI_ASSIGN(row.messages, builder.finish(row.media));
  return {};
}

Status read_text(const Columns& c, Row& row) {
  OCELLI_ASSIGN(row.text, text_of(c.find("text"), "text"));
  if (row.text.empty()) return fail(Code::kBadInput, "\"text\" is empty; leave the row out");
  return {};
}

Status read(const Columns& c, Row& row) {
  switch (row.format) {
    case RowFormat::kMessages:
      return read_list(c, "messages", false, row);
    case RowFormat::kConversations:
      return read_list(c, "conversations", true, row);
    case RowFormat::kPromptCompletion:
      return read_completion(c, row);
    case RowFormat::kPreference:
      return read_preference(c, row);
    case RowFormat::kAlpaca:
      return read_alpaca(c, row);
    case RowFormat::kTexts:
      return read_texts(c, row);
    case RowFormat::kText:
      return read_text(c, row);
    case RowFormat::kAuto:
      break;
  }
  std::string columns;
  for (const auto& [key, value] : c.row().members())
    columns += (columns.empty() ? "" : ", ") + base::printable(key, 40);
  return fail(Code::kBadInput,
              "has no column that is known (" + base::printable(columns, 200) +
                  "); rename columns with --columns messages=NAME, or to messages, conversations, "
                  "prompt and completion, chosen and rejected, instruction and output, texts or "
                  "text");
}

bool has_answer(const Json& messages) {
  return std::any_of(messages.items().begin(), messages.items().end(), [](const Json& message) {
    return message.find("role")->as_string() == "assistant";
  });
}

}  // namespace

std::optional<RowFormat> row_format_of(std::string_view name) {
  return base::value_named(kNames, name);
}

std::string_view name_of(RowFormat format) {
  return base::name_among(kNames, format);
}

Result<std::map<std::string, std::string>> columns_of(std::string_view text) {
  std::map<std::string, std::string> out;
  while (!text.empty()) {
    const std::string_view pair = text.substr(0, text.find(','));
    text.remove_prefix(std::min(pair.size() + 1, text.size()));
    const size_t equals = pair.find('=');
    if (equals == pair.npos || equals == 0 || equals + 1 == pair.size()) {
      return fail(Code::kUsage, "a column must be written OURS=THEIRS (" +
                                    base::printable(pair, 40) + "); for example messages=dialog");
    }
    out.emplace(pair.substr(0, equals), pair.substr(equals + 1));
  }
  return out;
}

Result<Row> parse_row(const Json& json, const RowOptions& options) {
  if (!json.is_object()) {
    return fail(Code::kBadInput,
                "is no object; write one {\"messages\": [...]} a line, or a list of them");
  }
  const Columns columns(json, options);
  Row row;
  row.format = options.format == RowFormat::kAuto ? detect(columns) : options.format;
  OCELLI_TRY(read_arguments(columns, row.arguments));
  OCELLI_TRY(read(columns, row));
  if (row.messages && !has_answer(*row.messages))
    return fail(Code::kBadInput, "has no message of the assistant; add the answer to learn");
  if (row.rejected && !has_answer(*row.rejected))
    return fail(Code::kBadInput, "\"rejected\" has no message of the assistant; add the answer");
  return row;
}

}  // namespace ocelli::train
