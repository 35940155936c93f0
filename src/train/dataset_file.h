// DataFile: one mapped file of a dataset, as rows of bytes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/file.h"

namespace ocelli::train {

class DataFile {
 public:
  enum class Kind {
    kLines,  // a row a line; empty lines are passed over
    kList,   // one JSON list
    kTexts   // texts between empty lines
  };
  // A row's bytes. Where `problem` is not empty it cannot be used, and `bytes` are empty.
  struct Piece {
    uint64_t offset = 0;
    int64_t line = 0;  // that it begins in, from 1
    std::string_view bytes;
    std::string problem;
    bool last = false;  // it reaches the end of the file, so that the file may be cut off
  };

  // Errors: no such file; Parquet, archives, UTF-16, an empty file (kBadInput), with what to do.
  static base::Result<DataFile> open(const std::string& path);
  // The same of text that is held elsewhere and outlives the object; `path` is only its name.
  static base::Result<DataFile> over(std::string_view text, const std::string& path);

  const std::string& path() const { return path_; }
  Kind kind() const { return kind_; }
  // Walks through the rows from the first; false at the end. Pages that have been walked over are
  // given back to the system.
  bool next(Piece& piece);
  // The row that begins at `offset` (of a Piece without a problem); empty if the file has changed.
  std::string_view row_at(uint64_t offset) const;
  int64_t line_of(uint64_t offset) const;

 private:
  base::Status begin();
  void release(size_t offset, size_t length) const;
  size_t line_end(size_t at) const;
  bool next_line(Piece& piece);
  bool next_text(Piece& piece);
  bool next_item(Piece& piece);
  size_t item_end(size_t at) const;
  size_t text_end(size_t at) const;
  int64_t newlines(size_t begin, size_t end) const;
  void count_lines(size_t end);
  void give_back();
  Piece piece_of(size_t begin, size_t end);

  std::string path_;
  base::MappedFile file_;
  std::string_view text_;  // of all of it
  Kind kind_ = Kind::kLines;
  size_t start_ = 0;  // of the first row: behind a byte order mark
  // The walk.
  size_t at_ = 0, counted_ = 0, released_ = 0;
  int64_t line_ = 1;  // of counted_
  bool first_item_ = true, done_ = false;
};

}  // namespace ocelli::train
