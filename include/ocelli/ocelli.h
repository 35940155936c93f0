// Ocelli: run small multimodal models on your own machine.
//
//   #include <ocelli/ocelli.h>
//
//   int main() {
//     auto model = ocelli::Model::load("./SmolVLM2-256M");   // "": the built-in model
//     auto answer = model->ask("What is in the picture?", {"photo.jpg"});
//     std::puts(answer->text.c_str());
//   }
//
// Everything that can go wrong with files, pictures and prompts comes back as a Result: test it
// with ok() and read error().message(). Taking the value of a failed Result ends the program with
// that message. Nothing here prints, and nothing uses the network.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/cancel.h"
#include "base/result.h"

namespace ocelli {

using base::CancelToken;
using base::Code;
using base::Error;
using base::Result;

// "0.1.0"
std::string_view version();

struct LoadOptions {
  int threads = 0;        // 0: as many as the machine and its limits allow
  // "": as in the file; else converted to "f32", "bf16", "f16", "q8", "q4", "q8_0" or "q4_0"
  std::string weights{};
  int64_t context = 0;    // most tokens of a conversation; 0: what the model was trained with
  bool exact = false;  // float32 arithmetic and cache throughout: slower, reproduces the original
};

// Whether a model that can think before it answers does: as its chat template has it, or switched.
enum class Thinking { kDefault, kOn, kOff };

struct AskOptions {
  int64_t max_tokens = 512;
  double temperature = 0;  // 0: always the most likely token
  int top_k = 0;
  double top_p = 1, min_p = 0;
  double repetition_penalty = 1, presence_penalty = 0;
  uint64_t seed = 0;
  std::vector<std::string> stop{};  // end before any of these
  // Functions that the model may call: JSON, a list as OpenAI's API and transformers take it. For
  // models that were trained with tools; an error for others.
  std::string tools{};
  Thinking thinking = Thinking::kDefault;
  // Called with each piece of text as it comes, whole UTF-8 characters only; return false to stop.
  // Thinking goes to on_thinking instead, calls of tools only into the Answer.
  std::function<bool(std::string_view)> on_text{}, on_thinking{};
  const CancelToken* cancel = nullptr;  // may be requested from any thread
};

struct ToolCall {
  std::string name;
  std::string arguments;  // JSON text of an object
};

struct Answer {
  std::string text;                  // for a person
  std::string thinking;              // what the model thought before; mostly empty
  std::vector<ToolCall> tool_calls;  // what it wants to know
  std::string finish_reason;         // "stop", "tool_calls", "length" or "cancelled"
  int64_t prompt_tokens = 0;         // of which reused_tokens were known from earlier turns
  int64_t reused_tokens = 0;
  int64_t tokens = 0;
  double first_token_seconds = 0, seconds = 0;
};

// A picture: a path, or the bytes of a file (JPEG, PNG, WebP, GIF, BMP, TIFF, HEIC, AVIF).
class Picture {
 public:
  Picture(const char* path) : path_(path) {}
  Picture(std::string path) : path_(std::move(path)) {}
  static Picture from_bytes(std::vector<std::byte> file);

  bool is_file() const { return is_file_; }
  const std::string& path() const { return path_; }  // for messages where it is no file
  std::span<const std::byte> bytes() const { return bytes_; }

 private:
  std::string path_;
  std::vector<std::byte> bytes_;
  bool is_file_ = true;
};

class Conversation;

// A loaded model. Cheap to copy (copies share it); may be used from several threads, which take
// turns.
class Model {
 public:
  // `path`: a folder in Hugging Face layout; "" is the built-in model.
  static Result<Model> load(const std::string& path, const LoadOptions& options = {});

  // One question, without a memory of earlier ones.
  Result<Answer> ask(std::string_view question, std::vector<Picture> pictures = {},
                     const AskOptions& options = {}) const;
  // Several turns: what was said and shown is not computed again.
  Result<Conversation> chat(std::string_view system_prompt = {}) const;

  bool takes_pictures() const;
  std::string_view name() const;

  struct State;

 private:
  explicit Model(std::shared_ptr<State> state) : state_(std::move(state)) {}
  std::shared_ptr<State> state_;
};

class Conversation {
 public:
  Conversation(Conversation&&) noexcept;
  Conversation& operator=(Conversation&&) noexcept;
  ~Conversation();
  // After an error or a cancelled answer the turn is forgotten and the conversation can go on.
  Result<Answer> ask(std::string_view question, std::vector<Picture> pictures = {},
                     const AskOptions& options = {});
  // Goes on after an answer with tool_calls: what each of them gave, in their order. `options` as
  // in the question, tools too.
  Result<Answer> give(const std::vector<std::string>& results, const AskOptions& options = {});

  struct State;

 private:
  friend class Model;
  explicit Conversation(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace ocelli
