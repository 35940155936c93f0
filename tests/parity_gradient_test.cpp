// Every parameter's gradient of whole models against PyTorch's, from committed fixtures.
//
// Both sides compute in float32 and add up in different orders, so each is off by about what the
// fixture says of the reference: its largest distance from the same computation in float64, 3e-6 to
// 9e-6 of a gradient's largest number (own_error). Two such errors, and as much again for other
// orders of summation, are allowed.
#include "parity_gradient.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "backend/cpu/cpu_backend.h"
#include "backend/reference/reference_backend.h"

namespace ocelli::parity {
namespace {

constexpr double kOwnErrors = 4;

class GradientParity : public testing::TestWithParam<const char*> {
 protected:
  GradientParity() {
    loaded_ = fixture_.load(pool_, encoding::Encoding::kF32);
    loaded_.model->visit(gradients_);
  }

  void compare(tensor::Backend& backend) {
    const auto wanted = fixture_.gradients();
    ASSERT_EQ(gradients_.all().size(), wanted.size());
    for (const bool recompute : {false, true}) {
      SCOPED_TRACE(recompute ? "recomputed" : "kept");
      gradients_.clear();
      GradientRun run{backend, pool_, recompute};
      // The reference rounds each sample's loss to float32.
      EXPECT_NEAR(run.run(*loaded_.model, fixture_.batch()), fixture_.loss(),
                  4 * 0x1p-23 * fixture_.loss());
      const WorstGradient worst = worst_gradient(gradients_.all(), wanted);
      std::printf("%-12s %-12s %-10s %.1e (%.1e its own) %s\n", GetParam(),
                  std::string(backend.name()).c_str(), recompute ? "recomputed" : "kept",
                  worst.error, fixture_.own_error(), worst.name.c_str());
      EXPECT_LE(worst.error, kOwnErrors * fixture_.own_error()) << worst.name;
    }
  }

  GradientFixture fixture_{GetParam()};
  base::ThreadPool pool_{2};
  models::LoadedModel loaded_;
  Gradients gradients_;
};

TEST_P(GradientParity, OfTheReferenceBackend) {
  reference::ReferenceBackend backend;
  compare(backend);
}

TEST_P(GradientParity, OfEveryInstructionSet) {
  int run = 0;
  for (const cpu::InstructionSetInfo& isa : cpu::instruction_sets()) {
    if (!isa.executable) continue;
    SCOPED_TRACE(isa.name);
    const auto backend = cpu::make_cpu_backend(isa.set).value();
    compare(*backend);
    ++run;
  }
  if (run == 0) GTEST_SKIP() << "no kernels for this machine: 2 gradients skipped";
}

// Recomputation does the same arithmetic again, in less memory; so does any number of threads.
TEST_P(GradientParity, RecomputationGivesTheSameBits) {
  const auto backend = cpu::make_cpu_backend().value();
  GradientRun kept{*backend, pool_};
  const double loss = kept.run(*loaded_.model, fixture_.batch());
  const auto first = gradients_.all();
  base::ThreadPool one(1);
  for (base::ThreadPool* pool : {&pool_, &one}) {
    gradients_.clear();
    GradientRun again{*backend, *pool, true};
    EXPECT_EQ(again.run(*loaded_.model, fixture_.batch()), loss);
    for (const auto& [name, numbers] : first) EXPECT_EQ(gradients_.all().at(name), numbers) << name;
    EXPECT_LT(again.peak, kept.peak);
  }
}

INSTANTIATE_TEST_SUITE_P(Checkpoints, GradientParity,
                         testing::Values("smolvlm", "smollm2", "smollm3", "smollm3-yarn"),
                         [](const auto& parameter) {
                           std::string name = parameter.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

// What a frozen tower sees may be computed once and kept: everything behind it learns the same.
TEST(FrozenTower, GivesTheOthersTheSameGradients) {
  const GradientFixture fixture("smolvlm");
  base::ThreadPool pool(2);
  const models::LoadedModel loaded = fixture.load(pool, encoding::Encoding::kF32);
  Gradients gradients;
  loaded.model->visit(gradients);
  const auto backend = cpu::make_cpu_backend().value();
  GradientRun whole{*backend, pool};
  const double loss = whole.run(*loaded.model, fixture.batch());
  const auto all = gradients.all();
  gradients.clear();
  GradientRun frozen{*backend, pool, false, true};
  EXPECT_EQ(frozen.run(*loaded.model, fixture.batch()), loss);
  EXPECT_LT(frozen.peak, whole.peak);
  for (const auto& [name, numbers] : all) {
    if (name.find("vision_model") == std::string::npos) {
      EXPECT_EQ(gradients.all().at(name), numbers) << name;
    } else {
      EXPECT_EQ(gradients.all().at(name), std::vector<float>(numbers.size(), 0)) << name;
    }
  }
}

// A comparison that could not fail would prove nothing.
TEST(WorstGradient, SeesOneWrongNumber) {
  const GradientFixture fixture("smollm2");
  const auto wanted = fixture.gradients();
  for (const auto& [name, numbers] : wanted) {
    auto wrong = wanted;
    wrong[name][numbers.size() / 2] += float(1e-3 * scale_of(name, wanted));
    const WorstGradient worst = worst_gradient(wrong, wanted);
    EXPECT_EQ(worst.name, name);
    EXPECT_GT(worst.error, kOwnErrors * fixture.own_error());
    wrong[name][0] = NAN;
    EXPECT_EQ(worst_gradient(wrong, wanted).error, INFINITY) << name;
    wrong.erase(name);
    EXPECT_EQ(worst_gradient(wrong, wanted).error, INFINITY);
  }
}

}  // namespace
}  // namespace ocelli::parity
