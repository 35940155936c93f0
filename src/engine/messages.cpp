#include "engine/messages.h"

namespace ocelli::engine {

using base::Json;

namespace {
Json text_part(std::string_view text) {
  return Json::object({{"type", "text"}, {"text", text}});
}
}  // namespace

Json text_message(std::string_view role, std::string_view text) {
  return Json::object({{"role", role}, {"content", Json::array({text_part(text)})}});
}

Json user_message(std::string_view question, size_t pictures) {
  Json parts = Json::array();
  for (size_t i = 0; i < pictures; ++i) parts.push_back(Json::object({{"type", "image"}}));
  if (!question.empty() || pictures == 0) parts.push_back(text_part(question));
  return Json::object({{"role", "user"}, {"content", std::move(parts)}});
}

}  // namespace ocelli::engine
