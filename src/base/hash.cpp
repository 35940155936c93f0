#include "base/hash.h"

#include <openssl/evp.h>

#include "base/check.h"

namespace ocelli::base {
namespace {

EVP_MD_CTX* context_of(void* erased) {
  return static_cast<EVP_MD_CTX*>(erased);
}

int nibble(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::span<const std::byte> bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

}  // namespace

std::string Digest256::hex() const {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string text;
  text.reserve(2 * bytes.size());
  for (const std::byte b : bytes) {
    text += kHex[std::to_integer<int>(b) >> 4];
    text += kHex[std::to_integer<int>(b) & 15];
  }
  return text;
}

std::optional<Digest256> Digest256::from_hex(std::string_view hex) {
  Digest256 digest;
  if (hex.size() != 2 * digest.bytes.size()) return std::nullopt;
  for (size_t i = 0; i < digest.bytes.size(); ++i) {
    const int high = nibble(hex[2 * i]), low = nibble(hex[2 * i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    digest.bytes[i] = std::byte(high << 4 | low);
  }
  return digest;
}

void Sha256::Free::operator()(void* context) const {
  EVP_MD_CTX_free(context_of(context));
}

Sha256::Sha256() : context_(EVP_MD_CTX_new()) {
  begin();
}

// These calls fail only without memory or without SHA-256 in the library: nothing a caller can
// mend.
void Sha256::begin() {
  OCELLI_CHECK(
      context_ && EVP_DigestInit_ex(context_of(context_.get()), EVP_sha256(), nullptr) == 1,
      "libcrypto has SHA-256");
}

void Sha256::update(std::span<const std::byte> bytes) {
  OCELLI_CHECK(EVP_DigestUpdate(context_of(context_.get()), bytes.data(), bytes.size()) == 1,
               "libcrypto hashes");
}

void Sha256::update(std::string_view text) {
  update(bytes_of(text));
}

void Sha256::update_u64(uint64_t number) {
  std::array<std::byte, 8> raw;
  for (size_t i = 0; i < raw.size(); ++i) raw[i] = std::byte(number >> (8 * i));
  update(raw);
}

Digest256 Sha256::finish() {
  Digest256 digest;
  unsigned size = 0;
  OCELLI_CHECK(
      EVP_DigestFinal_ex(context_of(context_.get()),
                         reinterpret_cast<unsigned char*>(digest.bytes.data()), &size) == 1 &&
          size == digest.bytes.size(),
      "libcrypto hashes");
  begin();
  return digest;
}

Digest256 sha256(std::span<const std::byte> bytes) {
  Sha256 hash;
  hash.update(bytes);
  return hash.finish();
}

Digest256 sha256(std::string_view text) {
  return sha256(bytes_of(text));
}

}  // namespace ocelli::base
