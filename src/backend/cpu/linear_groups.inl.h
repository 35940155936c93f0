// Products of encodings with blocks and 8-bit activations: integer dot products per group of 32
// columns (or half a group), scaled and added in float32. Included inside the set's namespace.
//
// A set says how it multiplies: one 32-bit lane of a register holds kDotDepth codes of one column
// (DotW), one 32-bit splat as many codes of a row (DotX), and dot() adds their products to a lane.
// Where rows must be unsigned, kDotOffset is added to their codes (0 .. 255) and taken off again.

inline constexpr int64_t kBlock = encoding::kBlock;
inline constexpr int64_t kBlocks = kInner / kBlock;    // of one inner step
inline constexpr int64_t kMostParts = 2 * kBlocks;     // with a scale of their own
inline constexpr int64_t kSteps = kBlock / kDotDepth;  // dots of one group
inline constexpr int64_t kDotStride = kInner + 64;     // of rows of DotX

// quantize_group() for numbers that are not finite, or so small that their factor is not.
template <int64_t kColumns>
[[gnu::noinline]] float quantize_odd_group(const F* raw, bool finite, int8_t* codes) {
  F top = zero();
  for (int j = 0; j < kColumns / kLanes; ++j) top = max(top, abs(nan_to_zero(raw[j])));
  const float most = largest(top);
  const F factor = set(most > 0 ? 127.0f / most : 0.0f);
  for (int j = 0; j < kColumns / kLanes; ++j) {
    // 0 times infinity where all numbers are subnormal.
    const F whole = nan_to_zero(mul(nan_to_zero(raw[j]), factor));
    store_i8(codes + j * kLanes, min(set(127.0f), max(set(-127.0f), whole)));
  }
  return finite ? most / 127.0f : __builtin_nanf("");
}

// One group of a row as encoding::quantize_row defines it: codes, and the scale as result.
template <int64_t kColumns>
inline float quantize_group(const float* x, int64_t count, int8_t* codes) {
  constexpr float kLeast = 1e-36f;
  F raw[kColumns / kLanes];
  F top = zero(), odd = zero();
  for (int j = 0; j < kColumns / kLanes; ++j) {
    const int64_t left = count - j * kLanes;
    raw[j] = left > 0 ? load_first(x + j * kLanes, left) : zero();
    odd = fma(raw[j], zero(), odd);  // 0, NaN where a number is not finite
    top = max(abs(raw[j]), top);     // whatever NaN does here
  }
  const float most = largest(top);
  const bool finite = sum(odd) == 0;
  if (!finite || most < kLeast) return quantize_odd_group<kColumns>(raw, finite, codes);
  const F factor = set(127.0f / most);
  for (int j = 0; j < kColumns / kLanes; ++j) store_i8(codes + j * kLanes, mul(raw[j], factor));
  return most / 127.0f;
}
inline void quantize_row(const float* x, int64_t cols, int8_t* codes, float* scales) {
  for (int64_t i = 0; i < cols; i += kBlock) {
    *scales++ = quantize_group<kBlock>(x + i, cols - i < kBlock ? cols - i : kBlock, codes + i);
  }
}

// scale * (sum of codes) of each of `parts` parts of a group.
inline void part_sums(const int8_t* codes, float scale, int parts, float* sums) {
  constexpr Codes32 kOnes = Codes32{} + 1;
  float lanes[8];
  store8(lanes, group_dots<false>(&kOnes, codes));
  const float low = lanes[0] + lanes[1] + (lanes[2] + lanes[3]);
  const float high = lanes[4] + lanes[5] + (lanes[6] + lanes[7]);
  if (parts == 1) {
    *sums = scale * (low + high);
    return;
  }
  sums[0] = scale * low;
  sums[1] = scale * high;
}

// --- many rows ---

struct DotPanel {
  DotW* codes;       // [kBlocks][kSteps][kTileColumns][kDotDepth]
  float* scales;     // [parts][kTileColumns]
  float* mins;       // the same
  int32_t* offsets;  // the same: - kDotOffset * sum of the part's codes
};
struct DotRows {
  DotX* codes;    // [rows][kDotStride]
  float* scales;  // [rows][kBlocks]
  float* sums;    // [rows][kMostParts]: part_sums(), beside forms with minima
};

