// Encodings with blocks as kernels read them, 32 columns (a group) at a time; what they are is
// defined in encoding/blocks.cpp and encoding/k_quants.cpp. Included inside the set's namespace.
//
// A form has, of a block, kColumns and kBytes, and
//   kParts         how many scales a group has: 1, or 2, each for 16 columns
//   kMins          whether there are minima
//   kCentre        what is taken off a code
//   kSigned        whether codes are signed; kCentre is 0 then
//   codes(block, g)                of group g
//   two_codes<Two>(block, g)       of groups g (even) and g + 1, where that is less work
//   scales(block, scales, mins)    of all groups; minima are written if there are any
// so that a column is scale * (code - kCentre) - min. Unsigned codes are at most 63.
//
// Vectors here are the compiler's own, which every set has.
typedef uint8_t Codes16 __attribute__((vector_size(16)));
typedef uint8_t Codes32 __attribute__((vector_size(32)));

inline Codes32 bytes32(const uint8_t* p) {
  Codes32 v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}
inline uint32_t word_at(const uint8_t* p) {
  uint32_t word;
  __builtin_memcpy(&word, p, sizeof word);
  return word;
}

template <class Half>
inline Codes32 both_halves(Half low, Half high) {
  return __builtin_shufflevector(low, high, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
                                 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31);
}
// 16 bytes of two codes.
struct Nibbles {
  Codes16 low, high;
  explicit Nibbles(const uint8_t* p) {
    Codes16 v;
    __builtin_memcpy(&v, p, sizeof v);
    low = v & 15;
    high = v >> 4;
  }
  Codes32 all() const { return both_halves(low, high); }
};

// 16 where bit i of 32 is set.
inline Codes32 fifth_bits(const uint8_t* p) {
  typedef uint32_t Words8 __attribute__((vector_size(32)));
  const Words8 words = Words8{} + word_at(p);
  Codes32 bytes;
  __builtin_memcpy(&bytes, &words, sizeof bytes);
  bytes = __builtin_shufflevector(bytes, bytes, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1,  //
                                  18, 18, 18, 18, 18, 18, 18, 18, 19, 19, 19, 19, 19, 19, 19, 19);
  constexpr Codes32 kBits = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128,
                             1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
  return (Codes32)((bytes & kBits) == kBits) & 16;
}

// Blocks of one group that begin with an f16 scale, and another number for those with minima.
template <int kBlockBytes, int kCodeCentre, bool kHasMins, bool kSignedCodes = false>
struct SmallBlock {
  static constexpr int64_t kColumns = 32, kBytes = kBlockBytes;
  static constexpr int kParts = 1, kCentre = kCodeCentre;
  static constexpr bool kMins = kHasMins, kSigned = kSignedCodes;
  static constexpr int64_t kHeadBytes = kHasMins ? 4 : 2;
  static void scales(const uint8_t* block, float* scales, float* mins) {
    *scales = half_to_float(block);
    if (kMins) *mins = -half_to_float(block + 2);
  }
};
struct FormQ80 : SmallBlock<34, 0, false, true> {
  static Codes32 codes(const uint8_t* block, int64_t) { return bytes32(block + kHeadBytes); }
};
template <int kBlockBytes, int kCodeCentre, bool kHasMins>
struct FourBits : SmallBlock<kBlockBytes, kCodeCentre, kHasMins> {
  static Codes32 codes(const uint8_t* block, int64_t) {
    return Nibbles(block + FourBits::kHeadBytes).all();
  }
  template <class Two>
  static Two of_two_blocks(const uint8_t* even, const uint8_t* odd) {
    return Two::nibbles(even + FourBits::kHeadBytes, odd + FourBits::kHeadBytes);
  }
};
using FormQ40 = FourBits<18, 8, false>;
using FormQ41 = FourBits<20, 0, true>;
template <int kBlockBytes, int kCodeCentre, bool kHasMins>
struct FiveBits : SmallBlock<kBlockBytes, kCodeCentre, kHasMins> {
  static Codes32 codes(const uint8_t* block, int64_t) {
    const uint8_t* const high = block + FiveBits::kHeadBytes;
    return Nibbles(high + 4).all() | fifth_bits(high);
  }
};
using FormQ50 = FiveBits<22, 16, false>;
using FormQ51 = FiveBits<24, 0, true>;
struct FormIq4Nl : SmallBlock<18, 0, false, true> {
  static Codes32 codes(const uint8_t* block, int64_t) {
    constexpr Codes16 kTable = {129, 152, 173, 191, 207, 221, 234, 246,  // -127 .. -10
                                1,   13,  25,  38,  53,  69,  89,  113};
    const Nibbles q(block + kHeadBytes);
    return both_halves(__builtin_shuffle(kTable, q.low), __builtin_shuffle(kTable, q.high));
  }
};

