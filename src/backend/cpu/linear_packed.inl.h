// Products with packed q8 and q4 weights (packed.h) and activations in 8 bits: whole numbers over
// groups of 128 columns, then one conversion and one fma. encoding.h defines the result bit for
// bit. Included inside the set's namespace.
//
// Of its dot products (linear_groups.inl.h) a set says further: PanelW is a weight as dot() takes
// it, CodeX a code of x, kPackedBias what PanelW adds to a code, and expand_q8() and expand_q4()
// write up to a group of a strip as such steps of 16 outputs x kPanelDepth columns. kPairs: tiles
// multiply with pair_dots() instead of dot(). kDirectQ4: q4 has a panel and tiles of its own.

inline constexpr int64_t kStripVectors = kStrip / kLanes;
inline constexpr int64_t kWideStrips = kPackedVectors / kStripVectors;  // of one tile
inline constexpr int64_t kPanelStep = kStrip * kPanelDepth;
// Columns of W that are expanded at a time.
inline constexpr int64_t kPanelInner = sizeof(PanelW) > 1 ? 512 : 2048;
inline constexpr int64_t kPanelStrip = kPanelInner * kStrip;
static_assert(kDirectGroup <= kStrip * encoding::kGroup * int64_t(sizeof(PanelW)));
static_assert(kMaxPieceRows * kMaxPieceCols +
                  kWideStrips * kPanelStrip * int64_t(sizeof(PanelW)) / int64_t(sizeof(float)) <=
              kScratchFloats);

// Where a strip is one vector, a dot product one instruction and registers are many, a tile's
// float32 sums stay in registers beside its dot products: storing those of a larger tile after
// every group takes longer than the larger tile gains.
inline constexpr bool kKeepSums =
    kStripVectors == 1 && sizeof(PanelW) == 1 && kRegisters >= 32 && !kPairs;
inline constexpr int kDotTileRows = kKeepSums ? 7 : kPackedRows;
inline constexpr int kDotTileVectors = kKeepSums ? 2 : kPackedVectors;

// Some rows of x and some strips from one column on, a multiple of a group.
struct PackedTile {
  const std::byte* x;  // the first row's record
  const PackedRows* rows;
  int64_t group, blocks;  // the first group, and how many blocks of columns from there
  const PanelW* w;
  int64_t strip;  // PanelW from one strip to the next
  // Stored weights that are expanded after these: asked for while tiles are computed.
  const uint8_t* ahead = nullptr;
  int64_t ahead_bytes = 0;  // of each strip
};

inline float* sum_at(float* c, int r, int v) {
  return c + r * kMaxPieceCols + v * kLanes;
}

template <int R, int V>
[[gnu::noinline]] void packed_tile(const PackedTile& p, float* c) {
  const int64_t record = p.rows->shape.bytes;
  const CodeX* codes = reinterpret_cast<const CodeX*>(p.x) + p.group * encoding::kGroup;
  const float* scales = reinterpret_cast<const float*>(p.x + p.rows->shape.scales) + p.group;
  const int32_t* sums = reinterpret_cast<const int32_t*>(p.x + p.rows->shape.sums) + p.group;
  const int64_t code_row = record / int64_t(sizeof(CodeX)), row = record / int64_t(sizeof(float));
  const PanelW* panel = p.w;
  bool first = p.group == 0;
  F kept[R][V];
  if constexpr (kKeepSums) {
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) kept[r][v] = first ? zero() : load(sum_at(c, r, v));
    }
  }
  for (int64_t left = p.blocks; left > 0; left -= kGroupBlocks, ++scales, ++sums, first = false) {
    Dots dots[R][V];
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const Dots start = kPackedBias ? dots_set(-kPackedBias * sums[r * row]) : dots_zero();
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) dots[r][v] = start;
    }
    const int64_t steps =
        (left < kGroupBlocks ? left : kGroupBlocks) * encoding::kBlock / kPanelDepth;
    const CodeX* x = codes;
    if constexpr (kPairs) {
      pair_dots<R, V>(x, code_row, panel, steps, dots);
      panel += steps * kPanelStep;
    } else {
      for (int64_t s = 0; s < steps; ++s, panel += kPanelStep, x += kDotDepth) {
        DotVector at[V];
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) {
          at[v] = dot_columns(panel + v / kStripVectors * p.strip +
                              v % kStripVectors * kLanes * kDotDepth);
        }
#pragma GCC unroll 8
        for (int r = 0; r < R; ++r) {
          const DotVector splat = dot_splat(x + r * code_row);
#pragma GCC unroll 4
          for (int v = 0; v < V; ++v) dots[r][v] = dot(dots[r][v], at[v], splat);
        }
      }
    }
    codes += encoding::kGroup;
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const F scale = set(scales[r * row]);
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) {
        const F product = dots_float(dots[r][v]);
        if constexpr (kKeepSums) {
          kept[r][v] = fma(scale, product, kept[r][v]);
        } else {
          float* const to = sum_at(c, r, v);
          store(to, fma(scale, product, first ? zero() : load(to)));
        }
      }
    }
  }
  if constexpr (kKeepSums) {
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) store(sum_at(c, r, v), kept[r][v]);
    }
  }
}

