#include "base/data_uri.h"

#include <algorithm>

#include "base/base64.h"

namespace ocelli::base {

namespace {

constexpr std::string_view kScheme = "data:";

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? char(c + 32) : c; });
  return out;
}

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char small = char(c | 32);
  return small >= 'a' && small <= 'f' ? small - 'a' + 10 : -1;
}

Result<std::string> without_percents(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    const int high = i + 2 < text.size() ? hex_value(text[i + 1]) : -1;
    const int low = high < 0 ? -1 : hex_value(text[i + 2]);
    if (low < 0) {
      return fail(Code::kBadInput,
                  "the data URI is broken (a percent sign without two digits at "
                  "character " +
                      std::to_string(i) + " of its data); encode it again");
    }
    out += char(high << 4 | low);
    i += 2;
  }
  return out;
}

}  // namespace

bool is_data_uri(std::string_view text) {
  return lower(text.substr(0, kScheme.size())) == kScheme;
}

Result<DataUri> parse_data_uri(std::string_view uri, size_t max_bytes) {
  OCELLI_CHECK(is_data_uri(uri), "a data URI begins with data:");
  uri.remove_prefix(kScheme.size());
  // Every byte takes at most three characters; what stands before the comma is short.
  constexpr size_t kMaxHead = 1024;
  const size_t comma = uri.substr(0, kMaxHead).find(',');
  if (comma == uri.npos) {
    return fail(Code::kBadInput,
                "the data URI has no comma; the form is data:image/png;base64,DATA");
  }
  std::string head = lower(uri.substr(0, comma));
  const std::string_view data = uri.substr(comma + 1);
  const bool base64 = head.ends_with(";base64");
  const size_t most = base64 ? (max_bytes / 3 + 1) * 4 : max_bytes;
  if (data.size() / 3 > most || (data.size() > most && data.find('%') == data.npos)) {
    return fail(Code::kBadInput, "the data URI is too long (" + std::to_string(data.size()) +
                                     " characters, limit " + std::to_string(most) +
                                     "); give a file, or a smaller picture");
  }
  DataUri out;
  out.media_type = head.substr(0, head.find(';'));
  if (out.media_type.empty()) out.media_type = "text/plain";
  OCELLI_ASSIGN(const std::string plain, without_percents(data));
  if (base64) {
    OCELLI_ASSIGN(out.bytes, std::move(decode_base64(plain)).in("data URI"));
  } else {
    const auto* bytes = reinterpret_cast<const std::byte*>(plain.data());
    out.bytes.assign(bytes, bytes + plain.size());
  }
  if (out.bytes.size() > max_bytes) {
    return fail(Code::kBadInput, "the data URI is too long (" + std::to_string(out.bytes.size()) +
                                     " bytes, limit " + std::to_string(max_bytes) +
                                     "); give a file, or a smaller picture");
  }
  return out;
}

}  // namespace ocelli::base
