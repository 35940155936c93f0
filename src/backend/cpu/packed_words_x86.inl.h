// Few rows of x beside packed weights for x86 sets without VNNI, in 256-bit registers: strips are
// read once and multiplied as they lie. Included inside the set's namespace, before
// panel_words_x86.inl.h.
inline constexpr bool kOwnFew = true;

inline __m256i load_256(const void* p) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(p));
}
// 16 bytes as 16-bit words.
inline __m256i load_words(const uint8_t* p) {
  return _mm256_cvtepu8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}
inline __m256i splat_64(const void* p) {
  int64_t four;
  __builtin_memcpy(&four, p, 8);
  return _mm256_set1_epi64x(four);
}
inline __m256i splat_32(const void* p) {
  int32_t four;
  __builtin_memcpy(&four, p, 4);
  return _mm256_set1_epi32(four);
}
// Two sums for each of 4 rows, twice, to one for each of 8.
inline __m256i join_pairs(__m256i a, __m256i b) {
  return _mm256_permute4x64_epi64(_mm256_hadd_epi32(a, b), 0xd8);
}

template <class Rows>
struct FewGroup {
  const std::byte* first;
  int64_t record;
  const Rows& x;
  int64_t g;
  const std::byte* row(int t) const { return first + t * record; }
  const int16_t* codes(int t) const {
    return reinterpret_cast<const int16_t*>(row(t)) + g * encoding::kGroup;
  }
  const std::byte* codes8(int t) const { return row(t) + x.shape.codes8 + g * encoding::kGroup; }
  __m256 scale(int t) const {
    return _mm256_set1_ps(reinterpret_cast<const float*>(row(t) + x.shape.scales)[g]);
  }
  int32_t sum(int t) const { return reinterpret_cast<const int32_t*>(row(t) + x.shape.sums)[g]; }
  int32_t block_sum(int t, int64_t b) const {
    return reinterpret_cast<const int32_t*>(row(t) + x.shape.block_sums)[g * kGroupBlocks + b];
  }
};

inline int64_t blocks_in_group(int64_t k, int64_t g) {
  const int64_t left = (k - g * encoding::kGroup + encoding::kBlock - 1) / encoding::kBlock;
  return left < kGroupBlocks ? left : kGroupBlocks;
}
inline constexpr int64_t kStripAhead = 4096;

template <int T, class Rows>
inline void few_strip_q8(const Rows& x, int64_t k, const uint8_t* w, float (*totals)[kStrip]) {
  __m256 sums[T][2];
#pragma GCC unroll 4
  for (int t = 0; t < T; ++t) sums[t][0] = sums[t][1] = _mm256_setzero_ps();
  for (int64_t g = 0; g * encoding::kGroup < k; ++g) {
    const FewGroup<Rows> of{x.records, x.shape.bytes, x, g};
    const int64_t steps = blocks_in_group(k, g) * encoding::kBlock / kStepColumns;
    __m256i dots[T][4];
#pragma GCC unroll 4
    for (int t = 0; t < T; ++t) {
#pragma GCC unroll 4
      for (int j = 0; j < 4; ++j) dots[t][j] = _mm256_setzero_si256();
    }
    for (int64_t s = 0; s < steps; ++s, w += kStepBytes) {
      __builtin_prefetch(w + kStripAhead, 0, 2);
#pragma GCC unroll 4
      for (int j = 0; j < 4; ++j) {
        const __m256i at = load_words(w + 16 * j);
#pragma GCC unroll 4
        for (int t = 0; t < T; ++t) {
          dots[t][j] = dots_sum(dots[t][j],
                                _mm256_madd_epi16(at, splat_64(of.codes(t) + s * kStepColumns)));
        }
      }
    }
#pragma GCC unroll 4
    for (int t = 0; t < T; ++t) {
      const __m256i bias = _mm256_set1_epi32(-kPackedOffset * of.sum(t));
#pragma GCC unroll 2
      for (int h = 0; h < 2; ++h) {
        const __m256i all = _mm256_add_epi32(bias, join_pairs(dots[t][2 * h], dots[t][2 * h + 1]));
        sums[t][h] = _mm256_fmadd_ps(of.scale(t), _mm256_cvtepi32_ps(all), sums[t][h]);
      }
    }
  }
#pragma GCC unroll 4
  for (int t = 0; t < T; ++t) {
    _mm256_storeu_ps(totals[t], sums[t][0]);
    _mm256_storeu_ps(totals[t] + 8, sums[t][1]);
  }
}