template <int V, bool kDirect, int R = kDotTileRows>
inline void packed_tile_rows(int64_t rows, const PackedTile& p, float* c) {
  if constexpr (R > 0) {
    if (rows == R) return kDirect ? direct_tile<R, V>(p, c) : packed_tile<R, V>(p, c);
    packed_tile_rows<V, kDirect, R - 1>(rows, p, c);
  }
}

// V vectors of outputs, as many at a time as a tile takes.
template <int V, bool kDirect>
inline void packed_tile_columns(int64_t rows, PackedTile p, float* c) {
  constexpr int kWidth = V < kDotTileVectors ? V : kDotTileVectors;
  static_assert(V % kWidth == 0 && (kWidth == V || kWidth % kStripVectors == 0));
  for (int v = 0; v < V; v += kWidth, p.w += kWidth / kStripVectors * p.strip) {
    packed_tile_rows<kWidth, kDirect>(rows, p, c + v * kLanes);
  }
}

// Asks for one of `parts` parts of what comes after.
inline void ask_ahead(const PackedTile& p, int64_t strips, int64_t part, int64_t parts) {
  for (int64_t s = 0; s < strips; ++s) {
    const uint8_t* const from = p.ahead + s * p.rows->strip_bytes;
    const int64_t end = p.ahead_bytes * (part + 1) / parts;
    for (int64_t i = p.ahead_bytes * part / parts / 64 * 64; i < end; i += 64) {
      __builtin_prefetch(from + i);
    }
  }
}

// Asks for what a tile needs first: rows are too far apart for the processor to guess. (Past the
// end of the memory it does no harm.)
inline void ask_for_rows(const PackedTile& p) {
  for (int64_t r = 0; r < kDotTileRows; ++r) {
    const std::byte* const row = p.x + r * p.rows->shape.bytes;
    const std::byte* const codes = row + p.group * encoding::kGroup * int64_t(sizeof(CodeX));
    __builtin_prefetch(codes);
    __builtin_prefetch(codes + 64);
    __builtin_prefetch(row + p.rows->shape.scales);
  }
}

// All rows of a piece against `strips` strips (kWideStrips or 1).
template <bool kDirect>
inline void packed_tiles(const PackedTile& tile, int64_t rows, int64_t strips, float* c) {
  const int64_t parts = (rows + kDotTileRows - 1) / kDotTileRows;
  const int64_t kept = parts * 3 / 4;  // asked for at once, it would be gone again at the end
  PackedTile p = tile;
  for (int64_t part = 0; part < parts; ++part) {
    const int64_t count = rows * (part + 1) / parts - rows * part / parts;
    if (part >= kept) ask_ahead(tile, strips, part - kept, parts - kept);
    PackedTile next = p;
    next.x += count * tile.rows->shape.bytes;
    ask_for_rows(next);
    strips == kWideStrips ? packed_tile_columns<kPackedVectors, kDirect>(count, p, c)
                          : packed_tile_columns<kStripVectors, kDirect>(count, p, c);
    p = next;
    c += count * kMaxPieceCols;
  }
}

