// Keys and values of attention, float32 or float16.
#pragma once

#include "base/f16.h"
#include "tensor/tensor.h"

namespace ocelli::reference {

// Head h of row s of a tensor [S, Hkv, Dh].
class KeyRow {
 public:
  KeyRow(const tensor::Tensor& t, int64_t s, int64_t h)
      : half_(t.dtype == tensor::DType::kF16),
        data_(static_cast<const char*>(t.data) +
              (s * t.stride[0] + h * t.stride[1]) * size_of(t.dtype)) {}
  double operator[](int64_t i) const {
    if (half_) return base::f16_to_float(reinterpret_cast<const uint16_t*>(data_)[i]);
    return reinterpret_cast<const float*>(data_)[i];
  }

 private:
  bool half_;
  const char* data_;
};

inline double dot(const float* q, const KeyRow& k, int64_t width) {
  double sum = 0;
  for (int64_t i = 0; i < width; ++i) sum += double(q[i]) * k[i];
  return sum;
}

}  // namespace ocelli::reference