// q . x of a block stays within 16 bits in each of its two halves: 8 products of pairs, each at
// most 2 * 15 * 127.
template <int T, class Rows>
inline void few_strip_q4(const Rows& x, int64_t k, const uint8_t* w, float (*totals)[kStrip]) {
  const __m256i low = _mm256_set1_epi8(15), fifteen = _mm256_set1_epi32(15);
  __m256 sums[T][2];
#pragma GCC unroll 4
  for (int t = 0; t < T; ++t) sums[t][0] = sums[t][1] = _mm256_setzero_ps();
  for (int64_t g = 0; g * encoding::kGroup < k; ++g) {
    const FewGroup<Rows> of{x.records, x.shape.bytes, x, g};
    const int64_t blocks = blocks_in_group(k, g);
    __m256i head[2] = {load_256(w), load_256(w + 32)};
    w += kQ4HeadBytes;
    __m256i whole[T][2];
#pragma GCC unroll 4
    for (int t = 0; t < T; ++t) whole[t][0] = whole[t][1] = _mm256_setzero_si256();
    for (int64_t b = 0; b < blocks; ++b) {
      __m256i dots[T][2];
#pragma GCC unroll 4
      for (int t = 0; t < T; ++t) dots[t][0] = dots[t][1] = _mm256_setzero_si256();
      for (int64_t s = 0; s < encoding::kBlock; s += 2 * kStepColumns, w += kStepBytes) {
        __builtin_prefetch(w + kStripAhead, 0, 2);
#pragma GCC unroll 2
        for (int h = 0; h < 2; ++h) {
          const __m256i both = load_256(w + 32 * h);
          const __m256i even = _mm256_and_si256(both, low);
          const __m256i odd = _mm256_and_si256(_mm256_srli_epi16(both, 4), low);
#pragma GCC unroll 4
          for (int t = 0; t < T; ++t) {
            const std::byte* const codes = of.codes8(t) + b * encoding::kBlock + s;
            const __m256i a = _mm256_maddubs_epi16(even, splat_32(codes));
            const __m256i c = _mm256_maddubs_epi16(odd, splat_32(codes + kStepColumns));
            dots[t][h] = words_sum(dots[t][h], _mm256_add_epi16(a, c));
          }
        }
      }
#pragma GCC unroll 2
      for (int h = 0; h < 2; ++h) {
        const __m256i s = _mm256_and_si256(head[h], fifteen);
        const __m256i z = _mm256_and_si256(_mm256_srli_epi32(head[h], 4), _mm256_set1_epi32(1));
        const __m256i factor = _mm256_or_si256(s, _mm256_slli_epi32(s, 16));
        // s (z - 8), in the lower of two words
        const __m256i least =
            _mm256_and_si256(_mm256_madd_epi16(s, _mm256_sub_epi32(z, _mm256_set1_epi32(8))),
                             _mm256_set1_epi32(0xffff));
#pragma GCC unroll 4
        for (int t = 0; t < T; ++t) {
          const __m256i part = _mm256_madd_epi16(dots[t][h], factor);
          const __m256i rest = _mm256_madd_epi16(least, _mm256_set1_epi32(of.block_sum(t, b)));
          whole[t][h] = dots_sum(whole[t][h], _mm256_add_epi32(part, rest));
        }
        head[h] = _mm256_srli_epi32(head[h], 8);
      }
    }
#pragma GCC unroll 4
    for (int t = 0; t < T; ++t) {
#pragma GCC unroll 2
      for (int h = 0; h < 2; ++h) {
        sums[t][h] = _mm256_fmadd_ps(of.scale(t), _mm256_cvtepi32_ps(whole[t][h]), sums[t][h]);
      }
    }
  }
#pragma GCC unroll 4
  for (int t = 0; t < T; ++t) {
    _mm256_storeu_ps(totals[t], sums[t][0]);
    _mm256_storeu_ps(totals[t] + 8, sums[t][1]);
  }
}
