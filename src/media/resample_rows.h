// The inner loops of resizing: weighted sums of rows of bytes, and turning rows into columns.
// Internal to this room.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace ocelli::media {

// Output i is the sum over t < count of input[first + t] * weights[t], in units of 2^-bits.
struct Taps {
  int first, count;
  const int32_t* weights;
};

// out[i] = sum over t < taps.count of in[(taps.first + t) * stride + i] * taps.weights[t], shifted
// right by `bits` with rounding, cut to 0..255; i < n. The sums must fit 32 bits.
using BlendRows = void (*)(const uint8_t* in, size_t stride, Taps taps, int bits, size_t n,
                           uint8_t* out);

struct BlendKernel {
  const char* name;
  BlendRows blend;
};

// Those that this CPU runs, the slowest and plainest first. All give the same bytes.
std::span<const BlendKernel> blend_kernels();

// out[column * out_stride + row] = in[row * in_stride + column].
void transpose_bytes(const uint8_t* in, size_t in_stride, size_t rows, size_t columns, uint8_t* out,
                     size_t out_stride);

}  // namespace ocelli::media
