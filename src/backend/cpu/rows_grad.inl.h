// Gradients row by row, and sums over rows. Included inside the set's namespace.

// --- norms ---

// Moments of every row; and dx, unless it is null. See backend/reference/norm.cpp for the formula.
inline void norm_grad(const NormGradArgs& p) {
  for (int64_t r = 0; r < p.rows.rows; ++r) {
    const int64_t width = p.rows.width;
    const float* const x = p.rows.x + r * p.rows.x_stride;
    const float* const dy = p.dy + r * p.dy_stride;
    const float* const w = p.w;
    float mean_x = 0;
    if (p.centred) {
      mean_x =
          sum_row(width, [=](int64_t i, int64_t n) { return load_first(x + i, n); }) / float(width);
    }
    const F mean = set(mean_x);
    const float squares = sum_row(width, [=](int64_t i, int64_t n) {
      const F v = sub(load_first(x + i, n), mean);
      return n < kLanes ? first_of(mul(v, v), n) : mul(v, v);
    });
    const float scale = 1.0f / __builtin_sqrtf(squares / float(width) + p.eps);
    p.mean[r] = mean_x;
    p.inverse[r] = scale;
    if (!p.rows.y) continue;
    const F inverse = set(scale);
    const float along = sum_row(width, [=](int64_t i, int64_t n) {
      const F g = mul(load_first(dy + i, n), load_first(w + i, n));
      return mul(g, mul(sub(load_first(x + i, n), mean), inverse));
    });
    const float whole = p.centred
                            ? sum_row(width,
                                      [=](int64_t i, int64_t n) {
                                        return mul(load_first(dy + i, n), load_first(w + i, n));
                                      })
                            : 0.0f;
    const F mean_gn = set(along / float(width)), mean_g = set(whole / float(width));
    float* const dx = p.rows.y + r * p.rows.y_stride;
    map_row(width, dx, [=](int64_t i, int64_t n) {
      const F g = mul(load_first(dy + i, n), load_first(w + i, n));
      const F normal = mul(sub(load_first(x + i, n), mean), inverse);
      const F rest = neg_fma(normal, mean_gn, sub(g, mean_g));
      return fma(inverse, rest, load_first(dx + i, n));
    });
  }
}

// --- sums over rows ---

inline constexpr int64_t kSumRows = 64;  // rows of one partial sum: errors stay small

template <int V>
inline void sum_columns(const ColumnSumArgs& p, int64_t column) {
  F total[V];
  for (int v = 0; v < V; ++v) total[v] = zero();
  for (int64_t r0 = 0; r0 < p.rows; r0 += kSumRows) {
    const int64_t r1 = p.rows - r0 < kSumRows ? p.rows : r0 + kSumRows;
    F part[V];
    for (int v = 0; v < V; ++v) part[v] = zero();
    for (int64_t r = r0; r < r1; ++r) {
      const F mean = set(p.mean ? p.mean[r] : 0.0f), factor = set(p.factor ? p.factor[r] : 1.0f);
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) {
        const int64_t i = column + v * kLanes;
        const F a = load_first(p.a + r * p.a_stride + i, p.width - i);
        if (!p.b) {
          part[v] = add(part[v], a);
          continue;
        }
        const F b = sub(load_first(p.b + r * p.b_stride + i, p.width - i), mean);
        part[v] = fma(a, mul(b, factor), part[v]);
      }
    }
    for (int v = 0; v < V; ++v) total[v] = add(total[v], part[v]);
  }
  for (int v = 0; v < V; ++v) {
    float* const to = p.dst + column + v * kLanes;
    const int64_t n = p.width - column - v * kLanes;
    store_first(to, fma(total[v], set(p.scale), load_first(to, n)), n);
  }
}

inline void column_sums(const ColumnSumArgs& p) {
  int64_t column = 0;
  for (; column + 4 * kLanes <= p.width; column += 4 * kLanes) sum_columns<4>(p, column);
  for (; column < p.width; column += kLanes) sum_columns<1>(p, column);
}

// --- elementwise ---

// The slope of x sigmoid(z), y being x times the slope of z: s (1 + y (1 - s)), with s =
// 1 / (1 + e^-z) and 1 - s = s e^-z (a difference would lose all but a few bits).
inline F sigmoid_slope(F minus_z, F y) {
  const F e = exp(minus_z), s = div(set(1.0f), add(set(1.0f), e));
  return mul(s, fma(y, mul(e, s), set(1.0f)));
}

