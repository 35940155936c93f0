#include "formats/safetensors_writer.h"

#include <algorithm>
#include <array>
#include <bit>
#include <unordered_set>

#include "base/bounded_reader.h"
#include "base/json.h"
#include "base/utf8.h"
#include "formats/safetensors.h"

namespace ocelli::formats {

using base::Code;
using base::fail;
using base::Json;
using base::Result;
using base::Status;
using encoding::Encoding;

namespace {

constexpr uint64_t kDataAlignment = 64;  // of the first tensor in the file

struct StoredAs {
  const char* dtype;
  int64_t bytes;
};

std::optional<StoredAs> stored_as(Encoding encoding) {
  switch (encoding) {
    case Encoding::kF32:
      return StoredAs{"F32", 4};
    case Encoding::kF16:
      return StoredAs{"F16", 2};
    case Encoding::kBF16:
      return StoredAs{"BF16", 2};
    default:
      return std::nullopt;
  }
}

Status check_name(const std::string& name) {
  if (name == "__metadata__" || name.size() > kMaxTensorName || !base::is_valid_utf8(name)) {
    return fail(Code::kBadInput,
                "cannot be a tensor's name; a name is UTF-8 text of at most " +
                    std::to_string(kMaxTensorName) + " bytes other than __metadata__",
                base::printable(name, 60));
  }
  return {};
}

// Adds `spec` to the header and returns where it ends.
Result<uint64_t> describe(const TensorSpec& spec, uint64_t begin, Json& header) {
  OCELLI_TRY(check_name(spec.name));
  const std::optional<StoredAs> stored =
      spec.dtype.empty() ? stored_as(spec.encoding) : StoredAs{"", 1};
  if (!stored) {
    return fail(Code::kBadInput, "safetensors has no dtype for " +
                                     std::string(encoding::name(spec.encoding)) +
                                     "; write f32, f16 or bf16");
  }
  const auto count = base::checked_product(std::span<const int64_t>(spec.shape));
  const auto size = !count               ? std::nullopt
                    : spec.dtype.empty() ? base::checked_mul(*count, stored->bytes)
                                         : std::optional<int64_t>(int64_t(spec.bytes));
  const auto end = size ? base::checked_add(int64_t(begin), *size) : std::nullopt;
  const bool negative =
      std::any_of(spec.shape.begin(), spec.shape.end(), [](int64_t n) { return n < 0; });
  if (!end || negative || spec.shape.size() > kMaxDims) {
    return fail(Code::kBadInput, "shape " + shape_text(spec.shape) + " cannot be stored");
  }
  Json shape = Json::array();
  for (const int64_t n : spec.shape) shape.push_back(n);
  Json tensor = Json::object();
  tensor.set("dtype", spec.dtype.empty() ? std::string(stored->dtype) : spec.dtype);
  tensor.set("shape", std::move(shape));
  tensor.set("data_offsets", Json::array({int64_t(begin), *end}));
  header.set(spec.name, std::move(tensor));
  return uint64_t(*end);
}

}  // namespace

Result<std::string> safetensors_header(const std::vector<TensorSpec>& tensors,
                                       const Metadata& metadata, uint64_t* data_bytes) {
  if (tensors.size() > kMaxTensors) {
    return fail(Code::kDoesNotFit, "too many tensors (" + std::to_string(tensors.size()) +
                                       ", limit " + std::to_string(kMaxTensors) + ")");
  }
  Json header = Json::object(), about = Json::object();
  for (const auto& [key, value] : metadata) about.set(key, value);
  if (about.size() > 0) header.set("__metadata__", std::move(about));
  uint64_t end = 0;
  std::unordered_set<std::string_view> names;
  for (const TensorSpec& spec : tensors) {
    if (!names.insert(spec.name).second) {
      return fail(Code::kBadInput, "a tensor is given twice", base::printable(spec.name));
    }
    OCELLI_ASSIGN(end, describe(spec, end, header).in(base::printable(spec.name)));
  }
  std::string text = header.dump();
  // The format allows spaces at the end of the header.
  text.append((kDataAlignment - (8 + text.size()) % kDataAlignment) % kDataAlignment, ' ');
  if (text.size() > kMaxHeaderBytes) {
    return fail(Code::kDoesNotFit, "the header is too long (" + std::to_string(text.size()) +
                                       " bytes, limit " + std::to_string(kMaxHeaderBytes) + ")");
  }
  const auto length = std::bit_cast<std::array<char, 8>>(uint64_t{text.size()});
  if (data_bytes) *data_bytes = end;
  return text.insert(0, length.data(), length.size());
}

Result<SafetensorsWriter> SafetensorsWriter::create(const std::string& path,
                                                    const std::vector<TensorSpec>& tensors,
                                                    const Metadata& metadata, unsigned mode) {
  uint64_t data_bytes = 0;
  OCELLI_ASSIGN(const std::string header,
                safetensors_header(tensors, metadata, &data_bytes).in(path));
  OCELLI_ASSIGN(base::AtomicWriter out, base::AtomicWriter::create(path, mode));
  OCELLI_TRY(out.write(header));
  return SafetensorsWriter(std::move(out), data_bytes);
}

Status SafetensorsWriter::write(std::span<const std::byte> bytes) {
  OCELLI_CHECK(bytes.size() <= data_bytes_ - written_, "more bytes than the tensors hold");
  written_ += bytes.size();
  return out_.write(bytes);
}

Status SafetensorsWriter::commit() {
  OCELLI_CHECK(written_ == data_bytes_, "fewer bytes than the tensors hold");
  return out_.commit();
}

}  // namespace ocelli::formats
