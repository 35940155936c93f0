#include "backend/count/counting_backend.h"

#include <gtest/gtest.h>

#include <array>

namespace ocelli::count {
namespace {

using encoding::Encoding;

TEST(CountingBackend, Products) {
  CountingBackend backend;
  ThreadPool pool(1);
  // No memory behind any of them.
  const Weight a{.encoding = Encoding::kQ80, .rows = 10, .cols = 33}, b{.rows = 4, .cols = 33};
  const Tensor x = Tensor::view(nullptr, {5, 33});
  const std::array<tensor::LinearJob, 2> jobs = {tensor::LinearJob{x, &a, {}},
                                                 tensor::LinearJob{x, &b, {}}};
  backend.linear(pool, jobs);
  EXPECT_EQ(backend.work().product_macs, 5 * 33 * (10 + 4));
  EXPECT_EQ(backend.work().weight_bytes, 10 * 68 + 4 * 33 * 4);
  EXPECT_EQ(backend.work().attention_macs, 0);
  const Work before = backend.work();
  backend.linear(pool, jobs);
  EXPECT_EQ(backend.work() - before, before);
  backend.reset();
  EXPECT_EQ(backend.work(), Work{});
}

TEST(CountingBackend, FeedForwardOfPackedWeightsIsOneCall) {
  CountingBackend backend;
  ThreadPool pool(1);
  Weight up{.encoding = Encoding::kQ8, .layout = encoding::Layout::kPacked, .rows = 64, .cols = 32};
  Weight down{
      .encoding = Encoding::kQ8, .layout = encoding::Layout::kPacked, .rows = 32, .cols = 64};
  tensor::FeedForwardJob job;
  job.x = job.y = Tensor::view(nullptr, {5, 32});
  job.up = &up;
  job.down = &down;
  EXPECT_TRUE(backend.feed_forward(pool, job));
  EXPECT_EQ(backend.work().product_macs, 5 * 2 * 64 * 32);
  EXPECT_EQ(backend.work().weight_bytes, encoding::bytes(up) + encoding::bytes(down));
  const Weight gate = up;
  job.gate = &gate;
  EXPECT_TRUE(backend.feed_forward(pool, job));
  EXPECT_EQ(backend.work().product_macs, 5 * 5 * 64 * 32);
  down.layout = encoding::Layout::kPlain;
  EXPECT_FALSE(backend.feed_forward(pool, job));
  EXPECT_EQ(backend.work().product_macs, 5 * 5 * 64 * 32);
}

TEST(CountingBackend, EmbeddingReadsItsRows) {
  CountingBackend backend;
  ThreadPool pool(1);
  const Weight w{.encoding = Encoding::kF16, .rows = 100, .cols = 8};
  const std::array<int32_t, 3> ids = {1, 1, 99};
  backend.embedding(pool, ids, w, {});
  EXPECT_EQ(backend.work().weight_bytes, 3 * 16);
}

TEST(CountingBackend, AttentionCountsTheKeysSeen) {
  CountingBackend backend;
  ThreadPool pool(1);
  const std::array<tensor::KeyRange, 3> ranges = {{{0, 1}, {4, 4}, {2, 7}}};
  const Tensor q = Tensor::view(nullptr, {3, 9, 64}), k = Tensor::view(nullptr, {8, 3, 64});
  backend.attention(pool, {q, k, k, q, ranges});
  EXPECT_EQ(backend.work().exponentials, 6 * 9);
  EXPECT_EQ(backend.work().attention_macs, 2 * 6 * 9 * 64);
}

TEST(CountingBackend, GradientsOfProductsAndAttention) {
  CountingBackend backend;
  ThreadPool pool(1);
  const Weight w{.encoding = Encoding::kF32, .rows = 10, .cols = 33};
  const Tensor x = Tensor::view(nullptr, {5, 33}), dy = Tensor::view(nullptr, {5, 10});
  backend.linear_grad_input(pool, dy, w, x);
  backend.linear_grad_weight(pool, dy, x, w);
  EXPECT_EQ(backend.work().product_macs, 2 * 5 * 33 * 10);
  const std::array<tensor::KeyRange, 1> ranges = {{{0, 4}}};
  const Tensor q = Tensor::view(nullptr, {1, 3, 8}), k = Tensor::view(nullptr, {8, 3, 8});
  backend.attention_grad(pool, {{q, k, k, q, ranges}, q, q, k, k});
  EXPECT_EQ(backend.work().attention_macs, 5 * 4 * 3 * 8);
}

}  // namespace
}  // namespace ocelli::count
