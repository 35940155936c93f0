#include "formats/gguf_writer.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <set>

#include "base/bounded_reader.h"
#include "base/check.h"
#include "formats/gguf.h"

namespace ocelli::formats {

using base::Code;
using base::fail;
using base::Result;
using base::Status;

namespace {

constexpr uint32_t kVersion = 3;

template <class T>
void append(std::string& out, T value) {
  char bytes[sizeof value];
  std::memcpy(bytes, &value, sizeof value);
  out.append(bytes, sizeof value);
}

void append_text(std::string& out, std::string_view text) {
  append(out, uint64_t(text.size()));
  out += text;
}

uint64_t aligned(uint64_t offset) {
  return (offset + kDefaultGgufAlignment - 1) / kDefaultGgufAlignment * kDefaultGgufAlignment;
}

Status check_word(std::string_view what, const std::string& word, size_t limit) {
  const bool plain = std::all_of(word.begin(), word.end(), [](unsigned char c) {
    return c > 0x20 && c < 0x7f && c != '/' && c != '\\';
  });
  if (plain && !word.empty() && word.size() <= limit) return {};
  return fail(Code::kBadInput,
              "cannot be " + std::string(what) + "; that is at most " + std::to_string(limit) +
                  " printable ASCII characters",
              base::printable(word, 80));
}

Result<uint64_t> tensor_bytes(const GgufTensor& t) {
  OCELLI_TRY(check_word("a tensor's name", t.name, kMaxGgufWrittenName));
  const bool positive =
      std::all_of(t.shape.begin(), t.shape.end(), [](int64_t n) { return n > 0; });
  if (t.shape.empty() || t.shape.size() > kMaxGgufDims || !positive)
    return fail(Code::kBadInput, "has a shape that GGUF cannot store", t.name);
  if (!gguf_type_id(t.encoding) || !fits_gguf(t.encoding, t.shape.back())) {
    return fail(Code::kBadInput,
                "rows of " + std::to_string(t.shape.back()) + " numbers cannot be stored as " +
                    std::string(encoding::name(t.encoding)) + " in GGUF; store them as f16",
                t.name);
  }
  const auto rows = base::checked_product(std::span<const int64_t>(t.shape).first(t.shape.size() - 1));
  const auto bytes =
      rows ? base::checked_mul(*rows, encoding::row_bytes(t.encoding, t.shape.back())) : rows;
  if (!bytes) return fail(Code::kDoesNotFit, "is too large", t.name);
  return uint64_t(*bytes);
}

}  // namespace

bool fits_gguf(encoding::Encoding encoding, int64_t cols) {
  return cols % encoding::block_cols(encoding) == 0;
}

void GgufHeader::begin(std::string_view key, uint32_t type) {
  keys_.emplace_back(key);
  append_text(bytes_, key);
  append(bytes_, type);
}

void GgufHeader::begin_array(std::string_view key, uint32_t type, size_t count) {
  begin(key, uint32_t(GgufType::kArray));
  append(bytes_, type);
  append(bytes_, uint64_t(count));
}

GgufHeader& GgufHeader::text(std::string_view key, std::string_view value) {
  begin(key, uint32_t(GgufType::kText));
  append_text(bytes_, value);
  return *this;
}

GgufHeader& GgufHeader::u32(std::string_view key, uint32_t value) {
  begin(key, uint32_t(GgufType::kU32));
  append(bytes_, value);
  return *this;
}

GgufHeader& GgufHeader::f32(std::string_view key, float value) {
  begin(key, uint32_t(GgufType::kF32));
  append(bytes_, value);
  return *this;
}

GgufHeader& GgufHeader::flag(std::string_view key, bool value) {
  begin(key, uint32_t(GgufType::kBool));
  append(bytes_, uint8_t(value));
  return *this;
}

GgufHeader& GgufHeader::texts(std::string_view key, std::span<const std::string> values) {
  begin_array(key, uint32_t(GgufType::kText), values.size());
  for (const std::string& v : values) append_text(bytes_, v);
  return *this;
}

GgufHeader& GgufHeader::i32s(std::string_view key, std::span<const int32_t> values) {
  begin_array(key, uint32_t(GgufType::kI32), values.size());
  for (const int32_t v : values) append(bytes_, v);
  return *this;
}

GgufHeader& GgufHeader::f32s(std::string_view key, std::span<const float> values) {
  begin_array(key, uint32_t(GgufType::kF32), values.size());
  for (const float v : values) append(bytes_, v);
  return *this;
}

GgufHeader& GgufHeader::reserved(std::string_view key, size_t bytes) {
  text(key, std::string(bytes, ' '));
  reserved_[std::string(key)] = {bytes_.size() - bytes, bytes};
  return *this;
}

Result<GgufLayout> GgufHeader::finish(std::span<const GgufTensor> tensors) const {
  if (tensors.size() > kMaxGgufTensors || keys_.size() > kMaxGgufKeys ||
      bytes_.size() > kMaxGgufMetadataBytes) {
    return fail(Code::kDoesNotFit, "too many tensors or keys for a GGUF file");
  }
  std::set<std::string_view> seen;
  for (const std::string& key : keys_) {
    OCELLI_TRY(check_word("a key", key, kMaxGgufKeyBytes));
    if (!seen.insert(key).second) return fail(Code::kBadInput, "a key is given twice", key);
  }
  GgufLayout out;
  append(out.header, std::array<char, 4>{'G', 'G', 'U', 'F'});
  append(out.header, kVersion);
  append(out.header, uint64_t(tensors.size()));
  append(out.header, uint64_t(keys_.size()));
  for (const auto& [key, place] : reserved_)
    out.reserved[key] = {place.first + out.header.size(), place.second};
  out.header += bytes_;
  seen.clear();
  uint64_t offset = 0;
  for (const GgufTensor& t : tensors) {
    OCELLI_ASSIGN(const uint64_t bytes, tensor_bytes(t));
    if (!seen.insert(t.name).second)
      return fail(Code::kBadInput, "a tensor is given twice", t.name);
    append_text(out.header, t.name);
    append(out.header, uint32_t(t.shape.size()));
    for (auto n = t.shape.rbegin(); n != t.shape.rend(); ++n) append(out.header, uint64_t(*n));
    append(out.header, *gguf_type_id(t.encoding));
    append(out.header, offset);
    out.begins.push_back(offset);
    offset = aligned(offset + bytes);
  }
  out.header.resize(aligned(out.header.size()), '\0');
  for (uint64_t& begin : out.begins) begin += out.header.size();
  out.bytes = out.header.size() + offset;
  return out;
}

int64_t interleaved_row(int64_t row, int64_t rows, int64_t heads) {
  const int64_t width = rows / heads, in_head = row % width;
  return row - in_head + in_head % 2 * (width / 2) + in_head / 2;
}

}  // namespace ocelli::formats
