// Distillation of a whole model against PyTorch: what the teacher says, the student's loss and its
// gradients. The teacher sees a picture in another number of tokens than the student. Tolerances as
// in train_steps_test.cpp.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "train/distill.h"
#include "train/teacher.h"
#include "train_steps_kit.h"

namespace ocelli::train {
namespace {

using base::Json;
using namespace steps;

// What the teacher has said, by row.
class Said : public TopKSource {
 public:
  base::Result<TopK> of(const Example& example) override { return rows.at(size_t(example.row)); }
  std::vector<TopK> rows;
};

class DistillModel : public testing::Test {
 protected:
  const Json json_ = read_json("distill-model");
  std::unique_ptr<engine::Engine> student_ = load_engine(json_.get_string("student").value());
  std::unique_ptr<engine::Engine> teacher_ = load_engine(json_.get_string("teacher").value());

  double own_error(const char* key) const {
    return json_.find("own_error")->get_double(key).value();
  }
  std::vector<Batch> batches(size_t size) {
    std::vector<Batch> out;
    for (const Json& sample : json_.find("samples")->items()) {
      if (out.empty() || out.back().examples.size() == size) out.emplace_back();
      const auto row =
          int64_t(out.size() - 1) * int64_t(size) + int64_t(out.back().examples.size());
      out.back().examples.push_back({row, make_sample(*student_, sample), {}});
    }
    return out;
  }
  Said ask_teacher() {
    TeacherOptions options;
    options.top_k = json_.get_int("top_k").value();
    options.temperature = json_.get_double("temperature").value();
    const auto teacher = Teacher::create(*teacher_, options).value();
    Said said;
    for (const Json& sample : json_.find("teacher_samples")->items()) {
      said.rows.push_back(teacher->read(make_sample(*teacher_, sample)).value());
    }
    return said;
  }
};

TEST_F(DistillModel, TheTeacherSaysWhatPyTorchSays) {
  const Said said = ask_teacher();
  double worst = 0;
  for (size_t i = 0; i < said.rows.size(); ++i) {
    size_t at = 0;
    for (const Json& token : json_.find("ids")->items()[i].items()) {
      for (const Json& id : token.items()) EXPECT_EQ(said.rows[i].ids[at++], id.as_int());
    }
    ASSERT_EQ(at, said.rows[i].ids.size());
    at = 0;
    for (const Json& token : json_.find("log_probs")->items()[i].items()) {
      for (const Json& x : token.items()) {
        worst = std::max(worst, std::abs(double(said.rows[i].log_probs[at++]) - x.as_double()));
      }
    }
  }
  std::printf("distill: the teacher's log-probabilities within %.1e (%.1e its own)\n", worst,
              own_error("log_probs"));
  EXPECT_LE(worst, kOwnErrors * own_error("log_probs"));
}

TEST_F(DistillModel, LossAndGradientsEqualPyTorch) {
  Said said = ask_teacher();
  ParameterSet parameters =
      ParameterSet::take_over(student_->mutable_loaded(), student_->pool(), {.vision = false})
          .value();
  const auto features = Features::create(*student_, {.connector_trains = true}).value();
  tensor::Arena arena = tensor::Arena::create().value();
  ModelPass pass(*student_, parameters, *features, arena, {});
  const double ratio = json_.get_double("kd_ratio").value();
  const auto objective =
      make_distill({ratio, json_.get_double("temperature").value()}, said, nullptr);
  double weight = 0, hard = 0, soft = 0;
  const std::vector<Batch> all = batches(2);
  for (const Batch& b : all) weight += objective->weight(b);
  StepSums sums;
  for (const Batch& b : all) sums.add(pass.train(b, *objective, 1 / weight, 0).value());
  for (const Json& x : json_.find("cross_entropies")->items()) hard += x.as_double();
  for (const Json& x : json_.find("divergences")->items()) soft += x.as_double();
  const double near = kOwnErrors * own_error("log_probs");
  EXPECT_EQ(sums.weight, weight);
  EXPECT_NEAR(sums.more["cross_entropy"], hard, near * weight);
  EXPECT_NEAR(sums.more["divergence"], soft, near * weight);
  EXPECT_NEAR(sums.mean_loss(), json_.get_double("loss").value(), near);
  EXPECT_LT(sums.more["teacher_mass"], weight);

  const auto file =
      formats::SafetensorsFile::open(folder_of("distill-model") + "/expected.safetensors").value();
  ASSERT_EQ(parameters.all().size(), file.tensors().size());
  double worst = 0;
  for (const Parameter& p : parameters.all()) {
    const std::vector<float> wanted = numbers(file, p.name);
    const auto kept = int64_t(wanted.size());
    const double largest = json_.find("largest")->get_double(p.name).value();
    for (int64_t i = 0; i < kept; ++i) {
      const double off =
          std::abs(double(p.grad[p.count * i / kept]) - double(wanted[size_t(i)])) / largest;
      ASSERT_LE(off, kOwnErrors * own_error("gradients")) << p.name << " " << i;
      worst = std::max(worst, off);
    }
  }
  std::printf("distill: loss %.6f, gradients within %.1e (%.1e its own)\n", sums.mean_loss(), worst,
              own_error("gradients"));
}

// A student that is its own teacher, of which all tokens count, has nothing to learn from it.
TEST_F(DistillModel, NothingToLearnFromOneself) {
  TeacherOptions options;
  options.top_k = student_->info().vocab;
  const auto own = Teacher::create(*student_, options).value();
  Said said;
  std::vector<Batch> all = batches(4);
  for (const Example& e : all[0].examples) said.rows.push_back(own->read(e.sample).value());
  ParameterSet parameters =
      ParameterSet::take_over(student_->mutable_loaded(), student_->pool(), {.vision = false})
          .value();
  const auto features = Features::create(*student_, {.connector_trains = true}).value();
  tensor::Arena arena = tensor::Arena::create().value();
  ModelPass pass(*student_, parameters, *features, arena, {});
  const auto objective = make_distill({1, 1}, said, nullptr);
  const StepSums sums = pass.train(all[0], *objective, 1, 0).value();
  EXPECT_NEAR(sums.mean_loss(), 0, 1e-4);
  EXPECT_NEAR(sums.more.at("teacher_mass"), sums.weight, 1e-3);
  EXPECT_LT(gradient_norm(student_->pool(), parameters.all()), 1e-2);
}

}  // namespace
}  // namespace ocelli::train
