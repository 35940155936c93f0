#include "tensor/tensor.h"

#include <gtest/gtest.h>

#include <numeric>
#include <vector>

namespace ocelli::tensor {
namespace {

std::vector<float> numbers(int64_t count) {
  std::vector<float> v(static_cast<size_t>(count));
  std::iota(v.begin(), v.end(), 0.0f);
  return v;
}

TEST(Tensor, EmptyIsFalse) {
  const Tensor t;
  EXPECT_FALSE(t);
  EXPECT_EQ(t.count(), 0);
  EXPECT_EQ(t.rows(), 0);
}

TEST(Tensor, ViewIsContiguous) {
  std::vector<float> v = numbers(24);
  const Tensor t = Tensor::view(v.data(), {2, 3, 4});
  EXPECT_TRUE(t);
  EXPECT_EQ(t.count(), 24);
  EXPECT_EQ(t.rows(), 6);
  EXPECT_EQ(t.dim(-1), 4);
  EXPECT_EQ(t.dim(0), 2);
  EXPECT_EQ(t.row_stride(), 4);
  EXPECT_TRUE(t.contiguous());
  EXPECT_TRUE(t.row_uniform());
}

TEST(Tensor, SlicesKeepTheirStrides) {
  std::vector<float> v = numbers(24);
  const Tensor t = Tensor::view(v.data(), {4, 6});
  const Tensor rows = t.slice(0, 1, 2), columns = t.slice(1, 2, 3);
  EXPECT_TRUE(rows.contiguous());
  EXPECT_EQ(rows.f32()[0], 6);
  EXPECT_FALSE(columns.contiguous());
  EXPECT_TRUE(columns.row_uniform());
  EXPECT_EQ(columns.row_stride(), 6);
  EXPECT_EQ(columns.f32()[columns.row_stride()], 8);
  EXPECT_EQ(t.slice(-1, 5, 1).f32()[0], 5);
  EXPECT_EQ(t.slice(0, 4, 0).count(), 0);
  EXPECT_DEATH(t.slice(0, 3, 2), "slice inside the tensor");
  EXPECT_DEATH(t.slice(2, 0, 1), "slice inside the tensor");
}

TEST(Tensor, SplitLastWorksOnSlices) {
  std::vector<float> v = numbers(24);
  const Tensor part = Tensor::view(v.data(), {2, 12}).slice(1, 4, 8).split_last(4);
  EXPECT_EQ(part.rank, 3);
  EXPECT_EQ(part.dim(1), 2);
  EXPECT_EQ(part.stride[0], 12);
  EXPECT_EQ(part.f32()[part.stride[0] + part.stride[1]], 12 + 4 + 4);
  EXPECT_FALSE(part.row_uniform()) << "heads of a slice are not at one distance";
  EXPECT_TRUE(Tensor::view(v.data(), {2, 12}).split_last(4).row_uniform());
  EXPECT_DEATH(part.split_last(3), "width divides");
}

TEST(Tensor, ReshapeNeedsContiguousNumbers) {
  std::vector<float> v = numbers(24);
  const Tensor t = Tensor::view(v.data(), {4, 6});
  EXPECT_EQ(t.reshape({2, 12}).dim(1), 12);
  EXPECT_DEATH(t.reshape({5, 5}), "keeps the number of elements");
  EXPECT_DEATH(t.slice(1, 0, 3).reshape({12}), "only contiguous");
}

TEST(Tensor, GradientsGoAlongWithViews) {
  std::vector<float> v = numbers(24);
  Grad grad{nullptr, 24};
  Tensor t = Tensor::view(v.data(), {4, 6});
  t.grad = &grad;
  const Tensor part = t.slice(0, 1, 2).slice(1, 2, 4).split_last(2);
  EXPECT_EQ(part.grad, &grad);
  EXPECT_EQ(part.grad_offset, 8);
  EXPECT_EQ(t.slice(0, 2, 2).reshape({12}).grad_offset, 12);
}

TEST(Tensor, OneRowOrColumnIsUniform) {
  std::vector<float> v = numbers(24);
  const Tensor t = Tensor::view(v.data(), {4, 6});
  EXPECT_TRUE(t.slice(0, 1, 1).slice(1, 2, 3).contiguous());
  EXPECT_TRUE(t.slice(1, 3, 1).row_uniform());
}

TEST(Tensor, SixteenBitNumbers) {
  std::vector<uint16_t> v(8);
  const Tensor t = Tensor::view(v.data(), {2, 4}, DType::kF16);
  EXPECT_EQ(t.slice(0, 1, 1).data, &v[4]);
  EXPECT_DEATH(t.f32(), "must hold float32");
}

}  // namespace
}  // namespace ocelli::tensor