// What row `w` of W has in groups [0, groups), from a block's start on: codes, and as column `at`
// of the panel scales and minima.
template <class Form>
inline void pack_dot_row(const std::byte* w, int64_t groups, DotW* codes, const DotPanel& panel,
                         int64_t at) {
  constexpr int64_t kGroups = Form::kColumns / kBlock, kAll = kGroups * Form::kParts;
  const uint8_t* block = reinterpret_cast<const uint8_t*>(w);
  for (int64_t first = 0; first < groups; first += kGroups, block += Form::kBytes) {
    float scales[kAll], mins[kAll];
    Form::scales(block, scales, mins);
    const int64_t here = groups - first < kGroups ? groups - first : kGroups;
    for (int64_t i = 0; i < here * Form::kParts; ++i) {
      const int64_t to = (first * Form::kParts + i) * kTileColumns + at;
      panel.scales[to] = scales[i];
      if (Form::kMins) panel.mins[to] = mins[i];
    }
    for (int64_t g = 0; g < here; ++g) {
      const Codes32 centred = Form::codes(block, g) - uint8_t(Form::kCentre);
      int8_t all[kBlock];
      __builtin_memcpy(all, &centred, sizeof all);
      for (int64_t i = 0; i < kBlock; ++i) codes[(first + g) * kBlock + i] = all[i];
    }
  }
}

// Columns: rows [0, rows) of W, `groups` groups from `w` on.
template <class Form>
inline void pack_dot_columns(const std::byte* w, int64_t row_bytes, int64_t rows, int64_t groups,
                             const DotPanel& panel) {
  constexpr int64_t kPartSteps = kSteps / Form::kParts;
  DotW codes[kLanes * kInner];
  for (int64_t lanes = 0; lanes < kTileColumns; lanes += kLanes) {
    for (int64_t r = 0; r < kLanes; ++r) {
      if (lanes + r < rows) {
        pack_dot_row<Form>(w + (lanes + r) * row_bytes, groups, codes + r * kInner, panel,
                           lanes + r);
        continue;
      }
      for (int64_t i = 0; i < groups * kBlock; ++i) codes[r * kInner + i] = 0;
      for (int64_t i = 0; i < groups * Form::kParts; ++i) {
        panel.scales[i * kTileColumns + lanes + r] = panel.mins[i * kTileColumns + lanes + r] = 0;
      }
    }
    // Columns of 32-bit lanes: moved as floats are, never computed with.
    const float* const floats = reinterpret_cast<const float*>(codes);
    constexpr int64_t kRowLanes = kInner / kDotDepth;
    pack_columns([=](int64_t r, int64_t i, int64_t) { return load(floats + r * kRowLanes + i); },
                 kLanes, groups * kSteps, reinterpret_cast<float*>(panel.codes) + lanes,
                 kTileColumns);
  }
  if (kDotOffset == 0) return;
  for (int64_t part = 0; part < groups * Form::kParts; ++part) {
    for (int64_t n = 0; n < kTileColumns; n += kLanes) {
      Dots total = dots_zero();
      for (int64_t s = part * kPartSteps; s < (part + 1) * kPartSteps; ++s) {
        const DotW* const at = panel.codes + (s * kTileColumns + n) * kDotDepth;
        total = dot(total, dot_offset(), dot_columns(at));
      }
      dots_store(panel.offsets + part * kTileColumns + n, dots_negative(total));
    }
  }
}

