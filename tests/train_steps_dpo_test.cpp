// The trainer's preference objective against TRL's formula in PyTorch. Tolerances as in
// train_steps_test.cpp.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "train/preference.h"
#include "train_steps_kit.h"

namespace ocelli::train {
namespace {

using base::Json;
using namespace steps;

// Log-probabilities with the adapter and without, loss, rewards and gradients.
class Dpo : public testing::Test {
 protected:
  const Json json_ = read_json("dpo");
  std::unique_ptr<engine::Engine> engine_ = load_engine(json_.get_string("model").value());
  ParameterSet parameters_;
  std::unique_ptr<Features> features_ = Features::create(*engine_, {}).value();
  tensor::Arena arena_ = tensor::Arena::create().value();

  // One pair each.
  std::vector<Batch> pairs() {
    std::vector<Batch> out;
    for (size_t i = 0; i < json_.find("chosen")->size(); ++i) {
      Example e;
      e.row = int64_t(i);
      e.sample = make_sample(*engine_, json_.find("chosen")->items()[i]);
      e.rejected = make_sample(*engine_, json_.find("rejected")->items()[i]);
      out.emplace_back().examples.push_back(std::move(e));
    }
    return out;
  }
  std::vector<double> list(const char* key) const {
    std::vector<double> out;
    for (const Json& x : json_.find(key)->items()) out.push_back(x.as_double());
    return out;
  }
};

TEST_F(Dpo, EqualsTrlsFormula) {
  const auto adapter =
      models::Adapter::open(folder_of("dpo") + "/adapter", engine_->mutable_loaded(),
                            engine_->pool(), {.trainable = true})
          .value();
  add_adapter(*adapter, parameters_);
  ModelPass pass(*engine_, parameters_, *features_, arena_, {});
  const std::vector<Batch> batches = pairs();
  const auto count = int64_t(batches.size());
  // What the model thinks without the adapter.
  const std::string path = testing::TempDir() + "ocelli-dpo-references";
  std::remove(path.c_str());
  ReferenceTable table = ReferenceTable::open(path, base::Digest256(), count);
  test::FixedSource source(pairs());
  ASSERT_TRUE(table.fill(pass, source, {}).ok());
  const std::vector<double> chosen = list("reference_chosen");
  const std::vector<double> rejected = list("reference_rejected");
  const Json& own = *json_.find("own_error");
  const double near = kOwnErrors * own.get_double("log_probs").value();
  for (int64_t i = 0; i < count; ++i) {
    EXPECT_NEAR(table.of(i)->chosen, chosen[size_t(i)], near);
    EXPECT_NEAR(table.of(i)->rejected, rejected[size_t(i)], near);
  }
  // And with it.
  ASSERT_TRUE(adapter->attach().ok());
  PreferenceOptions options;
  options.beta = json_.get_double("beta").value();
  const auto objective = make_preference(options, table, table);
  StepSums sums;
  for (const Batch& batch : batches) {
    const StepSums one = pass.train(batch, *objective, 1 / double(count), 0).value();
    const auto i = size_t(batch.examples[0].row);
    EXPECT_NEAR(one.loss, list("losses")[i], 4 * options.beta * near);  // of four of them
    for (const auto& [ours, theirs] : {std::pair("logps/chosen", "policy_chosen"),
                                       std::pair("logps/rejected", "policy_rejected")}) {
      EXPECT_NEAR(one.more.at(ours), list(theirs)[i], near) << ours;
    }
    sums.add(one);
  }
  EXPECT_NEAR(sums.mean_loss(), json_.get_double("loss").value(), 4 * options.beta * near);
  for (const char* key :
       {"rewards/chosen", "rewards/rejected", "rewards/margins", "rewards/accuracies"}) {
    EXPECT_NEAR(sums.more.at(key) / double(count), json_.get_double(key).value(),
                4 * options.beta * near)
        << key;
  }
  const auto file = formats::SafetensorsFile::open(folder_of("dpo") + "/expected.safetensors");
  ASSERT_EQ(file->tensors().size(), parameters_.all().size());
  double worst = 0;
  for (const Parameter& p : parameters_.all()) {
    const std::vector<float> wanted = numbers(*file, p.name);
    ASSERT_EQ(int64_t(wanted.size()), p.count) << p.name;
    double most = 0, off = 0;
    for (size_t i = 0; i < wanted.size(); ++i) {
      most = std::max(most, std::abs(double(wanted[i])));
      off = std::max(off, std::abs(double(p.grad[i]) - double(wanted[i])));
    }
    worst = std::max(worst, off / most);
  }
  const double own_gradients = own.get_double("gradients").value();
  std::printf("dpo: gradients within %.1e (%.1e its own)\n", worst, own_gradients);
  EXPECT_LE(worst, kOwnErrors * own_gradients);
}

}  // namespace
}  // namespace ocelli::train
