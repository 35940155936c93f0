// SHA-256, the name of a content: of downloads, images, prompts, cache entries.
//
//   const Digest256 name = sha256(file.bytes());
//   Sha256 hash; hash.update(header); hash.update(pixels); const Digest256 both = hash.finish();
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace ocelli::base {

struct Digest256 {
  std::array<std::byte, 32> bytes{};

  std::string hex() const;  // 64 lower-case digits
  static std::optional<Digest256> from_hex(std::string_view hex);
  auto operator<=>(const Digest256&) const = default;
};

// One content in several parts; where the parts are cut makes no difference, so put lengths before
// parts that vary.
class Sha256 {
 public:
  Sha256();
  void update(std::span<const std::byte> bytes);
  void update(std::string_view text);
  void update_u64(uint64_t number);  // as 8 bytes, little-endian
  // The digest of all so far; afterwards it begins anew.
  Digest256 finish();

 private:
  struct Free {
    void operator()(void* context) const;
  };
  void begin();
  std::unique_ptr<void, Free> context_;  // of OpenSSL, which picks the fastest code for this CPU
};

Digest256 sha256(std::span<const std::byte> bytes);
Digest256 sha256(std::string_view text);

}  // namespace ocelli::base

// Digests are random already: any eight bytes are a hash.
template <>
struct std::hash<ocelli::base::Digest256> {
  size_t operator()(const ocelli::base::Digest256& digest) const noexcept {
    size_t value;
    std::memcpy(&value, digest.bytes.data(), sizeof value);
    return value;
  }
};
