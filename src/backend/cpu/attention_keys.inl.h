// Keys and values of attention in 8 bits (encoding/attention_codes.h), in the order in which dot
// products take them. Included inside the set's namespace.
//
//   keys    blocks of 128, each as tiles of kKeyTile keys: for every kDotDepth numbers of the width
//           a step of kKeyTile x kDotDepth codes PanelW (which add kPackedBias, as packed weights)
//   scales  a float32 for each key, whole blocks
//   values  blocks of 128 keys: for every kDotDepth keys a step of width x kDotDepth codes DotW
//           (which add kValueBias), the width rounded up to whole vectors
//   value scales and centres, a float32 for each number of the width
//
// Spare keys have zeros for codes and scales.

namespace codes = encoding::attention_codes;

inline constexpr int64_t kKeyTile = kPackedVectors * kLanes;
inline constexpr int64_t kTileStep = kKeyTile * kDotDepth;
static_assert(codes::kBlock % kKeyTile == 0);

struct CodedShape {
  int64_t blocks, steps, width;                          // steps: of one key
  int64_t key_block, value_block;                        // codes
  int64_t scales, values, value_scales, centres, bytes;  // where they lie, in bytes

  CodedShape(int64_t keys, int64_t head_dim)
      : blocks((keys + codes::kBlock - 1) / codes::kBlock),
        steps((head_dim + kDotDepth - 1) / kDotDepth),
        width((head_dim + kLanes - 1) / kLanes * kLanes),
        key_block(codes::kBlock * steps * kDotDepth),
        value_block(codes::kBlock * width) {
    constexpr int64_t kFloat = sizeof(float);
    scales = blocks * key_block * int64_t(sizeof(PanelW));
    values = scales + blocks * codes::kBlock * kFloat;
    value_scales = values + blocks * value_block * int64_t(sizeof(DotW));
    centres = value_scales + width * kFloat;
    bytes = (centres + width * kFloat + 63) / 64 * 64;
  }
};

inline int64_t coded_bytes(const KeySpan& span, int64_t head_dim) {
  return CodedShape(span.end > span.begin ? span.end - span.begin : 0, head_dim).bytes;
}

inline F tame(F a) {
  return min(set(codes::kMostNumber), max(set(-codes::kMostNumber), nan_to_zero(a)));
}
// What numbers of at most `most` are multiplied with to be codes, rounded.
inline F inverse_of(F most) {
  return min(set(codes::kMostInverse), div(set(127.0f), most));
}

// Numbers of one head, row by row.
template <class Stored>
struct HeadRows {
  const std::byte* first;
  int64_t stride, width;
  HeadRows(const void* p, int64_t row, int64_t head_offset, int64_t stride_in, int64_t width_in)
      : first(static_cast<const std::byte*>(p) + Stored::byte_of(row * stride_in + head_offset)),
        stride(Stored::byte_of(stride_in)),
        width(width_in) {}
  F at(int64_t row, int64_t i) const {
    return tame(Stored::at(first + row * stride, i, width - i < kLanes ? width - i : kLanes));
  }
  // Asks for numbers that are read soon: rows of a head are too far apart for the processor to
  // guess. Addresses past the end do no harm.
  void ahead(int64_t row, int64_t i, int64_t count) const {
    const std::byte* const at = first + row * stride + Stored::byte_of(i);
    for (int64_t b = 0; b < Stored::byte_of(count); b += 64) __builtin_prefetch(at + b);
  }
};
inline constexpr int64_t kRowsAhead = 12;

// Sums, or lowest and highest numbers, of V vectors of columns.
template <int V, class Rows>
inline void sum_columns(const Rows& rows, int64_t count, int64_t i, float* sums) {
  F total[V];
  for (int v = 0; v < V; ++v) total[v] = zero();
  for (int64_t s = 0; s < count; ++s) {
    rows.ahead(s + kRowsAhead, i, V * kLanes);
    for (int v = 0; v < V; ++v) total[v] = add(total[v], rows.at(s, i + v * kLanes));
  }
  for (int v = 0; v < V; ++v) store(sums + i + v * kLanes, total[v]);
}
template <int V, class Rows>
inline void bound_columns(const Rows& rows, int64_t count, int64_t i, float* low, float* high) {
  F least[V], most[V];
  for (int v = 0; v < V; ++v) least[v] = most[v] = rows.at(0, i + v * kLanes);
  for (int64_t s = 1; s < count; ++s) {
    rows.ahead(s + kRowsAhead, i, V * kLanes);
    for (int v = 0; v < V; ++v) {
      const F a = rows.at(s, i + v * kLanes);
      least[v] = min(least[v], a);
      most[v] = max(most[v], a);
    }
  }
  for (int v = 0; v < V; ++v) {
    store(low + i + v * kLanes, least[v]);
    store(high + i + v * kLanes, most[v]);
  }
}

// The row's numbers less `from` (or nothing) as codes; the result is their scale. `out` has room
// for whole vectors.
template <class Rows>
inline float encode_row_codes(const Rows& rows, int64_t s, const float* from, int8_t* out) {
  F part[kMaxHeadDim / kLanes];
  F top = zero();
  for (int64_t i = 0; i < rows.width; i += kLanes) {
    const F a = rows.at(s, i);
    part[i / kLanes] = from ? sub(a, load(from + i)) : a;
    top = max(top, abs(part[i / kLanes]));
  }
  const float most = largest(top);
  const F inverse = inverse_of(set(most));
  for (int64_t i = 0; i < rows.width; i += kLanes) {
    store_i8(out + i, mul(part[i / kLanes], inverse));
  }
  return most / 127.0f;
}

