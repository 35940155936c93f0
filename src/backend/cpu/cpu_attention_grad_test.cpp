// The gradient of attention against the reference, for every instruction set.
#include <algorithm>

#include "backend/cpu/cpu_test_kit.h"

namespace ocelli::cpu::test {
namespace {

using CpuAttentionGradTest = SetTest;
using tensor::KeyRange;

struct Case {
  int64_t tokens, keys, heads, kv_heads, width;
  enum Ranges { kAll, kCausal, kWindow, kSequences, kRagged } ranges;
};

constexpr Case kCases[] = {
    {130, 300, 8, 8, 17, Case::kRagged},  {1, 1, 1, 1, 4, Case::kAll},
    {40, 40, 9, 3, 64, Case::kCausal},    {70, 70, 4, 4, 72, Case::kAll},
    {300, 300, 3, 1, 16, Case::kCausal},  {130, 260, 6, 2, 20, Case::kCausal},
    {33, 400, 2, 1, 128, Case::kWindow},  {170, 170, 3, 3, 24, Case::kSequences},
    {64, 500, 4, 2, 80, Case::kRagged},   {3, 257, 2, 1, 256, Case::kCausal},
    {1030, 1030, 2, 1, 8, Case::kWindow}, {20, 33, 130, 1, 8, Case::kRagged}};

std::vector<KeyRange> ranges_of(const Case& c, Random& random) {
  std::vector<KeyRange> ranges;
  for (int64_t t = 0; t < c.tokens; ++t) {
    const int64_t last = c.keys - c.tokens + t + 1;
    int64_t begin = 0, end = c.keys;
    if (c.ranges == Case::kCausal) end = last;
    if (c.ranges == Case::kWindow) begin = std::max<int64_t>(0, last - 100), end = last;
    if (c.ranges == Case::kSequences) begin = t / 29 * 29, end = t + 1;
    if (c.ranges == Case::kRagged) {
      begin = random.below(c.keys);
      end = random.below(4) == 0 ? begin : begin + random.below(c.keys - begin) + 1;
    }
    ranges.push_back({int32_t(begin), int32_t(end)});
  }
  return ranges;
}

// Everything with the strides of slices of wider rows, and gradients that hold something already.
struct Inputs {
  int64_t width;
  Matrix q, k, v, out, dout, dq, dk, dv, log_sum_exp;
  std::vector<KeyRange> ranges;

  Inputs(const Case& c, Random& random)
      : width(c.width),
        q(c.tokens, c.heads * c.width, 8, random),
        k(c.keys, c.kv_heads * c.width, 16, random),
        v(c.keys, c.kv_heads * c.width, 0, random),
        out(c.tokens, c.heads * c.width, 4),
        dout(c.tokens, c.heads * c.width, 1, random),
        dq(c.tokens, c.heads * c.width, 2, random),
        dk(c.keys, c.kv_heads * c.width, 3, random),
        dv(c.keys, c.kv_heads * c.width, 5, random),
        log_sum_exp(c.tokens, c.heads),
        ranges(ranges_of(c, random)) {}

  tensor::AttentionGradJob job() {
    const auto heads = [this](Matrix& m) { return m.tensor().split_last(width); };
    tensor::AttentionGradJob g;
    g.forward = {heads(q),
                 heads(k),
                 heads(v),
                 heads(out),
                 ranges,
                 2.0f / std::sqrt(float(width)),
                 &log_sum_exp.at(0, 0)};
    g.dout = heads(dout);
    g.dq = heads(dq);
    g.dk = heads(dk);
    g.dv = heads(dv);
    return g;
  }
};

// Roundings of a score, a chain of `width` products, come into every gradient through e^score, and
// those of dout . v, another one, as they are; sums over queries and keys average them. So errors
// are a few roundings of such a chain, relative to the largest numbers of the result.
void expect_gradient(const Matrix& got, const Matrix& want, int64_t width, const char* what) {
  double most = 1;
  for (int64_t r = 0; r < want.rows(); ++r) {
    for (int64_t i = 0; i < want.width(); ++i) {
      most = std::max(most, std::fabs(double(want.at(r, i))));
    }
  }
  const double bound = kRounding * most * (32 + 2 * double(width));
  expect_near(
      got, want, [=](int64_t, int64_t) { return bound; }, what);
}

TEST_P(CpuAttentionGradTest, MatchesReference) {
  Random random;
  size_t index = 0;
  for (const Case& c : kCases) {
    if (skips(index++)) continue;
    SCOPED_TRACE("case " + std::to_string(index));
    Inputs in(c, random);
    reference.attention(pool, in.job().forward);
    Inputs want = in;
    backend.attention_grad(pool, in.job());
    reference.attention_grad(pool, want.job());
    expect_gradient(in.dq, want.dq, c.width, "dq");
    expect_gradient(in.dk, want.dk, c.width, "dk");
    expect_gradient(in.dv, want.dv, c.width, "dv");
    if (HasFatalFailure()) return;
  }
}

TEST_P(CpuAttentionGradTest, EachAloneAndOnAnyNumberOfThreads) {
  Random random(2);
  for (const Case& c :
       {Case{230, 290, 6, 2, 12, Case::kCausal}, Case{150, 290, 4, 4, 20, Case::kRagged}}) {
    Inputs start(c, random);
    backend.attention(pool, start.job().forward);
    Inputs all = start;
    backend.attention_grad(pool, all.job());
    for (const int threads : {1, 3}) {
      ThreadPool some(threads);
      for (const int left : {0, 1, 2, 3}) {
        Inputs again = start;
        tensor::AttentionGradJob job = again.job();
        if (left != 0 && left != 3) job.dq = {};
        if (left != 1 && left != 3) job.dk = {};
        if (left != 2 && left != 3) job.dv = {};
        backend.attention_grad(some, job);
        EXPECT_TRUE(again.dq.same_bits(job.dq ? all.dq : start.dq)) << threads << left;
        EXPECT_TRUE(again.dk.same_bits(job.dk ? all.dk : start.dk)) << threads << left;
        EXPECT_TRUE(again.dv.same_bits(job.dv ? all.dv : start.dv)) << threads << left;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Sets, CpuAttentionGradTest, testing::ValuesIn(runnable_sets()), set_name);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(CpuAttentionGradTest);

}  // namespace
}  // namespace ocelli::cpu::test
