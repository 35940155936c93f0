// Few rows of x beside packed weights, for sets with dot products of four bytes: strips are read
// once and multiplied as they lie. Included inside the set's namespace.
//
// A set offers stored_bytes() for a vector of bytes, low_halves() and high_halves() of such bytes,
// stored_q8() for q8 codes as dot() takes weights, and kStoredBias, which those have too much.
inline constexpr bool kOwnFew = true;

// A strip's step of kStepColumns columns is kStripParts vectors.
inline constexpr int64_t kStripParts = kStrip / kLanes, kVectorBytes = kLanes * 4;

// The head of a group, one block after the other: scale and z in 32-bit lanes.
struct HeadQ4 {
  Dots all;
  explicit HeadQ4(const uint8_t* head) : all(dots_load(reinterpret_cast<const int32_t*>(head))) {}
  Dots scale() const { return dots_and(all, dots_set(15)); }
  Dots zero() const { return dots_and(dots_right<4>(all), dots_set(1)); }
  // a + b where z is 1.
  Dots add_where_zero(Dots a, Dots b) const { return dots_add_where<4>(all, a, b); }
  void next() { all = dots_right<8>(all); }
};

// How far ahead a strip is asked for. Steps of q8 come from L2; those of q4, which take longer,
// from L1 past the outer caches. (256M, Zen 4, large pages: q8 190 tokens/s so and 163 the other
// way, q4 285 so and 199 the other way.)
inline constexpr int64_t kStripAhead = 4096;

template <int T, class Rows>
inline void few_strip_q8(const Rows& x, int64_t k, const uint8_t* w, float (*out)[kStrip]) {
  constexpr int kChains = (T <= 2 ? 4 : 2) / kStripParts, kPar = kChains < 1 ? 1 : kChains;
  F totals[T][kStripParts];
  const int64_t record = x.shape.bytes;
#pragma GCC unroll 4
  for (int t = 0; t < T; ++t) {
#pragma GCC unroll 4
    for (int v = 0; v < kStripParts; ++v) totals[t][v] = zero();
  }
  for (int64_t g = 0; g * encoding::kGroup < k; ++g) {
    const int64_t left = (k - g * encoding::kGroup + encoding::kBlock - 1) / encoding::kBlock;
    const int64_t blocks = left < kGroupBlocks ? left : kGroupBlocks;
    const auto* const codes = reinterpret_cast<const int8_t*>(x.records) + g * encoding::kGroup;
    const auto* const sums = reinterpret_cast<const int32_t*>(x.records + x.shape.sums) + g;
    const auto* const scales = reinterpret_cast<const float*>(x.records + x.shape.scales) + g;
    Dots dots[T][kStripParts][kPar];
#pragma GCC unroll 4
    for (int t = 0; t < T; ++t) {
#pragma GCC unroll 4
      for (int v = 0; v < kStripParts; ++v) {
#pragma GCC unroll 4
        for (int j = 0; j < kPar; ++j) dots[t][v][j] = dots_zero();
        dots[t][v][0] = dots_set(-kStoredBias * sums[t * record / 4]);
      }
    }
    for (int64_t s = 0; s < blocks * 8; s += kPar, w += kPar * kStepBytes) {
#pragma GCC unroll 4
      for (int j = 0; j < kPar; ++j) {
        __builtin_prefetch(w + j * kStepBytes + kStripAhead, 0, 2);
#pragma GCC unroll 4
        for (int v = 0; v < kStripParts; ++v) {
          const DotVector at = stored_q8(w + j * kStepBytes + v * kVectorBytes);
#pragma GCC unroll 4
          for (int t = 0; t < T; ++t) {
            dots[t][v][j] = dot(dots[t][v][j], at, dot_splat(codes + t * record + (s + j) * 4));
          }
        }
      }
    }
#pragma GCC unroll 4
    for (int t = 0; t < T; ++t) {
#pragma GCC unroll 4
      for (int v = 0; v < kStripParts; ++v) {
        Dots all = dots[t][v][0];
#pragma GCC unroll 4
        for (int j = 1; j < kPar; ++j) all = dots_add(all, dots[t][v][j]);
        totals[t][v] = fma(set(scales[t * record / 4]), dots_float(all), totals[t][v]);
      }
    }
  }
#pragma GCC unroll 4
  for (int t = 0; t < T; ++t) {
#pragma GCC unroll 4
    for (int v = 0; v < kStripParts; ++v) store(out[t] + v * kLanes, totals[t][v]);
  }
}

