#include "formats/gguf.h"

#include <algorithm>
#include <numeric>

#include "base/advice.h"
#include "base/bounded_reader.h"
#include "formats/gguf_writer.h"

namespace ocelli::formats {

using base::BoundedReader;
using base::Code;
using base::fail;
using base::Result;
using base::Status;
using encoding::Encoding;

namespace {

constexpr uint32_t kMagic = 0x46554747;  // "GGUF"

// A tensor type of the format: what is stored, and in blocks of how many numbers and bytes.
struct Type {
  uint32_t id;
  std::string_view name;
  std::optional<Encoding> encoding;
  int64_t block_cols, block_bytes;  // where there is no encoding
};

constexpr Type kTypes[] = {
    {0, "F32", Encoding::kF32, 0, 0},
    {1, "F16", Encoding::kF16, 0, 0},
    {2, "Q4_0", Encoding::kQ40, 0, 0},
    {3, "Q4_1", Encoding::kQ41, 0, 0},
    {6, "Q5_0", Encoding::kQ50, 0, 0},
    {7, "Q5_1", Encoding::kQ51, 0, 0},
    {8, "Q8_0", Encoding::kQ80, 0, 0},
    {10, "Q2_K", Encoding::kQ2K, 0, 0},
    {11, "Q3_K", Encoding::kQ3K, 0, 0},
    {12, "Q4_K", Encoding::kQ4K, 0, 0},
    {13, "Q5_K", Encoding::kQ5K, 0, 0},
    {14, "Q6_K", Encoding::kQ6K, 0, 0},
    {20, "IQ4_NL", Encoding::kIq4Nl, 0, 0},
    {30, "BF16", Encoding::kBF16, 0, 0},
    {24, "I8", {}, 1, 1},
    {25, "I16", {}, 1, 2},
    {26, "I32", {}, 1, 4},
    {27, "I64", {}, 1, 8},
    {28, "F64", {}, 1, 8},
};

// Types that other programs read.
constexpr std::pair<uint32_t, std::string_view> kForeign[] = {
    {9, "Q8_1"},   {15, "Q8_K"},  {16, "IQ2_XXS"}, {17, "IQ2_XS"}, {18, "IQ3_XXS"},
    {19, "IQ1_S"}, {21, "IQ3_S"}, {22, "IQ2_S"},   {23, "IQ4_XS"}, {29, "IQ1_M"},
    {34, "TQ1_0"}, {35, "TQ2_0"}, {39, "MXFP4"},
};

std::string number(uint64_t n) {
  return std::to_string(n);
}

Result<const Type*> find_type(uint32_t id) {
  const auto* found =
      std::find_if(std::begin(kTypes), std::end(kTypes), [&](const Type& t) { return t.id == id; });
  if (found != std::end(kTypes)) return found;
  std::string what = "type " + number(id);
  for (const auto& [foreign, name] : kForeign) {
    if (foreign == id) what = "type " + std::string(name);
  }
  return fail(Code::kBadInput, what +
                                   " is not one that is read here; F32, F16, BF16, Q8_0, Q4_0, "
                                   "Q4_1, Q5_0, Q5_1, Q2_K to Q6_K and IQ4_NL are");
}

// The magic and the version.
Status read_version(BoundedReader& in, uint32_t& version) {
  OCELLI_ASSIGN(const auto magic, in.read<uint32_t>("the mark \"GGUF\""));
  if (magic != kMagic) {
    return fail(Code::kBadInput, "does not begin with \"GGUF\"; this is not a GGUF file");
  }
  OCELLI_ASSIGN(version, in.read<uint32_t>("version"));
  if (version == 2 || version == 3) return {};
  if (version != 0 && (version & 0xFFFF) == 0) {
    return fail(Code::kBadInput, "is byte-swapped, of a big-endian machine (version " +
                                     number(__builtin_bswap32(version)) +
                                     " in the other order); convert it for little-endian machines");
  }
  return fail(Code::kBadInput, "GGUF version " + number(version) +
                                   " is not supported; versions 2 and 3 are, newer programs may "
                                   "write others");
}

bool is_plain_name(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return c > 0x20 && c < 0x7f && c != '/' && c != '\\';
  });
}

