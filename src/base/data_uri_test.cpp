#include "base/data_uri.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ocelli::base {
namespace {

using testing::HasSubstr;

std::string text_of(const DataUri& uri) {
  return {reinterpret_cast<const char*>(uri.bytes.data()), uri.bytes.size()};
}

std::string error_of(std::string_view uri, size_t most = 100) {
  const auto out = parse_data_uri(uri, most);
  return out.ok() ? "decoded " + text_of(*out) : out.error().message();
}

TEST(DataUri, ReadsBase64) {
  const auto uri = parse_data_uri("data:image/png;base64,aGVsbG8=", 100);
  ASSERT_TRUE(uri.ok()) << uri.error().message();
  EXPECT_EQ(uri->media_type, "image/png");
  EXPECT_EQ(text_of(*uri), "hello");
  const auto other = parse_data_uri("DATA:Image/GIF;name=x.gif;BASE64,aGVs%62G8%3d", 100);
  ASSERT_TRUE(other.ok()) << other.error().message();
  EXPECT_EQ(other->media_type, "image/gif");
  EXPECT_EQ(text_of(*other), "hello");
}

TEST(DataUri, ReadsPercentEncoding) {
  const auto uri = parse_data_uri("data:image/bmp,BM%00%fF+,x", 100);
  ASSERT_TRUE(uri.ok()) << uri.error().message();
  EXPECT_EQ(text_of(*uri), std::string("BM\0\xff+,x", 7));
  EXPECT_EQ(parse_data_uri("data:,", 100)->media_type, "text/plain");
}

TEST(DataUri, SaysWhatIsWrong) {
  EXPECT_THAT(error_of("data:image/png;base64"), HasSubstr("no comma"));
  EXPECT_THAT(error_of("data:"), HasSubstr("no comma"));
  EXPECT_THAT(error_of("data:image/png;base64,@@"), HasSubstr("base64"));
  EXPECT_THAT(error_of("data:image/png;base64,@@@@"), HasSubstr("base64"));
  EXPECT_THAT(error_of("data:image/png;base64,aGVsbG8"), HasSubstr("base64"));
  EXPECT_THAT(error_of("data:image/png;base64,aGVsbG8=="), HasSubstr("base64"));
  EXPECT_THAT(error_of("data:image/png,%4"), HasSubstr("percent"));
  EXPECT_THAT(error_of("data:image/png,%4g"), HasSubstr("percent"));
  EXPECT_THAT(error_of("data:image/png," + std::string(101, 'x')), HasSubstr("limit 100"));
  EXPECT_THAT(error_of("data:image/png;base64," + std::string(400, 'x')), HasSubstr("too long"));
  EXPECT_THAT(error_of("data:image/png," + std::string(5000, '%')), HasSubstr("too long"));
}

TEST(DataUri, KnowsOneWhenItSeesOne) {
  EXPECT_TRUE(is_data_uri("data:,x"));
  EXPECT_TRUE(is_data_uri("DATA:"));
  EXPECT_FALSE(is_data_uri("data"));
  EXPECT_FALSE(is_data_uri("./data:image/png,x"));
}

}  // namespace
}  // namespace ocelli::base
