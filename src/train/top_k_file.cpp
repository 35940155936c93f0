// Reading files of what a teacher said.
#include "train/top_k_file.h"

#include <cstring>

#include "base/json.h"

namespace ocelli::train {

using base::Code;
using base::Digest256;
using base::Result;
using base::Status;

namespace {

constexpr std::string_view kFormat = "ocelli-top-k-1";

template <class T>
std::vector<T> numbers(std::span<const std::byte> bytes, int64_t first, int64_t count) {
  std::vector<T> out(static_cast<size_t>(count));
  if (count > 0)
    std::memcpy(out.data(), bytes.data() + size_t(first) * sizeof(T), out.size() * sizeof(T));
  return out;
}

class FileSource : public TopKSource {
 public:
  FileSource(const TopKFile& file, const Dataset& data, const text::Tokenizer& tokenizer,
             const TopKFileUse& use)
      : file_(file), data_(data), tokenizer_(tokenizer), use_(use) {}

  Result<TopK> of(const Example& example) override {
    auto said = look_up(example);
    if (said.ok() || !said.error().where.empty()) return said;
    return std::move(said).error().in(data_.where(example.row));
  }

 private:
  Result<TopK> look_up(const Example& example) {
    OCELLI_ASSIGN(const Digest256 key, data_.content_key(example.row));
    std::optional<TopK> all = file_.find(key, std::min(use_.k, file_.k()));
    if (!all) {
      return base::fail(Code::kBadInput,
                        file_.path() +
                            " holds nothing of this row, or of its pictures as they are now; write "
                            "it again from this data with --write_top_k");
    }
    const std::vector<int32_t> student = trained_ids(example.sample);
    auto shared =
        find_shared(all->tokens, student, use_.truncation == Truncation::kKeepEnd, tokenizer_);
    if (!shared.ok()) {
      base::Error error = std::move(shared).error();
      error.what += " (" + file_.path() + " was written with --mask " + file_.facts().mask + ")";
      return error;
    }
    const size_t first = *shared;
    const auto cut = [&](auto& list, size_t each) {
      list.erase(list.begin(), list.begin() + long(first * each));
      list.resize(student.size() * each);
    };
    cut(all->tokens, 1);
    cut(all->ids, size_t(all->k));
    cut(all->log_probs, size_t(all->k));
    return std::move(*all);
  }

