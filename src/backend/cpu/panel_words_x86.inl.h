// Panels of 16-bit words for x86 sets without VNNI. Included inside the set's namespace.
using PanelW = DotW;
using CodeX = DotX;
inline constexpr int kPackedBias = 0;

// Of each 32-bit lane of codes, the first or the last two as words.
inline void expand_q8(const uint8_t* from, int64_t blocks, PanelW* out) {
  constexpr int64_t kVector = kLanes * 4;  // bytes
  auto* to = reinterpret_cast<uint8_t*>(out);
  const Dots offset = words_set(kPackedOffset);
  for (const uint8_t* const end = from + blocks * kQ8BlockBytes; from < end;
       from += kStepBytes, to += 2 * kStepBytes) {
    for (int64_t i = 0; i < kStepBytes; i += kVector) {
      const Dots codes = stored_bytes(from + i);
      dots_store_bytes(to + i, words_sub(first_as_words(codes), offset));
      dots_store_bytes(to + kStepBytes + i, words_sub(last_as_words(codes), offset));
    }
  }
}

inline void expand_q4(const uint8_t*, int64_t, PanelW*) {}  // not called, see kDirectQ4