// Both slopes are 0 or 1 to the last bit outside of these bounds; inside nothing overflows.
inline F silu_slope(F x) {
  const F a = min(set(88.0f), max(set(-88.0f), x));
  return sigmoid_slope(sub(zero(), a), a);
}

// gelu_tanh is x s with s = sigmoid(2u), u = sqrt(2 / pi) (x + 0.044715 x^3).
inline F gelu_tanh_slope(F x) {
  const F a = min(set(10.0f), max(set(-10.0f), x)), square = mul(a, a);
  const F minus_z = mul(mul(a, set(-1.5957691216f)), fma(square, set(0.044715f), set(1.0f)));
  const F slope = mul(set(1.5957691216f), fma(square, set(0.134145f), set(1.0f)));
  return sigmoid_slope(minus_z, mul(a, slope));
}

inline void activation_grad(const RowsArgs& p, const float* dy, int64_t dy_stride, Act act) {
  for (int64_t r = 0; r < p.rows; ++r, dy += dy_stride) {
    const float* const x = p.x + r * p.x_stride;
    float* const dx = p.y + r * p.y_stride;
    const float* const d = dy;
    map_row(p.width, dx, [=](int64_t i, int64_t n) {
      const F at = load_first(x + i, n), g = load_first(d + i, n), old = load_first(dx + i, n);
      switch (act) {
        case Act::kNone:
          break;
        case Act::kGeluTanh:
          return fma(g, gelu_tanh_slope(at), old);
        case Act::kSilu:
          return fma(g, silu_slope(at), old);
      }
      return add(old, g);
    });
  }
}

inline void silu_mul_grad(const SiluMulGradArgs& p) {
  for (int64_t r = 0; r < p.rows; ++r) {
    const float* const gate = p.gate + r * p.gate_stride;
    const float* const up = p.up + r * p.up_stride;
    const float* const dy = p.dy + r * p.dy_stride;
    if (p.dgate) {
      float* const dgate = p.dgate + r * p.dgate_stride;
      map_row(p.width, dgate, [=](int64_t i, int64_t n) {
        const F g = mul(load_first(dy + i, n), load_first(up + i, n));
        return fma(g, silu_slope(load_first(gate + i, n)), load_first(dgate + i, n));
      });
    }
    if (p.dup) {
      float* const dup = p.dup + r * p.dup_stride;
      map_row(p.width, dup, [=](int64_t i, int64_t n) {
        return fma(load_first(dy + i, n), silu(load_first(gate + i, n)), load_first(dup + i, n));
      });
    }
  }
}

inline void scale_columns(const RowsArgs& p, const float* s, bool add_to) {
  for (int64_t r = 0; r < p.rows; ++r) {
    const float* const x = p.x + r * p.x_stride;
    float* const y = p.y + r * p.y_stride;
    map_row(p.width, y, [=](int64_t i, int64_t n) {
      const F v = mul(load_first(x + i, n), load_first(s + i, n));
      return add_to ? add(load_first(y + i, n), v) : v;
    });
  }
}

// --- objective ---

// sum_i e^(scale (x[i] - most)), most being the largest of x. Vectors are summed in blocks that are
// added in float64, so that a large vocabulary costs no accuracy.
inline double exp_sum(const float* x, int64_t count, float scale, float* most) {
  constexpr int64_t kPart = 2048;
  F top = set(-__builtin_inff());
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) top = max(top, load(x + i));
  float highest = largest(top);
  for (; i < count; ++i) highest = x[i] > highest ? x[i] : highest;
  *most = highest;
  const F shift = set(highest), factor = set(scale);
  double total = 0;
  for (int64_t first = 0; first < count; first += kPart) {
    const float* const at = x + first;
    total +=
        double(sum_row(count - first < kPart ? count - first : kPart, [=](int64_t j, int64_t n) {
          const F e = exp(mul(sub(load_first(at + j, n), shift), factor));
          return n < kLanes ? first_of(e, n) : e;
        }));
  }
  return total;
}

// dx += factor e^(scale (x - most))
inline void add_exp(const float* x, int64_t count, float scale, float most, float factor,
                    float* dx) {
  map_row(count, dx, [=](int64_t i, int64_t n) {
    const F e = exp(mul(sub(load_first(x + i, n), set(most)), set(scale)));
    return fma(e, set(factor), load_first(dx + i, n));
  });
}
