// Several vectors that take each step of a function together. A processor looks only some hundred
// instructions ahead and keeps even fewer that wait: one vector's long chain of steps followed by
// the next one's leaves it idle half of the time. Included inside the set's namespace.
//
// Functions written for a vector type V (math.inl.h) take an F or a Many.

inline constexpr int kMany = 4;  // eight run out of registers

template <int N = kMany>
struct Many {
  F v[N];
  Many() = default;
  explicit Many(F all) {
#pragma GCC unroll 8
    for (int i = 0; i < N; ++i) v[i] = all;
  }
};

template <class Op, int N, class... More>
[[gnu::always_inline]] inline Many<N> each(Op op, const Many<N>& a, const More&... more) {
  Many<N> out;
#pragma GCC unroll 8
  for (int i = 0; i < N; ++i) out.v[i] = op(a.v[i], more.v[i]...);
  return out;
}

template <int N>
inline Many<N> add(const Many<N>& a, const Many<N>& b) {
  return each([](F x, F y) { return add(x, y); }, a, b);
}
template <int N>
inline Many<N> sub(const Many<N>& a, const Many<N>& b) {
  return each([](F x, F y) { return sub(x, y); }, a, b);
}
template <int N>
inline Many<N> mul(const Many<N>& a, const Many<N>& b) {
  return each([](F x, F y) { return mul(x, y); }, a, b);
}
template <int N>
inline Many<N> div(const Many<N>& a, const Many<N>& b) {
  return each([](F x, F y) { return div(x, y); }, a, b);
}
template <int N>
inline Many<N> max(const Many<N>& a, const Many<N>& b) {
  return each([](F x, F y) { return max(x, y); }, a, b);
}
template <int N>
inline Many<N> min(const Many<N>& a, const Many<N>& b) {
  return each([](F x, F y) { return min(x, y); }, a, b);
}
template <int N>
inline Many<N> fma(const Many<N>& a, const Many<N>& b, const Many<N>& c) {
  return each([](F x, F y, F z) { return fma(x, y, z); }, a, b, c);
}
template <int N>
inline Many<N> neg_fma(const Many<N>& a, const Many<N>& b, const Many<N>& c) {
  return each([](F x, F y, F z) { return neg_fma(x, y, z); }, a, b, c);
}
template <int N>
inline Many<N> nearest(const Many<N>& a) {
  return each([](F x) { return nearest(x); }, a);
}
template <int N>
inline Many<N> times_exp2(const Many<N>& a, const Many<N>& n) {
  return each([](F x, F y) { return times_exp2(x, y); }, a, n);
}
template <int N>
inline Many<N> if_less(const Many<N>& a, const Many<N>& b, const Many<N>& yes, const Many<N>& no) {
  return each([](F x, F y, F t, F f) { return if_less(x, y, t, f); }, a, b, yes, no);
}

template <int N = kMany>
inline Many<N> load_many(const float* p) {
  Many<N> out;
#pragma GCC unroll 8
  for (int i = 0; i < N; ++i) out.v[i] = load(p + i * kLanes);
  return out;
}
template <int N>
inline void store(float* p, const Many<N>& a) {
#pragma GCC unroll 8
  for (int i = 0; i < N; ++i) store(p + i * kLanes, a.v[i]);
}
