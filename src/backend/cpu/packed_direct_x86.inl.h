// Many rows of x beside q4 for x86 sets without VNNI: codes of 4 bits times those of 8 in 16-bit
// sums of a block, which cannot overflow (8 products of pairs, each at most 2 * 15 * 127), instead
// of words. Included inside the set's namespace.
//
// Of a group of a strip the panel holds 2 x 16 lanes of 32 bits with s (z - 8) of two blocks in
// their words, 4 x 16 with the scale s of a block in both words, and for each block 8 steps of 16
// outputs x 4 columns, a byte a code.
inline constexpr bool kDirectQ4 = true;
inline constexpr int64_t kDirectVector = kLanes * 4, kDirectLanes = kStrip * 4;  // bytes
inline constexpr int64_t kDirectScales = kGroupBlocks / 2 * kDirectLanes;
inline constexpr int64_t kDirectCodes = kDirectScales + kGroupBlocks * kDirectLanes;
inline constexpr int64_t kDirectBlock = kStrip * encoding::kBlock;
inline constexpr int64_t kDirectGroup = kDirectCodes + kGroupBlocks * kDirectBlock;

// Up to a group of one strip.
inline void expand_direct(const uint8_t* from, int64_t blocks, uint8_t* out) {
  for (int64_t i = 0; i < kDirectLanes; i += kDirectVector) {
    Dots head = stored_bytes(from + i), pair = dots_zero();
    const uint8_t* at = from + kQ4HeadBytes + i;
    uint8_t* to = out + i;
    for (int64_t b = 0; b < kGroupBlocks; ++b, head = dots_right<8>(head)) {
      const Dots s = dots_and(head, dots_set(15));
      const Dots z = dots_and(dots_right<4>(head), dots_set(1));
      const Dots least = dots_product(s, dots_add(z, dots_set(-8)));
      pair = b % 2 ? dots_add(pair, dots_left<16>(least)) : dots_and(least, dots_set(0xffff));
      if (b % 2) dots_store_bytes(to + b / 2 * kDirectLanes, pair);
      dots_store_bytes(to + kDirectScales + b * kDirectLanes, dots_add(s, dots_left<16>(s)));
    }
    uint8_t* step = to + kDirectCodes;
    for (int64_t j = 0; j < blocks * 4; ++j, at += kStepBytes, step += 2 * kStepBytes) {
      const Dots both = stored_bytes(at);
      dots_store_bytes(step, low_halves(both));
      dots_store_bytes(step + kStepBytes, high_halves(both));
    }
  }
}

// As packed_tile(). The sums of a group are those of s q x, which its blocks' 16-bit sums make, and
// those of s (z - 8) x, for which the sums of x are enough.
template <int R, int V, class Tile>
[[gnu::noinline]] void direct_tile(const Tile& p, float* c) {
  constexpr int64_t kParts = kStrip / kLanes;
  const int64_t record = p.rows->shape.bytes, row = record / 4;
  const auto* codes =
      reinterpret_cast<const int8_t*>(p.x + p.rows->shape.codes8) + p.group * encoding::kGroup;
  const auto* scales = reinterpret_cast<const float*>(p.x + p.rows->shape.scales) + p.group;
  const auto* block_sums =
      reinterpret_cast<const int32_t*>(p.x + p.rows->shape.block_sums) + p.group * kGroupBlocks;
  const auto* panel = reinterpret_cast<const uint8_t*>(p.w);
  const int64_t strip = p.strip * int64_t(sizeof(*p.w));
  const auto part = [&](int v, int64_t offset) {
    return stored_bytes(panel + v / kParts * strip + v % kParts * kDirectVector + offset);
  };
  bool first = p.group == 0;
  for (int64_t left = p.blocks; left > 0; left -= kGroupBlocks) {
    Dots whole[R][V];
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) whole[r][v] = dots_zero();
      for (int64_t b = 0; b < kGroupBlocks; b += 2) {
        const int32_t* const two = block_sums + r * row + b;
        const Dots words = dots_set(int32_t((uint32_t(two[0]) & 0xffff) | uint32_t(two[1]) << 16));
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) {
          whole[r][v] = dots_sum(whole[r][v], words_dot(part(v, b / 2 * kDirectLanes), words));
        }
      }
    }
    for (int64_t b = 0; b < kGroupBlocks && b < left; ++b) {
      Dots sums[R][V];
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) sums[r][v] = dots_zero();
      }
      const int64_t steps = kDirectCodes + b * kDirectBlock;
      for (int64_t s = 0; s < encoding::kBlock / kStepColumns; ++s, codes += kStepColumns) {
        Dots at[V];
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) at[v] = part(v, steps + s * kStepBytes);
#pragma GCC unroll 8
        for (int r = 0; r < R; ++r) {
          const Dots splat = dot_splat(codes + r * record);
#pragma GCC unroll 4
          for (int v = 0; v < V; ++v) {
            sums[r][v] = words_sum(sums[r][v], bytes_product(at[v], splat));
          }
        }
      }
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) {
        const Dots scale = part(v, kDirectScales + b * kDirectLanes);
#pragma GCC unroll 8
        for (int r = 0; r < R; ++r) {
          whole[r][v] = dots_sum(whole[r][v], words_dot(sums[r][v], scale));
        }
      }
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
    panel += kDirectGroup;
    block_sums += kGroupBlocks;
    ++scales;
    first = false;
  }
}
