// A tensor of a file: what it is called, what it holds and where its bytes lie.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "encoding/weight.h"

namespace ocelli::formats {

struct TensorInfo {
  std::string name;
  std::string dtype;                           // in the words of the file: "F32", "BF16", "I64"
  std::optional<encoding::Encoding> encoding;  // nothing where weights cannot have this dtype
  std::vector<int64_t> shape;                  // none: a single number
  encoding::Layout layout = encoding::Layout::kPlain;  // kPacked: all bytes are one packed weight
  std::span<const std::byte> bytes;                    // in a mapped file; aligned to nothing
};

// "[49280, 576]"
std::string shape_text(std::span<const int64_t> shape);

// The position in `tensors` of the name most like `name`, for error messages: the one that shares
// most with its beginning and its end, if that is at least half of it. Linear in all names.
std::optional<size_t> nearest_name(std::span<const TensorInfo> tensors, std::string_view name);

}  // namespace ocelli::formats
