#include "train/dataset.h"

#include <algorithm>
#include <filesystem>
#include <numeric>

#include "base/file.h"
#include "base/siphash.h"
#include "base/utf8.h"
#include "media/sniff.h"
#include "media/video_kinds.h"
#include "train/dataset_file.h"

namespace ocelli::train {

namespace fs = std::filesystem;
using base::Code;
using base::fail;
using base::Json;
using base::Result;
using base::Status;

namespace {

constexpr int kOffsetBits = 44;
constexpr int64_t kRowsBetweenCancelChecks = 256;
constexpr int64_t kBadRowsAllowed = 100;
constexpr uint64_t kSplitKey = 0x6f63656c6c690001;  // keeps the split apart from other hashes

bool is_data_file(const fs::path& path) {
  const std::string extension = path.extension().string();
  return extension == ".jsonl" || extension == ".json" || extension == ".ndjson" ||
         extension == ".txt";
}

// The data files of a folder, by name.
Status add_folder(const std::string& folder, std::vector<std::string>& out) {
  std::error_code error;
  std::vector<std::string> found;
  bool parquet = false;
  size_t entries = 0;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    parquet = parquet || it->path().extension() == ".parquet";
    if (is_data_file(it->path())) found.push_back(it->path().string());
    if (found.size() > kMaxDataFiles || ++entries > 10'000'000) {
      return fail(Code::kBadInput,
                  "the folder has too many data files (limit " + std::to_string(kMaxDataFiles) +
                      "); join them",
                  folder);
    }
  }
  if (error) return base::errno_error(error.value(), "open", folder);
  if (found.empty()) {
    return fail(Code::kBadInput,
                parquet ? "the folder has Parquet files only, which are not read; convert them to "
                          "JSON lines, for example with datasets.load_dataset(...).to_json(...)"
                        : "the folder has no .jsonl, .json or .txt file; name the data file",
                folder);
  }
  std::sort(found.begin(), found.end());
  out.insert(out.end(), found.begin(), found.end());
  return {};
}

Result<std::vector<std::string>> files_of(const std::vector<std::string>& paths) {
  std::vector<std::string> out;
  for (const std::string& path : paths) {
    std::error_code ignored;
    if (fs::is_directory(path, ignored)) {
      OCELLI_TRY(add_folder(path, out));
    } else {
      out.push_back(path);
    }
  }
  if (out.empty())
    return fail(Code::kUsage, "no data was given; name a .jsonl, .json or .txt file");
  if (out.size() > kMaxDataFiles) {
    return fail(Code::kUsage, "too many data files (" + std::to_string(out.size()) + ", limit " +
                                  std::to_string(kMaxDataFiles) + "); join them");
  }
  return out;
}

// An error within a row: lines are the file's to say.
std::string reason_of(const base::Error& error) {
  std::string_view where = error.where;
  constexpr std::string_view kOnlyLine = "line 1, ";
  if (where.starts_with(kOnlyLine)) where.remove_prefix(kOnlyLine.size());
  return where.empty() ? error.what : std::string(where) + ": " + error.what;
}

}  // namespace

struct Dataset::Files {
  std::vector<DataFile> files;
  DatasetOptions options;

  Result<Row> parse(const DataFile& file, std::string_view bytes) const;
  Result<std::string> resolve(const DataFile& file, const std::string& path) const;
  Status check_media(const DataFile& file, const Row& row) const;
};

Result<Row> Dataset::Files::parse(const DataFile& file, std::string_view bytes) const {
  if (file.kind() == DataFile::Kind::kTexts) {
    if (!base::is_valid_utf8(bytes))
      return fail(Code::kBadInput, "the text is not UTF-8; save the file as UTF-8");
    Row row;
    row.format = RowFormat::kText;
    while (bytes.ends_with('\r') || bytes.ends_with('\n')) bytes.remove_suffix(1);
    row.text = bytes;
    return row;
  }
  OCELLI_ASSIGN(const Json json,
                Json::parse(bytes, {.max_bytes = kMaxRowBytes, .max_values = kMaxRowValues}));
  return parse_row(json, options.rows);
}

Result<std::string> Dataset::Files::resolve(const DataFile& file, const std::string& path) const {
  const fs::path wanted = fs::path(path).lexically_normal();
  const bool leaves = wanted.is_absolute() || (!wanted.empty() && *wanted.begin() == "..");
  if (leaves && !options.allow_outside) {
    return fail(Code::kBadInput, "the picture " + base::printable(path, 120) +
                                     " lies outside of the dataset's folder; move it there, or "
                                     "pass --allow-outside if you trust the file");
  }
  if (wanted.is_absolute()) return wanted.string();
  const fs::path folder = options.media_folder.empty() ? fs::path(file.path()).parent_path()
                                                       : fs::path(options.media_folder);
  return (folder / wanted).string();
}

