// The two chains in which products of one row with 8-bit groups are added up, see
// linear_groups.inl.h: for sets that take one group at a time. Included inside the set's namespace.
inline constexpr bool kTwoGroups = false;

struct Chains {
  Floats8 chains[2] = {zero8(), zero8()};
  void add(Floats8 dots, Floats8 scale, int chain) {
    chains[chain] = fma8(dots, scale, chains[chain]);
  }
  float sum() const { return sum8(add8(chains[0], chains[1])); }
};
// For kTwoGroups alone.
template <class Form, int T, size_t kAll>
inline void add_pairs(Chains (&)[T], const uint8_t*, const int8_t* const*, int64_t,
                      const float (&)[T][kAll]) {}
