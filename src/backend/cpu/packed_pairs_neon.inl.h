// The i8mm extension: 2 x 8 numbers times 8 x 2 in one instruction, so tiles take rows of x in
// pairs and the panel holds 8 columns of an output together. Included inside the set's namespace.
inline constexpr bool kPairs = true;
inline constexpr int kPanelDepth = 8;

// dots[r][v]: row r of x with outputs 4 v to 4 v + 3 of a strip, over steps * kPanelDepth columns.
template <int R, int V>
inline void pair_dots(const int8_t* x, int64_t x_row, const int8_t* panel, int64_t steps,
                      Dots (&dots)[R][V]) {
  static_assert(V * 4 == kStrip);
  constexpr int kRowPairs = (R + 1) / 2;
  Dots sums[kRowPairs][2 * V];  // x0 w0, x0 w1, x1 w0, x1 w1
#pragma GCC unroll 4
  for (int r = 0; r < kRowPairs; ++r) {
#pragma GCC unroll 8
    for (int v = 0; v < 2 * V; ++v) sums[r][v] = dots_zero();
  }
  for (int64_t s = 0; s < steps; ++s, x += kPanelDepth, panel += kStrip * kPanelDepth) {
    int8x16_t rows[kRowPairs];
#pragma GCC unroll 4
    for (int r = 0; r < kRowPairs; ++r) {
      const int second = 2 * r + 1 < R ? 2 * r + 1 : 2 * r;
      rows[r] = vcombine_s8(vld1_s8(x + 2 * r * x_row), vld1_s8(x + second * x_row));
    }
#pragma GCC unroll 8
    for (int v = 0; v < 2 * V; ++v) {
      const int8x16_t w = vld1q_s8(panel + v * 2 * kPanelDepth);
#pragma GCC unroll 4
      for (int r = 0; r < kRowPairs; ++r) sums[r][v] = vmmlaq_s32(sums[r][v], rows[r], w);
    }
  }
#pragma GCC unroll 4
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) {
      const int64x2_t a = vreinterpretq_s64_s32(sums[r / 2][2 * v]);
      const int64x2_t b = vreinterpretq_s64_s32(sums[r / 2][2 * v + 1]);
      dots[r][v] = vreinterpretq_s32_s64(r % 2 ? vtrn2q_s64(a, b) : vtrn1q_s64(a, b));
    }
  }
}
