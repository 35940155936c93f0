// The first half of a feed-forward network beside packed weights: its result goes straight into the
// records that the second half multiplies. Included inside the set's namespace.

static_assert(kMaxPieceCols % encoding::kGroup == 0);
static_assert(2 * kMaxPieceRows * kMaxPieceCols +
                  kWideStrips * kPanelStrip * int64_t(sizeof(PanelW)) / int64_t(sizeof(float)) <=
              kScratchFloats);

// One group of a row: numbers [n, n + count) of the network's inside.
inline void hidden_group(const HiddenArgs& h, const float* up, const float* gate, int64_t n,
                         int64_t count, float* numbers) {
  in_vectors(count, [&](int64_t i, auto at, auto) {
    const auto v = finished(h.up, up + i, n + i, at);
    // (Whole vectors: `numbers` has room for them.)
    store(numbers + i, h.gate ? mul(finished(*h.gate, gate + i, n + i, at), v) : v);
  });
}

inline void hidden_block(const HiddenArgs& h, int64_t t0, int64_t t1, int64_t n0, int64_t n1,
                         float* scratch) {
  float* const up = scratch;
  float* const gate = up + kMaxPieceRows * kMaxPieceCols;
  PanelW* const panel = reinterpret_cast<PanelW*>(gate + kMaxPieceRows * kMaxPieceCols);
  packed_sums(h.up, t0, t1, n0, n1, up, panel);
  if (h.gate) packed_sums(*h.gate, t0, t1, n0, n1, gate, panel);
  // One step for several rows and then the next: a row's steps wait for each other.
  constexpr int64_t kTogether = 8;
  float numbers[kTogether][encoding::kGroup];
  for (int64_t from = t0; from < t1; from += kTogether) {
    const int64_t end = from + kTogether < t1 ? from + kTogether : t1;
    for (int64_t n = n0; n < n1; n += encoding::kGroup) {
      const int64_t count = n1 - n < encoding::kGroup ? n1 - n : encoding::kGroup;
      const int64_t group = n / encoding::kGroup;
      for (int64_t t = from; t < end; ++t) {
        const int64_t at = (t - t0) * kMaxPieceCols + (n - n0);
        hidden_group(h, up + at, gate + at, n, count, numbers[t - from]);
      }
      for (int64_t t = from; t < end; ++t) {
        quantize_part(numbers[t - from], count, group, h.shape, h.records + t * h.shape.bytes);
      }
      for (int64_t t = from; t < end; ++t) sum_part(group, h.shape, h.records + t * h.shape.bytes);
    }
  }
}
