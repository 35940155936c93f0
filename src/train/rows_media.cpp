// Pictures and clips of a row: paths, data URIs, bytes.
#include "base/base64.h"
#include "base/data_uri.h"
#include "media/limits.h"
#include "train/rows_parts.h"

namespace ocelli::train {

using base::Code;
using base::fail;
using base::Json;
using base::Result;

namespace {

constexpr size_t kMaxPath = 4096;
constexpr size_t kShown = 80;
// Below this a text is taken for a path, whatever its letters are.
constexpr size_t kShortestBase64 = 256;

size_t most_bytes(bool video) {
  return video ? size_t{64} << 20 : media::kMaxImageBytes;
}

Result<Media> from_base64(std::string_view text, bool video) {
  if (text.size() / 4 * 3 > most_bytes(video)) {
    return fail(Code::kBadInput, "a picture inside is too large (" + std::to_string(text.size()) +
                                     " characters of base64, limit " +
                                     std::to_string(most_bytes(video)) + " bytes); scale it down");
  }
  Media out;
  out.video = video;
  OCELLI_ASSIGN(out.bytes, std::move(base::decode_base64(text)).in("base64 of a picture"));
  if (out.bytes.empty()) return fail(Code::kBadInput, "a picture inside is empty; leave it out");
  return out;
}

Result<Media> from_text(const std::string& text, bool video) {
  Media out;
  out.video = video;
  if (base::is_data_uri(text)) {
    OCELLI_ASSIGN(base::DataUri uri, base::parse_data_uri(text, most_bytes(video)));
    out.bytes = std::move(uri.bytes);
    if (out.bytes.empty()) return fail(Code::kBadInput, "a picture inside is empty; leave it out");
    return out;
  }
  if (text.starts_with("http://") || text.starts_with("https://")) {
    return fail(Code::kBadInput, "a picture is an address on the net (" +
                                     base::printable(text, kShown) +
                                     "); nothing is downloaded here: fetch it and give its path");
  }
  if (text.size() >= kShortestBase64) {
    if (auto inside = from_base64(text, video); inside.ok() || text.size() > kMaxPath)
      return inside;
  }
  if (text.empty() || text.find('\0') != text.npos)
    return fail(Code::kBadInput, "a picture has no path; give one or leave the picture out");
  out.path = text;
  return out;
}

}  // namespace

Result<Media> parse_media(const Json& value, bool video) {
  if (value.is_string()) return from_text(value.as_string(), video);
  const Json* bytes = value.find("bytes");
  if (bytes && bytes->is_null()) bytes = nullptr;
  if (!bytes) bytes = value.find("base64");
  if (bytes && bytes->is_string()) return from_base64(bytes->as_string(), video);
  for (const char* key : {"path", "url", "file_name", "image", "video", "data"}) {
    const Json* path = bytes ? nullptr : value.find(key);
    if (path && path->is_string()) return from_text(path->as_string(), video);
  }
  for (const char* key : {"image_url", "video_url"}) {
    const Json* inner = bytes ? nullptr : value.find(key);
    if (inner && inner->is_string()) return from_text(inner->as_string(), video);
    const Json* url = inner ? inner->find("url") : nullptr;
    if (url && url->is_string()) return from_text(url->as_string(), video);
  }
  return fail(Code::kBadInput,
              "a picture must be a path, a data URI, {\"bytes\": BASE64} or {\"path\": PATH} (" +
                  base::printable(value.dump(), kShown) + "); write it as one of these");
}

}  // namespace ocelli::train
