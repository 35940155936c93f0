// The kind of a file by its first bytes.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "media/image.h"

namespace ocelli::media {

struct Sniffed {
  Format format = Format::kUnknown;
  std::string_view name;  // of a kind that is not supported ("SVG"); empty where nothing matched
};

Sniffed sniff(std::span<const std::byte> bytes);

}  // namespace ocelli::media
