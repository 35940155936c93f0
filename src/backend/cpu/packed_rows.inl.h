// For sets whose dot products take one row of x at a time. Included inside the set's namespace.
inline constexpr bool kPairs = false;
inline constexpr int kPanelDepth = kDotDepth;

template <int R, int V>
inline void pair_dots(const DotX*, int64_t, const DotW*, int64_t, Dots (&)[R][V]) {}  // not called
