#include "base/nearest.h"

#include <gtest/gtest.h>

#include <vector>

namespace ocelli::base {
namespace {

TEST(Nearest, FindsTheClosestName) {
  const std::vector<std::string> names{"SmolVLM2-256M", "SmolVLM2-500M", "SmolLM3-3B"};
  EXPECT_EQ(nearest("SmolVLM2-265M", names), "SmolVLM2-256M");
  EXPECT_EQ(nearest("SmolVLM2-50M", names), "SmolVLM2-500M");
  EXPECT_EQ(nearest("SmolLM3-3b", names), "SmolLM3-3B");
}

TEST(Nearest, SaysNothingWhenNothingIsNear) {
  const std::vector<std::string> names{"SmolVLM2-256M", "x"};
  EXPECT_EQ(nearest("gemma", names), "");
  EXPECT_EQ(nearest("", names), "");
  EXPECT_EQ(nearest(std::string(1000, 'a'), names), "");
  EXPECT_EQ(nearest("yz", names), "");
}

}  // namespace
}  // namespace ocelli::base
