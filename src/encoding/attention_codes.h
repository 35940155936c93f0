// Attention in 8 bits, as it is used beside weights of 8 and 4 bits: the definition that the
// reference computes and that every instruction set gives bit for bit. Constants only.
//
// Queries, keys and values are float32 (or float16, for keys and values) with NaN read as 0 and
// what lies outside +-kMostNumber as that. For the n keys of a range and one key head:
//   mean[i] = (sum of k[s, i] over s, in order) / n      (softmax does not see what keys share)
//   ks[s] = max_i |k[s, i] - mean[i]| / 127,  kc[s, i] = code(k[s, i] - mean[i])
//   centre[i] = lo / 2 + hi / 2 of v[s, i] over s,  half = max(hi - centre[i], centre[i] - lo)
//   vs[i] = half / 127,  vc[s, i] = code(v[s, i] - centre[i])
// and for a query that sees them
//   qs = max_i |q[i]| / 127,  qc[i] = code(q[i])
// where code(x) = x * min(127 / most, kMostInverse) rounded to nearest even, with `most` the number
// that the scale is 1 / 127 of. Scores in units of factor = qs * (scale * log2 e) are
//   x[s] = float(sum_i qc[i] kc[s, i]) * ks[s]
// are taken kBlock keys at a time, in order. A block's weights are codes of 8 bits relative to its
// own largest score: where one key outweighs a block, the others of that block lose accuracy, but
// not the keys of other blocks.
//   m = max x[s],   p[s] = round(exp2_255((x[s] - m) * factor, kLowest)),   sum of p = T
// and blocks come together with a running maximum M (at first kNoScore), total l and o[i] (at first
// 0): e = exp2_255(-|m - M| * factor, kLowestFactor) / 255, and where m > M a = e, c = 1, else
// a = 1, c = e
//   o[i] = fma(c, float(sum_s p[s] vc[s, i]), o[i] * a),   l = fma(c, float(T), l * a)
//   out[i] = fma(o[i] * (1 / l), vs[i], centre[i])       (weights add up to one by definition)
// All sums of codes are whole numbers below 2^24. A query without keys gives zeros.
//
//   exp2_255(u, lowest): u' = max(u, lowest), n = u' rounded to nearest even, f = u' - n,
//   (((kExp3 f + kExp2) f + kExp1) f + 255) 2^n with each step one fma: 255 * 2^u', relative error
//   1.0e-4 (minimax on [-1/2, 1/2] with the last coefficient given)
#pragma once

#include <cstdint>

namespace ocelli::encoding::attention_codes {

inline constexpr int64_t kBlock = 128;
inline constexpr float kMostNumber = 1e18f;
inline constexpr float kNoScore = -3e38f;
inline constexpr float kMostInverse = 1e38f;
inline constexpr float kLog2E = 1.44269504f;
inline constexpr float kMostCode = 255;
inline constexpr float kExp1 = 176.787146f, kExp2 = 61.7637962f, kExp3 = 14.0272776f;
inline constexpr float kLowest = -16;         // a code is 0 below -9
inline constexpr float kLowestFactor = -100;  // of blocks

}  // namespace ocelli::encoding::attention_codes
