#include "base/base64.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ocelli::base {
namespace {

std::vector<std::byte> bytes_of(std::string_view text) {
  const auto bytes = std::as_bytes(std::span(text.data(), text.size()));
  return {bytes.begin(), bytes.end()};
}

// RFC 4648, section 10.
const std::pair<const char*, const char*> kRfc[] = {{"", ""},
                                                    {"f", "Zg=="},
                                                    {"fo", "Zm8="},
                                                    {"foo", "Zm9v"},
                                                    {"foob", "Zm9vYg=="},
                                                    {"fooba", "Zm9vYmE="},
                                                    {"foobar", "Zm9vYmFy"}};

TEST(Base64, TheExamplesOfTheStandard) {
  for (const auto& [plain, coded] : kRfc) {
    EXPECT_EQ(encode_base64(bytes_of(plain)), coded);
    const auto back = decode_base64(coded);
    ASSERT_TRUE(back.ok()) << coded;
    EXPECT_EQ(*back, bytes_of(plain));
  }
}

TEST(Base64, AnyBytesRoundTrip) {
  for (size_t size = 0; size < 300; ++size) {
    std::vector<std::byte> bytes(size);
    for (size_t i = 0; i < size; ++i) bytes[i] = std::byte(i * 151 + size * 89);
    const auto back = decode_base64(encode_base64(bytes));
    ASSERT_TRUE(back.ok());
    ASSERT_EQ(*back, bytes);
  }
}

TEST(Base64, RefusesWhatIsNotIts) {
  for (const char* bad : {"Z", "Zg", "Zg=", "Zg===", "=", "====", "Z===", "Zg==Zg==", "Zm9v\n",
                          "Zm 9", "Zm-_", "Zh==", "Zm9=", "Zm\xc3\xa4", "Zg=a"}) {
    const auto out = decode_base64(bad);
    ASSERT_FALSE(out.ok()) << bad;
    EXPECT_EQ(out.error().code, Code::kBadInput);
    EXPECT_THAT(out.error().what, testing::HasSubstr("at character "));
  }
}

}  // namespace
}  // namespace ocelli::base
