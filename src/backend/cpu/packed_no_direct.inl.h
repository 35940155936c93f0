// For sets that take q4 beside many rows of x as they take q8. Included inside the set's namespace.
inline constexpr bool kDirectQ4 = false;
inline constexpr int64_t kDirectGroup = 0;
inline void expand_direct(const uint8_t*, int64_t, uint8_t*) {}
template <int R, int V, class Tile>
inline void direct_tile(const Tile&, float*) {}
