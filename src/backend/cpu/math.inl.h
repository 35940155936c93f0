// Loads of stored numbers, tails, and functions of a vector, in terms of the vocabulary.
// Included inside the set's namespace.


// The first n < kLanes numbers; the others are zero.
template <class T>
inline void copy_tail(const T* p, int64_t n, T* out) {
  for (int i = 0; i < kLanes; ++i) out[i] = i < n ? p[i] : T(0);
}
inline F load_first(const float* p, int64_t n) {
  if (n >= kLanes) return load(p);
  float all[kLanes];
  copy_tail(p, n, all);
  return load(all);
}
inline void store_first(float* p, F a, int64_t n) {
  if (n >= kLanes) return store(p, a);
  float all[kLanes];
  store(all, a);
  for (int64_t i = 0; i < n; ++i) p[i] = all[i];
}

// `a` with zeros from lane n on.
inline F first_of(F a, int64_t n) {
  float all[kLanes];
  store(all, a);
  for (int64_t i = n; i < kLanes; ++i) all[i] = 0;
  return load(all);
}

// How the numbers of a row are stored: at(row, i, n) gives numbers [i, i + n), n <= kLanes, with
// `i` a multiple of kLanes; byte_of(i) is where number i lies.
template <class Self, class Number>
struct StoredNumbers {
  static int64_t byte_of(int64_t i) { return i * int64_t(sizeof(Number)); }
  static F at(const std::byte* row, int64_t i, int64_t n) {
    const Number* const p = reinterpret_cast<const Number*>(row) + i;
    if (n >= kLanes) return Self::load_all(p);
    Number all[kLanes];
    copy_tail(p, n, all);
    return Self::load_all(all);
  }
};
struct StoredF32 : StoredNumbers<StoredF32, float> {
  static F load_all(const float* p) { return load(p); }
};
struct StoredF16 : StoredNumbers<StoredF16, uint16_t> {
  static F load_all(const uint16_t* p) { return load_f16(p); }
};
struct StoredBF16 : StoredNumbers<StoredBF16, uint16_t> {
  static F load_all(const uint16_t* p) { return load_bf16(p); }
};
struct StoredQ80 {
  static int64_t byte_of(int64_t i) { return i / encoding::kBlock * encoding::kQ80Bytes; }
  static F at(const std::byte* row, int64_t i, int64_t) {  // the last block's spare codes are zero
    const std::byte* const block = row + byte_of(i);
    const F codes = load_i8(reinterpret_cast<const int8_t*>(block + 2) + i % encoding::kBlock);
    return mul(codes, set(half_to_float(block)));
  }
};

// Whether kernels read an encoding as it lies. Every other is decoded to float32 a piece at a time,
// by the scalar code that defines it.
inline bool reads_directly(Encoding encoding) {
  return encoding == Encoding::kF32 || encoding == Encoding::kF16 || encoding == Encoding::kBF16 ||
         encoding == Encoding::kQ80;
}

// Numbers [first, first + count) of a row, whatever its encoding; count <= kInner.
inline void decode_part(Encoding encoding, const std::byte* row, int64_t first, int64_t count,
                        float* out) {
  const int64_t skipped = first % encoding::kBlock;
  if (skipped == 0) return encoding::decode_row(encoding, row, first, count, out);
  float all[kInner + encoding::kBlock];
  encoding::decode_row(encoding, row, first - skipped, skipped + count, all);
  for (int64_t i = 0; i < count; ++i) out[i] = all[skipped + i];
}

// Calls use(Stored{}) with the form of an encoding that kernels read directly.
template <class Use>
inline void with_stored(Encoding encoding, Use use) {
  switch (encoding) {
    case Encoding::kF32:
      return use(StoredF32{});
    case Encoding::kF16:
      return use(StoredF16{});
    case Encoding::kBF16:
      return use(StoredBF16{});
    case Encoding::kQ80:
      return use(StoredQ80{});
    default:
      return;
  }
}

// e^x with a relative error of about 1e-7; 0 below -87.3, bounded above by e^88.3. NaN stays NaN.
template <class V>
[[gnu::always_inline]] inline V exp(V x) {
  const V lowest(set(-87.3f));
  const V a = min(V(set(88.3f)), max(lowest, x));
  const V n = nearest(mul(a, V(set(1.44269504f))));
  // ln 2 in two parts, the first with few bits so that n * it is exact.
  const V r = neg_fma(n, V(set(-2.12194440e-4f)), neg_fma(n, V(set(0.693359375f)), a));
  // Minimax of (e^r - 1 - r) / r^2 on [-ln 2 / 2, ln 2 / 2], error 3e-9 relative to e^r.
  V p = V(set(0.001381453825160861f));
  p = fma(p, r, V(set(0.00836874544620514f)));
  p = fma(p, r, V(set(0.04166838899254799f)));
  p = fma(p, r, V(set(0.1666652113199234f)));
  p = fma(p, r, V(set(0.4999999403953552f)));
  const V e = add(fma(p, mul(r, r), r), V(set(1.0f)));
  return if_less(x, lowest, V(zero()), times_exp2(e, n));
}

// 2^x for x in [-126, 127], bounded to that. NaN stays NaN.
template <class V>
[[gnu::always_inline]] inline V exp2(V x) {
  const V a = min(V(set(127.0f)), max(V(set(-126.0f)), x));
  const V n = nearest(a), f = sub(a, n);
  // Minimax on [-1/2, 1/2], relative error 2e-8 beside the rounding.
  V p = fma(V(set(1.53458110e-4f)), f, V(set(1.33999309e-3f)));
  p = fma(p, f, V(set(9.61848907e-3f)));
  p = fma(p, f, V(set(5.55032864e-2f)));
  p = fma(p, f, V(set(0.240226462f)));
  p = fma(p, f, V(set(0.693147182f)));
  return times_exp2(fma(p, f, V(set(1.0f))), n);
}

// x / (1 + e^-x)
template <class V>
[[gnu::always_inline]] inline V silu(V x) {
  return div(x, add(V(set(1.0f)), exp(sub(V(zero()), x))));
}

// x / 2 * (1 + tanh(u)) = x / (1 + e^-2u) with u = sqrt(2 / pi) * (x + 0.044715 x^3), and e^-2u as
// a power of two.
template <class V>
[[gnu::always_inline]] inline V gelu_tanh(V x) {
  const V t = mul(x, fma(mul(x, x), V(set(-0.1029432397f)), V(set(-2.3022081984f))));
  return div(x, add(V(set(1.0f)), exp2(t)));
}

template <class V>
[[gnu::always_inline]] inline V apply(Act act, V x) {
  switch (act) {
    case Act::kNone:
      break;
    case Act::kGeluTanh:
      return gelu_tanh(x);
    case Act::kSilu:
      return silu(x);
  }
  return x;
}

// Calls use(i, at, put) for all of [0, count): at() loads and put() stores as many numbers as the
// call is for.
template <class Use>
[[gnu::always_inline]] inline void in_vectors(int64_t count, Use use) {
  int64_t i = 0;
  for (; i + kMany * kLanes <= count; i += kMany * kLanes) {
    use(
        i, [](const float* p) { return load_many(p); },
        [](float* p, const Many<>& v) { store(p, v); });
  }
  for (; i < count; i += kLanes) {
    const int64_t some = count - i < kLanes ? count - i : kLanes;
    use(
        i, [some](const float* p) { return load_first(p, some); },
        [some](float* p, F v) { store_first(p, v, some); });
  }
}
