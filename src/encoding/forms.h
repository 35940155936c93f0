// The block encodings of this room: how many columns and bytes a block has, and what 32 columns of
// it hold. blocks.cpp holds those with blocks of 32 columns, k_quants.cpp those of 256,
// row_forms.cpp those with a scale for a whole row.
#pragma once

#include <cstring>

#include "base/f16.h"
#include "encoding/encoding.h"

namespace ocelli::encoding {

// Columns [32 group, 32 group + 32) of a block; minima are zero before.
using ReadGroup = void (*)(const uint8_t* block, int64_t group, Group& out);
// Stores 32 columns.
using EncodeBlock = void (*)(const float* in, uint8_t* block);

struct BlockForm {
  int64_t cols, bytes;
  ReadGroup read;
  EncodeBlock encode = nullptr;  // null: read from files only
};

// Of a block encoding; null for all others.
const BlockForm* block_form(Encoding encoding);

extern const BlockForm kQ80Form, kQ40Form, kQ41Form, kQ50Form, kQ51Form, kIq4NlForm;
extern const BlockForm kQ2KForm, kQ3KForm, kQ4KForm, kQ5KForm, kQ6KForm;

// The encodings with one scale for a whole row: row_forms.cpp.
struct RowForm {
  int64_t (*bytes)(int64_t cols);
  void (*encode)(const float* in, int64_t cols, std::byte* row);
};
// Of q8 and q4; null for all others.
const RowForm* row_form(Encoding encoding);

extern const RowForm kQ8Form, kQ4Form;

// Columns [first, first + count) of such a row; `first` is a multiple of 32.
void decode_row_form(Encoding encoding, const std::byte* row, int64_t first, int64_t count,
                     float* out);

// The f16 at p, which is aligned to nothing.
inline float f16_at(const uint8_t* p) {
  uint16_t bits;
  std::memcpy(&bits, p, sizeof bits);
  return base::f16_to_float(bits);
}

// The largest magnitude of 32 numbers; a NaN does not count.
float max_magnitude(const float* in);

}  // namespace ocelli::encoding
