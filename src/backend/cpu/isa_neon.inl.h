// The NEON vocabulary (AArch64, Armv8.0). Included inside the set's namespace.

using F = float32x4_t;  // kLanes numbers

inline constexpr int kLanes = 4;
inline constexpr int kRegisters = 32;
// The register tile of a product: kTileRows rows x kTileVectors vectors, and a factor for each row.
inline constexpr int kTileRows = 6, kTileVectors = 4;

inline F load(const float* p) {
  return vld1q_f32(p);
}
inline void store(float* p, F a) {
  vst1q_f32(p, a);
}
inline F zero() {
  return vdupq_n_f32(0);
}
inline F set(float a) {
  return vdupq_n_f32(a);
}
inline F add(F a, F b) {
  return vaddq_f32(a, b);
}
inline F sub(F a, F b) {
  return vsubq_f32(a, b);
}
inline F mul(F a, F b) {
  return vmulq_f32(a, b);
}
inline F div(F a, F b) {
  return vdivq_f32(a, b);
}
inline F fma(F a, F b, F c) {
  return vfmaq_f32(c, a, b);
}  // a * b + c
inline F neg_fma(F a, F b, F c) {
  return vfmsq_f32(c, a, b);
}  // c - a * b
// A NaN in the second operand is passed on.
inline F max(F a, F b) {
  return vmaxq_f32(a, b);
}
inline F min(F a, F b) {
  return vminq_f32(a, b);
}
inline F abs(F a) {
  return vabsq_f32(a);
}
inline F nearest(F a) {
  return vrndnq_f32(a);
}  // ties to even
// a < b ? yes : no
inline F if_less(F a, F b, F yes, F no) {
  return vbslq_f32(vcltq_f32(a, b), yes, no);
}
inline F nan_to_zero(F a) {
  return vreinterpretq_f32_u32(vandq_u32(vreinterpretq_u32_f32(a), vceqq_f32(a, a)));
}
// a * 2^n for whole n in [-126, 127].
inline F times_exp2(F a, F n) {
  const int32x4_t biased = vaddq_s32(vcvtq_s32_f32(n), vdupq_n_s32(127));
  return vmulq_f32(a, vreinterpretq_f32_s32(vshlq_n_s32(biased, 23)));
}
inline float sum(F a) {
  return vaddvq_f32(a);
}
inline float largest(F a) {
  return vmaxvq_f32(a);
}

inline F load_f16(const uint16_t* p) {
  return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p)));
}
inline F load_bf16(const uint16_t* p) {
  return vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(p), 16));
}
inline F load_i8(const int8_t* p) {
  uint32_t bytes;
  __builtin_memcpy(&bytes, p, 4);
  return vcvtq_f32_s32(vmovl_s16(vget_low_s16(vmovl_s8(vcreate_s8(bytes)))));
}
inline void store_f16(uint16_t* p, F a) {
  vst1_u16(p, vreinterpret_u16_f16(vcvt_f16_f32(a)));
}
// Round to nearest even; a NaN keeps its upper bits and becomes quiet.
inline void store_bf16(uint16_t* p, F a) {
  const uint32x4_t bits = vreinterpretq_u32_f32(a);
  const uint32x4_t odd = vandq_u32(vshrq_n_u32(bits, 16), vdupq_n_u32(1));
  const uint32x4_t rounded = vaddq_u32(bits, vaddq_u32(odd, vdupq_n_u32(0x7fff)));
  const uint32x4_t quiet = vorrq_u32(bits, vdupq_n_u32(0x400000));
  vst1_u16(p, vshrn_n_u32(vbslq_u32(vceqq_f32(a, a), rounded, quiet), 16));
}
// Rounds numbers in [-127, 127] to the nearest whole ones, ties to even.
inline void store_i8(int8_t* p, F a) {
  const int16x4_t words = vmovn_s32(vcvtnq_s32_f32(a));
  const uint32_t bytes =
      vget_lane_u32(vreinterpret_u32_s8(vmovn_s16(vcombine_s16(words, words))), 0);
  __builtin_memcpy(p, &bytes, 4);
}
inline float half_to_float(const void* p) {
  __fp16 half;
  __builtin_memcpy(&half, p, 2);
  return half;
}

// Turns kLanes rows of kLanes numbers into columns.
inline void transpose(F* r) {
  const float64x2_t a = vreinterpretq_f64_f32(vtrn1q_f32(r[0], r[1]));
  const float64x2_t b = vreinterpretq_f64_f32(vtrn2q_f32(r[0], r[1]));
  const float64x2_t c = vreinterpretq_f64_f32(vtrn1q_f32(r[2], r[3]));
  const float64x2_t d = vreinterpretq_f64_f32(vtrn2q_f32(r[2], r[3]));
  r[0] = vreinterpretq_f32_f64(vtrn1q_f64(a, c));
  r[1] = vreinterpretq_f32_f64(vtrn1q_f64(b, d));
  r[2] = vreinterpretq_f32_f64(vtrn2q_f64(a, c));
  r[3] = vreinterpretq_f32_f64(vtrn2q_f64(b, d));
}

