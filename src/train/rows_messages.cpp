// Conversations of a row: roles, parts, markers, and which part is which picture.
#include <algorithm>

#include "train/rows_parts.h"

namespace ocelli::train {

using base::Code;
using base::fail;
using base::Json;
using base::Result;
using base::Status;

namespace {

constexpr std::string_view kImage = "<image>", kVideo = "<video>";
constexpr size_t kShown = 40;

bool is_media_type(std::string_view type) {
  return type == "image" || type == "video" || type == "image_url" || type == "video_url";
}

// Calls see(text) for each text and part(json) for each part that is a picture.
template <class See, class Part>
void walk(const Json& messages, See see, Part part) {
  for (const Json& message : messages.is_array() ? messages.items() : Json::Array()) {
    for (const char* key : {"content", "value"}) {
      const Json* content = message.find(key);
      if (!content) continue;
      if (content->is_string()) see(content->as_string());
      if (!content->is_array()) continue;
      for (const Json& item : content->items()) {
        const Json* type = item.find("type");
        const Json* text = item.find("text");
        if (type && type->is_string() && is_media_type(type->as_string())) part(item);
        if (text && text->is_string()) see(text->as_string());
      }
    }
  }
}

Json text_part(std::string_view text) {
  return Json::object({{"type", "text"}, {"text", text}});
}

// What a person writes around a marker to set it apart is not part of the text.
std::string_view trimmed(std::string_view text, bool behind_marker, bool before_marker) {
  if (behind_marker && text.starts_with('\n')) text.remove_prefix(1);
  if (before_marker && text.ends_with('\n')) text.remove_suffix(1);
  return text;
}

// Calls with their arguments as objects, as chat templates take them; OpenAI writes them as text.
Json tool_calls(const Json& calls) {
  if (!calls.is_array()) return calls;
  Json out = Json::array();
  for (const Json& call : calls.items()) {
    const Json* function = call.find("function");
    const Json* arguments = function ? function->find("arguments") : nullptr;
    Json copy = call;
    if (arguments && arguments->is_string()) {
      auto parsed = Json::parse(arguments->as_string());
      if (parsed.ok()) {
        std::vector<Json::Member> members = function->members();
        for (auto& [key, value] : members) {
          if (key == "arguments") value = std::move(parsed).value();
        }
        std::vector<Json::Member> outer = call.members();
        for (auto& [key, value] : outer) {
          if (key == "function") value = Json::object(members);
        }
        copy = Json::object(std::move(outer));
      }
    }
    out.push_back(std::move(copy));
  }
  return out;
}

Result<std::string> text_member(const Json& message, std::string_view a, std::string_view b) {
  for (const std::string_view key : {a, b}) {
    const Json* value = message.find(key);
    if (value && value->is_string()) return value->as_string();
  }
  return fail(Code::kBadInput, "a message has no \"" + std::string(a) + "\" or \"" +
                                   std::string(b) + "\"; give each one");
}

}  // namespace

std::optional<std::string_view> role_of(std::string_view name) {
  std::string lower(name);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? char(c + 32) : c; });
  const auto any = [&](std::initializer_list<std::string_view> names) {
    return std::find(names.begin(), names.end(), lower) != names.end();
  };
  if (any({"user", "human"})) return "user";
  if (any({"assistant", "gpt", "model", "bot", "chatgpt", "function_call"})) return "assistant";
  if (any({"system", "developer"})) return "system";
  if (any({"tool", "function", "observation", "function_response", "ipython"})) return "tool";
  return std::nullopt;
}

void ConversationBuilder::look_at(const Json& messages) {
  bool marked = false;
  walk(
      messages,
      [&](const std::string& text) {
        marked = marked || text.find(kImage) != text.npos || text.find(kVideo) != text.npos;
      },
      [&](const Json&) { named_ = true; });
  // Markers typed in a conversation that has no pictures, or names them by parts, are only text.
  if (marked && !named_ && !columns_.empty()) markers_ = true;
}