// Rows are encoded kLanes at a time and then brought in order: not one by one, because bytes that
// were just stored in small pieces are slow to load in large ones.
struct CodeRows {
  int8_t codes[kLanes][kMaxHeadDim];
};

// kLanes keys to where the first of them goes in its tile.
inline void order_keys(const CodeRows& rows, int64_t steps, PanelW* to) {
  PanelW wide[kLanes][kMaxHeadDim];
  for (int64_t r = 0; r < kLanes; ++r) {
    for (int64_t i = 0; i < steps * kDotDepth; ++i) {
      wide[r][i] = PanelW(rows.codes[r][i] + kPackedBias);
    }
  }
  // 32-bit lanes of kDotDepth codes, moved as floats are, never computed with.
  for (int64_t j = 0; j < steps; j += kLanes) {
    F lanes[kLanes];
    for (int64_t r = 0; r < kLanes; ++r) {
      lanes[r] = load(reinterpret_cast<const float*>(wide[r] + j * kDotDepth));
    }
    transpose(lanes);
    for (int64_t i = 0; i < kLanes && j + i < steps; ++i) {
      store(reinterpret_cast<float*>(to + (j + i) * kTileStep), lanes[i]);
    }
  }
}

template <class Stored>
inline void encode_key_rows(const HeadRows<Stored>& rows, int64_t count, const CodedShape& shape,
                            std::byte* memory) {
  float mean[kMaxHeadDim];
  int64_t i = 0;
  for (; i + 4 * kLanes <= shape.width; i += 4 * kLanes) sum_columns<4>(rows, count, i, mean);
  for (; i < shape.width; i += kLanes) sum_columns<1>(rows, count, i, mean);
  for (i = 0; i < shape.width; i += kLanes) {
    store(mean + i, div(load(mean + i), set(float(count))));
  }
  PanelW* const panels = reinterpret_cast<PanelW*>(memory);
  float* const scales = reinterpret_cast<float*>(memory + shape.scales);
  CodeRows group;
  for (int64_t s = 0; s < shape.blocks * codes::kBlock; s += kLanes) {
    for (int64_t r = 0; r < kLanes; ++r) {
      if (s + r < count) {
        scales[s + r] = encode_row_codes(rows, s + r, mean, group.codes[r]);
      } else {
        scales[s + r] = 0;
        __builtin_memset(group.codes[r], 0, sizeof(group.codes[r]));
      }
    }
    order_keys(group, shape.steps,
               panels + s / kKeyTile * shape.steps * kTileStep + s % kKeyTile * kDotDepth);
  }
}

// Centres, scales and what to multiply with, of each number of the width.
template <class Stored>
inline void bound_values(const HeadRows<Stored>& rows, int64_t count, const CodedShape& shape,
                         std::byte* memory, float* inverse) {
  float low[kMaxHeadDim], high[kMaxHeadDim];
  int64_t i = 0;
  for (; i + 4 * kLanes <= shape.width; i += 4 * kLanes) {
    bound_columns<4>(rows, count, i, low, high);
  }
  for (; i < shape.width; i += kLanes) bound_columns<1>(rows, count, i, low, high);
  float* const scales = reinterpret_cast<float*>(memory + shape.value_scales);
  float* const centres = reinterpret_cast<float*>(memory + shape.centres);
  for (i = 0; i < shape.width; i += kLanes) {
    const F least = load(low + i), most = load(high + i), half = set(0.5f);
    const F centre = add(mul(half, least), mul(half, most));
    const F reach = max(sub(most, centre), sub(centre, least));
    store(centres + i, centre);
    store(scales + i, div(reach, set(127.0f)));
    store(inverse + i, inverse_of(reach));
  }
}

template <class Stored>
inline void encode_value_rows(const HeadRows<Stored>& rows, int64_t count, const CodedShape& shape,
                              std::byte* memory) {
  float inverse[kMaxHeadDim];
  bound_values(rows, count, shape, memory, inverse);
  const float* const centres = reinterpret_cast<const float*>(memory + shape.centres);
  DotW* to = reinterpret_cast<DotW*>(memory + shape.values);
  CodeRows group;
  for (int64_t s = 0; s < shape.blocks * codes::kBlock; s += kLanes) {
    for (int64_t r = 0; r < kLanes; ++r) {
      if (s + r >= count) {
        __builtin_memset(group.codes[r], 0, sizeof(group.codes[r]));
        continue;
      }
      for (int64_t i = 0; i < shape.width; i += kLanes) {
        const F a = sub(rows.at(s + r, i), load(centres + i));
        store_i8(group.codes[r] + i, mul(a, load(inverse + i)));
      }
    }
    for (int64_t r = 0; r < kLanes; r += kDotDepth) {
      for (int64_t i = 0; i < shape.width; ++i, to += kDotDepth) {
        for (int64_t j = 0; j < kDotDepth; ++j) to[j] = DotW(group.codes[r + j][i] + kValueBias);
      }
    }
  }
}

template <class Stored>
inline void encode_keys_of(const AttentionArgs& p, const CodedKeys& keys) {
  const int64_t count = keys.span.end - keys.span.begin;
  const CodedShape shape(count, p.head_dim);
  encode_key_rows<Stored>(
      {p.k, keys.span.begin, keys.kv_head * p.k_head_stride, p.k_stride, p.head_dim}, count, shape,
      keys.memory);
  encode_value_rows<Stored>(
      {p.v, keys.span.begin, keys.kv_head * p.v_head_stride, p.v_stride, p.head_dim}, count, shape,
      keys.memory);
}

inline void encode_keys(const AttentionArgs& p, const CodedKeys& keys) {
  if (keys.span.end <= keys.span.begin) return;
  with_stored(p.keys, [&](auto stored) { encode_keys_of<decltype(stored)>(p, keys); });
}
