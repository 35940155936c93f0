// Conversation: what was said in a chat, as the template takes it and as a file keeps it.
//
// The file is JSON in the shape of OpenAI's chat messages; pictures are named by file:// addresses,
// not copied:
//
//   {"model": "ocelli-tiny", "messages": [
//     {"role": "system", "content": "Answer briefly."},
//     {"role": "user", "content": [
//       {"type": "image_url", "image_url": {"url": "file:///home/me/a%20cat.jpg"}},
//       {"type": "text", "text": "What is this?"}]},
//     {"role": "assistant", "content": "a cat", "stopped": true}]}    "stopped" where Ctrl-C cut it
//
// "reasoning_content" of an assistant is what it thought before.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/json.h"
#include "engine/prompt.h"

namespace ocelli::cli {

inline constexpr size_t kMaxConversationBytes = size_t{16} << 20;
inline constexpr size_t kMaxConversationPictures = 256;

struct Picture {
  std::string path;    // absolute
  bool video = false;  // given with /video
  std::shared_ptr<const engine::PreparedImage> prepared;
};

struct Message {
  std::string role;  // "user" or "assistant"
  std::string text;
  std::vector<Picture> pictures;  // of a user
  bool stopped = false;           // an answer that the user or a limit cut
  std::string thinking{};         // before the answer: for the file
  std::string as_written{};       // with thinking, for the prompt; "": the text
};

// Opens a picture: "path" to something prepared.
using OpenPicture = std::function<base::Result<Picture>(const std::string& path, bool video)>;

struct Conversation {
  std::string system;
  std::vector<Message> messages;

  // For Engine::build_prompt, with the pictures in the order of their parts.
  base::Json for_template() const;
  std::vector<std::shared_ptr<const engine::PreparedImage>> pictures() const;

  base::Json to_json(const std::string& model) const;
  // Also takes a bare list of messages, and content as text. Refuses other roles, unknown parts and
  // pictures that are not files here. Errors name the message.
  static base::Result<Conversation> from_json(const base::Json& json, const OpenPicture& open);
};

// Permissions 0600. A file that exists and is no saved conversation is not replaced.
base::Status save_conversation(const Conversation& talk, const std::string& model,
                               const std::string& path);
base::Result<Conversation> load_conversation(const std::string& path, const OpenPicture& open);

}  // namespace ocelli::cli
