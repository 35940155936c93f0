#include "base/advice.h"

#include <gtest/gtest.h>

namespace ocelli::base {
namespace {

TEST(Advice, IsAddedWhereNoneIs) {
  const Error plain = fail(Code::kBadInput, "too large (9, limit 8)", "config.json");
  EXPECT_EQ(with_advice(plain, "shorten it").message(),
            "config.json: too large (9, limit 8); shorten it");
  EXPECT_EQ(with_advice(with_advice(plain, "shorten it"), "leave it").message(),
            "config.json: too large (9, limit 8); shorten it");
  EXPECT_EQ(with_advice(Result<int>(3), "shorten it").value(), 3);
  EXPECT_EQ(with_advice(Result<int>(plain), "shorten it").error().code, Code::kBadInput);
  EXPECT_TRUE(with_advice(Status(), "shorten it").ok());
}

}  // namespace
}  // namespace ocelli::base
