#include "train/dataset_file.h"

#include <algorithm>

#include "train/dataset.h"

namespace ocelli::train {

using base::Code;
using base::fail;
using base::Result;
using base::Status;

namespace {

constexpr std::string_view kBom = "\xEF\xBB\xBF";
constexpr std::string_view kSpace = " \t\r\n";
constexpr size_t kGiveBack = size_t{64} << 20;  // bytes walked over that stay in memory

bool is_blank(std::string_view line) {
  return line.find_first_not_of(kSpace) == line.npos;
}

// Files that people give and that are no text, by their first bytes.
Status check_is_text(std::string_view text, const std::string& path) {
  const auto starts = [&](std::string_view magic) { return text.starts_with(magic); };
  const auto refuse = [&](std::string what) {
    return fail(Code::kBadInput, std::move(what), path);
  };
  if (text.empty()) return refuse("the file is empty; give one with rows");
  if (starts("PAR1")) {
    return refuse(
        "Parquet files are not read; convert it to JSON lines, for example with "
        "datasets.load_dataset(...).to_json(\"data.jsonl\")");
  }
  if (starts("\x1F\x8B") || starts("PK\x03\x04") || starts("\x28\xB5\x2F\xFD") || starts("BZh"))
    return refuse("the file is packed; unpack it first");
  if (starts("\xFF\xFE") || starts("\xFE\xFF"))
    return refuse("the file is UTF-16; save it as UTF-8");
  if (starts("ARROW1")) return refuse("Arrow files are not read; convert it to JSON lines");
  return {};
}

bool has_extension(const std::string& path, std::string_view extension) {
  return path.size() > extension.size() && path.ends_with(extension);
}

}  // namespace

Result<DataFile> DataFile::open(const std::string& path) {
  DataFile out;
  out.path_ = path;
  OCELLI_ASSIGN(out.file_, base::MappedFile::open(path));
  out.text_ = out.file_.text();
  OCELLI_TRY(out.begin());
  return out;
}

Result<DataFile> DataFile::over(std::string_view text, const std::string& path) {
  DataFile out;
  out.path_ = path;
  out.text_ = text;
  OCELLI_TRY(out.begin());
  return out;
}

Status DataFile::begin() {
  OCELLI_TRY(check_is_text(text_, path_));
  if (text_.starts_with(kBom)) start_ = kBom.size();
  const size_t first = text_.find_first_not_of(kSpace, start_);
  if (has_extension(path_, ".txt") || has_extension(path_, ".md")) {
    kind_ = Kind::kTexts;
  } else if (first != text_.npos && text_[first] == '[') {
    kind_ = Kind::kList;
    start_ = first + 1;
  }
  at_ = start_;
  return {};
}

void DataFile::release(size_t offset, size_t length) const {
  if (file_.size() > 0) file_.release(offset, length);
}

int64_t DataFile::newlines(size_t begin, size_t end) const {
  int64_t count = 0;
  for (size_t step = begin; step < end; step += kGiveBack) {
    const size_t stop = std::min(end, step + kGiveBack);
    count += std::count(text_.begin() + long(step), text_.begin() + long(stop), '\n');
    if (stop < end) release(step, kGiveBack);
  }
  return count;
}

void DataFile::count_lines(size_t end) {
  line_ += newlines(counted_, end);
  counted_ = end;
}

void DataFile::give_back() {
  if (at_ < released_ + kGiveBack) return;
  release(released_, at_ - released_);
  released_ = at_;
}

DataFile::Piece DataFile::piece_of(size_t begin, size_t end) {
  Piece piece;
  count_lines(begin);
  piece.offset = begin;
  piece.line = line_;
  piece.last = end == text_.size();
  if (end - begin > kMaxRowBytes) {
    piece.problem = "the row is too long (" + std::to_string(end - begin) + " bytes, limit " +
                    std::to_string(kMaxRowBytes) + "); split it";
  } else {
    piece.bytes = text_.substr(begin, end - begin);
  }
  return piece;
}

bool DataFile::next(Piece& piece) {
  give_back();
  switch (kind_) {
    case Kind::kLines:
      return next_line(piece);
    case Kind::kTexts:
      return next_text(piece);
    case Kind::kList:
      return next_item(piece);
  }
  return false;
}

size_t DataFile::line_end(size_t at) const {
  // In steps, so that a line of gigabytes does not stay in memory.
  for (size_t step = at; step < text_.size(); step += kGiveBack) {
    const std::string_view part = text_.substr(step, kGiveBack);
    const size_t found = part.find('\n');
    if (found != part.npos) return step + found;
    if (step > at) release(step - kGiveBack, kGiveBack);
  }
  return text_.size();
}

bool DataFile::next_line(Piece& piece) {
  while (at_ < text_.size()) {
    const size_t begin = at_, end = line_end(begin);
    at_ = std::min(end + 1, text_.size());
    const bool blank = end - begin <= kMaxRowBytes && is_blank(text_.substr(begin, end - begin));
    if (!blank) piece = piece_of(begin, end);
    counted_ = at_;  // one newline, and no need to look for others
    ++line_;
    if (!blank) return true;
  }
  return false;
}

// The end of the text that begins at a line with words: before the next empty line.
size_t DataFile::text_end(size_t at) const {
  while (at < text_.size()) {
    const size_t end = line_end(at);
    if (end == text_.size()) return end;
    const size_t next = line_end(end + 1);
    if (next - end - 1 <= kMaxRowBytes && is_blank(text_.substr(end + 1, next - end - 1)))
      return end;
    at = end + 1;
  }
  return text_.size();
}

bool DataFile::next_text(Piece& piece) {
  const size_t words = text_.find_first_not_of(kSpace, at_);
  if (words == text_.npos) return false;
  const size_t newline = words == 0 ? text_.npos : text_.rfind('\n', words);
  const size_t begin = newline == text_.npos ? start_ : std::max(newline + 1, at_);
  const size_t end = text_end(begin);
  at_ = end;
  piece = piece_of(begin, end);
  return true;
}

// The end of the value that begins at `at`; text_.size() + 1 where the file ends within it.
size_t DataFile::item_end(size_t at) const {
  int64_t depth = 0;
  size_t kept = at;
  bool quoted = false;
  for (size_t i = at; i < text_.size(); ++i) {
    if (i >= kept + kGiveBack) {
      release(kept, i - kept);
      kept = i;
    }
    const char c = text_[i];
    if (quoted) {
      if (c == '\\') ++i;
      if (c != '"') continue;
      quoted = false;
      if (depth == 0) return i + 1;
    } else if (c == '"') {
      quoted = true;
    } else if (c == '{' || c == '[') {
      ++depth;
    } else if (c == '}' || c == ']') {
      if (depth == 0) return i;  // behind a number or word
      if (--depth == 0) return i + 1;
    } else if (depth == 0 && (c == ',' || kSpace.find(c) != kSpace.npos)) {
      return i;
    }
  }
  return text_.size() + 1;
}

bool DataFile::next_item(Piece& piece) {
  if (done_) return false;
  const auto stop = [&](std::string problem) {
    done_ = true;
    piece = piece_of(std::min(at_, text_.size()), std::min(at_, text_.size()));
    piece.problem = std::move(problem);
    return true;
  };
  const auto skip = [&] { at_ = std::min(text_.find_first_not_of(kSpace, at_), text_.size()); };
  skip();
  bool comma = first_item_;
  if (!first_item_ && at_ < text_.size() && text_[at_] == ',') {
    comma = true;
    ++at_;
    skip();
  }
  if (at_ >= text_.size()) return stop("the list has no end; the file may be cut off");
  if (text_[at_] == ']') {
    done_ = true;
    ++at_;
    skip();
    if (at_ == text_.size()) return false;
    return stop("there is more behind the list; keep one list in a file");
  }
  if (!comma) return stop("a comma is missing before the row; what follows is not read");
  first_item_ = false;
  const size_t begin = at_, end = item_end(begin);
  if (end > text_.size()) return stop("the file ends within the row; it may be cut off");
  if (end == begin) return stop("a row is missing between commas; what follows is not read");
  at_ = end;
  piece = piece_of(begin, end);
  piece.last = false;
  return true;
}

std::string_view DataFile::row_at(uint64_t offset) const {
  if (offset >= text_.size()) return {};
  const auto at = size_t(offset);
  size_t end = 0;
  switch (kind_) {
    case Kind::kLines:
      end = line_end(at);
      break;
    case Kind::kTexts:
      end = text_end(at);
      break;
    case Kind::kList:
      end = item_end(at);
      break;
  }
  if (end > text_.size() || end - at > kMaxRowBytes) return {};
  return text_.substr(at, end - at);
}

int64_t DataFile::line_of(uint64_t offset) const {
  return 1 + newlines(0, std::min(size_t(offset), text_.size()));
}

}  // namespace ocelli::train