// Columns from a block on, `blocks` of them, of one strip.
inline void expand_strip(const LinearArgs& p, const uint8_t* strip, int64_t block, int64_t blocks,
                         PanelW* out) {
  constexpr int64_t kGroupBytes = kQ4HeadBytes + kGroupBlocks * kQ4BlockBytes;
  const bool q4 = p.encoding == Encoding::kQ4;
  const uint8_t* from = strip + (q4 ? block / kGroupBlocks * kGroupBytes : block * kQ8BlockBytes);
  for (; blocks > 0; blocks -= kGroupBlocks) {
    const int64_t here = blocks < kGroupBlocks ? blocks : kGroupBlocks;
    if (q4 && kDirectQ4) {
      uint8_t* const bytes = reinterpret_cast<uint8_t*>(out);
      expand_direct(from, here, bytes);
      out = reinterpret_cast<PanelW*>(bytes + kDirectGroup);
    } else {
      q4 ? expand_q4(from, here, out) : expand_q8(from, here, out);
      out += here * encoding::kBlock * kStrip;
    }
    from += q4 ? kGroupBytes : here * kQ8BlockBytes;
  }
}

// Whether stored q8 steps are what dot() takes.
inline constexpr bool kStoredSteps = kPackedBias == kPackedOffset && kPanelDepth == kStepColumns;

inline void packed_strips(const LinearArgs& p, int64_t strip, int64_t strips, int64_t t0,
                          int64_t t1, float* c, PanelW* panel) {
  const PackedRows& x = *p.rows;
  const int64_t blocks = (p.k + encoding::kBlock - 1) / encoding::kBlock;
  const uint8_t* const w = reinterpret_cast<const uint8_t*>(p.w) + strip * x.strip_bytes;
  constexpr int64_t kTogether = kPanelInner / encoding::kBlock;
  for (int64_t b = 0; b < blocks; b += kTogether) {
    const int64_t here = blocks - b < kTogether ? blocks - b : kTogether;
    PackedTile tile{x.records + t0 * x.shape.bytes, &x, b / kGroupBlocks, here, panel, kPanelStrip};
    if (kStoredSteps && p.encoding == Encoding::kQ8) {
      tile.w = reinterpret_cast<const PanelW*>(w + b * kQ8BlockBytes);
      tile.strip = x.strip_bytes;
    } else {
      for (int64_t s = 0; s < strips; ++s) {
        expand_strip(p, w + s * x.strip_bytes, b, here, panel + s * kPanelStrip);
      }
    }
    // (Addresses past the end of the weights do no harm.)
    const int64_t next = b + here < blocks ? b + here : 0;
    const int64_t block_bytes =
        p.encoding == Encoding::kQ8 ? kQ8BlockBytes : kQ4BlockBytes + kQ4HeadBytes / kGroupBlocks;
    tile.ahead = w + (next > 0 ? 0 : strips * x.strip_bytes) + next * block_bytes;
    tile.ahead_bytes = (blocks - next < kTogether ? blocks - next : kTogether) * block_bytes;
    if (kDirectQ4 && p.encoding == Encoding::kQ4) {
      packed_tiles<kDirectQ4>(tile, t1 - t0, strips, c);
    } else {
      packed_tiles<false>(tile, t1 - t0, strips, c);
    }
  }
}

// The sums of a piece, kMaxPieceCols from row to row.
inline void packed_sums(const LinearArgs& p, int64_t t0, int64_t t1, int64_t n0, int64_t n1,
                        float* c, PanelW* panel) {
  const int64_t end = (n1 + kStrip - 1) / kStrip;
  for (int64_t strip = n0 / kStrip; strip < end;) {
    const int64_t strips = end - strip >= kWideStrips ? kWideStrips : 1;
    packed_strips(p, strip, strips, t0, t1, c + (strip * kStrip - n0), panel);
    strip += strips;
  }
}

// Where a row of results goes: rows are too far apart for the processor to guess.
inline constexpr int64_t kFinishAhead = 8;
inline void ask_for_row(const LinearArgs& p, int64_t t, int64_t n0, int64_t n1) {
  for (int64_t n = n0; n < n1; n += 64 / int64_t(sizeof(float))) {
    if (p.residual) __builtin_prefetch(p.residual + t * p.residual_stride + n);
    __builtin_prefetch(p.y + t * p.y_stride + n, 1);
  }
}

