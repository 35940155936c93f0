#include "train/sample.h"

#include <gtest/gtest.h>

namespace ocelli::train {
namespace {

Sample sample(std::vector<int32_t> ids, std::vector<uint8_t> trained) {
  Sample s;
  s.prompt.ids = std::move(ids);
  s.trained = std::move(trained);
  return s;
}

TEST(Sample, ATokenIsLearntFromTheOneBefore) {
  const Sample s = sample({5, 6, 7, 8}, {1, 0, 1, 1});
  EXPECT_EQ(next_tokens(s), (std::vector<int32_t>{-1, 7, 8, -1}));
  EXPECT_EQ(s.trained_tokens(), 2);  // not the first: it follows nothing
  EXPECT_EQ(sample({}, {}).trained_tokens(), 0);
}

TEST(Sample, ABatchCountsBothSidesOfAPair) {
  Batch batch;
  batch.examples.push_back({0, sample({1, 2, 3}, {0, 1, 1}), sample({1, 4}, {0, 1})});
  EXPECT_EQ(batch.tokens(), 5);
  EXPECT_EQ(batch.trained_tokens(), 3);
}

}  // namespace
}  // namespace ocelli::train
