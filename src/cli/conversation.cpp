#include "cli/conversation.h"

#include <sys/stat.h>

#include "base/file.h"
#include "base/utf8.h"
#include "cli/input_words.h"
#include "engine/messages.h"

namespace ocelli::cli {

using base::Code;
using base::Json;
using base::Result;
using base::Status;

namespace {

Json picture_part(const Picture& picture) {
  const char* type = picture.video ? "video_url" : "image_url";
  return Json::object({{"type", type}, {type, Json::object({{"url", file_url(picture.path)}})}});
}

Json message_json(const Message& message) {
  Json out = Json::object({{"role", message.role}});
  if (message.pictures.empty()) {
    out.set("content", message.text);
  } else {
    Json parts = Json::array();
    for (const Picture& p : message.pictures) parts.push_back(picture_part(p));
    if (!message.text.empty())
      parts.push_back(Json::object({{"type", "text"}, {"text", message.text}}));
    out.set("content", std::move(parts));
  }
  if (!message.thinking.empty()) out.set("reasoning_content", message.thinking);
  if (message.stopped) out.set("stopped", true);
  return out;
}

// {"url": "file:///a.jpg"}, or the address alone.
Result<std::string> path_of_part(const Json& part, const std::string& type) {
  const Json* value = part.find(type);
  if (value && value->is_object()) value = value->find("url");
  if (!value || !value->is_string()) {
    return base::fail(Code::kBadInput, "a part of type \"" + type + "\" has no url; name a file");
  }
  const std::string& url = value->as_string();
  const size_t colon = url.find(':');
  if (url.starts_with("data:") ||
      (colon != std::string::npos && url.find("://") == colon && !url.starts_with("file://"))) {
    return base::fail(Code::kBadInput, "only files of this machine are opened (" +
                                           base::printable(url, 60) +
                                           "); save the picture and name its file");
  }
  return file_of_word(url);
}

Status read_part(const Json& part, Message& message, size_t& pictures, const OpenPicture& open) {
  OCELLI_ASSIGN(const std::string type, part.get_string("type"));
  if (type == "text") {
    OCELLI_ASSIGN(const std::string text, part.get_string("text"));
    message.text += text;
    return {};
  }
  const bool video = type == "video_url";
  if (type != "image_url" && !video) {
    return base::fail(Code::kBadInput, "a part of type \"" + base::printable(type, 40) +
                                           "\" is not known; text, image_url and video_url are");
  }
  if (message.role != "user")
    return base::fail(Code::kBadInput, "only messages of the user have pictures");
  if (++pictures > kMaxConversationPictures) {
    return base::fail(Code::kBadInput, "too many pictures (limit " +
                                           std::to_string(kMaxConversationPictures) +
                                           "); leave some out");
  }
  OCELLI_ASSIGN(const std::string path, path_of_part(part, type));
  OCELLI_ASSIGN(Picture picture, open(path, video));
  message.pictures.push_back(std::move(picture));
  return {};
}

Status read_message(const Json& json, Conversation& talk, size_t& pictures,
                    const OpenPicture& open) {
  Message message;
  OCELLI_ASSIGN(message.role, json.get_string("role"));
  const bool system = message.role == "system";
  if (!system && message.role != "user" && message.role != "assistant") {
    return base::fail(Code::kBadInput, "the role \"" + base::printable(message.role, 40) +
                                           "\" is not known; system, user and assistant are");
  }
  if (system && (!talk.messages.empty() || !talk.system.empty()))
    return base::fail(Code::kBadInput, "only the first message may be the system's");
  const Json* content = json.find("content");
  if (content && content->is_string()) {
    message.text = content->as_string();
  } else if (content && content->is_array()) {
    for (const Json& part : content->items()) OCELLI_TRY(read_part(part, message, pictures, open));
  } else {
    return base::fail(Code::kBadInput, "content must be text or a list of parts");
  }
  OCELLI_ASSIGN(message.stopped, json.get_bool("stopped", false));
  OCELLI_ASSIGN(message.thinking, json.get_string("reasoning_content", ""));
  if (system) {
    talk.system = std::move(message.text);
  } else {
    talk.messages.push_back(std::move(message));
  }
  return {};
}

}  // namespace

Json Conversation::for_template() const {
  Json out = Json::array();
  if (!system.empty()) out.push_back(engine::text_message("system", system));
  for (const Message& m : messages) {
    out.push_back(m.role == "user"
                      ? engine::user_message(m.text, m.pictures.size())
                      : engine::text_message(m.role, m.as_written.empty() ? m.text : m.as_written));
  }
  return out;
}

std::vector<std::shared_ptr<const engine::PreparedImage>> Conversation::pictures() const {
  std::vector<std::shared_ptr<const engine::PreparedImage>> out;
  for (const Message& m : messages) {
    for (const Picture& p : m.pictures) out.push_back(p.prepared);
  }
  return out;
}

Json Conversation::to_json(const std::string& model) const {
  Json list = Json::array();
  if (!system.empty()) list.push_back(Json::object({{"role", "system"}, {"content", system}}));
  for (const Message& m : messages) list.push_back(message_json(m));
  return Json::object(
      {{"model", base::replace_invalid_utf8(model)}, {"messages", std::move(list)}});
}

Result<Conversation> Conversation::from_json(const Json& json, const OpenPicture& open) {
  const Json* list = json.is_array() ? &json : json.find("messages");
  if (!list || !list->is_array()) {
    return base::fail(Code::kBadInput,
                      "there is no list \"messages\"; give a file that /save wrote");
  }
  Conversation out;
  size_t pictures = 0, number = 0;
  for (const Json& message : list->items()) {
    ++number;
    OCELLI_TRY(read_message(message, out, pictures, open).in("message " + std::to_string(number)));
  }
  return out;
}

Status save_conversation(const Conversation& talk, const std::string& model,
                         const std::string& path) {
  struct stat about;
  if (stat(path.c_str(), &about) == 0 && about.st_size > 0) {
    const auto old = base::read_file(path, kMaxConversationBytes);
    const auto json = old.ok() ? Json::parse(*old) : Result<Json>(old.error());
    if (!json.ok() || !json->find("messages")) {
      return base::fail(Code::kUsage, "exists and is not a saved conversation; choose another name",
                        path);
    }
  }
  return base::write_file_atomically(path, talk.to_json(model).dump(2) + "\n", 0600);
}

Result<Conversation> load_conversation(const std::string& path, const OpenPicture& open) {
  OCELLI_ASSIGN(const std::string text, base::read_file(path, kMaxConversationBytes));
  OCELLI_ASSIGN(const Json json, Json::parse(text, {.max_bytes = kMaxConversationBytes}).in(path));
  return Conversation::from_json(json, open).in(path);
}

}  // namespace ocelli::cli
