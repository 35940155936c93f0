// HEIC and AVIF: opened, upright, with colours close to what was drawn; damage is an error.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "media/decode.h"
#include "media/decoder_process.h"
#include "media/header.h"
#include "media/hevc_size.h"
#include "media/test_support.h"

namespace ocelli::media {
namespace {

using Bytes = std::vector<std::byte>;

// The largest difference of one channel to "rrggbb".
int far_from(const uint8_t* pixel, const std::string& colour) {
  int most = 0;
  for (size_t c = 0; c < 3; ++c)
    most = std::max(most, std::abs(pixel[c] - std::stoi(colour.substr(c * 2, 2), nullptr, 16)));
  return most;
}

TEST(Heif, ShowsWhatWasDrawn) {
  constexpr int kTolerance = 8;  // quality 90, flat colours
  const auto rows = read_table("heif.tsv");
  ASSERT_GE(rows.size(), 20u);
  DecoderProcess decoder;
  for (const auto& row : rows) {
    SCOPED_TRACE(row[0]);
    ASSERT_EQ(row.size(), 8u);
    const Bytes bytes = read_fixture(row[0]);
    const auto image = decode(bytes);
    ASSERT_TRUE(image.ok()) << image.error().message();
    ASSERT_EQ(image->width, std::stoi(row[1]));
    ASSERT_EQ(image->height, std::stoi(row[2]));
    EXPECT_EQ(image->facts.format, row[0].ends_with(".avif") ? Format::kAvif : Format::kHeic);
    EXPECT_EQ(image->facts.had_alpha, row[3] == "1");
    for (int quarter = 0; quarter < 4; ++quarter) {
      const int y = image->height * (quarter < 2 ? 1 : 3) / 4;
      const int x = image->width * (quarter % 2 == 0 ? 1 : 3) / 4;
      EXPECT_LE(far_from(image->row(y) + x * 3, row[4 + size_t(quarter)]), kTolerance) << quarter;
    }
    const auto confined = decoder.decode(bytes);
    ASSERT_TRUE(confined.ok()) << confined.error().message();
    EXPECT_EQ(confined->rgb, image->rgb);
    EXPECT_EQ(confined->facts.had_alpha, image->facts.had_alpha);
  }
}

TEST(Heif, BlendsOverWhite) {
  for (const char* name : {"alpha.avif", "alpha.heic"}) {
    const auto dropped = decode(read_fixture(name));
    const auto white = decode(read_fixture(name), {.alpha = Alpha::kWhite});
    ASSERT_TRUE(dropped.ok() && white.ok()) << name;
    // The left third is opaque, the right one nearly transparent.
    EXPECT_EQ(dropped->row(5)[0], white->row(5)[0]) << name;
    EXPECT_GT(white->row(5)[62 * 3], dropped->row(5)[62 * 3] + 100) << name;
  }
}

TEST(Heif, RefusesTruncatedFiles) {
  for (const char* name :
       {"plain.heic", "lossless.heic", "odd.heic", "plain.avif", "alpha.avif", "sequence.avif"}) {
    const Bytes whole = read_fixture(name);
    // What follows the primary picture in a sequence is never looked at.
    const size_t points = std::string(name) == "sequence.avif" ? 80 : 100;
    for (size_t i = 0; i < points; ++i) {
      const Bytes part(whole.begin(), whole.begin() + ptrdiff_t(whole.size() * i / 100));
      EXPECT_FALSE(decode(part).ok()) << name << " cut to " << part.size();
    }
  }
}

TEST(Heif, SurvivesFlippedBytes) {
  for (const char* name : {"plain.heic", "plain.avif", "exif_5.avif"}) {
    const Bytes whole = read_fixture(name);
    for (size_t i = 0; i < whole.size(); ++i) {
      Bytes bad = whole;
      bad[i] ^= std::byte{0xFF};
      const auto image = decode(bad, {.limits = {.max_pixels = 1 << 16}});
      if (image.ok()) {
        ASSERT_EQ(image->rgb.size(), image->row_bytes() * size_t(image->height));
      }
    }
  }
}

TEST(Heif, TestsSizesBeforeAnythingElse) {
  Bytes bytes = read_fixture("plain.avif");
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const size_t ispe = text.find("ispe");
  ASSERT_NE(ispe, text.npos);
  bytes[ispe + 9] = std::byte{1};  // width 65536 + 64
  const auto image = decode(bytes);
  ASSERT_FALSE(image.ok());
  EXPECT_THAT(image.error().message(), testing::HasSubstr("limit 32768 a side"));
  EXPECT_FALSE(decode(read_fixture("plain.avif"), {.limits = {.max_pixels = 3071}}).ok());
}

// The header promises little, the stream inside claims much: the stream's own size is refused.
TEST(Heif, ReadsTheSizeInsideHevc) {
  const Bytes bytes = read_fixture("plain.heic");
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const auto* data = reinterpret_cast<const uint8_t*>(bytes.data());
  int found = 0;
  for (size_t at = text.find("hvcC"); at + 40 < text.size(); ++at) {
    // In hvcC: kind of unit (33), count (1), length, unit.
    if ((data[at] & 0x7F) != 33 || data[at + 1] != 0 || data[at + 2] != 1) continue;
    const size_t length = size_t(data[at + 3]) << 8 | data[at + 4];
    const auto size = hevc_size({data + at + 5, length});
    ASSERT_TRUE(size.has_value());
    EXPECT_EQ(size->width, 64u);
    EXPECT_EQ(size->height, 64u) << "x265 codes whole blocks";
    EXPECT_EQ(hevc_size({data + at + 5, 12})->width, UINT32_MAX) << "cut short";
    ++found;
    break;
  }
  EXPECT_EQ(found, 1);
  EXPECT_FALSE(hevc_size({}).has_value());
}

TEST(Heif, RefusesPicturesMadeOfThemselves) {
  // libheif would follow such a reference until its stack ends.
  const Bytes bytes = read_fixture("../fuzz/image_heic/made-of-itself.heic");
  const auto image = decode(bytes);
  ASSERT_FALSE(image.ok());
  EXPECT_THAT(image.error().message(), testing::HasSubstr("made of itself"));
}

TEST(Heif, RefusesASecondDescription) {
  Bytes bytes = read_fixture("plain.heic");
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const size_t at = text.find("meta") - 4;
  const size_t size =
      std::to_integer<size_t>(bytes[at + 2]) << 8 | std::to_integer<size_t>(bytes[at + 3]);
  const Bytes meta(bytes.begin() + std::ptrdiff_t(at), bytes.begin() + std::ptrdiff_t(at + size));
  bytes.insert(bytes.end(), meta.begin(), meta.end());
  const auto image = decode(bytes);
  ASSERT_FALSE(image.ok());
  EXPECT_THAT(image.error().message(), testing::HasSubstr("twice"));
}

TEST(Heif, LeavesVideosAlone) {
  for (const char* brand : {"isom", "mp42", "qt  "}) {
    const std::string text = std::string("\0\0\0\x18", 4) + "ftyp" + brand + std::string(12, '\0');
    const auto* data = reinterpret_cast<const std::byte*>(text.data());
    const auto header = read_header({data, text.size()});
    ASSERT_FALSE(header.ok());
    EXPECT_THAT(header.error().message(), testing::HasSubstr("video")) << brand;
  }
}

}  // namespace
}  // namespace ocelli::media
