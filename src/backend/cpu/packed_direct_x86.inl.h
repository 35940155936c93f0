// Many rows of x beside q4 for x86 sets without VNNI: codes of 4 bits times those of 8 in 16-bit
// sums of a block, which cannot overflow (8 products of pairs, each at most 2 * 15 * 127), instead
// of words. Included inside the set's namespace.
//
// Of a strip the panel holds, for each block, 16 lanes of 32 bits with the scale s twice (both
// words), 16 with s (z - 8) in the lower word, and 8 steps of 16 outputs x 4 columns, a byte a
// code.
inline constexpr bool kDirectQ4 = true;
inline constexpr int64_t kDirectHead = 2 * kStrip * 4;
inline constexpr int64_t kDirectBlock = kDirectHead + kStrip * encoding::kBlock;
inline constexpr int64_t kDirectVector = kLanes * 4;  // bytes

// Up to a group of one strip.
inline void expand_direct(const uint8_t* from, int64_t blocks, uint8_t* out) {
  for (int64_t i = 0; i < kStrip * 4; i += kDirectVector) {
    Dots head = stored_bytes(from + i);
    const uint8_t* at = from + kQ4HeadBytes + i;
    uint8_t* to = out + i;
    for (int64_t b = 0; b < blocks; ++b, head = dots_right<8>(head), to += kDirectBlock) {
      const Dots s = dots_and(head, dots_set(15));
      const Dots z = dots_and(dots_right<4>(head), dots_set(1));
      dots_store_bytes(to, dots_add(s, dots_left<16>(s)));
      dots_store_bytes(to + kStrip * 4,
                       dots_and(dots_product(s, dots_add(z, dots_set(-8))), dots_set(0xffff)));
      uint8_t* step = to + kDirectHead;
      for (int j = 0; j < 4; ++j, at += kStepBytes, step += 2 * kStepBytes) {
        const Dots both = stored_bytes(at);
        dots_store_bytes(step, low_halves(both));
        dots_store_bytes(step + kStepBytes, high_halves(both));
      }
    }
  }
}

// As packed_tile().
template <int R, int V, class Tile>
inline void direct_tile(const Tile& p, float* c) {
  constexpr int64_t kParts = kStrip / kLanes;
  const int64_t record = p.rows->shape.bytes, row = record / 4;
  const auto* codes =
      reinterpret_cast<const int8_t*>(p.x + p.rows->shape.codes8) + p.group * encoding::kGroup;
  const auto* scales = reinterpret_cast<const float*>(p.x + p.rows->shape.scales) + p.group;
  const auto* block_sums =
      reinterpret_cast<const int32_t*>(p.x + p.rows->shape.block_sums) + p.group * kGroupBlocks;
  const auto* panel = reinterpret_cast<const uint8_t*>(p.w);
  const int64_t strip = p.strip * int64_t(sizeof(*p.w));
  bool first = p.group == 0;
  for (int64_t left = p.blocks; left > 0; left -= kGroupBlocks, ++scales, first = false) {
    Dots whole[R][V];
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) whole[r][v] = dots_zero();
    }
    for (int64_t b = 0; b < kGroupBlocks && b < left; ++b, ++block_sums) {
      const auto part = [&](int v, int64_t offset) {
        return stored_bytes(panel + v / kParts * strip + v % kParts * kDirectVector + offset);
      };
      Dots sums[R][V];
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) sums[r][v] = dots_zero();
      }
      for (int64_t s = 0; s < encoding::kBlock / kStepColumns; ++s, codes += kStepColumns) {
        Dots at[V];
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) at[v] = part(v, kDirectHead + s * kStepBytes);
#pragma GCC unroll 8
        for (int r = 0; r < R; ++r) {
          const Dots splat = dot_splat(codes + r * record);
#pragma GCC unroll 4
          for (int v = 0; v < V; ++v) {
            sums[r][v] = words_add(sums[r][v], bytes_product(at[v], splat));
          }
        }
      }
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) {
        const Dots factor = part(v, 0), least = part(v, kStrip * 4);
#pragma GCC unroll 8
        for (int r = 0; r < R; ++r) {
          const Dots rest = words_dot(least, dots_set(block_sums[r * row]));
          whole[r][v] = dots_add(whole[r][v], dots_add(words_dot(sums[r][v], factor), rest));
        }
      }
      panel += kDirectBlock;
    }
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const F scale = set(scales[r * row]);
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) {
        float* const to = c + r * kMaxPieceCols + v * kLanes;
        store(to, fma(scale, dots_float(whole[r][v]), first ? zero() : load(to)));
      }
    }
  }
}