Status Dataset::Files::check_media(const DataFile& file, const Row& row) const {
  for (const Media& media : row.media) {
    if (media.path.empty()) {
      if (media::sniff(media.bytes).format == media::Format::kUnknown &&
          media::sniff_video(media.bytes) == nullptr) {
        return fail(Code::kBadInput,
                    "what is inside is no picture of a known kind; use PNG, JPEG, "
                    "WebP, GIF, BMP, TIFF or a clip");
      }
      continue;
    }
    OCELLI_ASSIGN(const std::string path, resolve(file, media.path));
    std::error_code error;
    if (fs::is_regular_file(path, error)) continue;
    return fail(Code::kBadInput, "the picture " + base::printable(media.path, 120) +
                                     " is not there; check its path (relative to " +
                                     base::printable(fs::path(path).parent_path().string(), 120) +
                                     ")");
  }
  return {};
}

// The pass over the files.
class DatasetBuilder {
 public:
  DatasetBuilder(Dataset& data, Dataset::Files& files) : data_(data), files_(files) {}

  Status read(size_t number) {
    DataFile& file = files_.files[number];
    DataFile::Piece piece;
    for (int64_t seen = 0; file.next(piece); ++seen) {
      if (seen % kRowsBetweenCancelChecks == 0 && files_.options.cancel &&
          files_.options.cancel->requested())
        return fail(Code::kInterrupted, "stopped while reading the dataset", file.path());
      Status status = check(file, piece);
      if (status.ok()) {
        if (data_.size() == kMaxRows) {
          return fail(
              Code::kDoesNotFit,
              "too many rows (limit " + std::to_string(kMaxRows) + "); train on a part of them",
              file.path());
        }
        data_.rows_.push_back(uint64_t(number) << kOffsetBits | piece.offset);
        continue;
      }
      ++data_.bad_;
      if (data_.listed_.size() == kBadRowsListed) continue;
      data_.listed_.push_back(
          {file.path() + ": line " + std::to_string(piece.line), reason_of(status.error())});
    }
    return {};
  }

  // Errors where there are too many bad rows.
  Status judge() const {
    const int64_t all = data_.size() + data_.bad_;
    const int64_t limit = files_.options.max_bad_rows.value_or(std::min(kBadRowsAllowed, all / 2));
    if (data_.size() > 0 && data_.bad_ <= limit) return {};
    if (data_.bad_ == 0)
      return fail(Code::kBadInput, "there are no rows; give a file with some",
                  files_.files.front().path());
    const BadRow& first = data_.listed_.front();
    const std::string count =
        data_.size() == 0 ? "no row can be used (" + std::to_string(data_.bad_) + " bad)"
                          : "too many bad rows (" + std::to_string(data_.bad_) + " of " +
                                std::to_string(all) + ", limit " + std::to_string(limit) + ")";
    return fail(Code::kBadInput,
                first.reason + "; " + count +
                    (data_.size() == 0
                         ? ", correct the file"
                         : ", correct them or pass --max-bad-rows " + std::to_string(data_.bad_)),
                first.where);
  }

 private:
  Status check(const DataFile& file, const DataFile::Piece& piece) const {
    if (!piece.problem.empty()) return fail(Code::kBadInput, piece.problem);
    if (piece.offset >> kOffsetBits != 0)
      return fail(Code::kBadInput, "the file is too large; split it");
    Result<Row> row = files_.parse(file, piece.bytes);
    if (row.ok()) return files_.check_media(file, *row);
    base::Error error = std::move(row).error();
    if (piece.last && error.what.starts_with("not valid JSON"))
      error.what += "; the file may be cut off";
    return error;
  }

  Dataset& data_;
  Dataset::Files& files_;
};

Result<Dataset> Dataset::open(const std::vector<std::string>& paths,
                              const DatasetOptions& options) {
  OCELLI_ASSIGN(const std::vector<std::string> names, files_of(paths));
  auto files = std::make_shared<Files>();
  files->options = options;
  for (const std::string& name : names) {
    OCELLI_ASSIGN(DataFile file, DataFile::open(name));
    files->files.push_back(std::move(file));
  }
  Dataset data;
  DatasetBuilder builder(data, *files);
  for (size_t i = 0; i < names.size(); ++i) OCELLI_TRY(builder.read(i));
  OCELLI_TRY(builder.judge());
  files->options.cancel = nullptr;  // it may not live as long
  data.files_ = std::move(files);
  return data;
}

