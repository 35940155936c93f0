// What the parser of rows is made of; private to it.
#pragma once

#include "train/rows.h"

namespace ocelli::train {

// A picture or clip as a row may have it: a path, a data URI, {"bytes": BASE64}, {"path": ...},
// {"image_url": {"url": ...}}. Addresses on the net are refused.
base::Result<Media> parse_media(const base::Json& value, bool video);

// The pictures and clips of the columns, in order.
struct MediaColumns {
  std::vector<Media> images, videos;
  bool empty() const { return images.empty() && videos.empty(); }
};

// "user", "assistant", "system" or "tool" for the names that datasets use; nullopt for others.
std::optional<std::string_view> role_of(std::string_view name);

// Makes messages with parts out of whatever a row has, and gives each "image" part its picture.
class ConversationBuilder {
 public:
  // `markers`: "<image>" and "<video>" in texts stand for pictures even where there are none.
  ConversationBuilder(MediaColumns columns, bool markers)
      : columns_(std::move(columns)), markers_(markers) {}

  // Looks at messages that will be added, to see how they name pictures; before the first add().
  void look_at(const base::Json& messages);
  // A message in any spelling: {"role", "content"} or {"from", "value"}.
  base::Status add(const base::Json& message);
  base::Status add_list(const base::Json& messages);
  base::Status add_text(std::string_view role, std::string_view text);
  size_t size() const { return messages_.size(); }
  // The messages so far; the pictures that no part names go before the first user's text.
  // Errors: more or fewer pictures than markers.
  base::Result<base::Json> finish(std::vector<Media>& media);
  // Messages behind these, for the other side of a pair: texts only.
  static base::Result<base::Json> texts_behind(const base::Json& prompt, const base::Json& more);

 private:
  base::Status append(std::string_view role, base::Json content, const base::Json* original);
  base::Status parts_of(const base::Json& content, base::Json& parts);
  base::Status split_text(const std::string& text, base::Json& parts);
  base::Status place(bool video, base::Json& parts);
  base::Status keep(Media media, base::Json& parts);

  MediaColumns columns_;
  bool markers_;
  bool named_ = false;  // a part or marker has named a picture
  size_t next_image_ = 0, next_video_ = 0, asked_ = 0;
  base::Json messages_ = base::Json::array();
  std::vector<Media> media_;
};

}  // namespace ocelli::train