Status read_name(BoundedReader& in, std::string& name) {
  OCELLI_ASSIGN(const auto length, in.read<uint64_t>("tensor name length"));
  if (length > kMaxGgufNameBytes) {
    return fail(Code::kBadInput, "tensor name length at byte " + number(in.offset() - 8) +
                                     " is over the limit (" + number(length) + " bytes, limit " +
                                     number(kMaxGgufNameBytes) + ")");
  }
  OCELLI_ASSIGN(const std::string_view text, in.read_string("tensor name", length));
  if (!is_plain_name(text)) {
    return fail(Code::kBadInput, "tensor name \"" + base::printable(text, 80) +
                                     "\" is not made of ASCII letters, digits and dots");
  }
  name = text;
  return {};
}

Status read_shape(BoundedReader& in, std::vector<int64_t>& shape) {
  OCELLI_ASSIGN(const auto dims, in.read<uint32_t>("number of dimensions"));
  if (dims < 1 || dims > kMaxGgufDims) {
    return fail(Code::kBadInput, "its shape has " + number(dims) + " dimensions (limit 1 to " +
                                     number(kMaxGgufDims) + ")");
  }
  for (uint32_t i = 0; i < dims; ++i) {
    OCELLI_ASSIGN(const auto size, in.read<uint64_t>("dimension"));
    if (size < 1 || size > uint64_t(INT64_MAX)) {
      return fail(Code::kBadInput,
                  "its shape holds a dimension of " + number(size) + " (limit 1 to 2^63-1)");
    }
    shape.push_back(int64_t(size));
  }
  std::reverse(shape.begin(), shape.end());
  return {};
}

// Bytes of a tensor.
Result<uint64_t> size_of(const Type& type, std::span<const int64_t> shape) {
  const int64_t cols = shape.back();
  const int64_t block = type.encoding ? encoding::block_cols(*type.encoding) : type.block_cols;
  const std::string what = shape_text(shape) + " of type " + std::string(type.name);
  if (cols % block != 0) {
    return fail(Code::kBadInput, what + " has rows that are not whole blocks (of " +
                                     std::to_string(block) + " numbers)");
  }
  const int64_t block_bytes =
      type.encoding ? encoding::row_bytes(*type.encoding, block) : type.block_bytes;
  const auto count = base::checked_product(shape);
  const auto bytes =
      count ? base::checked_mul(uint64_t(*count / block), block_bytes) : std::nullopt;
  if (!bytes) return fail(Code::kBadInput, "its shape " + what + " is larger than any file");
  return *bytes;
}

struct Entry {
  TensorInfo info;
  uint64_t offset = 0;  // behind the start of the data
  uint64_t size = 0;
};

Status read_entry(BoundedReader& in, Entry& entry) {
  TensorInfo& info = entry.info;
  OCELLI_TRY(read_name(in, info.name));
  const auto described = [&]() -> Status {
    OCELLI_TRY(read_shape(in, info.shape));
    OCELLI_ASSIGN(const auto id, in.read<uint32_t>("tensor type"));
    OCELLI_ASSIGN(const Type* type, find_type(id));
    info.dtype = type->name;
    info.encoding = type->encoding;
    OCELLI_ASSIGN(entry.size, size_of(*type, info.shape));
    OCELLI_ASSIGN(entry.offset, in.read<uint64_t>("tensor offset"));
    return {};
  };
  return described().in(base::printable(info.name));
}

Result<uint64_t> read_alignment(const GgufMetadata& metadata) {
  constexpr std::string_view kKey = "general.alignment";
  const GgufValue* value = metadata.find(kKey);
  if (!value) return uint64_t{kDefaultGgufAlignment};
  if (value->array || value->type != GgufType::kU32) {
    return fail(Code::kBadInput,
                std::string(kKey) + " is " + type_text(*value) + " but must be a uint32");
  }
  OCELLI_ASSIGN(const int64_t n, metadata.integer(kKey, {1, kMaxGgufAlignment}));
  if ((n & (n - 1)) == 0) return uint64_t(n);
  return fail(Code::kBadInput,
              std::string(kKey) + " is not a power of two (" + std::to_string(n) + ")");
}

// No name twice.
Status check_names(const std::vector<Entry>& entries) {
  std::vector<std::string_view> names;
  names.reserve(entries.size());
  for (const Entry& entry : entries) names.push_back(entry.info.name);
  std::sort(names.begin(), names.end());
  const auto twice = std::adjacent_find(names.begin(), names.end());
  if (twice == names.end()) return {};
  return fail(Code::kBadInput,
              "duplicate tensor name " + base::printable(*twice) + "; the file is damaged");
}

