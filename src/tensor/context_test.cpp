#include "tensor/context.h"

#include <gtest/gtest.h>

#include <vector>

namespace ocelli::tensor {
namespace {

class ContextTest : public testing::Test {
 protected:
  // Nothing here calls the backend.
  Backend& no_backend() { return *reinterpret_cast<Backend*>(arena.take_bytes(64)); }

  Arena arena = *Arena::create(1 << 20);
  base::ThreadPool pool{1};
  Tape tape;
};

TEST_F(ContextTest, GradientsFlowOnlyWithATapeAndAnInput) {
  Context run{no_backend(), arena, pool};
  Context train{no_backend(), arena, pool, &tape};
  Grad grad{nullptr, 4};
  Tensor x = run.output({2, 2}, {});
  EXPECT_FALSE(x.grad);
  EXPECT_FALSE(train.output({2, 2}, {x}).grad);
  x.grad = &grad;
  EXPECT_FALSE(run.output({2, 2}, {x}).grad);
  const Tensor y = train.output({2, 3}, {Tensor{}, x});
  ASSERT_TRUE(y.grad);
  EXPECT_EQ(y.grad->count, 6);
  EXPECT_FALSE(y.grad->data) << "taken during the backward pass only";
}

TEST_F(ContextTest, GradientsAreClearedAndSharedByViews) {
  Context c{no_backend(), arena, pool, &tape};
  {  // leave dirt where the gradient will lie
    const Scratch scratch(arena);
    std::fill_n(arena.take<float>(1000), 1000, 7.0f);
  }
  Grad grad{nullptr, 12};
  Tensor x = c.output({3, 4}, {});
  x.grad = &grad;
  float* part = grad_of(c, x.slice(0, 1, 1).slice(1, 2, 2));
  for (int i = 0; i < 12; ++i) EXPECT_EQ(grad.data[i], 0) << i;
  part[0] = 5;
  EXPECT_EQ(grad_of(c, x)[6], 5);
  Tensor none = x;
  none.grad = nullptr;
  EXPECT_DEATH(grad_of(c, none), "a gradient flows");
}

TEST_F(ContextTest, BackwardRunsFromTheBackOnce) {
  Context c{no_backend(), arena, pool, &tape};
  std::vector<int> order;
  for (const int i : {1, 2, 3}) tape.push_back([&order, i](Context&) { order.push_back(i); });
  run_backward(c);
  EXPECT_EQ(order, (std::vector{3, 2, 1}));
  EXPECT_TRUE(tape.empty());
  c.tape = nullptr;
  EXPECT_DEATH(run_backward(c), "needs the tape");
}

}  // namespace
}  // namespace ocelli::tensor
