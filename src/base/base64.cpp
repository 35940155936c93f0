#include "base/base64.h"

#include <algorithm>
#include <array>
#include <cstdint>

namespace ocelli::base {

namespace {

constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

constexpr std::array<int8_t, 256> make_values() {
  std::array<int8_t, 256> out{};
  out.fill(-1);
  for (size_t i = 0; i < kAlphabet.size(); ++i)
    out[static_cast<unsigned char>(kAlphabet[i])] = int8_t(i);
  return out;
}
constexpr std::array<int8_t, 256> kValues = make_values();

Error broken(std::string_view what, size_t at) {
  return {
      Code::kBadInput,
      "base64: " + std::string(what) + " at character " + std::to_string(at) + "; encode it again",
      ""};
}

}  // namespace

std::string encode_base64(std::span<const std::byte> bytes) {
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t at = 0; at < bytes.size(); at += 3) {
    const size_t have = std::min<size_t>(3, bytes.size() - at);
    uint32_t group = 0;  // 24 bits, the first byte on top
    for (size_t i = 0; i < 3; ++i)
      group = group << 8 | (i < have ? std::to_integer<uint32_t>(bytes[at + i]) : 0);
    for (size_t i = 0; i < 4; ++i) out += i <= have ? kAlphabet[group >> (18 - 6 * i) & 63] : '=';
  }
  return out;
}

Result<std::vector<std::byte>> decode_base64(std::string_view text) {
  if (text.size() % 4 != 0) return broken("the end is missing", text.size());
  std::vector<std::byte> out;
  out.reserve(text.size() / 4 * 3);
  for (size_t at = 0; at < text.size(); at += 4) {
    const bool last = at + 4 == text.size();
    const size_t padding = !last || text[at + 3] != '=' ? 0 : text[at + 2] != '=' ? 1 : 2;
    uint32_t group = 0;
    for (size_t i = 0; i < 4; ++i) {
      const int value = i + padding >= 4 ? 0 : kValues[static_cast<unsigned char>(text[at + i])];
      if (value < 0) return broken("a character that does not belong there", at + i);
      group = group << 6 | uint32_t(value);
    }
    if ((group & ((1u << 8 * padding) - 1)) != 0) return broken("bits after the last byte", at);
    for (size_t i = 0; i + padding < 3; ++i) out.push_back(std::byte(group >> (16 - 8 * i)));
  }
  return out;
}

}  // namespace ocelli::base
