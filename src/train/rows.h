// Row: one line of a user's dataset, whatever its format, as a conversation with its pictures.
//
// Formats are told apart by their columns, row by row, unless RowOptions::format says which:
//   messages              TRL, OpenAI: {"messages": [{"role", "content"}]}, with pictures inside
//                         of parts or in the columns images / image / videos / video
//   prompt, completion    texts or lists of messages (also question, answer; file_name, text)
//   chosen, rejected      a preference, with prompt or as two whole conversations
//   conversations         LLaVA, ShareGPT: [{"from": "human", "value": "<image>\nWhat is it?"}]
//   instruction, output   Alpaca, with input and system where there are any
//   texts                 The Cauldron, FineVision: [{"user", "assistant"}]
//   text                  plain text, taken as it is
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace ocelli::train {

enum class RowFormat {
  kAuto,
  kMessages,
  kPromptCompletion,
  kPreference,
  kConversations,
  kAlpaca,
  kTexts,
  kText
};

// "auto", "messages", "prompt-completion", "preference", "llava", "alpaca", "cauldron", "text".
std::optional<RowFormat> row_format_of(std::string_view name);
std::string_view name_of(RowFormat format);

struct RowOptions {
  RowFormat format = RowFormat::kAuto;
  // Our name of a column -> the file's: {"messages", "dialog"}, {"images", "photos"}.
  std::map<std::string, std::string> columns;
};

// "messages=dialog,images=photos" as RowOptions::columns.
base::Result<std::map<std::string, std::string>> columns_of(std::string_view text);

// A picture or clip of a row.
struct Media {
  std::string path;              // as the row has it; empty where the bytes are inside
  std::vector<std::byte> bytes;  // of the file, where they are inside
  bool video = false;            // the row calls it one
};

// A conversation: [{"role", "content": [parts]}, ...]; its "image" and "video" parts are those of
// Row::media in order.
struct Row {
  RowFormat format = RowFormat::kAuto;
  std::optional<base::Json> messages;  // not of kText
  size_t prompt_messages = 0;  // how many of them are given, where the row has a prompt apart
  std::optional<base::Json> rejected;  // of a preference: the other conversation, same prompt
  // kText: the text. Where `plain`: prompt and completions are texts, which a base model joins.
  std::string text, completion, rejected_completion;
  bool plain = false;
  std::vector<Media> media;
  base::Json arguments = base::Json::object();  // of the template: tools, enable_thinking, ...
};

inline constexpr size_t kMaxRowMedia = 256;
inline constexpr size_t kMaxRowMessages = 4096;
inline constexpr size_t kMaxRowParts = 4096;  // of one message

// Errors are sentences without a place.
base::Result<Row> parse_row(const base::Json& json, const RowOptions& options = {});

}  // namespace ocelli::train
