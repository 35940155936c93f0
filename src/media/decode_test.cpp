#include "media/decode.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "media/header.h"
#include "media/orientation.h"
#include "media/test_support.h"

namespace ocelli::media {
namespace {

using Bytes = std::vector<std::byte>;

Bytes bytes_of(std::string_view text) {
  const auto* data = reinterpret_cast<const std::byte*>(text.data());
  return {data, data + text.size()};
}

struct Expected {
  std::string file;
  int width, height;
  std::string mode;
  int orientation;
  bool had_alpha;
  std::string sha, sha_over_white;
};

std::vector<Expected> manifest() {
  std::vector<Expected> all;
  for (const auto& row : picture_rows()) {
    if (row.size() != 8) continue;
    all.push_back({row[0], std::stoi(row[1]), std::stoi(row[2]), row[3], std::stoi(row[4]),
                   row[5] == "1", row[6], row[7]});
  }
  return all;
}

TEST(Decode, GivesPillowsPixels) {
  const auto expected = manifest();
  ASSERT_GE(expected.size(), 230u);
  for (const Expected& e : expected) {
    SCOPED_TRACE(e.file);
    const Bytes bytes = read_fixture(e.file);
    const auto image = decode(bytes);
    ASSERT_TRUE(image.ok()) << image.error().message();
    EXPECT_EQ(image->width, e.width);
    EXPECT_EQ(image->height, e.height);
    EXPECT_EQ(sha256_hex(image->rgb), e.sha);
    EXPECT_EQ(mode_name(image->facts.mode), e.mode);
    EXPECT_EQ(image->facts.exif_orientation,
              e.orientation >= 1 && e.orientation <= 8 ? e.orientation : 1);
    EXPECT_EQ(image->facts.had_alpha, e.had_alpha);
    EXPECT_FALSE(image->facts.damaged);
    const auto header = read_header(bytes);
    ASSERT_TRUE(header.ok());
    EXPECT_EQ(header->upright_width(), e.width);
    EXPECT_EQ(header->upright_height(), e.height);
  }
}

TEST(Decode, BlendsOverWhiteOnRequest) {
  int blended = 0;
  for (const Expected& e : manifest()) {
    if (e.sha_over_white == "?") continue;  // Pillow misreads its transparent colour
    const auto image = decode(read_fixture(e.file), {.alpha = Alpha::kWhite});
    ASSERT_TRUE(image.ok()) << e.file;
    EXPECT_EQ(sha256_hex(image->rgb), e.sha_over_white == "-" ? e.sha : e.sha_over_white) << e.file;
    blended += e.sha_over_white != "-";
  }
  EXPECT_GE(blended, 12);
}

TEST(Decode, Scales16BitGreyOnRequest) {
  const Bytes bytes = read_fixture("grey16.png");
  const auto saturated = decode(bytes), scaled = decode(bytes, {.grey16 = Grey16::kScale});
  ASSERT_TRUE(saturated.ok() && scaled.ok());
  EXPECT_TRUE(saturated->facts.sixteen_bit_grey);
  const auto white = [](const Image& image) {
    return std::count(image.rgb.begin(), image.rgb.end(), 255);
  };
  EXPECT_GT(white(*saturated), white(*scaled) * 2);
}

// The error of decode(bytes), or what it should not have been.
std::string error_of(const Bytes& bytes, const DecodeOptions& options = {}) {
  const auto image = decode(bytes, options);
  return image.ok()
             ? "decoded " + std::to_string(image->width) + " x " + std::to_string(image->height)
             : image.error().message();
}

TEST(Decode, NamesOtherKinds) {
  const std::vector<std::pair<std::string, std::string>> kinds = {
      {"%PDF-1.7 ....", "PDF"},
      {"<svg xmlns=\"http://www.w3.org/2000/svg\"/>", "SVG"},
      {"<?xml version=\"1.0\"?>\n<!-- x -->\n<svg/>", "SVG"},
      {"  <!DOCTYPE html><html></html>", "HTML"},
      {std::string("\0\0\0\x18"
                   "ftypisom\0\0",
                   14),
       "MP4 video"},
      {std::string("\0\0\1\0\1\0", 6), "ICO"},
  };
  for (const auto& [bytes, name] : kinds) {
    EXPECT_EQ(error_of(bytes_of(bytes)),
              "unsupported: " + name + "; convert it to JPEG, PNG or WebP");
  }
  EXPECT_THAT(error_of({}), testing::HasSubstr("empty"));
  EXPECT_THAT(error_of(bytes_of("hello")), testing::HasSubstr("not a picture"));
  EXPECT_THAT(error_of(bytes_of("<p")), testing::HasSubstr("not a picture"));
}

// A PNG header that claims a size; no data follows.
Bytes png_claiming(uint32_t width, uint32_t height) {
  std::string s("\x89PNG\r\n\x1a\n\0\0\0\rIHDR", 16);
  for (const uint32_t side : {width, height}) {
    for (int shift = 24; shift >= 0; shift -= 8) s += char(side >> shift);
  }
  s += std::string("\x08\x02\0\0\0\0\0\0\0", 9);
  return bytes_of(s);
}

Bytes jpeg_claiming(uint32_t width, uint32_t height) {
  std::string s("\xff\xd8\xff\xc0\0\x11\x08", 7);
  for (const uint32_t side : {height, width}) s += {char(side >> 8), char(side)};
  s += std::string("\x03\1\x22\0\2\x11\1\3\x11\1\xff\xda\0\x08\1\1\0\0\x3f\0", 20);
  return bytes_of(s);
}

TEST(Decode, TestsSizesBeforeAnythingElse) {
  EXPECT_THAT(error_of(png_claiming(20000, 20000)),
              testing::HasSubstr("too many pixels (20000 x 20000, limit 67108864)"));
  EXPECT_THAT(error_of(png_claiming(40000, 1)), testing::HasSubstr("limit 32768 a side"));
  EXPECT_THAT(error_of(png_claiming(0xFFFFFFFF, 0xFFFFFFFF)),
              testing::HasSubstr("limit 32768 a side"));
  EXPECT_THAT(error_of(png_claiming(0, 5)), testing::HasSubstr("no pixels"));
  EXPECT_THAT(error_of(jpeg_claiming(65500, 65500)), testing::HasSubstr("limit 32768 a side"));
  EXPECT_THAT(error_of(jpeg_claiming(30000, 30000)), testing::HasSubstr("too many pixels"));
  EXPECT_THAT(error_of(jpeg_claiming(5, 0)), testing::HasSubstr("no pixels"));
  const Bytes bytes = read_fixture("420.jpg");
  EXPECT_THAT(error_of(bytes, {.limits = {.max_bytes = 100}}), testing::HasSubstr("limit 100"));
  EXPECT_THAT(error_of(bytes, {.limits = {.max_pixels = 100}}), testing::HasSubstr("limit 100"));
  EXPECT_THAT(error_of(bytes, {.limits = {.max_side = 100}}), testing::HasSubstr("limit 100"));
}

TEST(Decode, CountsScansAndMemory) {
  const Bytes bytes = read_fixture("progressive.jpg");
  EXPECT_THAT(error_of(bytes, {.limits = {.max_jpeg_scans = 3}}), testing::HasSubstr("limit of 3"));
  EXPECT_THAT(error_of(bytes, {.limits = {.max_codec_bytes = 1000}}),
              testing::HasSubstr("limit 1000 bytes"));
  EXPECT_TRUE(decode(bytes, {.limits = {.max_jpeg_scans = 10}}).ok());
}

TEST(Decode, RefusesTruncatedFiles) {
  for (const char* name :
       {"420.jpg",           "progressive.jpg", "rgb8.png",           "rgba16_interlaced.png",
        "palette8.png",      "lossy.webp",      "lossless.webp",      "lossy_alpha.webp",
        "animated.webp",     "plain.gif",       "interlaced.gif",     "only_local_palette.gif",
        "full_table.gif",    "rgb24.bmp",       "palette8.bmp",       "rgb565_v5.bmp",
        "bgra.bmp",          "rle8.bmp",        "rle4.bmp",           "rgb_raw.tiff",
        "rgb_tiff_lzw.tiff", "jpeg_ycc.tiff",   "tiles_deflate.tiff", "planes.tiff",
        "grey16_big.tiff",   "bigtiff.tiff",    "rgb_packbits.tiff"}) {
    const Bytes whole = read_fixture(name);
    for (size_t i = 0; i < 100; ++i) {
      const Bytes part(whole.begin(), whole.begin() + ptrdiff_t(whole.size() * i / 100));
      EXPECT_FALSE(decode(part).ok())
          << name << " cut to " << part.size() << " of " << whole.size();
    }
  }
}

TEST(Decode, RefusesWrongChecksums) {
  for (const char* name : {"rgb8.png", "palette_trns.png", "chunks.png"}) {
    const Bytes whole = read_fixture(name);
    const std::string_view text(reinterpret_cast<const char*>(whole.data()), whole.size());
    for (const char* chunk : {"IHDR", "PLTE", "tRNS", "IDAT", "zTXt", "IEND"}) {
      const size_t at = text.find(chunk);
      if (at == text.npos) continue;
      Bytes bad = whole;
      const size_t length =
          std::to_integer<size_t>(whole[at - 2]) << 8 | std::to_integer<size_t>(whole[at - 1]);
      bad[at + 4 + length] ^= std::byte{1};  // the CRC
      EXPECT_FALSE(decode(bad).ok()) << name << " " << chunk;
    }
  }
}

// Every byte of small files in turn: no crash, no hang, and a picture only of the stated size.
TEST(Decode, SurvivesFlippedBytes) {
  for (const char* name :
       {"exif_6.jpg", "size_17x13.jpg", "exif_3.png", "raw_profile_6.png",
        "size_9x3_interlaced.png", "size_17x13.webp", "exif_5.webp", "animated.webp",
        "palette1.gif", "inside_local.gif", "animated.gif", "core1.bmp", "size_5x2.bmp",
        "black_white.bmp", "palette1.tiff", "exif_8.tiff", "size_3x1.tiff"}) {
    const Bytes whole = read_fixture(name);
    for (size_t i = 0; i < whole.size(); ++i) {
      for (const std::byte flip : {std::byte{0x01}, std::byte{0x80}, std::byte{0xFF}}) {
        Bytes bad = whole;
        bad[i] ^= flip;
        const auto image = decode(bad, {.limits = {.max_pixels = 1 << 20}});
        if (image.ok()) {
          ASSERT_EQ(image->rgb.size(), image->row_bytes() * size_t(image->height));
        }
      }
    }
  }
}

TEST(Orientation, ReadsDamagedExifSafely) {
  Bytes exif = bytes_of(
      std::string_view("Exif\0\0MM\0*\0\0\0\x08\0\1\x01\x12\0\3\0\0\0\1\0\6\0\0\0\0\0\0", 32));
  EXPECT_EQ(orientation_in_exif(exif), 6);
  for (size_t i = 0; i < 26; ++i)
    EXPECT_EQ(orientation_in_exif(std::span(exif).first(i)), std::nullopt) << i;
  exif[13] = std::byte{0xFF};  // the directory lies outside
  EXPECT_EQ(orientation_in_exif(exif), std::nullopt);
  EXPECT_EQ(orientation_in_xmp(bytes_of("x <tiff:Orientation>8</tiff:Orientation>")), 8);
  EXPECT_EQ(orientation_in_xmp(bytes_of("tiff:Orientation=\"x\" tiff:Orientation=\"3\"")), 3);
  EXPECT_EQ(orientation_in_xmp(bytes_of("tiff:Orientation=\"")), std::nullopt);
}

// A header that ends a byte early, with a shorter size field.
TEST(Decode, AWebpOfElevenBytesIsNone) {
  const std::string_view text("RIFF\xba\x08\0WEBP", 11);
  const auto image = decode(std::as_bytes(std::span(text)));
  ASSERT_FALSE(image.ok());
  EXPECT_EQ(image.error().code, base::Code::kBadInput);
}

}  // namespace
}  // namespace ocelli::media