Status ConversationBuilder::keep(Media media, Json& parts) {
  if (media_.size() == kMaxRowMedia) {
    return fail(Code::kBadInput, "too many pictures in one row (limit " +
                                     std::to_string(kMaxRowMedia) + "); split it");
  }
  parts.push_back(Json::object({{"type", media.video ? "video" : "image"}}));
  media_.push_back(std::move(media));
  return {};
}

// A picture that is named here: the next one of the columns. LLaVA's files name clips "<image>"
// too.
Status ConversationBuilder::place(bool video, Json& parts) {
  named_ = true;
  if (++asked_ > kMaxRowMedia) {
    return fail(Code::kBadInput, "the messages name too many pictures (limit " +
                                     std::to_string(kMaxRowMedia) + "); split the row");
  }
  if (!video && columns_.images.empty()) video = true;
  std::vector<Media>& from = video ? columns_.videos : columns_.images;
  size_t& next = video ? next_video_ : next_image_;
  if (next >= from.size()) return {};  // finish() counts
  return keep(std::move(from[next++]), parts);
}

Status ConversationBuilder::split_text(const std::string& text, Json& parts) {
  if (!markers_) {
    parts.push_back(text_part(text));
    return {};
  }
  bool behind = false;
  for (size_t at = 0;;) {
    const size_t image = text.find(kImage, at), video = text.find(kVideo, at);
    const size_t found = std::min(image, video);
    const bool last = found == text.npos;
    const std::string_view between =
        trimmed(std::string_view(text).substr(at, last ? text.npos : found - at), behind, !last);
    if (!between.empty()) parts.push_back(text_part(between));
    if (last) return {};
    OCELLI_TRY(place(video < image, parts));
    at = found + kImage.size();
    behind = true;
  }
  static_assert(kImage.size() == kVideo.size());
}

Status ConversationBuilder::parts_of(const Json& content, Json& parts) {
  if (content.is_string()) return split_text(content.as_string(), parts);
  if (!content.is_array())
    return fail(Code::kBadInput, "\"content\" must be a text or a list of parts; correct it");
  if (content.size() > kMaxRowParts) {
    return fail(Code::kBadInput, "a message has too many parts (" + std::to_string(content.size()) +
                                     ", limit " + std::to_string(kMaxRowParts) + "); join them");
  }
  for (const Json& part : content.items()) {
    if (part.is_string()) {
      OCELLI_TRY(split_text(part.as_string(), parts));
      continue;
    }
    const Json* type = part.find("type");
    const std::string name = type && type->is_string() ? type->as_string() : "";
    const Json* text = part.find("text");
    if (name == "text" && text && text->is_string()) {
      OCELLI_TRY(split_text(text->as_string(), parts));
    } else if (is_media_type(name)) {
      const bool video = name.starts_with("video");
      // Datasets with fixed columns write {"type": "image", "text": null}: nothing is inside.
      const bool inside =
          std::any_of(part.members().begin(), part.members().end(), [](const auto& member) {
            return member.first != "type" && member.first != "text" && !member.second.is_null();
          });
      if (!inside) {
        OCELLI_TRY(place(video, parts));
        continue;
      }
      OCELLI_ASSIGN(Media media, parse_media(part, video));
      OCELLI_TRY(keep(std::move(media), parts));
    } else {
      return fail(Code::kBadInput, "a part of type \"" + base::printable(name, kShown) +
                                       "\" is not known; use text, image or video");
    }
  }
  return {};
}

Status ConversationBuilder::append(std::string_view role, Json content, const Json* original) {
  if (messages_.size() == kMaxRowMessages) {
    return fail(Code::kBadInput, "too many messages in one row (limit " +
                                     std::to_string(kMaxRowMessages) + "); split it");
  }
  std::vector<Json::Member> members;
  members.emplace_back("role", role);
  members.emplace_back("content", std::move(content));
  for (const char* key :
       {"reasoning_content", "thinking", "reasoning", "tool_calls", "tool_call_id", "name"}) {
    const Json* value = original ? original->find(key) : nullptr;
    if (value && !value->is_null())
      members.emplace_back(key,
                           std::string_view(key) == "tool_calls" ? tool_calls(*value) : *value);
  }
  messages_.push_back(Json::object(std::move(members)));
  return {};
}

