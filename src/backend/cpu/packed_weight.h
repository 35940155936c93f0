// Packing weights: from rows as files hold them to the strips of packed.h, and back.
#pragma once

#include "backend/cpu/packed.h"
#include "base/thread_pool.h"
#include "encoding/weight.h"

namespace ocelli::cpu {

using encoding::unpack_row;
inline bool can_pack(encoding::Encoding encoding) {
  return encoding::has_strips(encoding);
}
inline PackedShape packed_shape(encoding::Encoding encoding, int64_t rows, int64_t cols) {
  return encoding::strip_shape(encoding, rows, cols);
}
inline int64_t packed_size(encoding::Encoding encoding, int64_t rows, int64_t cols) {
  return packed_shape(encoding, rows, cols).bytes();
}

// Packs rows [first, first + rows) of a plain weight as a weight of their own.
void pack_rows_of(base::ThreadPool& pool, const encoding::Weight& plain, int64_t first,
                  int64_t rows, std::byte* memory);

// Of x, `code_bytes` for each code.
RecordShape record_shape(int64_t cols, int64_t code_bytes);

}  // namespace ocelli::cpu
