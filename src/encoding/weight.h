// Weight: a matrix in some encoding and layout. A view; the memory belongs to whoever loaded it.
#pragma once

#include "encoding/encoding.h"

namespace ocelli::encoding {

// kPacked: strips.h, for encodings with has_strips() and backends that take it
// (Backend::packed_bytes).
enum class Layout : uint8_t { kPlain, kPacked };

struct Weight {
  Encoding encoding = Encoding::kF32;
  Layout layout = Layout::kPlain;
  int64_t rows = 0;                 // outputs
  int64_t cols = 0;                 // inputs
  const std::byte* data = nullptr;  // rows * row_bytes(encoding, cols) bytes in the plain layout
  // Float32 [rows, cols], added to by the backward pass; null for a frozen weight. Only f32 and
  // bf16 weights may have one.
  float* grad = nullptr;

  const std::byte* row(int64_t r) const { return data + r * row_bytes(encoding, cols); }
  explicit operator bool() const { return data != nullptr; }
};

inline int64_t bytes(const Weight& w) {
  return w.rows * row_bytes(w.encoding, w.cols);
}

}  // namespace ocelli::encoding
