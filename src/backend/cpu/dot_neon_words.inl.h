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

// Products of 32 codes of a weight and of x, each half added up in four lanes.
template <bool kSigned>
inline Floats8 group_dots(const void* w, const int8_t* x) {
  const auto half = [=](int at) {
    const int8x16_t a = vld1q_s8(static_cast<const int8_t*>(w) + at), b = vld1q_s8(x + at);
    const int32x4_t low = vpaddlq_s16(vmull_s8(vget_low_s8(a), vget_low_s8(b)));
    return vcvtq_f32_s32(vpadalq_s16(low, vmull_high_s8(a, b)));
  };
  return {half(0), half(16)};
}
