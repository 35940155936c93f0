// Packed weights beside AVX-512 VNNI and AVX-VNNI: weights are the unsigned operand of its dot
// products, so that stored q8 steps (code + 128) and the 4-bit codes of q4 are used as they lie;
// what they have too much is taken off with the sums of x. Included inside
// the set's namespace, after strips_few.inl.h.
using PanelW = uint8_t;
using CodeX = int8_t;
inline constexpr int kPackedBias = kPackedOffset;
static_assert(kStoredBias == kPackedBias);

inline void expand_q8(const uint8_t*, int64_t, PanelW*) {}  // not called

// s q + (128 + s (z - 8)) in bytes: s q is at most 225 and the whole at most 255, so one 16-bit
// product makes two of them and one sum four.
inline void expand_q4(const uint8_t* from, int64_t blocks, PanelW* out) {
  for (int64_t part = 0; part < kStripParts; ++part) {
    const uint8_t* at = from + part * kVectorBytes;
    PanelW* to = out + part * kVectorBytes;
    HeadQ4 head(at);
    at += kQ4HeadBytes;
    for (int64_t b = 0; b < blocks; ++b, head.next()) {
      const Dots s = head.scale();
      const Dots least =
          dots_add(dots_set(kPackedOffset), dots_product(s, dots_add(head.zero(), dots_set(-8))));
      const Dots add = dots_product(least, dots_set(0x01010101));
      const Dots factor = dots_add(s, dots_left<16>(s));
#pragma GCC unroll 4
      for (int j = 0; j < 4; ++j, at += kStepBytes, to += 2 * kStepBytes) {
        const Dots both = stored_bytes(at);
        dots_store_bytes(to, dots_add(dots_words_product(low_halves(both), factor), add));
        dots_store_bytes(to + kStepBytes,
                         dots_add(dots_words_product(high_halves(both), factor), add));
      }
    }
  }
}
