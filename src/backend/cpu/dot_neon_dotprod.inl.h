// 8-bit products with the dotprod extension: four products of signed bytes in one instruction.
// Included inside the set's namespace.
using DotVector = int8x16_t;
using DotW = int8_t;
using DotX = int8_t;
inline constexpr int kDotDepth = 4, kDotOffset = 0;

inline DotVector dot_columns(const int8_t* p) {
  return vld1q_s8(p);
}
inline DotVector dot_splat(const int8_t* p) {
  int32_t lane;
  __builtin_memcpy(&lane, p, 4);
  return vreinterpretq_s8_s32(vdupq_n_s32(lane));
}
inline DotVector dot_offset() {
  return vdupq_n_s8(0);
}
inline Dots dot(Dots sums, DotVector x, DotVector w) {
  return vdotq_s32(sums, w, x);
}
// Attention's weights (0 .. 255) times values, both as unsigned bytes: values + 128.
inline constexpr int kValueBias = 128;
inline Dots value_dot(Dots sums, DotVector p, DotVector v) {
  return vreinterpretq_s32_u32(
      vdotq_u32(vreinterpretq_u32_s32(sums), vreinterpretq_u8_s8(p), vreinterpretq_u8_s8(v)));
}

// Products of 32 codes of a weight and of x, each half added up in four lanes.
template <bool kSigned>
inline Floats8 group_dots(const void* w, const int8_t* x) {
  const auto half = [=](int at) {
    const int8x16_t codes = vld1q_s8(static_cast<const int8_t*>(w) + at);
    return vcvtq_f32_s32(vdotq_s32(dots_zero(), codes, vld1q_s8(x + at)));
  };
  return {half(0), half(16)};
}