inline void linear_block_packed(const LinearArgs& p, int64_t t0, int64_t t1, int64_t n0, int64_t n1,
                                float* scratch) {
  PanelW* const panel = reinterpret_cast<PanelW*>(scratch + kMaxPieceRows * kMaxPieceCols);
  packed_sums(p, t0, t1, n0, n1, scratch, panel);
  for (int64_t t = t0; t < t1; ++t) {
    ask_for_row(p, t + kFinishAhead < t1 ? t + kFinishAhead : t1 - 1, n0, n1);
    finish_row(p, scratch + (t - t0) * kMaxPieceCols, t, n0, n1);
  }
}

// Codes of 8 bits in a record, group `g` of them.
inline int8_t* record_codes(std::byte* record, const RecordShape& shape, int64_t g) {
  const int64_t bytes = sizeof(CodeX) > 1 ? shape.codes8 : 0;
  return reinterpret_cast<int8_t*>(record + bytes) + g * encoding::kGroup;
}

// Codes of group `g` of a record, and their scale, from `count` numbers.
inline void quantize_part(const float* x, int64_t count, int64_t g, const RecordShape& shape,
                          std::byte* record) {
  reinterpret_cast<float*>(record + shape.scales)[g] =
      quantize_group<encoding::kGroup>(x, count, record_codes(record, shape, g));
}

// The rest of that group. Not at once: bytes that were just stored in small pieces are slow to load
// in large ones.
inline void sum_part(int64_t g, const RecordShape& shape, std::byte* record) {
  const int8_t* const codes = record_codes(record, shape, g);
  if constexpr (sizeof(CodeX) > 1) {
    CodeX* const words = reinterpret_cast<CodeX*>(record) + g * encoding::kGroup;
    for (int64_t i = 0; i < encoding::kGroup; ++i) words[i] = codes[i];
  }
  int32_t* const block_sums =
      reinterpret_cast<int32_t*>(record + shape.block_sums) + g * kGroupBlocks;
  int32_t sum = 0;
  for (int64_t b = 0; b < kGroupBlocks; ++b) {
    sum += block_sums[b] = block_sum(codes + b * encoding::kBlock);
  }
  reinterpret_cast<int32_t*>(record + shape.sums)[g] = sum;
}

// A row of x as a record.
inline void quantize_record(const float* x, int64_t cols, const RecordShape& shape,
                            std::byte* record) {
  for (int64_t first = 0; first < cols; first += encoding::kGroup) {
    quantize_part(x + first, cols - first < encoding::kGroup ? cols - first : encoding::kGroup,
                  first / encoding::kGroup, shape, record);
  }
  for (int64_t g = 0; g * encoding::kGroup < cols; ++g) sum_part(g, shape, record);
}

// --- few rows ---
// For sets that have kernels for one strip: each is read once, from front to back.
template <int T>
inline void few_strips(const LinearArgs& p, int64_t n0, int64_t n1, float* sums) {
  const PackedRows& x = *p.rows;
  for (int64_t n = n0; n < n1; n += kStrip) {
    const uint8_t* const w = reinterpret_cast<const uint8_t*>(p.w) + n / kStrip * x.strip_bytes;
    float totals[T][kStrip];
    p.encoding == Encoding::kQ4 ? few_strip_q4<T>(x, p.k, w, totals)
                                : few_strip_q8<T>(x, p.k, w, totals);
    for (int t = 0; t < T; ++t) {
      float* const to = sums + t * kMaxPieceCols + (n - n0);
      for (int64_t i = 0; i < kStrip; i += kLanes) store(to + i, load(totals[t] + i));
    }
  }
}

// Up to kMaxPieceCols outputs; n0 is a multiple of kStrip.
inline void linear_few_packed(const LinearArgs& p, int64_t n0, int64_t n1, float* scratch) {
  if constexpr (kOwnFew) {
    switch (p.tokens) {
      case 1:
        few_strips<1>(p, n0, n1, scratch);
        break;
      case 2:
        few_strips<2>(p, n0, n1, scratch);
        break;
      case 3:
        few_strips<3>(p, n0, n1, scratch);
        break;
      default:
        few_strips<4>(p, n0, n1, scratch);
    }
    for (int64_t t = 0; t < p.tokens; ++t) finish_row(p, scratch + t * kMaxPieceCols, t, n0, n1);
  } else {
    linear_block_packed(p, 0, p.tokens, n0, n1, scratch);
  }
}
