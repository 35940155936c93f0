#include "train/top_k.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "base/file.h"
#include "train/top_k_file.h"
#include "train/trainer_test_kit.h"

namespace ocelli::train {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(ChooseTopK, TheLargestAndTheFirstOfEquals) {
  const std::vector<float> logits = {1, 3, 2, 3, -1, 9};
  std::vector<int32_t> ids(3);
  std::vector<float> log_probs(3);
  ASSERT_TRUE(choose_top_k({logits, 5, 2}, ids, log_probs));
  EXPECT_THAT(ids, ElementsAre(1, 3, 2));  // 5 counts below, but may not be chosen
  double sum = 0;
  for (const float x : logits) sum += std::exp(double(x) / 2);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_NEAR(log_probs[i], double(logits[size_t(ids[i])]) / 2 - std::log(sum), 1e-6);
  }
  const std::vector<float> endless = {1, INFINITY, 0};
  EXPECT_FALSE(choose_top_k({endless, 3, 1}, ids, log_probs));
  const std::vector<float> nothing = {1, NAN, 0};
  EXPECT_FALSE(choose_top_k({nothing, 3, 1}, ids, log_probs));
}

TEST(ChooseTopK, AllOfThemAreAPermutation) {
  std::vector<float> logits(100), log_probs(100);
  for (size_t i = 0; i < logits.size(); ++i) logits[i] = float((i * 37) % 50);
  std::vector<int32_t> ids(100);
  ASSERT_TRUE(choose_top_k({logits, 100, 1}, ids, log_probs));
  double sum = 0;
  for (size_t i = 0; i < 100; ++i) {
    sum += std::exp(double(log_probs[i]));
    if (i == 0) continue;
    const float before = logits[size_t(ids[i - 1])], here = logits[size_t(ids[i])];
    EXPECT_TRUE(before > here || (before == here && ids[i - 1] < ids[i])) << i;
  }
  EXPECT_NEAR(sum, 1, 1e-6);
}

TEST(FindShared, BeginningsAndEnds) {
  const auto engine = test::load_model("smollm2");
  const text::Tokenizer& t = engine->tokenizer();
  const std::vector<int32_t> all = {10, 11, 12, 13};
  const auto find = [&](std::vector<int32_t> student, bool at_end) {
    return find_shared(all, student, at_end, t);
  };
  EXPECT_EQ(*find({10, 11, 12, 13}, false), 0u);
  EXPECT_EQ(*find({10, 11}, false), 0u);
  EXPECT_EQ(*find({12, 13}, true), 2u);
  EXPECT_THAT(find({10, 12}, false).error().what, HasSubstr("trained token 2"));
  EXPECT_FALSE(find({10, 11}, true).ok());
  EXPECT_THAT(find({10, 11, 12, 13, 14}, false).error().what, HasSubstr("fewer trained tokens"));
}

class TopKFiles : public testing::Test {
 protected:
  void SetUp() override {
    char path[] = "/tmp/ocelli-top-k-XXXXXX";
    ASSERT_TRUE(mkdtemp(path));
    folder_ = path;
    path_ = folder_ + "/top";
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  const text::Tokenizer& tokenizer() const { return engine_->tokenizer(); }
  base::Status write(int32_t worst_id, float worst = -3) {
    OCELLI_ASSIGN(
        TopKWriter writer,
        TopKWriter::create(path_, 2, {"m", "assistant", 1.5, vocabulary_hash(tokenizer())}));
    OCELLI_TRY(writer.add(base::sha256("a"), {2, {7, 8}, {1, 2, 3, 4}, {-1, -2, -0.5f, -4}}));
    OCELLI_TRY(writer.add(base::sha256("none"), {2, {}, {}, {}}));
    OCELLI_TRY(writer.add(base::sha256("b"), {2, {9}, {5, worst_id}, {0, worst}}));
    EXPECT_TRUE(writer.has(base::sha256("b")));
    EXPECT_FALSE(writer.has(base::sha256("c")));
    return writer.commit();
  }
  std::string error() const {
    const auto file = TopKFile::open(path_, tokenizer());
    return file.ok() ? "" : file.error().message();
  }

  std::unique_ptr<engine::Engine> engine_ = test::load_model("smollm2");
  std::string folder_, path_;
};

TEST_F(TopKFiles, ReadBack) {
  ASSERT_TRUE(write(6, -INFINITY).ok());
  const auto file = TopKFile::open(path_, tokenizer());
  ASSERT_TRUE(file.ok()) << file.error().message();
  EXPECT_EQ(file->rows(), 3);
  EXPECT_EQ(file->tokens(), 3);
  EXPECT_EQ(file->facts().temperature, 1.5);
  const auto a = file->find(base::sha256("a"), 2);
  ASSERT_TRUE(a);
  EXPECT_THAT(a->tokens, ElementsAre(7, 8));
  EXPECT_THAT(a->ids, ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(a->log_probs, ElementsAre(-1, -2, -0.5f, -4));
  EXPECT_THAT(file->find(base::sha256("a"), 1)->ids, ElementsAre(1, 3));
  EXPECT_EQ(file->find(base::sha256("none"), 2)->count(), 0);
  EXPECT_FALSE(file->find(base::sha256("c"), 2));
}

TEST_F(TopKFiles, WhatCannotBeIsRefused) {
  ASSERT_TRUE(write(tokenizer().id_limit()).ok());
  EXPECT_THAT(error(), HasSubstr("token 2 has an id or a probability that cannot be"));
  ASSERT_TRUE(write(-1).ok());
  EXPECT_THAT(error(), HasSubstr("cannot be"));
  ASSERT_TRUE(write(6, 0.1f).ok());
  EXPECT_THAT(error(), HasSubstr("cannot be"));
  ASSERT_TRUE(write(6, NAN).ok());
  EXPECT_THAT(error(), HasSubstr("cannot be"));
  ASSERT_TRUE(write(6).ok());
  EXPECT_EQ(error(), "");
}

// Whatever byte is changed or missing: an error, never a crash or another number.
TEST_F(TopKFiles, DamageIsNoticed) {
  ASSERT_TRUE(write(6).ok());
  const std::string whole = base::read_file(path_, 1 << 16).value();
  int noticed = 0;
  for (size_t i = 8; i < whole.size(); i += 3) {
    std::string damaged = whole;
    damaged[i] = char(damaged[i] ^ 1);
    std::ofstream(path_, std::ios::binary) << damaged;
    noticed += !error().empty();
    if (i % 8 != 0) continue;
    std::ofstream(path_, std::ios::binary) << whole.substr(0, i);
    EXPECT_NE(error(), "") << i;
  }
  // Only names and the spaces behind the header may differ without harm.
  EXPECT_GT(noticed, int(whole.size()) / 3 - 40);
  std::ofstream(path_, std::ios::binary) << whole;
  EXPECT_EQ(error(), "");
  EXPECT_THAT(TopKFile::open(folder_ + "/none", tokenizer()).error().message(),
              HasSubstr("no such"));
}

}  // namespace
}  // namespace ocelli::train
