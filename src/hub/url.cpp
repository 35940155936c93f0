#include "hub/url.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "hub/curl.h"
#include "hub/names.h"

namespace ocelli::hub {

using base::Code;
using base::fail;
using base::Result;

namespace {

struct FreeUrl {
  void operator()(CURLU* url) const { curl().curl_url_cleanup(url); }
};
using Handle = std::unique_ptr<CURLU, FreeUrl>;

// "" where the part is missing.
std::string part_of(CURLU* url, CURLUPart part, unsigned flags = 0) {
  char* text = nullptr;
  if (curl().curl_url_get(url, part, &text, flags) != CURLUE_OK) return {};
  std::string out = text;
  curl().curl_free(text);
  return out;
}

Result<Url> finish(CURLU* handle, std::string_view shown) {
  Url url;
  url.scheme = lower(part_of(handle, CURLUPART_SCHEME));
  url.host = lower(part_of(handle, CURLUPART_HOST));
  url.port = part_of(handle, CURLUPART_PORT, CURLU_DEFAULT_PORT);
  url.text = part_of(handle, CURLUPART_URL);
  if ((url.scheme != "http" && url.scheme != "https") || url.host.empty()) {
    return fail(Code::kNetwork, "only https:// and http:// addresses are opened; check HF_ENDPOINT",
                base::printable(shown, 200));
  }
  if (!part_of(handle, CURLUPART_USER).empty() || !part_of(handle, CURLUPART_PASSWORD).empty()) {
    return fail(Code::kNetwork, "an address must not hold a user name or a password; use HF_TOKEN",
                url.host);
  }
  return url;
}

Result<Url> not_a_url(std::string_view text) {
  return fail(Code::kNetwork, "is not an address of the web; it begins with https://",
              base::printable(text, 200));
}

// In host order.
bool is_public_v4(uint32_t ip) {
  struct Block {
    uint32_t network;
    int bits;
  };
  // RFC 6890 and later: everything that is not globally reachable.
  static constexpr Block kBlocks[] = {
      {0x00000000, 8},  {0x0a000000, 8},  {0x64400000, 10}, {0x7f000000, 8},  {0xa9fe0000, 16},
      {0xac100000, 12}, {0xc0000000, 24}, {0xc0000200, 24}, {0xc0a80000, 16}, {0xc6120000, 15},
      {0xc6336400, 24}, {0xcb007100, 24}, {0xe0000000, 4},  {0xf0000000, 4},
  };
  return std::none_of(std::begin(kBlocks), std::end(kBlocks), [&](const Block& b) {
    return (ip >> (32 - b.bits)) == (b.network >> (32 - b.bits));
  });
}

bool is_public_v6(const unsigned char (&a)[16]) {
  const auto v4_at = [&](int i) {
    return uint32_t(a[i]) << 24 | uint32_t(a[i + 1]) << 16 | uint32_t(a[i + 2]) << 8 | a[i + 3];
  };
  static constexpr unsigned char kMapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  static constexpr unsigned char kNat64[12] = {0, 0x64, 0xff, 0x9b};
  if (std::memcmp(a, kMapped, 12) == 0 || std::memcmp(a, kNat64, 12) == 0)
    return is_public_v4(v4_at(12));
  if (a[0] == 0x20 && a[1] == 0x02) return is_public_v4(v4_at(2));  // 6to4
  return (a[0] & 0xe0) == 0x20;  // 2000::/3 is all that is given out
}

}  // namespace

Result<Url> parse_url(std::string_view text) {
  if (text.size() > kMaxUrlBytes || text.find('\0') != text.npos) return not_a_url(text);
  OCELLI_TRY(load_curl());
  const Handle handle(curl().curl_url());
  if (!handle || curl().curl_url_set(handle.get(), CURLUPART_URL, std::string(text).c_str(),
                                     CURLU_NON_SUPPORT_SCHEME) != CURLUE_OK)
    return not_a_url(text);
  return finish(handle.get(), text);
}

Result<Url> join_url(const Url& base, std::string_view location) {
  if (location.size() > kMaxUrlBytes || location.find('\0') != location.npos)
    return not_a_url(location);
  const Handle handle(curl().curl_url());
  if (!handle ||
      curl().curl_url_set(handle.get(), CURLUPART_URL, base.text.c_str(), 0) != CURLUE_OK ||
      curl().curl_url_set(handle.get(), CURLUPART_URL, std::string(location).c_str(),
                          CURLU_NON_SUPPORT_SCHEME) != CURLUE_OK)
    return not_a_url(location);
  return finish(handle.get(), location);
}

std::string percent_encode(std::string_view text, bool keep_slash) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '.' || c == '_' || c == '~' || (keep_slash && c == '/');
    if (plain) {
      out += c;
    } else {
      const auto u = static_cast<unsigned char>(c);
      out += {'%', kHex[u >> 4], kHex[u & 15]};
    }
  }
  return out;
}

bool is_public_address(const sockaddr& address) {
  if (address.sa_family == AF_INET) {
    sockaddr_in in;
    std::memcpy(&in, &address, sizeof in);
    return is_public_v4(ntohl(in.sin_addr.s_addr));
  }
  if (address.sa_family != AF_INET6) return false;
  sockaddr_in6 in;
  std::memcpy(&in, &address, sizeof in);
  return is_public_v6(in.sin6_addr.s6_addr);
}

}  // namespace ocelli::hub
