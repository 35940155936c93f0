// Prompt: what the model sees. Built from messages by the model's own chat template, with each
// picture expanded to the tokens that stand for its tiles.
//
// Text from outside (messages, tools, arguments of the template) never turns into control tokens:
// "<image>" or "<end_of_utterance>" typed by a person stays text.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/hash.h"
#include "base/json.h"
#include "engine/literal_guard.h"
#include "models/image_processor.h"
#include "models/video_processor.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace ocelli::engine {

// What is known of a clip besides its pixels.
struct Clip {
  media::VideoInfo info;
  std::vector<int64_t> indices;     // of the frames that the model sees, one tile each
  std::vector<double> seconds;      // their times in the file
  std::vector<std::string> labels;  // their times as the model is told
  std::string prompt;               // what stands in the prompt for the clip
};

// A picture or a clip of a request: decoded, cut, and known by content.
struct PreparedImage {
  std::string name;  // for people: the file
  media::ImageFacts facts;
  int width = 0, height = 0;  // upright
  models::Tiles tiles;
  std::optional<Clip> clip;
  base::Digest256 key;  // of the tiles and of everything that decides their embeddings
};

struct Prompt {
  std::string text;  // as rendered and expanded
  std::vector<int32_t> ids;
  std::vector<std::shared_ptr<const PreparedImage>> images;  // in the order of their markers
  std::vector<int32_t> image_rows;  // per id: row in the concatenated picture embeddings, or -1

  int64_t image_tokens() const;
};

// What a token is in its message.
enum class Part : uint8_t {
  kOutside,  // of no message: the template's own
  kHeader,   // before an answer: what the template writes to make the model begin one
  kContent,  // what is said
  kEnd,      // the token that ends the turn
  kTail,     // behind it, still of the message
  kPicture   // stands for a picture or clip: embeddings, tile markers, times of frames
};

struct TokenOrigin {
  int32_t message = -1;  // number of the message that it is of, or -1
  int32_t picture = -1;  // number of the picture that it stands for, or -1
  Part part = Part::kOutside;
};

// A prompt that knows who said which token. Provenance comes from the template as it is rendered,
// never from looking for texts, so that tools, dropped thinking, pictures and clips need no rules.
struct TaggedPrompt {
  Prompt prompt;
  std::vector<TokenOrigin> origins;  // per id
  // Per message: why its answer cannot be told from what surrounds it; empty where it can, and for
  // messages that are not the assistant's.
  std::vector<std::string> problems;
};

// The byte of `text` at which each token begins; nullopt where the tokens do not spell the text.
std::optional<std::vector<size_t>> token_begins(const text::Tokenizer& tokenizer,
                                                std::string_view text,
                                                std::span<const int32_t> ids);

class PromptBuilder {
 public:
  PromptBuilder(const text::Tokenizer& tokenizer, const text::ChatTemplate* chat_template,
                const models::ImageProcessor* processor, int64_t tokens_per_tile)
      : tokenizer_(tokenizer),
        template_(chat_template),
        processor_(processor),
        tokens_per_tile_(tokens_per_tile) {}
  // For a model that takes clips. `chat_template` is that of messages with a clip; null: the same.
  void take_videos(const models::VideoProcessor* processor,
                   const text::ChatTemplate* chat_template) {
    video_processor_ = processor;
    video_template_ = chat_template;
  }

  // messages: [{"role": ..., "content": text | [{"type": "text", "text": ...}, {"type": "image"},
  // {"type": "video"}]}]. `images` are those of the "image" and "video" parts, in order; their
  // number must agree. An "image" that is a clip is taken as "video".
  base::Result<Prompt> build(const base::Json& messages,
                             std::vector<std::shared_ptr<const PreparedImage>> images,
                             const text::RenderOptions& options) const;
  // The same, tagged; options.add_generation_prompt does not count: the conversation is whole.
  // `stop_ids`: tokens that end an answer. A token is of the message in which its first byte lies.
  base::Result<TaggedPrompt> build_tagged(
      const base::Json& messages, std::vector<std::shared_ptr<const PreparedImage>> images,
      const text::RenderOptions& options, std::span<const int32_t> stop_ids) const;
  // Text as it is, without a template; control tokens in it count. No pictures.
  base::Result<Prompt> raw(std::string_view text) const;

 private:
  base::Status check_images(const std::vector<bool>& videos,
                            const std::vector<std::shared_ptr<const PreparedImage>>& images) const;
  struct Rendering;  // in rendering.h
  base::Result<Rendering> render(const base::Json& messages,
                                 const std::vector<std::shared_ptr<const PreparedImage>>& images,
                                 const text::RenderOptions& options) const;
  base::Status expand(Rendering& rendering,
                      const std::vector<std::shared_ptr<const PreparedImage>>& images) const;
  base::Result<Prompt> finish(const Rendering& rendering,
                              std::vector<std::shared_ptr<const PreparedImage>> images) const;
  static void mark_pictures(const Rendering& rendering, const std::vector<size_t>& begins,
                            std::vector<TokenOrigin>& origins);
  base::Status add_around(Prompt& prompt) const;
  base::Result<std::vector<int32_t>> tokenize(std::string_view expanded,
                                              const LiteralGuard& guard) const;
  base::Result<Prompt> number_rows(Prompt prompt) const;
  const text::Tokenizer& tokenizer_;
  const text::ChatTemplate* template_;
  const models::ImageProcessor* processor_;
  const models::VideoProcessor* video_processor_ = nullptr;
  const text::ChatTemplate* video_template_ = nullptr;
  int64_t tokens_per_tile_;
};

}  // namespace ocelli::engine
