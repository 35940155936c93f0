// data: URIs (RFC 2397): a small file written as text, data:image/png;base64,iVBORw0... or
// percent-encoded.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace ocelli::base {

struct DataUri {
  std::string media_type;  // in lower case, without parameters; "text/plain" where none is stated
  std::vector<std::byte> bytes;
};

// Begins with "data:", in any case.
bool is_data_uri(std::string_view text);

// Errors (kBadInput): no comma, broken base64 (padding included) or percent signs, more than
// `max_bytes` (found before anything is decoded).
Result<DataUri> parse_data_uri(std::string_view uri, size_t max_bytes);

}  // namespace ocelli::base
