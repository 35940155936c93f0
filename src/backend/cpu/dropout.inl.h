// Dropout: Philox4x32-10 as base::Rng draws it, kWide counters at a time in 64-bit lanes.
// Included inside the set's namespace.

// Numbers [4 * block, 4 * (block + kWide)) of the stream.
inline void draw(const DropoutArgs& d, uint64_t block, uint32_t* numbers) {
  uint64_t counters[kWide];
  for (int i = 0; i < kWide; ++i) counters[i] = block + uint64_t(i);
  const Wide number = wide_load(counters);
  Wide c[4] = {number, wide_xor(wide_high(number), wide_set(d.layer << 16)), wide_set(d.step),
               wide_set(d.op)};
  uint32_t key[2] = {d.key[0], d.key[1]};
  for (int round = 0; round < 10; ++round) {
    const Wide a = wide_product(c[0], wide_set(0xD2511F53));
    const Wide b = wide_product(c[2], wide_set(0xCD9E8D57));
    c[0] = wide_xor(wide_high(b), wide_xor(c[1], wide_set(key[0])));
    c[1] = b;  // its low half; the other is never looked at
    c[2] = wide_xor(wide_high(a), wide_xor(c[3], wide_set(key[1])));
    c[3] = a;
    key[0] += 0x9E3779B9;
    key[1] += 0xBB67AE85;
  }
  uint64_t first[kWide], second[kWide];
  wide_store(first, wide_join(c[0], c[1]));
  wide_store(second, wide_join(c[2], c[3]));
  for (int i = 0; i < kWide; ++i) {
    __builtin_memcpy(numbers + 4 * i, first + i, sizeof(uint64_t));
    __builtin_memcpy(numbers + 4 * i + 2, second + i, sizeof(uint64_t));
  }
}

// Rows whose first number is number `first` of the stream.
inline void dropout(const RowsArgs& p, const DropoutArgs& d, uint64_t first) {
  constexpr int64_t kStep = 256;
  constexpr int64_t kDrawn = kStep + 4 * kWide;
  uint32_t numbers[kDrawn];
  float factors[kDrawn];
  const uint32_t threshold = d.threshold;
  const float kept = d.factor;
  for (int64_t r = 0; r < p.rows; ++r) {
    for (int64_t from = 0; from < p.width; from += kStep) {
      const int64_t count = p.width - from < kStep ? p.width - from : kStep;
      const uint64_t begin = first + uint64_t(r * p.width + from), skipped = begin & 3;
      const int64_t drawn = count + int64_t(skipped);
      for (int64_t i = 0; i < drawn; i += 4 * kWide) {
        draw(d, (begin + uint64_t(i)) >> 2, numbers + i);
      }
      // Apart from drawing: vectors that were just stored in parts are slow to load.
      for (int64_t i = 0; i < drawn; ++i) {
        factors[i] = numbers[i] >> 8 >= threshold ? kept : 0.0f;
      }
      const float* const x = p.x + r * p.x_stride + from;
      const float* const factor = factors + skipped;
      float* const y = p.y + r * p.y_stride + from;
      map_row(count, y, [=, add_to = d.add](int64_t i, int64_t n) {
        const F f = load_first(factor + i, n),
                v = if_less(zero(), f, mul(load_first(x + i, n), f), zero());
        return add_to ? add(load_first(y + i, n), v) : v;
      });
    }
  }
}
