#include "formats/safetensors.h"

#include <algorithm>
#include <numeric>
#include <tuple>

#include "base/advice.h"
#include "base/bounded_reader.h"

namespace ocelli::formats {

using base::Code;
using base::fail;
using base::Json;
using base::Result;
using base::Status;
using encoding::Encoding;

namespace {

constexpr char kMetadata[] = "__metadata__";
constexpr std::string_view kAdvice = "download or convert the file again";

struct Dtype {
  std::string_view name;
  int bits;
  std::optional<Encoding> encoding;
};

// Every dtype of safetensors 0.8 (Dtype::bitsize).
constexpr Dtype kDtypes[] = {
    {"F32", 32, Encoding::kF32},
    {"BF16", 16, Encoding::kBF16},
    {"F16", 16, Encoding::kF16},
    {"BOOL", 8, {}},
    {"U8", 8, {}},
    {"I8", 8, {}},
    {"F8_E5M2", 8, {}},
    {"F8_E4M3", 8, {}},
    {"F8_E5M2FNUZ", 8, {}},
    {"F8_E4M3FNUZ", 8, {}},
    {"F8_E8M0", 8, {}},
    {"F6_E2M3", 6, {}},
    {"F6_E3M2", 6, {}},
    {"F4", 4, {}},
    {"I16", 16, {}},
    {"U16", 16, {}},
    {"I32", 32, {}},
    {"U32", 32, {}},
    {"F64", 64, {}},
    {"I64", 64, {}},
    {"U64", 64, {}},
    {"C64", 64, {}},
};

const Dtype* find_dtype(std::string_view name) {
  const auto* found = std::find_if(std::begin(kDtypes), std::end(kDtypes),
                                   [&](const Dtype& d) { return d.name == name; });
  return found == std::end(kDtypes) ? nullptr : found;
}

std::string number(uint64_t n) {
  return std::to_string(n);
}

// A tensor while its place is not checked yet.
struct Entry {
  TensorInfo info;
  uint64_t begin = 0, end = 0;  // within the data
};

Status read_shape(const Json& tensor, TensorInfo& info) {
  const Json* shape = tensor.find("shape");
  if (!shape || !shape->is_array()) return fail(Code::kBadInput, "shape is not a list of numbers");
  if (shape->size() > kMaxDims) {
    return fail(Code::kBadInput, "shape has too many dimensions (" + number(shape->size()) +
                                     ", limit " + number(kMaxDims) + ")");
  }
  for (const Json& size : shape->items()) {
    if (!size.is_int() || size.as_int() < 0) {
      return fail(Code::kBadInput, "shape holds " + base::printable(size.dump(), 40) +
                                       "; every size is an integer from 0 to 2^63-1");
    }
    info.shape.push_back(size.as_int());
  }
  return {};
}

Status read_offsets(const Json& tensor, Entry& entry) {
  const Json* offsets = tensor.find("data_offsets");
  const auto is_offset = [](const Json& j) { return j.is_int() && j.as_int() >= 0; };
  if (!offsets || !offsets->is_array() || offsets->size() != 2 ||
      !std::all_of(offsets->items().begin(), offsets->items().end(), is_offset)) {
    return fail(Code::kBadInput, "data_offsets is not a pair of integers from 0 to 2^63-1");
  }
  entry.begin = uint64_t(offsets->items()[0].as_int());
  entry.end = uint64_t(offsets->items()[1].as_int());
  if (entry.begin > entry.end) {
    return fail(Code::kBadInput, "data_offsets end before they begin (" + number(entry.begin) +
                                     " to " + number(entry.end) + ")");
  }
  return {};
}

// The bytes of a tensor of this shape and dtype are those between the offsets.
Status check_size(const Dtype& dtype, const Entry& entry) {
  const std::string what = shape_text(entry.info.shape) + " of " + entry.info.dtype;
  const auto count = base::checked_product(std::span<const int64_t>(entry.info.shape));
  const auto bits = count ? base::checked_mul(uint64_t(*count), dtype.bits) : std::nullopt;
  if (!bits) return fail(Code::kBadInput, "shape " + what + " is larger than any file");
  if (*bits % 8 != 0) return fail(Code::kBadInput, "dtype: " + what + " ends within a byte");
  if (*bits / 8 != entry.end - entry.begin) {
    return fail(Code::kBadInput, "dtype and shape do not fit data_offsets: " + what + " takes " +
                                     number(*bits / 8) + " bytes, the offsets give " +
                                     number(entry.end - entry.begin));
  }
  return {};
}

Result<Entry> read_entry(const std::string& name, const Json& tensor) {
  Entry entry;
  entry.info.name = name;
  if (!tensor.is_object()) return fail(Code::kBadInput, "is not described by a JSON object");
  OCELLI_ASSIGN(entry.info.dtype, tensor.get_string("dtype"));
  const Dtype* dtype = find_dtype(entry.info.dtype);
  if (!dtype) {
    return fail(Code::kBadInput, "dtype " + base::printable(entry.info.dtype, 40) +
                                     " is not one of safetensors; a newer program may know it");
  }
  entry.info.encoding = dtype->encoding;
  OCELLI_TRY(read_shape(tensor, entry.info));
  OCELLI_TRY(read_offsets(tensor, entry));
  OCELLI_TRY(check_size(*dtype, entry));
  return entry;
}

// Sorted by their bytes, the tensors must fill `data` exactly.
Status place(std::vector<Entry>& entries, std::span<const std::byte> data) {
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return std::tie(a.begin, a.end, a.info.name) < std::tie(b.begin, b.end, b.info.name);
  });
  uint64_t at = 0;
  for (Entry& entry : entries) {
    if (entry.begin != at) {
      return fail(Code::kBadInput,
                  std::string(entry.begin < at ? "offsets overlap" : "offsets leave a hole") +
                      ": it begins at byte " + number(entry.begin) +
                      " of the data, the tensor before it ends at " + number(at),
                  base::printable(entry.info.name));
    }
    if (entry.end > data.size()) {
      return fail(Code::kBadInput,
                  "offsets end past the file (" + number(entry.end) +
                      " bytes of data, the file has " + number(data.size()) +
                      "); it may be an incomplete download",
                  base::printable(entry.info.name));
    }
    entry.info.bytes = data.subspan(size_t(entry.begin), size_t(entry.end - entry.begin));
    at = entry.end;
  }
  if (at != data.size()) {
    return fail(Code::kBadInput, number(data.size() - at) +
                                     " bytes are left over after the last tensor; the file is "
                                     "damaged or something was added to it");
  }
  return {};
}

