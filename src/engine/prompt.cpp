#include "engine/prompt.h"

#include <algorithm>

#include "engine/rendering.h"

namespace ocelli::engine {

using base::Code;
using base::Json;
using base::Result;

namespace {

constexpr size_t kMaxMessages = 4096;

using Images = std::vector<std::shared_ptr<const PreparedImage>>;

struct MessageTexts {
  std::vector<std::string_view> all;
  std::vector<bool> videos;  // of each picture or clip, in order: whether it is called a clip
};

// Every string within a value, keys too.
void gather(const Json& value, std::vector<std::string_view>& out) {
  if (value.is_string()) out.push_back(value.as_string());
  if (value.is_array()) {
    for (const Json& item : value.items()) gather(item, out);
  } else if (value.is_object()) {
    for (const auto& [key, member] : value.members()) {
      out.push_back(key);
      gather(member, out);
    }
  }
}

// The same value with every string guarded.
Json guarded(const Json& value, LiteralGuard& guard) {
  if (value.is_string()) return guard.guard(value.as_string());
  if (value.is_array()) {
    Json out = Json::array();
    for (const Json& item : value.items()) out.push_back(guarded(item, guard));
    return out;
  }
  if (!value.is_object()) return value;
  std::vector<Json::Member> members;
  for (const auto& [key, member] : value.members())
    members.emplace_back(guard.guard(key), guarded(member, guard));
  return Json::object(std::move(members));
}

// Checks the form of the messages and gathers what comes from outside.
Result<MessageTexts> inspect(const Json& messages) {
  if (!messages.is_array() || messages.size() == 0) {
    return base::fail(Code::kUsage, "messages must be a list with at least one message");
  }
  if (messages.size() > kMaxMessages) {
    return base::fail(Code::kUsage, "too many messages (" + std::to_string(messages.size()) +
                                        ", limit " + std::to_string(kMaxMessages) + ")");
  }
  MessageTexts out;
  for (const Json& message : messages.items()) {
    OCELLI_ASSIGN(const std::string role, message.get_string("role"));
    for (const auto& [key, value] : message.members()) {
      if (key != "role" && key != "content") gather(value, out.all);
    }
    const Json* content = message.find("content");
    if (!content || content->is_null()) continue;
    if (content->is_string()) {
      out.all.push_back(content->as_string());
      continue;
    }
    if (!content->is_array())
      return base::fail(Code::kUsage, "content must be text or a list of parts", role);
    for (const Json& part : content->items()) {
      OCELLI_ASSIGN(const std::string type, part.get_string("type"));
      const Json* text = part.find("text");
      if (type == "image" || type == "video") {
        out.videos.push_back(type == "video");
      } else if (type == "text" && text && text->is_string()) {
        out.all.push_back(text->as_string());
      } else {
        return base::fail(
            Code::kUsage,
            "a part of type \"" + base::printable(type, 40) +
                "\" is not supported; use \"text\" with a text, \"image\" or \"video\"",
            role);
      }
    }
  }
  return out;
}

// The content in the form that the template was written for: a list of parts where the model takes
// pictures, text where it does not.
// `next`: the pictures and clips that are still to come.
Json guarded_content(const Json& content, bool as_parts, LiteralGuard& guard,
                     Images::const_iterator& next) {
  if (content.is_string()) {
    Json text(guard.guard(content.as_string()));
    if (!as_parts) return text;
    return Json::array({Json::object({{"type", "text"}, {"text", std::move(text)}})});
  }
  Json parts = Json::array();
  std::string joined;
  for (const Json& part : content.items()) {
    if (part.get_string("type").value() != "text") {
      parts.push_back(Json::object({{"type", (*next++)->clip ? "video" : "image"}}));
      continue;
    }
    std::string text = guard.guard(part.find("text")->as_string());
    joined += text;
    parts.push_back(Json::object({{"type", "text"}, {"text", std::move(text)}}));
  }
  return as_parts ? parts : Json(std::move(joined));
}

Json guarded_messages(const Json& messages, bool as_parts, LiteralGuard& guard,
                      const Images& images) {
  Json out = Json::array();
  auto next = images.begin();
  for (const Json& message : messages.items()) {
    std::vector<Json::Member> members = message.members();
    for (auto& [key, value] : members) {
      if (key == "content" && !value.is_null()) {
        value = guarded_content(value, as_parts, guard, next);
      } else if (key != "role") {
        value = guarded(value, guard);
      }
    }
    out.push_back(Json::object(std::move(members)));
  }
  return out;
}

}  // namespace

int64_t Prompt::image_tokens() const {
  return std::count_if(image_rows.begin(), image_rows.end(), [](int32_t row) { return row >= 0; });
}

Result<Prompt> PromptBuilder::raw(std::string_view text) const {
  Prompt prompt;
  prompt.text = text;
  OCELLI_ASSIGN(prompt.ids, tokenizer_.encode(text, {.parse_special = true}));
  OCELLI_TRY(add_around(prompt));
  prompt.image_rows.assign(prompt.ids.size(), -1);
  return prompt;
}

// What the tokenizer puts around a text (<bos>), unless the text has it already.
base::Status PromptBuilder::add_around(Prompt& prompt) const {
  OCELLI_ASSIGN(const auto around, tokenizer_.encode("", {.add_special = true}));
  if (around.empty() || (!prompt.ids.empty() && prompt.ids.front() == around.front())) return {};
  OCELLI_ASSIGN(auto ids, tokenizer_.encode(prompt.text, {.add_special = true}));
  const auto own = std::search(ids.begin(), ids.end(), prompt.ids.begin(), prompt.ids.end());
  std::string text;
  for (auto id = ids.begin(); id != own; ++id) text += tokenizer_.token(*id);
  text += prompt.text;
  for (auto id = own + static_cast<ptrdiff_t>(prompt.ids.size()); id < ids.end(); ++id)
    text += tokenizer_.token(*id);
  prompt.text = std::move(text);
  prompt.ids = std::move(ids);
  return {};
}

// Pictures and clips against what the messages and the model say of them.
base::Status PromptBuilder::check_images(const std::vector<bool>& videos,
                                         const Images& images) const {
  if (videos.size() != images.size()) {
    return base::fail(Code::kUsage, "the messages name " + std::to_string(videos.size()) +
                                        " pictures but " + std::to_string(images.size()) +
                                        " were given; name each of them once");
  }
  if (!videos.empty() && !processor_)
    return base::fail(Code::kUsage, "this model takes no pictures; choose one with a vision tower");
  for (size_t i = 0; i < images.size(); ++i) {
    if (videos[i] && !images[i]->clip) {
      return base::fail(Code::kUsage, "is a picture but called a video; call it \"image\"",
                        images[i]->name);
    }
    if (images[i]->clip && !video_processor_)
      return base::fail(Code::kUsage, "this model takes no videos; give a picture",
                        images[i]->name);
  }
  return {};
}

Result<PromptBuilder::Rendering> PromptBuilder::render(const Json& messages, const Images& images,
                                                       const text::RenderOptions& options) const {
  if (!template_) {
    return base::fail(
        Code::kUsage,
        "the model has no chat template; it is a base model: use --raw to continue a text");
  }
  OCELLI_ASSIGN(MessageTexts texts, inspect(messages));
  gather(options.tools, texts.all);
  gather(options.variables, texts.all);
  OCELLI_TRY(check_images(texts.videos, images));
  const bool has_clip =
      std::any_of(images.begin(), images.end(), [](const auto& image) { return image->clip; });
  std::vector<std::string> controls;
  for (int32_t id = 0; id < tokenizer_.id_limit(); ++id) {
    if (tokenizer_.is_special(id)) controls.emplace_back(tokenizer_.token(id));
  }
  if (processor_) controls.emplace_back(processor_->marker());
  if (video_processor_) controls.emplace_back(video_processor_->marker());
  Rendering out;
  out.chosen = has_clip && video_template_ ? video_template_ : template_;
  OCELLI_ASSIGN(out.guard, LiteralGuard::create(std::move(controls), texts.all));
  out.options = options;
  out.options.tools = guarded(options.tools, out.guard);
  out.options.variables = guarded(options.variables, out.guard);
  out.messages = guarded_messages(messages, processor_ != nullptr, out.guard, images);
  OCELLI_ASSIGN(out.rendered, out.chosen->render(out.messages, out.options));
  OCELLI_TRY(expand(out, images));
  return out;
}

Result<Prompt> PromptBuilder::finish(const Rendering& rendering, Images images) const {
  Prompt prompt;
  prompt.images = std::move(images);
  OCELLI_ASSIGN(prompt.ids, tokenize(rendering.expanded, rendering.guard));
  prompt.text = rendering.guard.unguard(rendering.expanded);
  return number_rows(std::move(prompt));
}

Result<Prompt> PromptBuilder::build(const Json& messages, Images images,
                                    const text::RenderOptions& options) const {
  OCELLI_ASSIGN(const Rendering rendering, render(messages, images, options));
  return finish(rendering, std::move(images));
}

// Each of the template's own markers becomes its picture's tokens.
base::Status PromptBuilder::expand(Rendering& rendering, const Images& images) const {
  const std::string_view text = rendering.rendered.text;
  std::string& expanded = rendering.expanded;
  size_t next = 0, at = 0;
  while (processor_) {
    const size_t picture = text.find(processor_->marker(), at);
    const size_t video =
        video_processor_ ? text.find(video_processor_->marker(), at) : std::string_view::npos;
    const size_t found = std::min(picture, video);
    if (found == std::string_view::npos) break;
    if (next == images.size() || images[next]->clip.has_value() != (video < picture)) {
      return base::fail(Code::kBadInput,
                        "the chat template asks for more pictures than there are; choose another");
    }
    const PreparedImage& image = *images[next++];
    expanded.append(text.substr(at, found - at));
    const size_t begin = expanded.size();
    expanded.append(image.clip ? image.clip->prompt : processor_->prompt(image.tiles.plan));
    at = found + (image.clip ? video_processor_->marker() : processor_->marker()).size();
    rendering.pictures.push_back({found, at, begin, expanded.size()});
  }
  if (next != images.size())
    return base::fail(Code::kBadInput, "the chat template leaves pictures out; choose another");
  expanded.append(text.substr(at));
  return {};
}

// One text, so that what stands at its start (a space before the first word) or is merged across
// the words of a person and of the template is as it would be for any text.
Result<std::vector<int32_t>> PromptBuilder::tokenize(std::string_view expanded,
                                                     const LiteralGuard& guard) const {
  std::vector<size_t> literal_at;
  const std::string text = guard.unguard(expanded, &literal_at);
  return tokenizer_.encode(text, {.parse_special = true, .literal_at = literal_at});
}

Result<Prompt> PromptBuilder::number_rows(Prompt prompt) const {
  const auto image_id = processor_ ? tokenizer_.id_of(processor_->marker()) : std::nullopt;
  int32_t row = 0;
  for (const int32_t id : prompt.ids)
    prompt.image_rows.push_back(image_id && id == *image_id ? row++ : -1);
  int64_t expected = 0;
  for (const auto& image : prompt.images) expected += image->tiles.plan.tiles * tokens_per_tile_;
  if (row == expected) return prompt;
  return base::fail(Code::kBadInput, "the prompt has " + std::to_string(row) +
                                         " picture tokens but the pictures give " +
                                         std::to_string(expected) +
                                         "; image_seq_len and the model disagree");
}

}  // namespace ocelli::engine
