// Numbers at any offset of a block of bytes. The caller knows that they are there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace ocelli::media {

using Bytes = std::span<const std::byte>;

inline std::string_view text_of(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

inline uint32_t byte_at(Bytes b, size_t at) {
  return std::to_integer<uint32_t>(b[at]);
}
inline uint32_t big16(Bytes b, size_t at) {
  return byte_at(b, at) << 8 | byte_at(b, at + 1);
}
inline uint32_t big32(Bytes b, size_t at) {
  return big16(b, at) << 16 | big16(b, at + 2);
}
inline uint32_t little16(Bytes b, size_t at) {
  return byte_at(b, at) | byte_at(b, at + 1) << 8;
}
inline uint32_t little24(Bytes b, size_t at) {
  return little16(b, at) | byte_at(b, at + 2) << 16;
}
inline uint32_t little32(Bytes b, size_t at) {
  return little16(b, at) | little16(b, at + 2) << 16;
}

}  // namespace ocelli::media