// Gives every tensor its bytes.
Status place(std::vector<Entry>& entries, std::span<const std::byte> data, uint64_t alignment) {
  std::vector<Entry*> order;
  order.reserve(entries.size());
  for (Entry& entry : entries) order.push_back(&entry);
  std::sort(order.begin(), order.end(), [](const Entry* a, const Entry* b) {
    return a->offset != b->offset ? a->offset < b->offset : a->size < b->size;
  });
  uint64_t end = 0;
  for (Entry* entry : order) {
    const std::string name = base::printable(entry->info.name);
    const std::string at = "offset " + number(entry->offset);
    if (entry->offset % alignment != 0) {
      return fail(Code::kBadInput, at + " is no multiple of the alignment " + number(alignment),
                  name);
    }
    const auto last = base::checked_add(entry->offset, entry->size);
    if (!last || *last > data.size()) {
      return fail(Code::kBadInput,
                  at + " and the " + number(entry->size) + " bytes of its shape " +
                      shape_text(entry->info.shape) + " end past the file (expected at least " +
                      (last ? number(*last) : "2^64") + " bytes of tensors, file has " +
                      number(data.size()) + "); it may be an incomplete download",
                  name);
    }
    if (entry->offset < end) {
      return fail(Code::kBadInput,
                  at + " overlaps the tensor before it, which ends at " + number(end) +
                      "; the file is damaged",
                  name);
    }
    end = *last;
    entry->info.bytes = data.subspan(size_t(entry->offset), size_t(entry->size));
  }
  return {};
}

}  // namespace

Result<GgufFile> GgufFile::open(const std::string& path) {
  GgufFile file;
  OCELLI_ASSIGN(file.mapping_, base::MappedFile::open(path));
  OCELLI_TRY(with_advice(file.read(file.mapping_.bytes()), base::kFileAdvice).in(path));
  return file;
}

Result<GgufFile> GgufFile::parse(std::span<const std::byte> bytes) {
  GgufFile file;
  OCELLI_TRY(with_advice(file.read(bytes), base::kFileAdvice));
  return file;
}

Status GgufFile::read(std::span<const std::byte> bytes) {
  bytes_ = bytes;
  if (bytes.empty()) return fail(Code::kBadInput, "is empty (0 bytes); download it again");
  BoundedReader in(bytes);
  OCELLI_TRY(read_version(in, version_));
  OCELLI_ASSIGN(const auto tensors, in.read<uint64_t>("n_tensors, the number of tensors"));
  OCELLI_ASSIGN(const auto keys, in.read<uint64_t>("n_kv, the number of metadata keys"));
  constexpr uint64_t kLeast = 8 + 1 + 4 + 8 + 4 + 8;  // bytes that describe a tensor
  if (tensors > kMaxGgufTensors || tensors > in.remaining() / kLeast) {
    return fail(Code::kBadInput, "n_tensors, the number of tensors, is out of range (" +
                                     number(tensors) + ", limit " + number(kMaxGgufTensors) +
                                     " and " + number(in.remaining()) + " bytes of file)");
  }
  OCELLI_ASSIGN(metadata_, GgufMetadata::read(in, keys));
  OCELLI_ASSIGN(const uint64_t alignment, read_alignment(metadata_));
  std::vector<Entry> entries(static_cast<size_t>(tensors));
  for (Entry& entry : entries) OCELLI_TRY(read_entry(in, entry));
  OCELLI_TRY(check_names(entries));
  // A file without tensors may end before the padding does.
  if (!entries.empty()) OCELLI_TRY(in.align("padding before the tensors", alignment));
  OCELLI_ASSIGN(const auto data, in.read_bytes("tensors", in.remaining()));
  OCELLI_TRY(place(entries, data, alignment));
  tensors_.reserve(entries.size());
  for (Entry& entry : entries) tensors_.push_back(std::move(entry.info));
  return {};
}

std::optional<uint32_t> gguf_type_id(Encoding encoding) {
  for (const Type& type : kTypes) {
    if (type.encoding == encoding) return type.id;
  }
  return std::nullopt;
}

}  // namespace ocelli::formats
