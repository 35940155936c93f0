// A stored row for tests.
#pragma once

#include <gmock/gmock.h>

#include <vector>

#include "encoding/encoding.h"

namespace ocelli::encoding {

// `values` as one row. A guard behind it shows writes past its end.
inline std::vector<std::byte> encode(Encoding e, const std::vector<float>& values) {
  const auto bytes = size_t(row_bytes(e, int64_t(values.size())));
  std::vector<std::byte> row(bytes + 8, std::byte{0xA5});
  encode_row(e, values.data(), int64_t(values.size()), row.data());
  EXPECT_THAT(std::vector(row.end() - 8, row.end()), testing::Each(std::byte{0xA5}));
  row.resize(bytes);
  return row;
}

}  // namespace ocelli::encoding
