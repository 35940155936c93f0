// URLs and addresses: what the client may talk to.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

struct sockaddr;

namespace ocelli::hub {

inline constexpr size_t kMaxUrlBytes = 16384;  // signed addresses of stores of files are long

struct Url {
  std::string text;                // the whole, normalized
  std::string scheme, host, port;  // lower case; the port also where it is the scheme's own

  // Who answers: a token goes to one origin and to no other.
  bool same_origin(const Url& other) const {
    return scheme == other.scheme && host == other.host && port == other.port;
  }
};

// http and https only, without user name and password.
base::Result<Url> parse_url(std::string_view text);
// `location` of a redirect, which may be relative to `base`.
base::Result<Url> join_url(const Url& base, std::string_view location);

// Bytes that are not letters, digits or "-._~" as %XX; `keep_slash` leaves "/" as it is.
std::string percent_encode(std::string_view text, bool keep_slash);

// Whether this is an address of the public internet: not loopback, private, link-local, multicast,
// reserved, nor one of these inside an IPv6 address.
bool is_public_address(const sockaddr& address);

}  // namespace ocelli::hub
