// PromptBuilder::build_tagged: from the spans that the template's renderer notes to tokens.
#include <algorithm>

#include "base/advice.h"
#include "engine/rendering.h"

namespace ocelli::engine {

using base::Json;
using base::Result;

namespace {

constexpr int kMaxOwnPrompts = 8;
constexpr std::string_view kAdvice = "; train on everything with --mask all";

// A stretch of text and what its tokens are. Stretches are in order and do not overlap.
struct Stretch {
  size_t begin = 0, end = 0;
  TokenOrigin origin;
};

bool is_assistant(const Json& message) {
  const std::string role = message.get_string("role", "").value();
  return role == "assistant" || role == "model";
}

// What a template adds to ask for an answer to the first `count` messages. nullopt where it cannot
// render them or does not simply add to them.
std::optional<std::string> generation_prompt(const text::ChatTemplate& chat, const Json& messages,
                                             size_t count, text::RenderOptions options) {
  if (count == 0) return std::nullopt;
  const Json asked =
      Json::array({messages.items().begin(), messages.items().begin() + long(count)});
  options.add_generation_prompt = false;
  const auto without = chat.render(asked, options);
  options.add_generation_prompt = true;
  const auto with = chat.render(asked, options);
  if (!without.ok() || !with.ok() || !with->text.starts_with(without->text)) return std::nullopt;
  return with->text.substr(without->text.size());
}

// How much of `answer` is the generation prompt: all of it, or its whole lines as far as they agree
// (a prompt that opens a thought, before an answer without one).
std::optional<size_t> header_bytes(std::string_view answer, std::string_view prompt, bool lines) {
  if (!lines) return answer.starts_with(prompt) ? std::optional(prompt.size()) : std::nullopt;
  for (size_t end = prompt.rfind('\n'); end != prompt.npos && end > 0;
       end = prompt.rfind('\n', end - 1)) {
    if (answer.starts_with(prompt.substr(0, end + 1))) return end + 1;
  }
  return std::nullopt;
}

// The first words of a message, to see that an answer begins with them.
std::string_view first_words(const Json& message) {
  const Json* content = message.find("content");
  std::string_view text;
  if (content && content->is_string()) text = content->as_string();
  if (content && content->is_array()) {
    for (const Json& part : content->items()) {
      const Json* words = part.find("text");
      if (words && words->is_string() && text.empty()) text = words->as_string();
    }
  }
  const size_t begin = std::min(text.find_first_not_of(" \n\t"), text.size());
  return text.substr(begin, text.find_first_of(" \n\t", begin) - begin);
}

// Finds the answers' headers in what was rendered.
class Headers {
 public:
  Headers(const text::ChatTemplate& chat, const Json& messages, const text::RenderOptions& options)
      : chat_(chat), messages_(messages), options_(options) {}

  // Bytes of the header of message `number`, whose text begins with `answer`.
  std::optional<size_t> find(size_t number, std::string_view answer) {
    if (!whole_) whole_ = generation_prompt(chat_, messages_, messages_.size(), options_);
    if (const auto bytes = match(number, answer, *whole_, false)) return bytes;
    std::optional<std::string> own;
    if (own_ < kMaxOwnPrompts && ++own_ > 0)
      own = generation_prompt(chat_, messages_, number, options_);
    if (const auto bytes = match(number, answer, own, false)) return bytes;
    if (const auto bytes = match(number, answer, *whole_, true)) return bytes;
    return match(number, answer, own, true);
  }

 private:
  std::optional<size_t> match(size_t number, std::string_view answer,
                              const std::optional<std::string>& prompt, bool lines) const {
    if (!prompt) return std::nullopt;
    if (!prompt->empty()) return header_bytes(answer, *prompt, lines);
    // Templates without a generation prompt begin the answer at once, or else are not understood.
    const std::string_view words = first_words(messages_.items()[number]);
    const size_t begin = std::min(answer.find_first_not_of(" \n\t"), answer.size());
    return answer.substr(begin).starts_with(words) ? std::optional<size_t>(0) : std::nullopt;
  }

