// Keys and values of attention, float32, float16 or q8_0.
#pragma once

#include <cstring>

#include "base/f16.h"
#include "tensor/tensor.h"

namespace ocelli::reference {

// Head h of row s of a tensor [S, Hkv, Dh].
class KeyRow {
 public:
  KeyRow(const tensor::Tensor& t, int64_t s, int64_t h)
      : dtype_(t.dtype),
        data_(static_cast<const char*>(t.data) +
              bytes_of(t.dtype, s * t.stride[0] + h * t.stride[1])) {}
  double operator[](int64_t i) const {
    if (dtype_ == tensor::DType::kF16) {
      return base::f16_to_float(reinterpret_cast<const uint16_t*>(data_)[i]);
    }
    if (dtype_ == tensor::DType::kF32) return reinterpret_cast<const float*>(data_)[i];
    const char* const block = data_ + i / encoding::kBlock * encoding::kQ80Bytes;
    uint16_t scale = 0;
    std::memcpy(&scale, block, sizeof(scale));
    const auto code = static_cast<signed char>(block[2 + i % encoding::kBlock]);
    return double(base::f16_to_float(scale) * float(code));
  }

 private:
  tensor::DType dtype_;
  const char* data_;
};

inline double dot(const float* q, const KeyRow& k, int64_t width) {
  double sum = 0;
  for (int64_t i = 0; i < width; ++i) sum += double(q[i]) * k[i];
  return sum;
}

}  // namespace ocelli::reference