template <class Form>
inline void pack_dot_rows(const float* x, int64_t stride, int64_t rows, int64_t width,
                          const DotRows& to) {
  int8_t codes[kInner];
  for (int64_t r = 0; r < rows; ++r) {
    float* const scales = to.scales + r * kBlocks;
    quantize_row(x + r * stride, width, codes, scales);
    DotX* const out = to.codes + r * kDotStride;
    const int64_t groups = (width + kBlock - 1) / kBlock;
    for (int64_t i = 0; i < groups * kBlock; ++i) out[i] = DotX(codes[i] + kDotOffset);
    if (!Form::kMins) continue;
    for (int64_t g = 0; g < groups; ++g) {
      part_sums(codes + g * kBlock, scales[g], Form::kParts,
                to.sums + r * kMostParts + g * Form::kParts);
    }
  }
}

template <int R, int V, int kParts, bool kMins>
inline void dot_tile(const DotRows& x, const DotPanel& w, int64_t groups, float* c, bool add_c) {
  constexpr int64_t kPartSteps = kSteps / kParts, kPartWidth = kBlock / kParts;
  F sums[R][V];
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) sums[r][v] = zero();
  }
  for (int64_t part = 0; part < groups * kParts; ++part) {
    Dots dots[R][V];
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) {
        dots[r][v] =
            kDotOffset ? dots_load(w.offsets + part * kTileColumns + v * kLanes) : dots_zero();
      }
    }
    const DotW* columns = w.codes + part * kPartWidth * kTileColumns;
    const DotX* row = x.codes + part * kPartWidth;
    for (int64_t s = 0; s < kPartSteps;
         ++s, columns += kTileColumns * kDotDepth, row += kDotDepth) {
      DotVector at[V];
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) at[v] = dot_columns(columns + v * kLanes * kDotDepth);
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) {
        const DotVector splat = dot_splat(row + r * kDotStride);
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) dots[r][v] = dot(dots[r][v], splat, at[v]);
      }
    }
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) {
      const F scale = load(w.scales + part * kTileColumns + v * kLanes);
      const F min = kMins ? load(w.mins + part * kTileColumns + v * kLanes) : zero();
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) {
        const F both = mul(scale, set(x.scales[r * kBlocks + part / kParts]));
        sums[r][v] = fma(both, dots_float(dots[r][v]), sums[r][v]);
        if (kMins) sums[r][v] = neg_fma(min, set(x.sums[r * kMostParts + part]), sums[r][v]);
      }
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) {
      float* const to = c + r * kMaxPieceCols + v * kLanes;
      store(to, add_c ? add(load(to), sums[r][v]) : sums[r][v]);
    }
  }
}

template <int kParts, bool kMins, int R = kDotRows>
inline void dot_tile_rows(int64_t rows, const DotRows& x, const DotPanel& w, int64_t groups,
                          float* c, bool add_c) {
  if constexpr (R > 0) {
    if (rows == R) return dot_tile<R, kTileVectors, kParts, kMins>(x, w, groups, c, add_c);
    dot_tile_rows<kParts, kMins, R - 1>(rows, x, w, groups, c, add_c);
  }
}

inline constexpr int64_t kPanelScales = kMostParts * kTileColumns;
static_assert(kMaxPieceRows * (kMaxPieceCols + kBlocks + kMostParts + kDotStride) +
                  3 * kPanelScales + kInner * kTileColumns <=
              kScratchFloats);

