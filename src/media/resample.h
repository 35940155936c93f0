// Resizing that gives Pillow's bytes, or PyTorch's.
//
// The first reference is PIL.Image.resize of an RGB picture, Pillow 13.0.0, without `box` and
// `reducing_gap`: coefficients in double, rounded to 22 fractional bits, 32-bit sums, two passes
// with 8 bits between, in Pillow 13's order (earlier versions give other bytes for tall pictures).
// tests/fixtures/media/resize.tsv holds its results.
//
// The second is torch.nn.functional.interpolate(antialias=True) of uint8 pictures on the CPU, which
// torchvision >= 0.27 uses also for Lanczos: the same coefficients, rounded to as many fractional
// bits as let the largest of an axis fit 16 bits; always the columns first.
#pragma once

#include <cstdint>
#include <functional>

#include "media/image.h"

namespace ocelli::media {

enum class Filter { kLanczos, kBicubic, kBilinear };
enum class Arithmetic { kPillow, kTorch };

// Runs body(begin, end) over pieces that cover [0, count) exactly, on any threads, and returns when
// all are done. An empty function means: on this thread.
using ParallelFor =
    std::function<void(int64_t count, const std::function<void(int64_t begin, int64_t end)>& body)>;

// The picture at another size; the facts are copied. The result does not depend on `parallel`.
// Requires (CHECK) a source and a target of 1 to kMaxSide pixels on each side.
Image resize(const Image& source, int width, int height, Filter filter,
             const ParallelFor& parallel = {}, Arithmetic arithmetic = Arithmetic::kPillow);

}  // namespace ocelli::media
