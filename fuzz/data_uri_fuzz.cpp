// Any text as a data URI: an error, or at most as many bytes as were allowed, which base64 brings
// back.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/base64.h"
#include "base/check.h"
#include "base/data_uri.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ocelli::base;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (!is_data_uri(text)) return 0;
  const size_t most = size % 64 + 8;
  const auto uri = parse_data_uri(text, most);
  if (!uri.ok()) return 0;
  OCELLI_CHECK(uri->bytes.size() <= most, "the limit holds");
  const auto again = parse_data_uri("data:;base64," + encode_base64(uri->bytes), most);
  OCELLI_CHECK(again.ok() && again->bytes == uri->bytes, "base64 brings the bytes back");
  return 0;
}
