// Packed weights for sets whose dot products take signed codes (DotW): written out a step at a
// time. Included inside the set's namespace.
using PanelW = DotW;
using CodeX = DotX;
inline constexpr int kPackedBias = 0;

// Where column i (0 to 3) of row r in stored step s goes.
inline int64_t panel_place(int64_t s, int64_t r, int64_t i) {
  const int64_t column = s * kStepColumns + i;
  return (column / kPanelDepth * kStrip + r) * kPanelDepth + column % kPanelDepth;
}

inline void expand_q8(const uint8_t* from, int64_t blocks, PanelW* out) {
  for (int64_t s = 0; s < blocks * encoding::kBlock / kStepColumns; ++s) {
    for (int64_t r = 0; r < kStrip; ++r) {
      for (int64_t i = 0; i < kStepColumns; ++i) {
        out[panel_place(s, r, i)] = PanelW(int(*from++) - kPackedOffset);
      }
    }
  }
}

inline void expand_q4(const uint8_t* from, int64_t blocks, PanelW* out) {
  const uint8_t* const head = from;
  const uint8_t* codes = head + kQ4HeadBytes;
  for (int64_t b = 0; b < blocks; ++b) {
    int16_t scale[kStrip], least[kStrip];  // of code 0
    for (int64_t r = 0; r < kStrip; ++r) {
      const int sz = head[r * kGroupBlocks + b];
      scale[r] = int16_t(sz & 15);
      least[r] = int16_t((sz & 15) * ((sz >> 4) - 8));
    }
    for (int64_t s = b * 8; s < b * 8 + 8; s += 2) {
      for (int64_t r = 0; r < kStrip; ++r) {
        for (int64_t i = 0; i < kStepColumns; ++i) {
          const int both = *codes++;
          out[panel_place(s, r, i)] = PanelW((both & 15) * scale[r] + least[r]);
          out[panel_place(s + 1, r, i)] = PanelW((both >> 4) * scale[r] + least[r]);
        }
      }
    }
  }
}