std::string_view Dataset::bytes_of(int64_t index) const {
  const uint64_t place = rows_[size_t(index)];
  return files_->files[place >> kOffsetBits].row_at(place & ((uint64_t{1} << kOffsetBits) - 1));
}

Result<Row> Dataset::row(int64_t index) const {
  OCELLI_CHECK(index >= 0 && index < size(), "a row of the dataset");
  const DataFile& file = files_->files[rows_[size_t(index)] >> kOffsetBits];
  auto row = files_->parse(file, bytes_of(index));
  if (row.ok()) return row;
  return fail(Code::kBadInput, reason_of(row.error()), where(index));
}

std::string Dataset::where(int64_t index) const {
  const uint64_t place = rows_[size_t(index)];
  const DataFile& file = files_->files[place >> kOffsetBits];
  return file.path() + ": line " +
         std::to_string(file.line_of(place & ((uint64_t{1} << kOffsetBits) - 1)));
}

Result<std::string> Dataset::media_path(int64_t index, const Media& media) const {
  return files_->resolve(files_->files[rows_[size_t(index)] >> kOffsetBits], media.path);
}

std::string Dataset::bad_rows_text() const {
  std::string out;
  for (const BadRow& bad : listed_)
    out += base::printable(bad.where) + ": " + base::printable(bad.reason, 400) + "\n";
  const int64_t more = bad_ - int64_t(listed_.size());
  if (more > 0) out += "and " + std::to_string(more) + " more\n";
  return out;
}

base::Digest256 Dataset::fingerprint() const {
  base::Sha256 hash;
  for (int64_t i = 0; i < size(); ++i) {
    const std::string_view bytes = bytes_of(i);
    hash.update_u64(bytes.size());
    hash.update(bytes);
  }
  return hash.finish();
}

Result<base::Digest256> Dataset::content_key(int64_t index) const {
  OCELLI_ASSIGN(const Row read, row(index));
  base::Sha256 hash;
  const std::string_view bytes = bytes_of(index);
  hash.update_u64(bytes.size());
  hash.update(bytes);
  for (const Media& media : read.media) {
    if (media.path.empty()) continue;  // inside of the row
    OCELLI_ASSIGN(const std::string path, media_path(index, media));
    const auto file = base::MappedFile::open(path);
    if (!file.ok()) return fail(Code::kBadInput, file.error().what, path);
    hash.update_u64(file->size());
    hash.update(file->bytes());
  }
  return hash.finish();
}

uint64_t Dataset::hash_of(int64_t index, uint64_t seed) const {
  return base::siphash<2, 4>(bytes_of(index), {seed, kSplitKey});
}

std::pair<Dataset, Dataset> Dataset::split(double fraction, uint64_t seed) const {
  OCELLI_CHECK(fraction > 0 && fraction < 1, "a part of the rows");
  std::pair<Dataset, Dataset> out{*this, *this};
  out.first.rows_.clear();
  out.second.rows_.clear();
  for (int64_t i = 0; i < size(); ++i) {
    const bool kept_apart = double(hash_of(i, seed) >> 11) * 0x1p-53 < fraction;
    (kept_apart ? out.second : out.first).rows_.push_back(rows_[size_t(i)]);
  }
  if (size() > 1 && out.second.rows_.empty()) return split_count(1, seed);
  if (size() > 1 && out.first.rows_.empty()) return split_count(size() - 1, seed);
  return out;
}

std::pair<Dataset, Dataset> Dataset::split_count(int64_t count, uint64_t seed) const {
  std::vector<std::pair<uint64_t, int64_t>> order;
  for (int64_t i = 0; i < size(); ++i) order.emplace_back(hash_of(i, seed), i);
  const int64_t most = std::clamp<int64_t>(count, 0, std::max<int64_t>(size() - 1, 0));
  std::nth_element(order.begin(), order.begin() + most, order.end());
  std::vector<bool> kept_apart(rows_.size());
  for (int64_t i = 0; i < most; ++i) kept_apart[size_t(order[size_t(i)].second)] = true;
  std::pair<Dataset, Dataset> out{*this, *this};
  out.first.rows_.clear();
  out.second.rows_.clear();
  for (size_t i = 0; i < rows_.size(); ++i)
    (kept_apart[i] ? out.second : out.first).rows_.push_back(rows_[i]);
  return out;
}

Dataset Dataset::first(int64_t count) const {
  Dataset out = *this;
  out.rows_.resize(size_t(std::clamp<int64_t>(count, 0, size())));
  return out;
}

}  // namespace ocelli::train
