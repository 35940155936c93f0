#include "train/sample_maker.h"

#include <algorithm>

#include "base/names.h"
#include "engine/tools.h"

namespace ocelli::train {

using base::Code;
using base::fail;
using base::Json;
using base::Result;
using base::Status;
using engine::TaggedPrompt;

namespace {

constexpr base::Named<Truncation> kNames[] = {{Truncation::kKeepStart, "keep_start"},
                                              {Truncation::kKeepEnd, "keep_end"},
                                              {Truncation::kDrop, "drop"}};

// JSON as models were trained to write calls: with a space behind : and ,.
void append_spaced(const Json& value, std::string& out) {
  if (value.is_array()) {
    out += '[';
    for (size_t i = 0; i < value.size(); ++i) {
      if (i > 0) out += ", ";
      append_spaced(value.items()[i], out);
    }
    out += ']';
  } else if (value.is_object()) {
    out += '{';
    for (size_t i = 0; i < value.size(); ++i) {
      if (i > 0) out += ", ";
      out += Json(value.members()[i].first).dump() + ": ";
      append_spaced(value.members()[i].second, out);
    }
    out += '}';
  } else {
    out += value.dump();
  }
}

// The calls of a message as text, for templates that write only content.
std::string calls_text(const Json& calls) {
  std::string out;
  for (const Json& call : calls.items()) {
    const Json* function = call.find("function");
    const Json& described = function ? *function : call;
    Json shown = Json::object();
    for (const char* key : {"name", "arguments"}) {
      if (const Json* value = described.find(key)) shown.set(key, *value);
    }
    out += out.empty() ? "<tool_call>\n" : "\n<tool_call>\n";
    append_spaced(shown, out);
    out += "\n</tool_call>";
  }
  return out;
}

Json with_calls_as_text(const Json& message) {
  const Json* calls = message.find("tool_calls");
  if (!calls || !calls->is_array() || calls->size() == 0) return message;
  Json parts = Json::array();
  const Json* content = message.find("content");
  bool words = false;
  for (const Json& part : content && content->is_array() ? content->items() : Json::Array()) {
    const Json* text = part.find("text");
    words = words || (text && !text->as_string().empty());
    parts.push_back(part);
  }
  parts.push_back(
      Json::object({{"type", "text"}, {"text", (words ? "\n" : "") + calls_text(*calls)}}));
  Json out = Json::object();
  for (const auto& [key, value] : message.members()) {
    if (key != "tool_calls") out.set(key, key == "content" ? parts : value);
  }
  return out;
}

// The messages as the model's template can write them.
Result<Json> writable(const engine::Engine& engine, const Json& messages) {
  if (engine.template_mentions("tool_calls")) return messages;
  const bool calls =
      std::any_of(messages.items().begin(), messages.items().end(),
                  [](const Json& message) { return message.find("tool_calls") != nullptr; });
  if (!calls) return messages;
  if (!engine.template_mentions("<tool_call>")) {
    return fail(Code::kBadInput,
                "the model's chat template writes no tool calls; leave the row out or choose a "
                "model that was trained with tools");
  }
  Json out = Json::array();
  for (const Json& message : messages.items()) out.push_back(with_calls_as_text(message));
  return out;
}

Json merged(const Json& defaults, const Json& own) {
  Json out = Json::object();
  for (const Json* from : {&defaults, &own}) {
    for (const auto& [key, value] :
         from->is_object() ? from->members() : std::vector<Json::Member>())
      out.set(key, value);
  }
  return out;
}

}  // namespace

std::optional<Truncation> truncation_of(std::string_view name) {
  return base::value_named(kNames, name);
}

std::string_view name_of(Truncation truncation) {
  return base::name_among(kNames, truncation);
}

Result<SampleMaker> SampleMaker::create(engine::Engine& engine, SampleOptions options) {
  if (options.max_length < 0) {
    return fail(Code::kUsage, "max_length must be 0 or more (" +
                                  std::to_string(options.max_length) +
                                  "); 0 means the model's context");
  }
  if (options.max_length == 0) options.max_length = engine.context();
  if (options.max_length > engine.context()) {
    return fail(Code::kDoesNotFit, "max_length is longer than the context (" +
                                       std::to_string(options.max_length) + ", limit " +
                                       std::to_string(engine.context()) + "); choose less");
  }
  OCELLI_TRY(engine::check_tools(engine, options.arguments));
  return SampleMaker(engine, std::move(options));
}

Result<SampleMaker::Images> SampleMaker::prepare(const Dataset& data, int64_t index,
                                                 const Row& row) const {
  Images out;
  for (const Media& media : row.media) {
    if (media.path.empty()) {
      OCELLI_ASSIGN(auto image, engine_->prepare_file(media.bytes,
                                                      "picture " + std::to_string(out.size() + 1)));
      out.push_back(std::move(image));
      continue;
    }
    OCELLI_ASSIGN(const std::string path, data.media_path(index, media));
    const auto file = base::MappedFile::open(path);
    if (!file.ok()) return fail(Code::kBadInput, file.error().what, path);
    OCELLI_ASSIGN(auto image, engine_->prepare_file(file->bytes(), path));
    out.push_back(std::move(image));
  }
  return out;
}

Result<Sample> SampleMaker::raw_sample(const Row& row, const std::string& completion) const {
  Sample out;
  const std::string text = row.text + completion;
  OCELLI_ASSIGN(out.prompt, engine_->raw_prompt(text));
  const bool whole = row.format == RowFormat::kText || options_.mask == Mask::kAll ||
                     options_.mask == Mask::kHfNotebook;
  out.plain = row.format == RowFormat::kText;
  out.trained.assign(out.prompt.ids.size(), 1);
  if (!whole) {
    const auto begins = engine::token_begins(engine_->tokenizer(), out.prompt.text, out.prompt.ids);
    if (!begins) {
      return fail(Code::kBadInput,
                  "the tokenizer rewrites the text, so that its tokens cannot be "
                  "traced; train on everything with --mask all");
    }
    const size_t said = out.prompt.text.size() - completion.size();  // behind <bos> and prompt
    for (size_t i = 0; i < begins->size(); ++i) out.trained[i] = (*begins)[i] >= said;
  }
  if (!engine_->stop_ids().empty()) {
    out.prompt.ids.push_back(engine_->stop_ids().front());
    out.prompt.text += engine_->tokenizer().token(engine_->stop_ids().front());
    out.prompt.image_rows.push_back(-1);
    out.trained.push_back(1);
  }
  return out;
}

Result<Sample> SampleMaker::chat_sample(const Row& row, const Json& messages,
                                        const Images& images) const {
  OCELLI_ASSIGN(const Json written, writable(*engine_, messages));
  const Json arguments = merged(options_.arguments, row.arguments);
  OCELLI_TRY(engine::check_tools(*engine_, arguments));
  OCELLI_ASSIGN(TaggedPrompt tagged,
                engine_->tagged_prompt(written, images, arguments, options_.now));
  Sample out;
  OCELLI_ASSIGN(out.trained, trained_tokens(tagged, written, row.prompt_messages, options_.mask));
  if (!images.empty()) {
    for (const engine::TokenOrigin& origin : tagged.origins) out.picture.push_back(origin.picture);
  }
  out.prompt = std::move(tagged.prompt);
  return out;
}

// Within the length; false where it is to be dropped.
Result<bool> SampleMaker::fit(Sample& sample) {
  if (sample.tokens() > options_.max_length) {
    const bool had_any = sample.trained_tokens() > 0;
    if (options_.truncation == Truncation::kDrop) {
      ++counts_.too_long;
      return false;
    }
    truncate(sample, options_.max_length, options_.truncation);
    OCELLI_ASSIGN(sample.prompt.text, engine_->tokenizer().decode(sample.prompt.ids));
    if (had_any && sample.trained_tokens() == 0) {
      ++counts_.too_long;
      return false;
    }
    ++counts_.truncated;
  }
  if (sample.trained_tokens() > 0) return true;
  ++counts_.untrained;
  return false;
}

Result<std::optional<Example>> SampleMaker::make_row(const Dataset& data, int64_t index,
                                                     const Row& row) {
  Example out;
  out.row = index;
  const bool texts =
      row.format == RowFormat::kText || (row.plain && (options_.raw || !engine_->has_template()));
  if (texts) {
    OCELLI_ASSIGN(out.sample, raw_sample(row, row.completion));
    if (row.rejected) {
      OCELLI_ASSIGN(out.rejected, raw_sample(row, row.rejected_completion));
    }
  } else {
    if (options_.raw || !engine_->has_template()) {
      return fail(
          Code::kUsage,
          options_.raw
              ? "raw training takes texts, but this row is a conversation; leave --raw-text out"
              : "the model has no chat template, so it cannot learn conversations; give "
                "texts, or prompts with completions, or take an instruct model");
    }
    OCELLI_ASSIGN(const Images images, prepare(data, index, row));
    OCELLI_ASSIGN(out.sample, chat_sample(row, *row.messages, images));
    if (row.rejected) {
      OCELLI_ASSIGN(out.rejected, chat_sample(row, *row.rejected, images));
    }
  }
  OCELLI_ASSIGN(bool keep, fit(out.sample));
  if (keep && out.rejected) {
    OCELLI_ASSIGN(keep, fit(*out.rejected));
  }
  if (!keep) return std::optional<Example>();
  ++counts_.made;
  return std::optional<Example>(std::move(out));
}

Result<std::optional<Example>> SampleMaker::make(const Dataset& data, int64_t index) {
  OCELLI_ASSIGN(const Row row, data.row(index));
  auto made = make_row(data, index, row);
  if (!made.ok()) return std::move(made).error().in(data.where(index));
  return made;
}

void truncate(Sample& sample, int64_t max_length, Truncation truncation) {
  const auto n = sample.tokens();
  if (n <= max_length) return;
  const auto picture = [&](int64_t i) {
    return sample.picture.empty() ? -1 : sample.picture[size_t(i)];
  };
  const auto inside = [&](int64_t cut) {  // a cut before token `cut` would go through a picture
    return cut > 0 && cut < n && picture(cut) >= 0 && picture(cut) == picture(cut - 1);
  };
  int64_t begin = 0, end = n;
  if (truncation == Truncation::kKeepStart) {
    end = max_length;
    while (inside(end)) --end;
  } else {
    begin = n - max_length;
    while (inside(begin)) ++begin;
  }
  const auto keep = [&](auto& list) {
    if (list.empty()) return;
    list.erase(list.begin() + end, list.end());
    list.erase(list.begin(), list.begin() + begin);
  };
  int32_t pictures_before = 0, rows_before = 0, pictures = 0;
  for (int64_t i = 0; i < end; ++i) {
    int32_t& count = i < begin ? pictures_before : pictures;
    if (picture(i) >= 0 && (i == 0 || picture(i) != picture(i - 1))) ++count;
    if (i < begin && sample.prompt.image_rows[size_t(i)] >= 0) ++rows_before;
  }
  keep(sample.prompt.ids);
  keep(sample.prompt.image_rows);
  keep(sample.trained);
  keep(sample.picture);
  for (int32_t& row : sample.prompt.image_rows) row = row >= 0 ? row - rows_before : -1;
  for (int32_t& number : sample.picture) number = number >= 0 ? number - pictures_before : -1;
  auto& images = sample.prompt.images;
  images.erase(images.begin(), images.begin() + pictures_before);
  images.resize(size_t(pictures));
}

}  // namespace ocelli::train