// sum over blocks of s (q . x + (z - 8) sum x)
template <int T, class Rows>
inline void few_strip_q4(const Rows& x, int64_t k, const uint8_t* w, float (*out)[kStrip]) {
  F totals[T][kStripParts];
  const int64_t record = x.shape.bytes;
#pragma GCC unroll 4
  for (int t = 0; t < T; ++t) {
#pragma GCC unroll 4
    for (int v = 0; v < kStripParts; ++v) totals[t][v] = zero();
  }
  for (int64_t g = 0; g * encoding::kGroup < k; ++g) {
    const int64_t left = (k - g * encoding::kGroup + encoding::kBlock - 1) / encoding::kBlock;
    const int64_t blocks = left < kGroupBlocks ? left : kGroupBlocks;
    const auto* const scales = reinterpret_cast<const float*>(x.records + x.shape.scales) + g;
    const uint8_t* const group = w;
    w += kQ4HeadBytes + blocks * kQ4BlockBytes;
#pragma GCC unroll 4
    for (int v = 0; v < kStripParts; ++v) {
      const uint8_t* at = group + v * kVectorBytes;
      HeadQ4 head(at);
      at += kQ4HeadBytes;
      const auto* codes = reinterpret_cast<const int8_t*>(x.records) + g * encoding::kGroup;
      const auto* sums =
          reinterpret_cast<const int32_t*>(x.records + x.shape.block_sums) + g * kGroupBlocks;
      Dots whole[T];
#pragma GCC unroll 4
      for (int t = 0; t < T; ++t) whole[t] = dots_zero();
      for (int64_t b = 0; b < blocks; ++b, codes += encoding::kBlock, ++sums, head.next()) {
        Dots low[T], high[T];
#pragma GCC unroll 4
        for (int t = 0; t < T; ++t) {
          low[t] = dots_set(-8 * sums[t * record / 4]);
          high[t] = dots_zero();
        }
#pragma GCC unroll 4
        for (int j = 0; j < 4; ++j, at += kStepBytes) {
          if (v == 0) __builtin_prefetch(at + kStripAhead, 0, 0);
          const DotVector both = stored_bytes(at);
          const DotVector even = low_halves(both), odd = high_halves(both);
#pragma GCC unroll 4
          for (int t = 0; t < T; ++t) {
            low[t] = dot(low[t], even, dot_splat(codes + t * record + j * 8));
            high[t] = dot(high[t], odd, dot_splat(codes + t * record + j * 8 + 4));
          }
        }
        const Dots scale = head.scale();
#pragma GCC unroll 4
        for (int t = 0; t < T; ++t) {
          Dots all = dots_add(low[t], high[t]);
          all = head.add_where_zero(all, dots_set(sums[t * record / 4]));
          whole[t] = dots_add(whole[t], dots_product(all, scale));
        }
      }
#pragma GCC unroll 4
      for (int t = 0; t < T; ++t) {
        totals[t][v] = fma(set(scales[t * record / 4]), dots_float(whole[t]), totals[t][v]);
      }
    }
  }
#pragma GCC unroll 4
  for (int t = 0; t < T; ++t) {
#pragma GCC unroll 4
    for (int v = 0; v < kStripParts; ++v) store(out[t] + v * kLanes, totals[t][v]);
  }
}
