#include "text/full_match.h"

#include <gtest/gtest.h>

namespace ocelli::text {
namespace {

bool fits(const std::string& pattern, const std::string& name) {
  return FullMatch::compile(pattern).value().matches(name).value();
}

TEST(FullMatch, FitsTheWholeName) {
  EXPECT_TRUE(fits("a|ab", "ab"));  // the first alternative alone would be a part
  EXPECT_FALSE(fits("a", "ab"));
  EXPECT_FALSE(fits("b", "ab"));
  EXPECT_TRUE(fits(R"(.*\.(q|v)_proj)", "model.layers.0.self_attn.q_proj"));
  EXPECT_FALSE(fits(R"(.*\.(q|v)_proj)", "model.layers.0.self_attn.k_proj"));
  EXPECT_TRUE(fits(R"((?:.*?text.*?(?:q_proj|up_proj).*?)|(?:\bmodel\.layers\.[\d]{1,}\.mlp))",
                   "model.text_model.layers.11.mlp.up_proj"));
}

TEST(FullMatch, RefusesWhatIsWrongOrSlow) {
  EXPECT_FALSE(FullMatch::compile("(").ok());
  EXPECT_FALSE(FullMatch::compile("*").ok());
  EXPECT_FALSE(FullMatch::compile(std::string(kMaxFullMatchPattern + 1, 'a')).ok());
  EXPECT_FALSE(FullMatch::compile(std::string(1000, '(') + std::string(1000, ')')).ok());
  const auto slow = FullMatch::compile("(?:a|a)*b").value().matches(std::string(200, 'a') + "ba");
  ASSERT_FALSE(slow.ok());
  EXPECT_NE(slow.error().what.find("takes too long"), std::string::npos);
}

}  // namespace
}  // namespace ocelli::text
