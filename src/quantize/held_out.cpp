#include "quantize/held_out.h"

#include <algorithm>
#include <filesystem>

#include "base/file.h"
#include "media/limits.h"
#include "quantize/pictures.h"

namespace ocelli::quantize {

using base::Code;
using base::fail;
using base::Json;
using base::Result;
using base::Status;
using engine::Engine;
using engine::PreparedImage;
using engine::Prompt;

namespace {

namespace fs = std::filesystem;
using Picture = std::shared_ptr<const PreparedImage>;

constexpr const char* kQuestions[] = {"Why is the sky blue?",
                                      "Write a short story about a lighthouse.",
                                      "How do I make a good cup of tea?",
                                      "Explain what a prime number is.",
                                      "What should I see on one day in Rome?",
                                      "Write a Python function that reverses a list.",
                                      "Give me three reasons to learn to swim.",
                                      "Describe how a bicycle stays upright."};
constexpr const char* kAboutPictures[] = {"What is in the picture?", "Describe this picture.",
                                          "How many things do you see?",
                                          "What colours are in the image?"};
constexpr const char* kBeginnings[] = {"The", "In the beginning",         "Once upon a time",
                                       "We",  "According to the report,", "1."};
constexpr size_t kDrawnPictures = 16;  // different ones
constexpr int kDrawnSide = 384;
constexpr size_t kPieceBytes = 1024;  // of a text file: about 256 tokens
constexpr int64_t kMostPieceTokens = 512;

Json message(const std::string& role, const std::string& text, size_t pictures) {
  Json parts = Json::array();
  for (size_t i = 0; i < pictures; ++i) parts.push_back(Json::object({{"type", "image"}}));
  parts.push_back(Json::object({{"type", "text"}, {"text", text}}));
  return Json::object({{"role", role}, {"content", std::move(parts)}});
}

class Collector {
 public:
  Collector(Engine& engine, const HeldOutOptions& options) : engine_(engine), options_(options) {
    if (options_.tokens <= 0) options_.tokens = default_tokens(engine.loaded().parameters);
  }

  Result<HeldOutSet> run() {
    std::error_code error;
    if (options_.data.empty()) {
      OCELLI_TRY(sample_all(drawn_pictures()));
      out_.description = "answers of the float32 model to fixed questions" +
                         std::string(out_.pictures ? ", half of them about drawn pictures" : "") +
                         ", sampled at temperature 1, seeds from " + std::to_string(options_.seed);
    } else if (fs::is_directory(options_.data, error)) {
      OCELLI_ASSIGN(const std::vector<Picture> pictures, folder_pictures());
      OCELLI_TRY(sample_pictures(pictures, options_.tokens));
      out_.description = "answers of the float32 model about the pictures of " + options_.data +
                         ", sampled at temperature 1, seeds from " + std::to_string(options_.seed);
    } else {
      OCELLI_TRY(read_data());
      out_.description = "texts of " + options_.data;
    }
    if (tokens_ == 0) {
      return fail(Code::kUsage, "nothing to measure on: no token counts",
                  options_.data.empty() ? "held-out data" : options_.data);
    }
    return std::move(out_);
  }

 private:
  bool full() const { return tokens_ >= options_.tokens; }

  Status add(HeldOut sample) {
    if (!sample.scored.empty()) sample.scored[0] = 0;
    tokens_ += sample.tokens();
    if (sample.tokens() > 0) out_.samples.push_back(std::move(sample));
    if (options_.progress) {
      options_.progress->update(std::min(1.0, double(tokens_) / double(options_.tokens)),
                                "collecting texts to measure on");
    }
    return options_.cancel ? options_.cancel->check() : Status();
  }

  // The prompt with an answer that the model draws.
  Status sample(const Prompt& prompt, int64_t most) {
    OCELLI_ASSIGN(engine::Session session, engine::Session::create(engine_));
    engine::GenerateOptions how;
    how.sampling.temperature = 1;
    how.sampling.seed = options_.seed + drawn_++;
    how.max_tokens = std::clamp<int64_t>(most, 1, kSampleTokens);
    how.cancel = options_.cancel;
    OCELLI_ASSIGN(const engine::Generated answer, session.generate(prompt, how));
    HeldOut out;
    out.prompt = prompt;
    std::vector<int32_t> ids = answer.ids;
    // The token that ended it counts as well, where there is only one that does.
    if (answer.finish == engine::FinishReason::kStop && engine_.stop_ids().size() == 1)
      ids.push_back(engine_.stop_ids()[0]);
    out.scored.assign(prompt.ids.size(), 0);
    out.prompt.ids.insert(out.prompt.ids.end(), ids.begin(), ids.end());
    out.prompt.image_rows.resize(out.prompt.ids.size(), -1);
    out.scored.resize(out.prompt.ids.size(), 1);
    return add(std::move(out));
  }

