// Dataset: the rows of a user's files, found in one pass and read again when their turn comes.
//
//   OCELLI_ASSIGN(const Dataset data, Dataset::open({"train.jsonl"}));
//   OCELLI_ASSIGN(const Row row, data.row(17));
//
// Files: .jsonl (a row a line), .json (a list of rows, or lines), .txt (texts between blank lines);
// only the
// last kind is told by the name. A folder stands for such files in it, by name. Memory: 8 bytes a
// row; the files are mapped. Rows are checked in the pass; bad ones are left out, counted and named
// with line and reason.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/cancel.h"
#include "base/hash.h"
#include "train/rows.h"

namespace ocelli::train {

inline constexpr size_t kMaxRowBytes = size_t{64} << 20;
inline constexpr size_t kMaxRowValues = 1'000'000;  // of JSON
inline constexpr int64_t kMaxRows = int64_t{1} << 31;
inline constexpr size_t kMaxDataFiles = 4096;
inline constexpr size_t kBadRowsListed = 20;

struct BadRow {
  std::string where;   // "train.jsonl: line 17"
  std::string reason;  // a sentence
};

struct DatasetOptions {
  RowOptions rows;
  // Bad rows that are put up with; unset: 100, and not more than half.
  std::optional<int64_t> max_bad_rows;
  std::string media_folder;    // that paths of pictures are relative to; empty: the file's own
  bool allow_outside = false;  // paths of pictures that are absolute or leave the folder
  const base::CancelToken* cancel = nullptr;
};

class Dataset {
 public:
  // Errors (kBadInput): no rows, too many bad ones (the first are listed), Parquet and other files
  // that are not text. kUsage: no such file.
  static base::Result<Dataset> open(const std::vector<std::string>& paths,
                                    const DatasetOptions& options = {});

  int64_t size() const { return int64_t(rows_.size()); }
  // Requires 0 <= index < size(). Errors where a file changed meanwhile.
  base::Result<Row> row(int64_t index) const;
  // "train.jsonl: line 17"; counts lines, so it is for messages only.
  std::string where(int64_t index) const;
  // The file of a picture or clip: its bytes, or its path within the row's folder.
  base::Result<std::string> media_path(int64_t index, const Media& media) const;

  int64_t bad_rows() const { return bad_; }
  const std::vector<BadRow>& bad_rows_listed() const { return listed_; }
  // Each of the listed in a line, and how many more there are; "" without any.
  std::string bad_rows_text() const;
  // Of the contents of all rows in order: a run that goes on must see the same.
  base::Digest256 fingerprint() const;
  // Of one row's content and of the files of its pictures: the name of the row, wherever it stands.
  // Errors where a picture's file cannot be read.
  base::Result<base::Digest256> content_key(int64_t index) const;

  // The rows whose content falls into the part that is kept for evaluation, and the others. Each
  // row is decided by its own content and `seed`, so that adding rows moves no other.
  // `fraction` in (0, 1).
  std::pair<Dataset, Dataset> split(double fraction, uint64_t seed) const;  // {train, eval}
  // The same with exactly `count` rows (at most all but one): those whose hashes are smallest.
  std::pair<Dataset, Dataset> split_count(int64_t count, uint64_t seed) const;
  // The first `count` rows.
  Dataset first(int64_t count) const;

 private:
  struct Files;
  friend class DatasetBuilder;
  Dataset() = default;
  std::string_view bytes_of(int64_t index) const;
  uint64_t hash_of(int64_t index, uint64_t seed) const;

  std::shared_ptr<const Files> files_;
  std::vector<uint64_t> rows_;  // file number << 44 | offset of the row's first byte
  int64_t bad_ = 0;
  std::vector<BadRow> listed_;
};

}  // namespace ocelli::train