  const TopKFile& file_;
  const Dataset& data_;
  const text::Tokenizer& tokenizer_;
  TopKFileUse use_;
};

}  // namespace

base::Error TopKFile::bad(const std::string& what) const {
  return base::fail(Code::kBadInput,
                    what + "; it is no file of --write_top_k, or it is damaged: write it again",
                    path_);
}

Result<TopKFile> TopKFile::open(const std::string& path, const text::Tokenizer& student) {
  TopKFile out;
  out.path_ = path;
  OCELLI_ASSIGN(out.file_, formats::SafetensorsFile::open(path));
  OCELLI_TRY(out.read_facts());
  OCELLI_TRY(out.read_rows());
  if (out.facts_.vocabulary != vocabulary_hash(student)) {
    return base::fail(Code::kUsage,
                      "was written by a teacher with another vocabulary (" + out.facts_.model +
                          "); write one with a teacher that has the student's tokenizer",
                      path);
  }
  OCELLI_TRY(out.check_numbers(student.id_limit()));
  return out;
}

Status TopKFile::read_facts() {
  std::string format, vocabulary, temperature;
  for (const auto& [name, value] : file_.metadata()) {
    if (name == "format") format = value;
    if (name == "model") facts_.model = base::printable(value, 100);
    if (name == "mask") facts_.mask = base::printable(value, 40);
    if (name == "temperature") temperature = value;
    if (name == "vocabulary") vocabulary = value;
    if (name == "sha256") hash_ = value;
  }
  if (format != kFormat) return bad("its format is not " + std::string(kFormat));
  const auto digest = Digest256::from_hex(vocabulary);
  const auto number = base::Json::parse(temperature);
  if (!digest || !number.ok() || !number->is_number() || !(number->as_double() > 0)) {
    return bad("its metadata lacks vocabulary or temperature");
  }
  facts_.vocabulary = *digest;
  facts_.temperature = number->as_double();
  return {};
}

Status TopKFile::read_rows() {
  constexpr std::pair<const char*, const char*> kTensors[] = {
      {"rows", "U8"}, {"begins", "I64"}, {"tokens", "I32"}, {"ids", "I32"}, {"log_probs", "F32"}};
  const formats::TensorInfo* tensors[5] = {};
  base::Sha256 hash;
  for (size_t i = 0; i < 5; ++i) {
    tensors[i] = file_.find(kTensors[i].first);
    if (!tensors[i] || tensors[i]->dtype != kTensors[i].second) {
      return bad(std::string("it lacks the tensor ") + kTensors[i].first + " of type " +
                 kTensors[i].second);
    }
    hash.update(tensors[i]->bytes);
  }
  const auto is = [&](size_t i, std::vector<int64_t> shape) { return tensors[i]->shape == shape; };
  const int64_t count = int64_t(tensors[0]->bytes.size() / sizeof(Digest256));
  tokens_ = int64_t(tensors[2]->bytes.size() / sizeof(int32_t));
  k_ = tensors[3]->shape.size() == 2 ? tensors[3]->shape[1] : 0;
  if (!is(0, {count, 32}) || !is(1, {count + 1}) || !is(2, {tokens_}) || !is(3, {tokens_, k_}) ||
      !is(4, {tokens_, k_}) || k_ < 1 || k_ > kMaxTopK) {
    return bad("its tensors have shapes that do not belong together");
  }
  if (hash.finish().hex() != hash_) return bad("its content is not what was written");
  const auto begins = numbers<int64_t>(tensors[1]->bytes, 0, count + 1);
  if (begins.front() != 0 || begins.back() != tokens_) return bad("its rows are not its tokens");
  rows_.reserve(size_t(count));
  for (int64_t r = 0; r < count; ++r) {
    Digest256 key;
    std::memcpy(key.bytes.data(), tensors[0]->bytes.data() + size_t(r) * 32, 32);
    const int64_t begin = begins[size_t(r)], end = begins[size_t(r) + 1];
    if (begin > end || !rows_.try_emplace(key, begin, end).second) {
      return bad("its rows are out of order");
    }
  }
  token_bytes_ = tensors[2]->bytes;
  id_bytes_ = tensors[3]->bytes;
  log_prob_bytes_ = tensors[4]->bytes;
  return {};
}

Status TopKFile::check_numbers(int32_t vocabulary) const {
  for (int64_t t = 0; t < tokens_; ++t) {
    const auto ids = numbers<int32_t>(id_bytes_, t * k_, k_);
    const auto log_probs = numbers<float>(log_prob_bytes_, t * k_, k_);
    for (size_t i = 0; i < ids.size(); ++i) {
      if (ids[i] < 0 || ids[i] >= vocabulary || !(log_probs[i] <= 0)) {
        return bad("token " + std::to_string(t) + " has an id or a probability that cannot be");
      }
    }
  }
  return {};
}

std::optional<TopK> TopKFile::find(const Digest256& row, int64_t k) const {
  OCELLI_CHECK(k > 0 && k <= k_, "as many tokens as the file has");
  const auto found = rows_.find(row);
  if (found == rows_.end()) return std::nullopt;
  const auto [begin, end] = found->second;
  TopK out;
  out.k = k;
  out.tokens = numbers<int32_t>(token_bytes_, begin, end - begin);
  for (int64_t t = begin; t < end; ++t) {
    const auto ids = numbers<int32_t>(id_bytes_, t * k_, k);
    const auto log_probs = numbers<float>(log_prob_bytes_, t * k_, k);
    out.ids.insert(out.ids.end(), ids.begin(), ids.end());
    out.log_probs.insert(out.log_probs.end(), log_probs.begin(), log_probs.end());
  }
  return out;
}

std::unique_ptr<TopKSource> make_file_source(const TopKFile& file, const Dataset& data,
                                             const text::Tokenizer& tokenizer,
                                             const TopKFileUse& use) {
  return std::make_unique<FileSource>(file, data, tokenizer, use);
}

}  // namespace ocelli::train
