#include "hub/content_hash.h"

#include <openssl/evp.h>

#include <algorithm>

#include "base/check.h"

namespace ocelli::hub {
namespace {

EVP_MD_CTX* context_of(void* erased) {
  return static_cast<EVP_MD_CTX*>(erased);
}

}  // namespace

bool is_content_name(std::string_view name) {
  return (name.size() == 40 || name.size() == 64) &&
         std::all_of(name.begin(), name.end(),
                     [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

HashKind kind_of_name(std::string_view name) {
  OCELLI_CHECK(is_content_name(name), "the name of a content");
  return name.size() == 64 ? HashKind::kSha256 : HashKind::kGitSha1;
}

void ContentHash::Free::operator()(void* context) const {
  EVP_MD_CTX_free(context_of(context));
}

// These calls fail only without memory or without the hash in the library.
ContentHash::ContentHash(HashKind kind, int64_t size) : context_(EVP_MD_CTX_new()) {
  const EVP_MD* const type = kind == HashKind::kSha256 ? EVP_sha256() : EVP_sha1();
  OCELLI_CHECK(context_ && EVP_DigestInit_ex(context_of(context_.get()), type, nullptr) == 1,
               "libcrypto has SHA-256 and SHA-1");
  if (kind == HashKind::kSha256) return;
  const std::string head = "blob " + std::to_string(size);
  update({reinterpret_cast<const std::byte*>(head.c_str()), head.size() + 1});
}

void ContentHash::update(std::span<const std::byte> bytes) {
  OCELLI_CHECK(EVP_DigestUpdate(context_of(context_.get()), bytes.data(), bytes.size()) == 1,
               "libcrypto hashes");
}

std::string ContentHash::finish() {
  static constexpr char kHex[] = "0123456789abcdef";
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  OCELLI_CHECK(EVP_DigestFinal_ex(context_of(context_.get()), digest, &size) == 1,
               "libcrypto hashes");
  std::string out;
  for (unsigned i = 0; i < size; ++i) {
    out += kHex[digest[i] >> 4];
    out += kHex[digest[i] & 15];
  }
  return out;
}

}  // namespace ocelli::hub
