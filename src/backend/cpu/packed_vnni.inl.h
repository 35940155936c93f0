// Packed weights beside AVX-512 VNNI: weights are the unsigned operand of its dot products, so that
// stored q8 steps (code + 128) and the 4-bit codes of q4 are used as they lie; what they have too
// much is taken off with the sums of x. Included inside the set's namespace.
using PanelW = uint8_t;
using CodeX = int8_t;
inline constexpr int kPackedBias = kPackedOffset;
inline constexpr bool kOwnFew = true;

inline void expand_q8(const uint8_t*, int64_t, PanelW*) {}  // not called

// The head of a group, one block after the other: scale and z in 32-bit lanes.
struct HeadQ4 {
  Dots all;
  explicit HeadQ4(const uint8_t* head) : all(_mm512_loadu_si512(head)) {}
  Dots scale() const { return _mm512_and_si512(all, _mm512_set1_epi32(15)); }
  Dots zero() const { return _mm512_and_si512(_mm512_srli_epi32(all, 4), _mm512_set1_epi32(1)); }
  auto zero_mask() const { return _mm512_test_epi32_mask(all, _mm512_set1_epi32(16)); }
  void next() { all = _mm512_srli_epi32(all, 8); }
};

inline Dots low_halves(Dots a) {
  return _mm512_and_si512(a, _mm512_set1_epi8(15));
}
inline Dots high_halves(Dots a) {
  return low_halves(_mm512_srli_epi16(a, 4));
}

// s q + (128 + s (z - 8)) in bytes: s q is at most 225, so one 16-bit product makes two of them.
inline void expand_q4(const uint8_t* from, int64_t blocks, PanelW* out) {
  HeadQ4 head(from);
  from += kQ4HeadBytes;
  for (int64_t b = 0; b < blocks; ++b, head.next()) {
    const Dots s = head.scale();
    const Dots least = _mm512_add_epi32(
        _mm512_set1_epi32(kPackedOffset),
        _mm512_mullo_epi32(s, _mm512_sub_epi32(head.zero(), _mm512_set1_epi32(8))));
    const Dots add = _mm512_mullo_epi32(least, _mm512_set1_epi32(0x01010101));
    const Dots factor = _mm512_or_si512(s, _mm512_slli_epi32(s, 16));
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j, from += 64, out += 128) {
      const Dots both = _mm512_loadu_si512(from);
      _mm512_storeu_si512(out, _mm512_add_epi8(_mm512_mullo_epi16(low_halves(both), factor), add));
      _mm512_storeu_si512(out + 64,
                          _mm512_add_epi8(_mm512_mullo_epi16(high_halves(both), factor), add));
    }
  }
}

// How far ahead a strip is asked for. Steps of q8 come from L2; those of q4, which take longer, from
// L1 past the outer caches. (256M, Zen 4, large pages: q8 190 tokens/s so and 163 the other way, q4
// 285 so and 199 the other way.)
inline constexpr int64_t kStripAhead = 4096;

template <int T, class Rows>
inline void few_strip_q8(const Rows& x, int64_t k, const uint8_t* w, float (*out)[kStrip]) {
  F totals[T];
  constexpr int kPar = T <= 2 ? 4 : 2;  // chains
  const int64_t record = x.shape.bytes;
#pragma GCC unroll 4
  for (int t = 0; t < T; ++t) totals[t] = zero();
  for (int64_t g = 0; g * encoding::kGroup < k; ++g) {
    const int64_t left = (k - g * encoding::kGroup + encoding::kBlock - 1) / encoding::kBlock;
    const int64_t blocks = left < kGroupBlocks ? left : kGroupBlocks;
    const std::byte* const codes = x.records + g * encoding::kGroup;
    const auto* const sums = reinterpret_cast<const int32_t*>(x.records + x.shape.sums) + g;
    const auto* const scales = reinterpret_cast<const float*>(x.records + x.shape.scales) + g;
    Dots dots[T][kPar];
#pragma GCC unroll 4
    for (int t = 0; t < T; ++t) {
#pragma GCC unroll 4
      for (int j = 0; j < kPar; ++j) dots[t][j] = dots_zero();
      dots[t][0] = dots_set(-kPackedBias * sums[t * record / 4]);
    }
    for (int64_t s = 0; s < blocks * 8; s += kPar, w += kPar * 64) {
#pragma GCC unroll 4
      for (int j = 0; j < kPar; ++j) {
        __builtin_prefetch(w + j * 64 + kStripAhead, 0, 2);
        const Dots at = _mm512_loadu_si512(w + j * 64);
#pragma GCC unroll 4
        for (int t = 0; t < T; ++t) {
          dots[t][j] = dot(dots[t][j], at, dot_splat(codes + t * record + (s + j) * 4));
        }
      }
    }
#pragma GCC unroll 4
    for (int t = 0; t < T; ++t) {
      Dots all = dots[t][0];
#pragma GCC unroll 4
      for (int j = 1; j < kPar; ++j) all = _mm512_add_epi32(all, dots[t][j]);
      totals[t] = fma(set(scales[t * record / 4]), dots_float(all), totals[t]);
    }
  }
#pragma GCC unroll 4
  for (int t = 0; t < T; ++t) store(out[t], totals[t]);
}

// sum over blocks of s (q . x + (z - 8) sum x)
template <int T, class Rows>
inline void few_strip_q4(const Rows& x, int64_t k, const uint8_t* w, float (*out)[kStrip]) {
  F totals[T];
  const int64_t record = x.shape.bytes;
#pragma GCC unroll 4
  for (int t = 0; t < T; ++t) totals[t] = zero();
  for (int64_t g = 0; g * encoding::kGroup < k; ++g) {
    const int64_t left = (k - g * encoding::kGroup + encoding::kBlock - 1) / encoding::kBlock;
    const int64_t blocks = left < kGroupBlocks ? left : kGroupBlocks;
    HeadQ4 head(w);
    w += kQ4HeadBytes;
    const std::byte* codes = x.records + g * encoding::kGroup;
    const auto* const scales = reinterpret_cast<const float*>(x.records + x.shape.scales) + g;
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
      for (int j = 0; j < 4; ++j, w += 64) {
        __builtin_prefetch(w + kStripAhead, 0, 0);
        const Dots both = _mm512_loadu_si512(w);
        const Dots even = low_halves(both), odd = high_halves(both);
#pragma GCC unroll 4
        for (int t = 0; t < T; ++t) {
          low[t] = dot(low[t], even, dot_splat(codes + t * record + j * 8));
          high[t] = dot(high[t], odd, dot_splat(codes + t * record + j * 8 + 4));
        }
      }
      const auto z = head.zero_mask();
      const Dots scale = head.scale();
#pragma GCC unroll 4
      for (int t = 0; t < T; ++t) {
        Dots all = _mm512_add_epi32(low[t], high[t]);
        all = _mm512_mask_add_epi32(all, z, all, dots_set(sums[t * record / 4]));
        whole[t] = _mm512_add_epi32(whole[t], _mm512_mullo_epi32(all, scale));
      }
    }
#pragma GCC unroll 4
    for (int t = 0; t < T; ++t) {
      totals[t] = fma(set(scales[t * record / 4]), dots_float(whole[t]), totals[t]);
    }
  }
#pragma GCC unroll 4
  for (int t = 0; t < T; ++t) store(out[t], totals[t]);
}