  const text::ChatTemplate& chat_;
  const Json& messages_;
  const text::RenderOptions& options_;
  std::optional<std::optional<std::string>> whole_;
  int own_ = 0;  // prompts of single answers rendered; each takes as long as the conversation
};

// Cuts [begin, end) of an answer at `header` and at the {% generation %} blocks in it.
void cut_answer(const text::MessageSpan& span, size_t header,
                const std::vector<text::TextSpan>& generation, std::vector<Stretch>& out) {
  const auto add = [&](size_t begin, size_t end, Part part) {
    if (begin < end) out.push_back({begin, end, {span.message, -1, part}});
  };
  const size_t content = std::clamp(header, span.begin, span.end);
  add(span.begin, content, Part::kHeader);
  if (generation.empty()) return add(content, span.end, Part::kContent);
  size_t at = content;
  auto next = std::lower_bound(generation.begin(), generation.end(), content,
                               [](const auto& said, size_t place) { return said.end <= place; });
  for (; next != generation.end() && next->begin < span.end; ++next) {
    const text::TextSpan& said = *next;
    const size_t begin = std::clamp(said.begin, at, span.end);
    const size_t end = std::clamp(said.end, begin, span.end);
    add(at, begin, at == content ? Part::kHeader : Part::kTail);
    add(begin, end, Part::kContent);
    at = end;
  }
  add(at, span.end, at == content ? Part::kHeader : Part::kTail);
}

// The blocks in the order of the text; those that touch or lie within others are one.
std::vector<text::TextSpan> joined(std::vector<text::TextSpan> blocks) {
  std::sort(blocks.begin(), blocks.end(),
            [](const auto& a, const auto& b) { return a.begin < b.begin; });
  std::vector<text::TextSpan> out;
  for (const text::TextSpan& block : blocks) {
    if (!out.empty() && block.begin <= out.back().end) {
      out.back().end = std::max(out.back().end, block.end);
    } else {
      out.push_back(block);
    }
  }
  return out;
}

// The message stretches of the rendered text.
std::vector<Stretch> message_stretches(const text::Rendered& rendered, const Json& messages,
                                       Headers& headers, std::vector<std::string>& problems) {
  std::vector<Stretch> out;
  std::vector<bool> seen(messages.size());
  const std::vector<text::TextSpan> generation = joined(rendered.generation);
  for (const text::MessageSpan& span : rendered.messages) {
    const auto number = size_t(span.message);
    if (!is_assistant(messages.items()[number])) {
      out.push_back({span.begin, span.end, {span.message, -1, Part::kContent}});
      continue;
    }
    size_t header = span.begin;
    if (!seen[number]) {
      const auto bytes = headers.find(number, std::string_view(rendered.text).substr(span.begin));
      if (bytes) header += *bytes;
      if (!bytes && generation.empty()) {
        problems[number] =
            "the chat template does not begin this answer as it asks for one, so it cannot be "
            "told where the answer starts" +
            std::string(kAdvice);
      }
    }
    seen[number] = true;
    cut_answer(span, header, generation, out);
  }
  for (size_t i = 0; i < seen.size(); ++i) {
    if (!seen[i] && is_assistant(messages.items()[i]) && problems[i].empty())
      problems[i] =
          "the chat template does not write this answer within a loop over the messages, "
          "so it cannot be told which text is its" +
          std::string(kAdvice);
  }
  return out;
}

// Each token gets what the stretch is in which it begins.
void tag(const std::vector<size_t>& begins, const std::vector<Stretch>& stretches,
         std::vector<TokenOrigin>& origins) {
  auto next = stretches.begin();
  for (size_t i = 0; i < begins.size(); ++i) {
    while (next != stretches.end() && next->end <= begins[i]) ++next;
    if (next == stretches.end()) return;
    if (next->begin <= begins[i]) origins[i] = next->origin;
  }
}

// Finds the token that ends each message: the last one that stops the model, or else the last
// special one. What follows it is the tail.
void mark_ends(const text::Tokenizer& tokenizer, std::span<const int32_t> ids,
               std::span<const int32_t> stop_ids, std::vector<TokenOrigin>& origins,
               std::vector<int64_t>& ends) {
  std::vector<int64_t> special(ends.size(), -1);
  for (size_t i = 0; i < ids.size(); ++i) {
    if (origins[i].message < 0 || origins[i].part != Part::kContent) continue;
    const auto message = size_t(origins[i].message);
    if (std::find(stop_ids.begin(), stop_ids.end(), ids[i]) != stop_ids.end())
      ends[message] = int64_t(i);
    if (tokenizer.is_special(ids[i])) special[message] = int64_t(i);
  }
  for (size_t m = 0; m < ends.size(); ++m) {
    if (ends[m] < 0) ends[m] = special[m];
  }
  for (size_t i = 0; i < ids.size(); ++i) {
    TokenOrigin& origin = origins[i];
    if (origin.message < 0 || origin.part != Part::kContent) continue;
    const int64_t end = ends[size_t(origin.message)];
    if (end >= 0 && int64_t(i) >= end) origin.part = int64_t(i) == end ? Part::kEnd : Part::kTail;
  }
}

}  // namespace

std::optional<std::vector<size_t>> token_begins(const text::Tokenizer& tokenizer,
                                                std::string_view text,
                                                std::span<const int32_t> ids) {
  std::vector<size_t> begins;
  size_t at = 0;
  for (const int32_t id : ids) {
    std::string_view bytes = tokenizer.bytes_of(id);
    if (!text.substr(at).starts_with(bytes)) {
      // A token may swallow the spaces around it; the first one may have got a space in front.
      const size_t skipped = std::min(text.find_first_not_of(" \n\t\r", at), text.size());
      if (text.substr(skipped).starts_with(bytes)) {
        at = skipped;
      } else if (at == 0 && bytes.starts_with(" ") && text.starts_with(bytes.substr(1))) {
        bytes.remove_prefix(1);
      } else {
        return std::nullopt;
      }
    }
    begins.push_back(at);
    at += bytes.size();
  }
  if (text.find_first_not_of(" \n\t\r", at) != text.npos) return std::nullopt;
  return begins;
}

Result<TaggedPrompt> PromptBuilder::build_tagged(
    const Json& messages, std::vector<std::shared_ptr<const PreparedImage>> images,
    const text::RenderOptions& options, std::span<const int32_t> stop_ids) const {
  text::RenderOptions whole = options;
  whole.add_generation_prompt = false;
  OCELLI_ASSIGN(const Rendering r, render(messages, images, whole));
  TaggedPrompt out;
  OCELLI_ASSIGN(out.prompt, finish(r, std::move(images)));
  out.origins.resize(out.prompt.ids.size());
  out.problems.resize(messages.size());
  Headers headers(*r.chosen, r.messages, r.options);
  std::vector<Stretch> stretches = message_stretches(r.rendered, r.messages, headers, out.problems);
  // Places move when markers become pictures and when sentinels go.
  std::vector<size_t> places;
  auto picture = r.pictures.begin();
  size_t shown = 0, named = 0;  // bytes of the pictures before, and of their markers
  for (const Stretch& stretch : stretches) {
    for (const size_t place : {stretch.begin, stretch.end}) {
      for (; picture != r.pictures.end() && picture->marker_end <= place; ++picture) {
        shown += picture->end - picture->begin;
        named += picture->marker_end - picture->marker_begin;
      }
      places.push_back(place + shown - named);
    }
  }
  r.guard.move_places(r.expanded, places);
  for (size_t i = 0; i < stretches.size(); ++i) {
    stretches[i].begin = places[2 * i];
    stretches[i].end = places[2 * i + 1];
  }
  const auto begins = token_begins(tokenizer_, out.prompt.text, out.prompt.ids);
  if (!begins) {
    std::fill(out.problems.begin(), out.problems.end(),
              "the tokenizer rewrites the text, so that its tokens cannot be traced" +
                  std::string(kAdvice));
    for (size_t i = 0; i < out.origins.size(); ++i) {
      if (out.prompt.image_rows[i] >= 0) out.origins[i].part = Part::kPicture;
    }
    return out;
  }
  tag(*begins, stretches, out.origins);
  mark_pictures(r, *begins, out.origins);
  std::vector<int64_t> ends(messages.size(), -1);
  mark_ends(tokenizer_, out.prompt.ids, stop_ids, out.origins, ends);
  for (size_t m = 0; m < ends.size(); ++m) {
    if (ends[m] >= 0 || !out.problems[m].empty() || !is_assistant(messages.items()[m])) continue;
    if (!r.rendered.generation.empty()) continue;  // the template says itself what is learnt
    out.problems[m] =
        "the chat template does not end this answer with a token that stops the "
        "model" +
        std::string(kAdvice);
  }
  return out;
}

void PromptBuilder::mark_pictures(const Rendering& rendering, const std::vector<size_t>& begins,
                                  std::vector<TokenOrigin>& origins) {
  std::vector<size_t> places;
  for (const Rendering::Picture& picture : rendering.pictures) {
    places.push_back(picture.begin);
    places.push_back(picture.end);
  }
  rendering.guard.move_places(rendering.expanded, places);
  size_t number = 0;
  for (size_t i = 0; i < begins.size(); ++i) {
    while (2 * number < places.size() && places[2 * number + 1] <= begins[i]) ++number;
    if (2 * number == places.size()) return;
    if (places[2 * number] > begins[i]) continue;
    origins[i].picture = int32_t(number);
    origins[i].part = Part::kPicture;
  }
}

}  // namespace ocelli::engine