template <class Form>
inline void linear_block_of(const LinearArgs& p, int64_t t0, int64_t t1, int64_t n0, int64_t n1,
                            float* scratch) {
  float* const c = scratch;
  DotRows x;
  x.scales = c + kMaxPieceRows * kMaxPieceCols;
  x.sums = x.scales + kMaxPieceRows * kBlocks;
  DotPanel panel;
  panel.scales = x.sums + kMaxPieceRows * kMostParts;
  panel.mins = panel.scales + kPanelScales;
  panel.offsets = reinterpret_cast<int32_t*>(panel.mins + kPanelScales);
  panel.codes = reinterpret_cast<DotW*>(panel.offsets + kPanelScales);
  x.codes = reinterpret_cast<DotX*>(panel.codes + kInner * kTileColumns);
  for (int64_t first = 0; first < p.k; first += kInner) {
    const int64_t width = p.k - first < kInner ? p.k - first : kInner;
    const int64_t groups = (width + kBlock - 1) / kBlock;
    pack_dot_rows<Form>(p.x + t0 * p.x_stride + first, p.x_stride, t1 - t0, width, x);
    const std::byte* const w = p.w + first / Form::kColumns * Form::kBytes;
    for (int64_t n = n0; n < n1; n += kTileColumns) {
      const int64_t columns = n1 - n < kTileColumns ? n1 - n : kTileColumns;
      pack_dot_columns<Form>(w + n * p.w_row_bytes, p.w_row_bytes, columns, groups, panel);
      const int64_t rows = t1 - t0, parts = (rows + kDotRows - 1) / kDotRows;
      for (int64_t part = 0; part < parts; ++part) {
        const int64_t r = rows * part / parts, count = rows * (part + 1) / parts - r;
        dot_tile_rows<Form::kParts, Form::kMins>(
            count, {x.codes + r * kDotStride, x.scales + r * kBlocks, x.sums + r * kMostParts},
            panel, groups, c + r * kMaxPieceCols + (n - n0), first > 0);
      }
    }
  }
  for (int64_t t = t0; t < t1; ++t) finish_row(p, c + (t - t0) * kMaxPieceCols, t, n0, n1);
}

inline void linear_block_groups(const LinearArgs& p, int64_t t0, int64_t t1, int64_t n0, int64_t n1,
                                float* scratch) {
  with_form(p.encoding,
            [&](auto form) { linear_block_of<decltype(form)>(p, t0, t1, n0, n1, scratch); });
}

// --- few rows: a row of W is streamed once for all of them ---

struct FewRows {
  const int8_t* codes[kFewRows];  // zeros up to a whole block
  const float* scales[kFewRows];  // of each part
  const float* sums[kFewRows];    // part_sums()
};

static_assert(kFewRows * (kMaxPieceCols + (kMaxFewCols + kInner) / int64_t(sizeof(float)) +
                          2 * (kMaxFewCols + kInner) / (kBlock / 2)) <=
              kScratchFloats);

// Whether sums of x are needed: codes are taken as they lie, and what is taken off them at the end.
template <class Form>
inline constexpr bool kHasOffsets = Form::kMins || Form::kCentre != 0;

inline FewRows quantize_few(const LinearArgs& p, float* scratch) {
  FewRows x;
  int parts = 1;
  bool offsets = false;
  with_form(p.encoding, [&](auto form) {
    parts = decltype(form)::kParts;
    offsets = kHasOffsets<decltype(form)>;
  });
  const int64_t groups = (p.k + kBlock - 1) / kBlock;
  const int64_t most = (p.k + kInner - 1) / kInner * kBlocks;
  for (int64_t t = 0; t < p.tokens; ++t) {
    int8_t* const codes = reinterpret_cast<int8_t*>(scratch);
    float* const scales = scratch + most * kBlock / int64_t(sizeof(float));
    float* const sums = scales + most * parts;
    scratch = sums + most * parts;
    quantize_row(p.x + t * p.x_stride, p.k, codes, sums);
    for (int64_t i = groups * kBlock; i < most * kBlock; ++i) codes[i] = 0;
    for (int64_t i = 0; i < most * parts; ++i) scales[i] = i < groups * parts ? sums[i / parts] : 0;
    for (int64_t g = 0; offsets && g < most; ++g) {
      part_sums(codes + g * kBlock, scales[g * parts], parts, sums + g * parts);
    }
    x.codes[t] = codes;
    x.scales[t] = scales;
    x.sums[t] = sums;
  }
  return x;
}

// One row of W, T of x: an element is summed in two chains of groups, whatever T.
template <int T>
struct FewSums {
  Chains total[T];
  Floats8 offset[T];  // of the minima, or of the scales
  float offset_one[T];

  FewSums() {
    for (int t = 0; t < T; ++t) {
      offset[t] = zero8();
      offset_one[t] = 0;
    }
  }