  Status sample_texts(int64_t until) {
    const bool chat = engine_.has_template();
    for (size_t round = 0; round < options_.rounds; ++round) {
      for (size_t i = 0; i < (chat ? std::size(kQuestions) : std::size(kBeginnings)); ++i) {
        if (tokens_ >= until) return {};
        const Json messages = chat ? Json::array({message("user", kQuestions[i], 0)}) : Json();
        OCELLI_ASSIGN(const Prompt prompt, chat ? engine_.build_prompt(messages, {})
                                                : engine_.raw_prompt(kBeginnings[i]));
        OCELLI_TRY(sample(prompt, until - tokens_));
      }
    }
    return {};
  }

  Status sample_pictures(const std::vector<Picture>& pictures, int64_t until) {
    for (size_t i = 0; i < options_.rounds * std::max<size_t>(pictures.size(), 1); ++i) {
      if (tokens_ >= until || pictures.empty()) break;
      const Picture& picture = pictures[i % pictures.size()];
      const char* question = kAboutPictures[(i + i / pictures.size()) % std::size(kAboutPictures)];
      OCELLI_ASSIGN(const Prompt prompt,
                    engine_.build_prompt(Json::array({message("user", question, 1)}), {picture}));
      if (i < pictures.size()) ++out_.pictures;
      OCELLI_TRY(sample(prompt, until - tokens_));
    }
    return {};
  }

  Result<std::vector<Picture>> drawn() {
    std::vector<Picture> out;
    for (size_t i = 0; i < kDrawnPictures; ++i) {
      const std::string name = "drawn picture " + std::to_string(i);
      OCELLI_ASSIGN(Picture p,
                    engine_.prepare_image(draw_picture(options_.seed + i, kDrawnSide), name));
      out.push_back(std::move(p));
    }
    return out;
  }

  bool drawn_pictures() const { return engine_.processor() && engine_.has_template(); }

  Status sample_all(bool pictures) {
    if (pictures) {
      OCELLI_ASSIGN(const std::vector<Picture> list, drawn());
      OCELLI_TRY(sample_pictures(list, options_.tokens / 2));
    }
    return sample_texts(options_.tokens);
  }

  Result<Picture> picture_file(const std::string& path) {
    OCELLI_ASSIGN(const std::string bytes, base::read_file(path, media::kMaxImageBytes));
    return engine_.prepare_image(std::as_bytes(std::span(bytes)), path);
  }

  Result<std::vector<Picture>> folder_pictures() {
    std::vector<std::string> paths;
    std::error_code error;
    for (fs::directory_iterator it(options_.data, error), end; !error && it != end;
         it.increment(error)) {
      const std::string name = it->path().filename().string();
      if (it->is_regular_file(error) && name[0] != '.') paths.push_back(it->path().string());
      if (paths.size() > kMaxHeldOutSamples)
        return fail(Code::kDoesNotFit, "too many files in the folder", options_.data);
    }
    std::sort(paths.begin(), paths.end());
    // As many as the tokens are likely to need.
    constexpr size_t kMost = 64;
    if (paths.size() > kMost) paths.resize(kMost);
    std::vector<Picture> out;
    for (const std::string& path : paths) {
      OCELLI_ASSIGN(Picture p, picture_file(path));
      out.push_back(std::move(p));
    }
    if (out.empty()) return fail(Code::kUsage, "the folder holds no pictures", options_.data);
    return out;
  }

  Status text_piece(std::string_view text) {
    HeldOut out;
    // Control tokens in a person's text stay text only in messages; here they would count.
    OCELLI_ASSIGN(out.prompt, engine_.raw_prompt(text));
    if (int64_t(out.prompt.ids.size()) > kMostPieceTokens) {
      out.prompt.ids.resize(size_t(kMostPieceTokens));
      out.prompt.image_rows.resize(size_t(kMostPieceTokens));
    }
    out.scored.assign(out.prompt.ids.size(), 1);
    return add(std::move(out));
  }

