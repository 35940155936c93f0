#include "base/hash.h"

#include <gtest/gtest.h>

#include <unordered_set>

#include "base/siphash.h"

namespace ocelli::base {
namespace {

// FIPS 180-2, appendix B.
TEST(Sha256, KnownAnswers) {
  EXPECT_EQ(sha256("").hex(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256("abc").hex(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256(std::string(1'000'000, 'a')).hex(),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256, PartsMakeTheWhole) {
  Sha256 hash;
  for (int round = 0; round < 2; ++round) {
    hash.update("a");
    hash.update("");
    hash.update("bc");
    EXPECT_EQ(hash.finish(), sha256("abc"));
  }
  hash.update_u64(0x0102);
  EXPECT_EQ(hash.finish(), sha256(std::string_view("\x02\x01\0\0\0\0\0\0", 8)));
}

TEST(Sha256, HexBothWays) {
  const Digest256 digest = sha256("x");
  EXPECT_EQ(Digest256::from_hex(digest.hex()), digest);
  EXPECT_EQ(Digest256::from_hex("00"), std::nullopt);
  EXPECT_EQ(Digest256::from_hex(std::string(63, '0') + "g"), std::nullopt);
  EXPECT_EQ(Digest256::from_hex(std::string(64, 'A'))->hex(), std::string(64, 'a'));
  EXPECT_EQ((std::unordered_set<Digest256>{digest, sha256("y"), digest}).size(), 2u);
  EXPECT_LT(Digest256(), digest);
}

// From the appendix of the SipHash paper: key 00 01 .. 0f, text 00 01 .. 0e.
TEST(SipHash, KnownAnswer) {
  std::string text;
  for (int i = 0; i < 15; ++i) text += char(i);
  const SipKey key{0x0706050403020100u, 0x0f0e0d0c0b0a0908u};
  EXPECT_EQ((siphash<2, 4>(text, key)), 0xa129ca6149be45e5u);
  EXPECT_NE(siphash(text, key), siphash(text, {key.k0, key.k1 + 1}));
  EXPECT_NE(siphash("", key), siphash(std::string_view("\0", 1), key));
  EXPECT_TRUE(process_sip_key().k0 != 0 || process_sip_key().k1 != 0);
}

}  // namespace
}  // namespace ocelli::base
