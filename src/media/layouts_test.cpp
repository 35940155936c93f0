// What our own readers of GIF, BMP and TIFF headers refuse, each with its sentence.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "media/decode.h"
#include "media/header.h"
#include "media/test_support.h"

namespace ocelli::media {
namespace {

using testing::HasSubstr;
using Data = std::vector<std::byte>;

std::string error_of(const Data& bytes, const DecodeOptions& options = {}) {
  const auto image = decode(bytes, options);
  return image.ok() ? "decoded" : image.error().message();
}

Data with(Data bytes, size_t at, std::string_view change) {
  std::memcpy(bytes.data() + at, change.data(), change.size());
  return bytes;
}

std::string little(uint64_t value, size_t bytes) {
  std::string out;
  for (size_t i = 0; i < bytes; ++i) out += char(value >> (8 * i) & 255);
  return out;
}

// A little-endian TIFF with the value of an entry changed.
Data tiff_with(const char* name, uint16_t tag, uint32_t value) {
  const Data bytes = read_fixture(name);
  const auto* raw = reinterpret_cast<const uint8_t*>(bytes.data());
  uint32_t at = 0;
  std::memcpy(&at, raw + 4, 4);
  uint16_t entries = 0;
  std::memcpy(&entries, raw + at, 2);
  for (size_t entry = at + 2; entries > 0; entry += 12, --entries) {
    uint16_t found = 0, type = 0;
    std::memcpy(&found, raw + entry, 2);
    std::memcpy(&type, raw + entry + 2, 2);
    if (found == tag) return with(bytes, entry + 8, little(value, type == 3 ? 2 : 4));
  }
  ADD_FAILURE() << name << " has no tag " << tag;
  return bytes;
}

TEST(Layouts, TiffBlocksThatCostMoreThanThePicture) {
  EXPECT_THAT(error_of(tiff_with("tiles.tiff", 322, 30000)), HasSubstr("broken TIFF file"));
  Data huge = tiff_with("tiles_deflate.tiff", 322, 30000);
  const auto* raw = reinterpret_cast<const uint8_t*>(huge.data());
  uint32_t at = 0;
  std::memcpy(&at, raw + 4, 4);
  for (size_t entry = at + 2; entry + 12 < huge.size(); entry += 12) {
    uint16_t tag = 0;
    std::memcpy(&tag, raw + entry, 2);
    if (tag != 323) continue;
    huge = with(huge, entry + 8, little(30000, 4));
    break;
  }
  EXPECT_THAT(error_of(huge), HasSubstr("tiles have too many pixels (30000 x 30000"));
  EXPECT_THAT(error_of(tiff_with("tiles.tiff", 322, 0)), HasSubstr("no pixels"));
  EXPECT_THAT(error_of(tiff_with("tiles.tiff", 322, 0xFFFFFFF0)), HasSubstr("too many pixels"));
  EXPECT_THAT(error_of(read_fixture("strips.tiff"), {.limits = {.max_codec_bytes = 500}}),
              HasSubstr("too much memory to decode (915 bytes, limit 500)"));
}

TEST(Layouts, TiffKindsThatAreNotRead) {
  EXPECT_THAT(error_of(tiff_with("strips.tiff", 256, 40000)), HasSubstr("limit 32768 a side"));
  EXPECT_THAT(error_of(tiff_with("strips.tiff", 257, 0)), HasSubstr("no pixels"));
  EXPECT_THAT(error_of(tiff_with("strips.tiff", 259, 50001)),
              HasSubstr("unsupported: TIFF with this compression (50001)"));
  EXPECT_THAT(error_of(tiff_with("strips.tiff", 262, 8)), HasSubstr("photometric"));
  EXPECT_THAT(error_of(tiff_with("strips.tiff", 277, 60000)), HasSubstr("samples per pixel"));
  EXPECT_THAT(error_of(tiff_with("grey1.tiff", 258, 64)), HasSubstr("bits"));
  EXPECT_THAT(error_of(with(read_fixture("strips.tiff"), 4, little(0xFFFFFFFF, 4))),
              HasSubstr("broken TIFF file (its directory lies outside)"));
}

TEST(Layouts, BmpKindsThatAreNotRead) {
  const Data bmp = read_fixture("rgb24.bmp");
  EXPECT_THAT(error_of(with(bmp, 14, little(41, 4))), HasSubstr("unsupported: BMP with a header"));
  EXPECT_THAT(error_of(with(bmp, 18, little(1u << 31, 4))), HasSubstr("limit 32768 a side"));
  EXPECT_THAT(error_of(with(bmp, 18, little(0, 4))), HasSubstr("no pixels"));
  EXPECT_THAT(error_of(with(bmp, 28, little(2, 2))), HasSubstr("bits per pixel (2)"));
  EXPECT_THAT(error_of(with(bmp, 30, little(4, 4))), HasSubstr("this compression (4)"));
  EXPECT_THAT(error_of(with(bmp, 10, little(0xFFFFFFF0, 4))), HasSubstr("ends too early"));
  EXPECT_THAT(error_of(with(read_fixture("palette8.bmp"), 46, little(70000, 4))),
              HasSubstr("a palette of this size (70000)"));
  EXPECT_THAT(error_of(with(read_fixture("bgra.bmp"), 54, little(0xF0, 4))),
              HasSubstr("bit fields"));
}

TEST(Layouts, BrokenGifs) {
  const Data gif = read_fixture("palette2.gif");
  EXPECT_THAT(error_of({gif.begin(), gif.begin() + 13}), HasSubstr("ends too early"));
  const size_t frame = 13 + 3 * 4;
  ASSERT_EQ(gif[frame], std::byte{','});
  EXPECT_THAT(error_of(with(gif, frame, ";")), HasSubstr("ends before the picture"));
  EXPECT_THAT(error_of(with(gif, frame + 5, little(0, 2))), HasSubstr("no pixels"));
  EXPECT_THAT(error_of(with(gif, frame + 5, little(0xFFFF, 2))), HasSubstr("limit 32768 a side"));
  EXPECT_THAT(error_of(with(gif, frame + 10, "\x0d")), HasSubstr("broken GIF file"));
}

}  // namespace
}  // namespace ocelli::media
