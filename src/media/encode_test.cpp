#include "media/encode.h"

#include <gtest/gtest.h>

#include "media/decode.h"
#include "media/test_support.h"

namespace ocelli::media {
namespace {

TEST(EncodePng, ReadsBackEqual) {
  for (const char* name : {"large.jpg", "size_1x1.png", "size_1x2.webp", "exif_6.jpg"}) {
    const auto image = decode(read_fixture(name));
    ASSERT_TRUE(image.ok());
    const auto file = encode_png(*image);
    ASSERT_TRUE(file.ok());
    const auto again = decode(*file);
    ASSERT_TRUE(again.ok()) << again.error().message();
    EXPECT_EQ(again->width, image->width) << name;
    EXPECT_EQ(again->rgb, image->rgb) << name;
    EXPECT_EQ(again->facts.exif_orientation, 1) << "upright pixels carry no orientation";
  }
}

}  // namespace
}  // namespace ocelli::media