Result<Json> read_header(base::BoundedReader& in) {
  OCELLI_ASSIGN(const auto length, in.read<uint64_t>("safetensors header length"));
  if (length < 2 || length > kMaxHeaderBytes) {
    return fail(Code::kBadInput, "the safetensors header length is out of range (" +
                                     number(length) + ", limit 2 to " + number(kMaxHeaderBytes) +
                                     "); this is not a safetensors file");
  }
  OCELLI_ASSIGN(const std::string_view text, in.read_string("safetensors header", length));
  if (text.front() != '{') {
    return fail(Code::kBadInput,
                "the safetensors header does not begin with {; this is not a safetensors file");
  }
  // Every tensor is described by an object. Counting the braces is quick and takes no memory; a
  // million descriptions parsed would take hundreds of MB.
  const auto objects = size_t(std::count(text.begin(), text.end(), '{'));
  if (objects > kMaxTensors + 2) {
    return fail(Code::kBadInput, "too many tensors in the safetensors header (" + number(objects - 1) +
                                     ", limit " + number(kMaxTensors) +
                                     "); no model has that many, the file is made to harm");
  }
  return Json::parse(text,
                     {.max_bytes = kMaxHeaderBytes, .max_depth = 8, .max_values = kMaxHeaderValues})
      .in("safetensors header");
}

}  // namespace

Result<SafetensorsFile> SafetensorsFile::open(const std::string& path) {
  SafetensorsFile file;
  OCELLI_ASSIGN(file.mapping_, base::MappedFile::open(path));
  OCELLI_TRY(with_advice(file.read(file.mapping_.bytes()), kAdvice).in(path));
  return file;
}

Result<SafetensorsFile> SafetensorsFile::parse(std::span<const std::byte> bytes) {
  SafetensorsFile file;
  OCELLI_TRY(with_advice(file.read(bytes), kAdvice));
  return file;
}

Status SafetensorsFile::read(std::span<const std::byte> bytes) {
  bytes_ = bytes;
  base::BoundedReader in(bytes);
  OCELLI_ASSIGN(const Json header, read_header(in));
  if (header.size() > kMaxTensors + 1) {
    return fail(Code::kDoesNotFit, "too many tensors (" + number(header.size()) + ", limit " +
                                       number(kMaxTensors) + ")");
  }
  std::vector<Entry> entries;
  entries.reserve(header.size());
  for (const auto& [name, value] : header.members()) {
    if (name == kMetadata) {
      OCELLI_TRY(read_metadata(value));
      continue;
    }
    if (name.size() > kMaxTensorName) {
      return fail(Code::kBadInput,
                  "a tensor's name is too long (" + number(name.size()) + " bytes, limit " +
                      number(kMaxTensorName) + ")",
                  base::printable(name, 60));
    }
    OCELLI_ASSIGN(Entry entry, read_entry(name, value).in(base::printable(name)));
    entries.push_back(std::move(entry));
  }
  OCELLI_ASSIGN(const auto data, in.read_bytes("tensors", in.remaining()));
  OCELLI_TRY(place(entries, data));
  tensors_.reserve(entries.size());
  for (Entry& entry : entries) tensors_.push_back(std::move(entry.info));
  sort_names();
  return {};
}

Status SafetensorsFile::read_metadata(const Json& metadata) {
  if (metadata.is_null()) return {};
  if (!metadata.is_object()) return fail(Code::kBadInput, "is not a JSON object", kMetadata);
  for (const auto& [key, value] : metadata.members()) {
    if (!value.is_string()) {
      return fail(Code::kBadInput, "the value of \"" + base::printable(key, 60) + "\" is not text",
                  kMetadata);
    }
    metadata_.emplace_back(key, value.as_string());
  }
  return {};
}

void SafetensorsFile::sort_names() {
  by_name_.resize(tensors_.size());
  std::iota(by_name_.begin(), by_name_.end(), 0u);
  std::sort(by_name_.begin(), by_name_.end(),
            [&](uint32_t a, uint32_t b) { return tensors_[a].name < tensors_[b].name; });
}

const TensorInfo* SafetensorsFile::find(std::string_view name) const {
  const auto at =
      std::lower_bound(by_name_.begin(), by_name_.end(), name,
                       [&](uint32_t i, std::string_view n) { return tensors_[i].name < n; });
  if (at == by_name_.end() || tensors_[*at].name != name) return nullptr;
  return &tensors_[*at];
}

}  // namespace ocelli::formats
