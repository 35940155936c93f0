// For sets that take few rows beside packed weights as they take many. Included inside the set's
// namespace, before packed_plain.inl.h.
inline constexpr bool kOwnFew = false;

template <int T, class Rows>
inline void few_strip_q8(const Rows&, int64_t, const uint8_t*, float (*)[kStrip]) {}
template <int T, class Rows>
inline void few_strip_q4(const Rows&, int64_t, const uint8_t*, float (*)[kStrip]) {}
