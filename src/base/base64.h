// Base64 of RFC 4648, section 4: the alphabet with + and /, padded with =.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace ocelli::base {

// One line, padded.
std::string encode_base64(std::span<const std::byte> bytes);

// The inverse. Refuses (kBadInput, with the place) any other character, white space too, missing
// padding, and bits after the last byte that are not zero. Takes at most 3/4 of text.size() bytes.
Result<std::vector<std::byte>> decode_base64(std::string_view text);

}  // namespace ocelli::base
