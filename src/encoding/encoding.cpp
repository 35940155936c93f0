#include "encoding/encoding.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/check.h"
#include "encoding/forms.h"

namespace ocelli::encoding {
namespace {

static_assert(std::endian::native == std::endian::little, "rows are little-endian");

struct Entry {
  std::string_view name;
  int64_t number_bytes = 0;  // of one number
  const BlockForm* block = nullptr;
  const RowForm* row = nullptr;
};

// In the order of the enum.
constexpr Entry kEntries[] = {
    {.name = "f32", .number_bytes = 4},       {.name = "f16", .number_bytes = 2},
    {.name = "bf16", .number_bytes = 2},      {.name = "q8", .row = &kQ8Form},
    {.name = "q4", .row = &kQ4Form},          {.name = "q8_0", .block = &kQ80Form},
    {.name = "q4_0", .block = &kQ40Form},     {.name = "q4_1", .block = &kQ41Form},
    {.name = "q5_0", .block = &kQ50Form},     {.name = "q5_1", .block = &kQ51Form},
    {.name = "iq4_nl", .block = &kIq4NlForm}, {.name = "q2_k", .block = &kQ2KForm},
    {.name = "q3_k", .block = &kQ3KForm},     {.name = "q4_k", .block = &kQ4KForm},
    {.name = "q5_k", .block = &kQ5KForm},     {.name = "q6_k", .block = &kQ6KForm},
};
static_assert(std::size(kEntries) == kEncodings);

const Entry& entry(Encoding encoding) {
  return kEntries[size_t(encoding)];
}

// Of a number that is already whole. NaN (0 times infinity, in a block of subnormals) becomes 0.
int8_t to_code(float whole) {
  if (std::isnan(whole)) return 0;
  return int8_t(std::clamp(whole, -127.0f, 127.0f));
}

// A block of `count` numbers, followed by zeros where a row ends within it.
const float* whole_block(const float* in, int64_t count, float* padded) {
  if (count >= kBlock) return in;
  std::fill(std::copy_n(in, count, padded), padded + kBlock, 0.0f);
  return padded;
}

void decode_blocks(Encoding encoding, const std::byte* row, int64_t first, int64_t count,
                   float* out) {
  OCELLI_CHECK(first % kBlock == 0, "blocks are decoded from the start of a block of 32");
  constexpr int64_t kHalf = kBlock / 2;
  for (int64_t at = 0; at < count; at += kBlock) {
    const Group group = group_of(encoding, row, (first + at) / kBlock);
    float numbers[kBlock];
    for (int64_t half = 0; half < 2; ++half) {
      const float scale = group.scale[half], min = group.min[half];
      for (int64_t i = half * kHalf; i < (half + 1) * kHalf; ++i) {
        numbers[i] = scale * float(group.codes[i]) - min;
      }
    }
    std::copy_n(numbers, std::min(kBlock, count - at), out + at);
  }
}

template <class Convert>
void decode_16(const std::byte* row, int64_t first, int64_t count, float* out, Convert convert) {
  for (int64_t i = 0; i < count; ++i) {
    uint16_t bits;
    std::memcpy(&bits, row + 2 * (first + i), 2);
    out[i] = convert(bits);
  }
}

template <class Convert>
void encode_16(const float* in, int64_t cols, std::byte* row, Convert convert) {
  for (int64_t i = 0; i < cols; ++i) {
    const uint16_t bits = convert(in[i]);
    std::memcpy(row + 2 * i, &bits, 2);
  }
}

}  // namespace

const BlockForm* block_form(Encoding encoding) {
  return entry(encoding).block;
}

const RowForm* row_form(Encoding encoding) {
  return entry(encoding).row;
}

std::string_view name(Encoding encoding) {
  return entry(encoding).name;
}

std::optional<Encoding> from_name(std::string_view wanted) {
  for (size_t i = 0; i < std::size(kEntries); ++i) {
    if (kEntries[i].name == wanted) return Encoding(i);
  }
  return std::nullopt;
}

bool can_encode(Encoding encoding) {
  const BlockForm* form = block_form(encoding);
  return !form || form->encode;
}

int64_t row_bytes(Encoding encoding, int64_t cols) {
  const Entry& e = entry(encoding);
  if (e.row) return e.row->bytes(cols);
  if (!e.block) return e.number_bytes * cols;
  return (cols + e.block->cols - 1) / e.block->cols * e.block->bytes;
}

int64_t block_cols(Encoding encoding) {
  const BlockForm* form = block_form(encoding);
  return form ? form->cols : row_form(encoding) ? kBlock : 1;
}

bool has_groups(Encoding encoding) {
  return block_form(encoding) != nullptr;
}

Group group_of(Encoding encoding, const std::byte* row, int64_t g) {
  const BlockForm& form = *block_form(encoding);
  const int64_t groups = form.cols / kBlock;
  Group out;
  out.min[0] = out.min[1] = 0;
  form.read(reinterpret_cast<const uint8_t*>(row) + g / groups * form.bytes, g % groups, out);
  return out;
}

void decode_row(Encoding encoding, const std::byte* row, int64_t first, int64_t count, float* out) {
  switch (encoding) {
    case Encoding::kF32:
      std::memcpy(out, row + 4 * first, size_t(4 * count));
      return;
    case Encoding::kF16:
      return decode_16(row, first, count, out, base::f16_to_float);
    case Encoding::kBF16:
      return decode_16(row, first, count, out, base::bf16_to_float);
    case Encoding::kQ8:
    case Encoding::kQ4:
      return decode_row_form(encoding, row, first, count, out);
    default:
      return decode_blocks(encoding, row, first, count, out);
  }
}

void encode_row(Encoding encoding, const float* in, int64_t cols, std::byte* row) {
  OCELLI_CHECK(can_encode(encoding), "this encoding is read from files only");
  switch (encoding) {
    case Encoding::kF32:
      std::memcpy(row, in, size_t(4 * cols));
      return;
    case Encoding::kF16:
      return encode_16(in, cols, row, base::float_to_f16);
    case Encoding::kBF16:
      return encode_16(in, cols, row, base::float_to_bf16);
    case Encoding::kQ8:
    case Encoding::kQ4:
      return row_form(encoding)->encode(in, cols, row);
    default:
      break;
  }
  const BlockForm& form = *block_form(encoding);
  float padded[kBlock];
  for (int64_t at = 0; at < cols; at += kBlock) {
    form.encode(whole_block(in + at, cols - at, padded),
                reinterpret_cast<uint8_t*>(row) + at / kBlock * form.bytes);
  }
}

void quantize_row(const float* in, int64_t cols, int8_t* codes, float* scales, int64_t group) {
  OCELLI_CHECK(group > 0 && group % kBlock == 0, "groups are whole blocks");
  for (int64_t at = 0; at < cols; at += group) {
    const int64_t count = std::min(group, cols - at);
    float most = 0, odd = 0, padded[kBlock];
    for (int64_t i = 0; i < count; ++i) odd += in[at + i] - in[at + i];  // 0 or NaN
    for (int64_t i = 0; i < count; i += kBlock) {
      most = std::max(most, max_magnitude(whole_block(in + at + i, count - i, padded)));
    }
    const float inverse = most > 0 ? 127.0f / most : 0.0f;
    scales[at / group] = odd == 0 ? most / 127.0f : std::numeric_limits<float>::quiet_NaN();
    std::fill_n(codes + at, group, int8_t{0});
    // nearbyint rounds to nearest even: nobody here changes the rounding mode.
    for (int64_t i = 0; i < count; ++i)
      codes[at + i] = to_code(std::nearbyint(in[at + i] * inverse));
  }
}

}  // namespace ocelli::encoding
