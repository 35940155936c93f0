#include "train/preference.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

#include "train/trainer_test_kit.h"

namespace ocelli::train {
namespace {

using test::FixedSource;
using test::Rig;

const char* const kLosses[] = {"sigmoid",  "robust",   "hinge",     "ipo",
                               "apo_zero", "apo_down", "sppo_hard", "nca_pair"};

TEST(PairLoss, DerivativesAreDifferences) {
  for (const char* name : kLosses) {
    const PreferenceOptions o{name, 0.3, 0.1};
    for (const double a : {-3.0, 0.2, 2.5}) {
      for (const double b : {-1.5, 0.1, 4.0}) {
        const double h = 1e-5;
        const PairLoss at = pair_loss(o, a, b);
        const double da = (pair_loss(o, a + h, b).loss - pair_loss(o, a - h, b).loss) / (2 * h);
        const double db = (pair_loss(o, a, b + h).loss - pair_loss(o, a, b - h).loss) / (2 * h);
        EXPECT_NEAR(at.da, da, 1e-6 * (1 + std::fabs(da))) << name;
        EXPECT_NEAR(at.db, db, 1e-6 * (1 + std::fabs(db))) << name;
      }
    }
  }
}

// Numbers computed from TRL's formulas by hand: beta 0.5, a - b = 2.
TEST(PairLoss, Values) {
  EXPECT_NEAR(pair_loss({"sigmoid", 0.5, 0}, 1.5, -0.5).loss, 0.3132616875182228, 1e-12);
  EXPECT_NEAR(pair_loss({"sigmoid", 0.5, 0.1}, 1.5, -0.5).loss, 0.4132616875182228, 1e-12);
  EXPECT_NEAR(pair_loss({"hinge", 0.25, 0}, 1.5, -0.5).loss, 0.5, 1e-12);
  EXPECT_NEAR(pair_loss({"ipo", 0.5, 0}, 1.5, -0.5).loss, 1.0, 1e-12);
  EXPECT_TRUE(std::isfinite(pair_loss({"sigmoid", 1, 0}, -2000, 0).loss));
}

std::vector<Batch> pairs(const engine::Engine& engine) {
  std::vector<Batch> out;
  Batch b;
  b.examples.push_back({0, test::text_sample(engine, "What is it? A cat.", 4),
                        test::text_sample(engine, "What is it? A stone, I think.", 4)});
  b.examples.push_back({1, test::text_sample(engine, "One two three", 2),
                        test::text_sample(engine, "One two nine nine", 2)});
  out.push_back(b);
  return out;
}

class PreferenceRun : public testing::Test {
 protected:
  void SetUp() override {
    char path[] = "/tmp/ocelli-preference-XXXXXX";
    ASSERT_TRUE(mkdtemp(path));
    folder_ = path;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::string folder_;
};

TEST_F(PreferenceRun, LossAndGradient) {
  for (const char* name : kLosses) {
    Rig run("smollm2");
    run.start(std::make_unique<FixedSource>(pairs(*run.engine)));
    ReferenceTable table = ReferenceTable::open(folder_ + "/" + name, base::sha256("k"), 2);
    EXPECT_FALSE(table.complete());
    FixedSource source(pairs(*run.engine));
    ASSERT_TRUE(table.fill(*run.pass, source, {}).ok());
    const auto objective = make_preference({name, 0.1, 0.1}, table, table);
    const Batch batch = pairs(*run.engine)[0];
    // Before training the model is its own reference.
    const StepSums first = run.pass->evaluate(batch, *objective).value();
    EXPECT_NEAR(first.more.at("rewards/margins"), 0, 1e-4);
    if (std::string(name) == "sigmoid") {
      EXPECT_NEAR(first.mean_loss(), std::log(2.0), 1e-5);
    }
    const auto gradient = [&] {
      run.parameters.clear_gradients(run.engine->pool());
      return run.pass->train(batch, *objective, 1, 0).value();
    };
    gradient();
    const double norm = gradient_norm(run.engine->pool(), run.parameters.all());
    ASSERT_GT(norm, 0);
    const auto moved = [&](double by) {
      for (const Parameter& p : run.parameters.all()) {
        for (int64_t i = 0; i < p.count; ++i) p.value[i] += float(by / norm) * p.grad[i];
      }
      return run.pass->evaluate(batch, *objective).value().loss;
    };
    const double h = 2e-3, up = moved(h), down = moved(-2 * h);
    EXPECT_NEAR((up - down) / (2 * h), norm, 3e-2 * norm) << name;
  }
}

TEST_F(PreferenceRun, TheTableIsKeptAndItsDamageNoticed) {
  Rig run("smollm2");
  run.start(std::make_unique<FixedSource>(pairs(*run.engine)));
  const std::string path = folder_ + "/table";
  ReferenceTable table = ReferenceTable::open(path, base::sha256("k"), 2);
  FixedSource source(pairs(*run.engine));
  ASSERT_TRUE(table.fill(*run.pass, source, {}).ok());
  const ReferenceTable again = ReferenceTable::open(path, base::sha256("k"), 2);
  ASSERT_TRUE(again.complete());
  EXPECT_EQ(again.of(1)->chosen, table.of(1)->chosen);
  EXPECT_FALSE(again.of(2).ok());
  EXPECT_FALSE(ReferenceTable::open(path, base::sha256("other"), 2).complete());
  EXPECT_FALSE(ReferenceTable::open(path, base::sha256("k"), 3).complete());
}

TEST_F(PreferenceRun, ARowWithoutAPairIsNamed) {
  Rig run("smollm2");
  run.start(std::make_unique<FixedSource>(pairs(*run.engine)));
  ReferenceTable table;
  const auto objective = make_preference({}, table, table);
  const auto result = run.pass->evaluate(test::text_batches(*run.engine, 1)[0], *objective);
  ASSERT_FALSE(result.ok());
  EXPECT_NE(result.error().what.find("row 1"), std::string::npos);
}

}  // namespace
}  // namespace ocelli::train
