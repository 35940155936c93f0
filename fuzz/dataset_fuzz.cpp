// Datasets: whatever a file holds, walking through its rows ends, each row is found again by its
// place, and a row that is accepted has as many pictures as its messages name. The first byte
// chooses the format of rows and the kind of file.
#include "base/check.h"
#include "train/dataset.h"
#include "train/dataset_file.h"

using ocelli::base::Json;
using ocelli::train::DataFile;
using ocelli::train::Row;
using ocelli::train::RowFormat;

namespace {

size_t pictures(const Json& messages) {
  size_t count = 0;
  for (const Json& message : messages.items()) {
    const Json* content = message.find("content");
    OCELLI_CHECK(content && message.find("role"), "messages are whole");
    for (const Json& part : content->is_array() ? content->items() : Json::Array())
      count += part.find("type")->as_string() != "text";
  }
  return count;
}

void check(const Row& row) {
  if (row.format == RowFormat::kText) return;
  OCELLI_CHECK(row.messages && row.messages->size() > 0, "a conversation has messages");
  OCELLI_CHECK(pictures(*row.messages) == row.media.size(), "each picture is named once");
  OCELLI_CHECK(row.prompt_messages < row.messages->size(), "something is left to learn");
  if (row.rejected)
    OCELLI_CHECK(pictures(*row.rejected) == row.media.size(), "both sides see the same");
  for (const auto& media : row.media)
    OCELLI_CHECK(media.path.empty() != media.bytes.empty(), "a path or bytes");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 1) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const auto format = RowFormat(data[0] % 8);
  auto file = DataFile::over(text, data[0] & 8 ? "rows.txt" : "rows.jsonl");
  if (!file.ok()) return 0;
  DataFile::Piece piece;
  uint64_t last = 0;
  for (size_t count = 0; file->next(piece); ++count) {
    OCELLI_CHECK(count <= size, "no row without a byte");
    OCELLI_CHECK(piece.offset >= last && piece.offset <= text.size(), "rows come in order");
    last = piece.offset;
    if (!piece.problem.empty()) continue;
    OCELLI_CHECK(file->row_at(piece.offset) == piece.bytes, "a row is found again");
    OCELLI_CHECK(count > 100 || file->line_of(piece.offset) == piece.line, "lines count once");
    const auto json = Json::parse(piece.bytes, {.max_bytes = ocelli::train::kMaxRowBytes});
    if (!json.ok()) continue;
    const auto row = ocelli::train::parse_row(*json, {.format = format, .columns = {}});
    if (row.ok()) check(*row);
  }
  return 0;
}