Status ConversationBuilder::add(const Json& message) {
  if (!message.is_object())
    return fail(Code::kBadInput, "a message is no object; write {\"role\", \"content\"}");
  OCELLI_ASSIGN(const std::string name, text_member(message, "role", "from"));
  const auto role = role_of(name);
  if (!role) {
    return fail(Code::kBadInput, "the role \"" + base::printable(name, kShown) +
                                     "\" is not known; use system, user, assistant or tool");
  }
  const Json* content = message.find("content");
  if (!content) content = message.find("value");
  const Json* calls = message.find("tool_calls");
  if (!content || content->is_null()) {
    if (calls && calls->size() > 0) return append(*role, Json(), &message);
    return fail(Code::kBadInput, "a message of the " + std::string(*role) +
                                     " has no \"content\"; give it one or leave it out");
  }
  Json parts = Json::array();
  OCELLI_TRY(parts_of(*content, parts));
  if (parts.size() == 0) parts.push_back(text_part(""));
  return append(*role, std::move(parts), &message);
}

Status ConversationBuilder::add_list(const Json& messages) {
  if (!messages.is_array() || messages.size() == 0)
    return fail(Code::kBadInput, "the messages must be a list with at least one; correct the row");
  for (const Json& message : messages.items()) OCELLI_TRY(add(message));
  return {};
}

Status ConversationBuilder::add_text(std::string_view role, std::string_view text) {
  return add(Json::object({{"role", role}, {"content", text}}));
}

Result<Json> ConversationBuilder::finish(std::vector<Media>& media) {
  if (!named_ && !columns_.empty()) {
    Json front = Json::array();
    for (auto* list : {&columns_.images, &columns_.videos}) {
      for (Media& one : *list) OCELLI_TRY(keep(std::move(one), front));
    }
    std::vector<Json> messages = messages_.items();
    const auto user = std::find_if(messages.begin(), messages.end(), [](const Json& message) {
      return message.find("role")->as_string() == "user";
    });
    if (user == messages.end())
      return fail(Code::kBadInput, "has pictures but no message of the user; add one");
    for (const Json& part : user->find("content")->items()) {
      const Json* text = part.find("text");
      if (front.size() == 0 || !text || !text->as_string().empty()) front.push_back(part);
    }
    user->set("content", std::move(front));
    messages_ = Json::array(std::move(messages));
    next_image_ = columns_.images.size();
    next_video_ = columns_.videos.size();
    asked_ = next_image_ + next_video_;
  }
  const size_t there = columns_.images.size() + columns_.videos.size();
  if (asked_ != there || next_image_ + next_video_ != there) {
    return fail(Code::kBadInput, "the messages name " + std::to_string(asked_) +
                                     " pictures but the row has " + std::to_string(there) +
                                     "; name each of them once");
  }
  media = std::move(media_);
  return messages_;
}

Result<Json> ConversationBuilder::texts_behind(const Json& prompt, const Json& more) {
  ConversationBuilder other({}, false);
  if (more.is_string()) {
    OCELLI_TRY(other.add_text("assistant", more.as_string()));
  } else {
    OCELLI_TRY(other.add_list(more));
  }
  std::vector<Media> none;
  OCELLI_ASSIGN(const Json texts, other.finish(none));
  if (!none.empty())
    return fail(Code::kBadInput, "an answer of a pair has pictures; put them in the prompt");
  Json all = Json::array(prompt.items());
  for (const Json& message : texts.items()) all.push_back(message);
  return all;
}

}  // namespace ocelli::train