template <int kBlockBytes, int kPartsOfGroup, int kCodeCentre, bool kHasMins,
          bool kSignedCodes = false>
struct LargeBlock {
  static constexpr int64_t kColumns = 256, kBytes = kBlockBytes;
  static constexpr int kParts = kPartsOfGroup, kCentre = kCodeCentre;
  static constexpr bool kMins = kHasMins, kSigned = kSignedCodes;
};
// scale * (byte - centre) of `count` bytes, a multiple of 8.
inline void scale_bytes(const uint8_t* bytes, int count, float centre, float scale, float* out) {
  for (int i = 0; i < count; i += 8) {
    store8(out + i, mul8(set8(scale), add8(bytes8(bytes + i), set8(-centre))));
  }
}
// Two bits a column of group g: 128 columns share 32 bytes.
inline Codes32 two_bits(const uint8_t* p, int64_t g) {
  return bytes32(p + g / 4 * 32) >> uint8_t(g % 4 * 2) & 3;
}
template <class Two>
inline Two two_bits_of_two(const uint8_t* p, int64_t g) {
  const int shift = int(g % 4 * 2);
  return Two::halves(p + g / 4 * 32, shift, shift + 2, 3);
}
// Bit g of 32 bytes, as `value`.
inline Codes32 one_bit(const uint8_t* p, int64_t g, uint8_t value) {
  return (bytes32(p) >> uint8_t(g) & 1) * value;
}
// Four bits a column: two groups share 32 bytes.
inline Codes32 four_bits(const uint8_t* p, int64_t g) {
  return bytes32(p + g / 2 * 32) >> uint8_t(g % 2 * 4) & 15;
}

struct FormQ2K : LargeBlock<84, 2, 0, true> {
  static Codes32 codes(const uint8_t* block, int64_t g) { return two_bits(block + 16, g); }
  template <class Two>
  static Two two_codes(const uint8_t* block, int64_t g) {
    return two_bits_of_two<Two>(block + 16, g);
  }
  static void scales(const uint8_t* block, float* scales, float* mins) {
    const float d = half_to_float(block + 80), m = half_to_float(block + 82);
    uint8_t low[16], high[16];
    for (int i = 0; i < 16; ++i) low[i] = block[i] & 15;
    for (int i = 0; i < 16; ++i) high[i] = block[i] >> 4;
    scale_bytes(low, 16, 0, d, scales);
    scale_bytes(high, 16, 0, m, mins);
  }
};
struct FormQ3K : LargeBlock<110, 2, 4, false> {
  static Codes32 codes(const uint8_t* block, int64_t g) {
    return two_bits(block + 32, g) | one_bit(block, g, 4);
  }
  template <class Two>
  static Two two_codes(const uint8_t* block, int64_t g) {
    const Two high = Two::halves(block, int(g), int(g) + 1, 1).template left<2>();
    return two_bits_of_two<Two>(block + 32, g) | high;
  }
  static void scales(const uint8_t* block, float* scales, float*) {
    const float d = half_to_float(block + 108);
    const uint8_t* const at = block + 96;
    const uint32_t high = word_at(at + 8);
    uint32_t words[4];  // four scales each
    for (int i = 0; i < 4; ++i) {
      words[i] = (word_at(at + i % 2 * 4) >> (i / 2 * 4) & 0x0f0f0f0f) |
                 (high >> (2 * i) & 0x03030303) << 4;
    }
    uint8_t all[16];
    __builtin_memcpy(all, words, sizeof all);
    scale_bytes(all, 16, 32, d, scales);
  }
};
// Of q4_k and q5_k, which begin alike.
template <int kBlockBytes>
struct BlockWithMins : LargeBlock<kBlockBytes, 1, 0, true> {
  static void scales(const uint8_t* block, float* scales, float* mins) {
    const float d = half_to_float(block), m = half_to_float(block + 2);
    const uint32_t a = word_at(block + 4), b = word_at(block + 8), c = word_at(block + 12);
    const uint32_t words[4] = {a & 0x3f3f3f3f, (c & 0x0f0f0f0f) | (a >> 2 & 0x30303030),
                               b & 0x3f3f3f3f, (c >> 4 & 0x0f0f0f0f) | (b >> 2 & 0x30303030)};
    uint8_t all[16];
    __builtin_memcpy(all, words, sizeof all);
    scale_bytes(all, 8, 0, d, scales);
    scale_bytes(all + 8, 8, 0, m, mins);
  }
};
struct FormQ4K : BlockWithMins<144> {
  static Codes32 codes(const uint8_t* block, int64_t g) { return four_bits(block + 16, g); }
  template <class Two>
  static Two two_codes(const uint8_t* block, int64_t g) {
    return Two::halves(block + 16 + g / 2 * 32, 0, 4, 15);
  }
};
struct FormQ5K : BlockWithMins<176> {
  static Codes32 codes(const uint8_t* block, int64_t g) {
    return four_bits(block + 48, g) | one_bit(block + 16, g, 16);
  }
  template <class Two>
  static Two two_codes(const uint8_t* block, int64_t g) {
    const Two high = Two::halves(block + 16, int(g), int(g) + 1, 1).template left<4>();
    return Two::halves(block + 48 + g / 2 * 32, 0, 4, 15) | high;
  }
};
struct FormQ6K : LargeBlock<210, 2, 32, false> {
  static Codes32 codes(const uint8_t* block, int64_t g) {
    const Codes32 low = bytes32(block + g / 4 * 64 + g % 2 * 32) >> uint8_t(g % 4 / 2 * 4) & 15;
    return low | two_bits(block + 128, g) << 4;
  }
  template <class Two>
  static Two two_codes(const uint8_t* block, int64_t g) {
    const Two low = Two::whole(block + g / 4 * 64, int(g % 4 / 2 * 4), 15);
    return low | two_bits_of_two<Two>(block + 128, g).template left<4>();
  }
  static void scales(const uint8_t* block, float* scales, float*) {
    const float d = half_to_float(block + 208);
    Codes16 s;  // signed
    __builtin_memcpy(&s, block + 192, sizeof s);
    s ^= 128;
    uint8_t all[16];
    __builtin_memcpy(all, &s, sizeof all);
    scale_bytes(all, 16, 128, d, scales);
  }
};

