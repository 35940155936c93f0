// What was typed in earlier chats: a text file, one input a line, oldest first, with \n and \\ for
// line feeds and backslashes. Written with permissions 0600 and by the atomic writer, so that a
// crash or a full disk leaves the old file or the new one.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace ocelli::cli {

inline constexpr size_t kMaxHistoryInputs = 1000;
inline constexpr size_t kMaxHistoryBytes = size_t{512} << 10;      // of the file
inline constexpr size_t kMaxHistoryInputBytes = size_t{16} << 10;  // a longer one is not kept

class ChatHistory {
 public:
  // In memory alone.
  ChatHistory() = default;
  // data_dir()/chat-history.
  static base::Result<std::string> default_path();
  // A file that is not there is an empty history. One that is too large or no file is an error.
  static base::Result<ChatHistory> open(std::string path);

  const std::vector<std::string>& inputs() const { return inputs_; }
  // Puts the input behind the others, here and in the file; what another chat has put there
  // meanwhile is kept. The same input twice in a row counts once. On an error the file is as it was
  // and the input is remembered here all the same.
  base::Status add(std::string_view input);

 private:
  std::string path_;  // "": no file
  std::vector<std::string> inputs_;
};

}  // namespace ocelli::cli
