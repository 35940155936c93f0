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

// --- for strips_few.inl.h ---
inline Dots dots_and(Dots a, Dots b) {
  return vandq_s32(a, b);
}
inline Dots dots_product(Dots a, Dots b) {
  return vmulq_s32(a, b);
}
template <int kBits>
inline Dots dots_right(Dots a) {
  return vreinterpretq_s32_u32(vshrq_n_u32(vreinterpretq_u32_s32(a), kBits));
}
// a + b where the lane of `where` has this bit.
template <int kBit>
inline Dots dots_add_where(Dots where, Dots a, Dots b) {
  const uint32x4_t all = vtstq_s32(where, vdupq_n_s32(1 << kBit));
  return vaddq_s32(a, vandq_s32(vreinterpretq_s32_u32(all), b));
}
inline DotVector stored_bytes(const uint8_t* p) {
  return vreinterpretq_s8_u8(vld1q_u8(p));
}
// Code + 128 as the code itself.
inline DotVector stored_q8(const uint8_t* p) {
  return veorq_s8(stored_bytes(p), vdupq_n_s8(-128));
}
inline constexpr int kStoredBias = 0;
inline DotVector low_halves(DotVector a) {
  return vandq_s8(a, vdupq_n_s8(15));
}
inline DotVector high_halves(DotVector a) {
  return vreinterpretq_s8_u8(vshrq_n_u8(vreinterpretq_u8_s8(a), 4));
}