// Eight blocks of one group each as one.
template <class Small>
struct EightOf : LargeBlock<8 * Small::kBytes, 1, Small::kCentre, Small::kMins, Small::kSigned> {
  static_assert(Small::kColumns == 32);
  static Codes32 codes(const uint8_t* block, int64_t g) {
    return Small::codes(block + g * Small::kBytes, 0);
  }
  template <class Two>
  static Two two_codes(const uint8_t* block, int64_t g) {
    const uint8_t* const even = block + g * Small::kBytes;
    if constexpr (requires { Small::template of_two_blocks<Two>(even, even); }) {
      return Small::template of_two_blocks<Two>(even, even + Small::kBytes);
    } else {
      const Codes32 low = Small::codes(even, 0), high = Small::codes(even + Small::kBytes, 0);
      return Two::of(&low, &high);
    }
  }
  static void scales(const uint8_t* block, float* scales, float* mins) {
    store8(scales, halves(block));
    if (Small::kMins) store8(mins, mul8(set8(-1), halves(block + 2)));
  }

 private:
  static Floats8 halves(const uint8_t* p) {
    typedef uint16_t Words8 __attribute__((vector_size(16)));
    const auto at = [p](int i) {
      uint16_t bits;
      __builtin_memcpy(&bits, p + i * Small::kBytes, sizeof bits);
      return bits;
    };
    const Words8 words = {at(0), at(1), at(2), at(3), at(4), at(5), at(6), at(7)};
    uint16_t all[8];
    __builtin_memcpy(all, &words, sizeof all);
    return f16s8(all);
  }
};

// Calls use(Form{}).
template <class Use>
inline void with_form(Encoding encoding, Use use) {
  switch (encoding) {
    case Encoding::kQ80:
      return use(FormQ80{});
    case Encoding::kQ40:
      return use(FormQ40{});
    case Encoding::kQ41:
      return use(FormQ41{});
    case Encoding::kQ50:
      return use(FormQ50{});
    case Encoding::kQ51:
      return use(FormQ51{});
    case Encoding::kIq4Nl:
      return use(FormIq4Nl{});
    case Encoding::kQ2K:
      return use(FormQ2K{});
    case Encoding::kQ3K:
      return use(FormQ3K{});
    case Encoding::kQ4K:
      return use(FormQ4K{});
    case Encoding::kQ5K:
      return use(FormQ5K{});
    case Encoding::kQ6K:
      return use(FormQ6K{});
    default:
      return;
  }
}