  Status read_data() {
    OCELLI_ASSIGN(const std::string text, base::read_file(options_.data, kMaxHeldOutBytes));
    const bool rows = options_.data.ends_with(".jsonl");
    size_t number = 0;
    for (size_t at = 0; at < text.size() && !full();) {
      size_t end = rows ? text.find('\n', at) : std::min(text.size(), at + kPieceBytes);
      // A piece ends between words, never inside a character.
      while (!rows && end < text.size() && end > at + 1 && text[end] != ' ' && text[end] != '\n')
        --end;
      end = std::min(end, text.size());
      const std::string_view part = std::string_view(text).substr(at, end - at);
      at = end + (rows ? 1 : 0);
      ++number;
      if (part.find_first_not_of(" \t\r\n") == part.npos) continue;
      if (!rows) {
        OCELLI_TRY(text_piece(part));
        continue;
      }
      if (number > kMaxHeldOutSamples) break;
      OCELLI_TRY(row(part).in(options_.data + ", line " + std::to_string(number)));
    }
    return {};
  }

  Result<std::vector<Picture>> row_pictures(const Json& row) {
    std::vector<Picture> out;
    for (const char* key : {"image", "images"}) {
      const Json* value = row.find(key);
      if (!value || value->is_null()) continue;
      const Json list = value->is_array() ? *value : Json::array({*value});
      for (const Json& path : list.items()) {
        if (!path.is_string()) return fail(Code::kBadInput, "a picture is the name of a file", key);
        const fs::path whole = fs::path(options_.data).parent_path() / path.as_string();
        OCELLI_ASSIGN(Picture p, picture_file(whole.string()));
        out.push_back(std::move(p));
      }
    }
    return out;
  }

  Status row(std::string_view line) {
    OCELLI_ASSIGN(const Json row, Json::parse(line));
    if (const Json* text = row.find("text"); text && text->is_string() && row.size() == 1)
      return text_piece(text->as_string());
    OCELLI_ASSIGN(std::vector<Picture> pictures, row_pictures(row));
    out_.pictures += int64_t(pictures.size());
    Json messages;
    if (const Json* given = row.find("messages"); given && given->is_array()) {
      messages = *given;
    } else {
      OCELLI_ASSIGN(std::string question, row.get_string("question", std::string()));
      OCELLI_ASSIGN(question, row.get_string("prompt", std::move(question)));
      OCELLI_ASSIGN(std::string answer, row.get_string("completion", std::string()));
      OCELLI_ASSIGN(answer, row.get_string("answer", std::move(answer)));
      if (question.empty() || answer.empty()) {
        return fail(Code::kBadInput,
                    "a row has \"text\", \"messages\", or \"question\" and \"answer\"");
      }
      messages = Json::array(
          {message("user", question, pictures.size()), message("assistant", answer, 0)});
    }
    OCELLI_ASSIGN(engine::TaggedPrompt tagged,
                  engine_.tagged_prompt(messages, std::move(pictures), {}, 0));
    HeldOut out;
    out.scored.assign(tagged.prompt.ids.size(), 0);
    for (size_t i = 0; i < tagged.origins.size(); ++i) {
      const engine::TokenOrigin& from = tagged.origins[i];
      if (from.message < 0 || size_t(from.message) >= messages.size()) continue;
      const Json* role = messages.items()[size_t(from.message)].find("role");
      const bool answers = role && *role == Json("assistant");
      out.scored[i] =
          answers && (from.part == engine::Part::kContent || from.part == engine::Part::kEnd);
    }
    out.prompt = std::move(tagged.prompt);
    return add(std::move(out));
  }

  Engine& engine_;
  HeldOutOptions options_;
  HeldOutSet out_;
  int64_t tokens_ = 0;
  uint64_t drawn_ = 0;
};

}  // namespace

int64_t default_tokens(int64_t parameters) {
  constexpr int64_t kSmall = 300'000'000;
  return std::clamp(kHeldOutTokens * kSmall / std::max<int64_t>(1, parameters),
                    kFewestHeldOutTokens, kHeldOutTokens);
}

Result<HeldOutSet> collect_held_out(Engine& reference, const HeldOutOptions& options) {
  return Collector(reference, options).run();
}

}  // namespace ocelli::quantize