// --- 64-bit lanes that hold 32-bit numbers, see dropout.inl.h ---
using Wide = uint64x2_t;
inline constexpr int kWide = 2;
inline Wide wide_set(uint64_t a) {
  return vdupq_n_u64(a);
}
inline Wide wide_load(const uint64_t* p) {
  return vld1q_u64(p);
}
inline void wide_store(uint64_t* p, Wide a) {
  vst1q_u64(p, a);
}
inline Wide wide_xor(Wide a, Wide b) {
  return veorq_u64(a, b);
}
inline Wide wide_high(Wide a) {
  return vshrq_n_u64(a, 32);
}
// The lower halves of a, and those of b above them.
inline Wide wide_join(Wide a, Wide b) {
  return vsliq_n_u64(a, b, 32);
}
// The products of the lower halves.
inline Wide wide_product(Wide a, Wide b) {
  return vmull_u32(vmovn_u64(a), vmovn_u64(b));
}

// --- 32-bit lanes of 8-bit products, see linear_groups.inl.h ---
using Dots = int32x4_t;
inline constexpr int kDotRows = 2;
inline constexpr int kPackedRows = 4, kPackedVectors = 4;
inline Dots dots_set(int32_t a) {
  return vdupq_n_s32(a);
}
inline Dots dots_zero() {
  return vdupq_n_s32(0);
}
inline Dots dots_load(const int32_t* p) {
  return vld1q_s32(p);
}
inline void dots_store(int32_t* p, Dots a) {
  vst1q_s32(p, a);
}
inline Dots dots_negative(Dots a) {
  return vnegq_s32(a);
}
inline F dots_float(Dots a) {
  return vcvtq_f32_s32(a);
}
// Rounded to nearest, ties to even.
inline Dots dots_nearest(F a) {
  return vcvtnq_s32_f32(a);
}
inline Dots dots_add(Dots a, Dots b) {
  return vaddq_s32(a, b);
}
// Codes in [0, 255], as 16-bit words or as unsigned bytes.
inline void store_probs(int16_t* p, Dots a) {
  vst1_s16(p, vmovn_s32(a));
}
inline void store_probs(int8_t* p, Dots a) {
  const int16x4_t words = vmovn_s32(a);
  const uint16x8_t both = vreinterpretq_u16_s16(vcombine_s16(words, words));
  const uint32_t bytes = vget_lane_u32(vreinterpret_u32_u8(vmovn_u16(both)), 0);
  __builtin_memcpy(p, &bytes, 4);
}

// The sum of 32 codes.
inline int32_t block_sum(const int8_t* p) {
  return vaddlvq_s8(vld1q_s8(p)) + vaddlvq_s8(vld1q_s8(p + 16));
}

// --- 8-bit dot products along a row, a group of 32 at a time (decode) ---
struct Floats8 {
  float32x4_t low, high;
};
inline Floats8 set8(float a) {
  return {vdupq_n_f32(a), vdupq_n_f32(a)};
}
inline Floats8 zero8() {
  return set8(0);
}
inline Floats8 halves8(float low, float high) {
  return {vdupq_n_f32(low), vdupq_n_f32(high)};
}
inline Floats8 load8(const float* p) {
  return {vld1q_f32(p), vld1q_f32(p + 4)};
}
inline void store8(float* p, Floats8 a) {
  vst1q_f32(p, a.low);
  vst1q_f32(p + 4, a.high);
}
inline Floats8 bytes8(const uint8_t* p) {
  const uint16x8_t words = vmovl_u8(vld1_u8(p));
  return {vcvtq_f32_u32(vmovl_u16(vget_low_u16(words))), vcvtq_f32_u32(vmovl_high_u16(words))};
}
inline Floats8 f16s8(const uint16_t* p) {
  return {load_f16(p), load_f16(p + 4)};
}
inline Floats8 mul8(Floats8 a, Floats8 b) {
  return {vmulq_f32(a.low, b.low), vmulq_f32(a.high, b.high)};
}
inline Floats8 add8(Floats8 a, Floats8 b) {
  return {vaddq_f32(a.low, b.low), vaddq_f32(a.high, b.high)};
}
inline Floats8 fma8(Floats8 a, Floats8 b, Floats8 c) {
  return {vfmaq_f32(c.low, a.low, b.low), vfmaq_f32(c.high, a.high, b.high)};
}
inline float sum8(Floats8 a) {
  return sum(vaddq_f32(a.low, a.high));
}
