// 8-bit products of NEON without the dotprod extension, through 16-bit words.
// Included inside the set's namespace.
using DotVector = int16x8_t;
using DotW = int16_t;
using DotX = int16_t;
inline constexpr int kDotDepth = 2, kDotOffset = 0;

inline DotVector dot_columns(const int16_t* p) {
  return vld1q_s16(p);
}
inline DotVector dot_splat(const int16_t* p) {
  int32_t lane;
  __builtin_memcpy(&lane, p, 4);
  return vreinterpretq_s16_s32(vdupq_n_s32(lane));
}
inline DotVector dot_offset() {
  return vdupq_n_s16(0);
}
inline Dots dot(Dots sums, DotVector x, DotVector w) {
  const int32x4_t low = vmull_s16(vget_low_s16(x), vget_low_s16(w));
  return vaddq_s32(sums, vpaddq_s32(low, vmull_high_s16(x, w)));
}
// Attention's weights (0 .. 255) times values: as dot().
inline constexpr int kValueBias = 0;
inline Dots value_dot(Dots sums, DotVector p, DotVector v) {
  return dot(sums, p, v);
}

inline BlockSum block_step(BlockSum total, const int8_t* w, const int8_t* x, float scale) {
  const int8x16_t w0 = vld1q_s8(w), w1 = vld1q_s8(w + 16), x0 = vld1q_s8(x), x1 = vld1q_s8(x + 16);
  // Two products of at most 2^14 fit in 16 bits.
  const int16x8_t low =
      vmlal_s8(vmull_s8(vget_low_s8(w0), vget_low_s8(x0)), vget_low_s8(w1), vget_low_s8(x1));
  const int16x8_t high = vmlal_high_s8(vmull_high_s8(w0, x0), w1, x1);
  return vfmaq_n_f32(total, vcvtq_f32_s32(vpadalq_s16(vpaddlq_s16(low), high)), scale);
}
inline float block_total(BlockSum total) {
  return sum(total);
}
