// Tensor: a view of numbers. It owns nothing; activations live in an Arena, parameters in the
// model.
//
// Shapes are written with one notation everywhere: B batch, T tokens, D width, H heads, Dh head
// width, F hidden width, V vocabulary, S keys.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>

#include "base/check.h"
#include "encoding/encoding.h"

namespace ocelli::tensor {

// kQ80: blocks of 32 numbers as Encoding::kQ80 has them, of keys and values in a cache alone; rows,
// heads and slices are whole blocks.
enum class DType : uint8_t { kF32, kF16, kBF16, kQ80 };

constexpr encoding::Encoding encoding_of(DType t) {
  switch (t) {
    case DType::kF16:
      return encoding::Encoding::kF16;
    case DType::kBF16:
      return encoding::Encoding::kBF16;
    case DType::kQ80:
      return encoding::Encoding::kQ80;
    case DType::kF32:
      break;
  }
  return encoding::Encoding::kF32;
}

inline int64_t bytes_of(DType t, int64_t numbers) {
  return encoding::row_bytes(encoding_of(t), numbers);
}

// Where the gradient of one tensor is gathered. Shared by all views of that tensor. The numbers are
// taken from the arena, cleared, when the backward pass first adds to them.
struct Grad {
  float* data = nullptr;
  int64_t count = 0;  // numbers of the whole tensor
};

inline constexpr int kMaxRank = 4;

struct Tensor {
  void* data = nullptr;
  Grad* grad = nullptr;     // null where no gradient flows
  int64_t grad_offset = 0;  // of this view's first number within grad->data
  DType dtype = DType::kF32;
  int rank = 0;
  std::array<int64_t, kMaxRank> shape{};
  std::array<int64_t, kMaxRank> stride{};  // in numbers, not bytes

  int64_t dim(int i) const { return shape[size_t(i < 0 ? i + rank : i)]; }
  int64_t count() const;
  // All dimensions but the last, multiplied: what row-wise ops loop over.
  int64_t rows() const { return rank == 0 ? 0 : count() / (dim(-1) ? dim(-1) : 1); }
  bool contiguous() const;
  // Every row (last dimension) lies contiguous and rows follow at one distance, row_stride().
  bool row_uniform() const;
  int64_t row_stride() const { return rank < 2 ? dim(-1) : stride[size_t(rank - 2)]; }

  float* f32() const {
    OCELLI_CHECK(dtype == DType::kF32, "the tensor must hold float32");
    return static_cast<float*>(data);
  }
  explicit operator bool() const { return data != nullptr; }

  // A contiguous view of `memory`.
  static Tensor view(void* memory, std::initializer_list<int64_t> shape, DType dtype = DType::kF32);

  // Other shapes over the same numbers. The gradient goes along.
  Tensor reshape(std::initializer_list<int64_t> shape) const;  // needs contiguous()
  Tensor slice(int axis, int64_t first, int64_t count) const;
  // Splits the last dimension [.., n * width] into [.., n, width]; works on row slices too.
  Tensor split_last(int64_t width) const;
};

}  // namespace ocelli::tensor