  // The block whose first group is `first`; its even groups go to chain `chain`.
  template <class Form>
  __attribute__((always_inline)) inline void add(const FewRows& x, const uint8_t* block,
                                                 int64_t first, int chain) {
    constexpr int64_t kGroups = Form::kColumns / kBlock, kAll = kGroups * Form::kParts;
    static_assert(!Form::kMins || Form::kCentre == 0, "one of them has to be taken off");
    float scales[kAll], mins[kAll], both[T][kAll];
    Form::scales(block, scales, mins);
    const float* const offsets = Form::kMins ? mins : scales;
#pragma GCC unroll 4
    for (int t = 0; t < T; ++t) {
      const float* const of_x = x.scales[t] + first * Form::kParts;
      const float* const sums = x.sums[t] + first * Form::kParts;
      if constexpr (kAll == 1) {
        both[t][0] = scales[0] * of_x[0];
        if (kHasOffsets<Form>) offset_one[t] += offsets[0] * sums[0];
      } else {
        for (int i = 0; i < kAll; i += 8) {
          store8(both[t] + i, mul8(load8(scales + i), load8(of_x + i)));
          if (kHasOffsets<Form>) offset[t] = fma8(load8(offsets + i), load8(sums + i), offset[t]);
        }
      }
    }
    if constexpr (kTwoGroups && kGroups > 1) {
      add_pairs<Form>(total, block, x.codes, first, both);
      return;
    }
    // Through memory, from where one number is spread for nothing; gcc would shuffle registers.
    asm("" : "+m"(both));
#pragma GCC unroll 8
    for (int64_t g = 0; g < kGroups; ++g) {
      const Codes32 codes = Form::codes(block, g);
#pragma GCC unroll 4
      for (int t = 0; t < T; ++t) {
        const Floats8 dots = group_dots<Form::kSigned>(&codes, x.codes[t] + (first + g) * kBlock);
        const float* const scale = both[t] + g * Form::kParts;
        total[t].add(dots, Form::kParts == 1 ? set8(scale[0]) : halves8(scale[0], scale[1]),
                     int(g + chain) % 2);
      }
    }
  }
  template <class Form>
  float sum(int t) const {
    const float offsets = sum8(offset[t]) + offset_one[t];
    return total[t].sum() - (Form::kMins ? 1 : Form::kCentre) * offsets;
  }
};

template <class Form, int T>
inline void few_columns_of(const LinearArgs& p, const FewRows& x, int64_t n0, int64_t n1,
                           float* sums) {
  const int64_t groups = (p.k + kBlock - 1) / kBlock, ahead = prefetch_distance(1, p.w_row_bytes);
  for (int64_t n = n0; n < n1; ++n) {
    const std::byte* at = p.w + n * p.w_row_bytes;
    FewSums<T> row;
    int64_t first = 0;
    const auto step = [&](auto form, int chain) __attribute__((always_inline)) {
      using Block = decltype(form);
      for (int64_t line = 0; line < Block::kBytes; line += 64) prefetch(at + ahead + line);
      row.template add<Block>(x, reinterpret_cast<const uint8_t*>(at), first, chain);
      at += Block::kBytes;
      first += Block::kColumns / kBlock;
    };
    if constexpr (Form::kColumns > kBlock) {
      while (first < groups) step(Form{}, 0);
    } else {
      while (first + 8 <= groups) step(EightOf<Form>{}, 0);
      for (int chain = 0; first < groups; chain ^= 1) step(Form{}, chain);
    }
    for (int t = 0; t < T; ++t) sums[t * kMaxPieceCols + (n - n0)] = row.template sum<Form>(t);
  }
}

inline void linear_few_groups(const LinearArgs& p, const FewRows& x, int64_t n0, int64_t n1,
                              float* sums) {
  with_form(p.encoding, [&](auto form) {
    using Form = decltype(form);
    switch (p.tokens) {
      case 1:
        return few_columns_of<Form, 1>(p, x, n0, n1, sums);
      case 2:
        return few_columns_of<Form, 2>(p, x, n0, n1, sums);
      case 3:
        return few_columns_of<Form, 3>(p, x, n0, n1, sums);
      default:
        return few_columns_of<Form, 4>(p, x, n0, n1, sums);
    }
  });
}
