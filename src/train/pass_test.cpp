// Pictures through a pass: which parts train decides what is kept of them.
#include "train/pass.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>

#include "train/trainer_test_kit.h"

namespace ocelli::train {
namespace {

using test::Rig;

media::Image picture(int side, uint8_t shade) {
  media::Image image;
  image.width = side;
  image.height = side;
  image.rgb.resize(size_t(side) * size_t(side) * 3);
  for (size_t i = 0; i < image.rgb.size(); ++i) image.rgb[i] = uint8_t(shade + i * 7 % 50);
  return image;
}

// A question about a picture, two such side by side, the second with the first one's picture.
Batch picture_batch(engine::Engine& engine) {
  const auto first = engine.prepare_image(picture(40, 20), "a").value();
  const auto second = engine.prepare_image(picture(60, 90), "b").value();
  Batch batch;
  for (const auto& images : {std::vector{first}, std::vector{second, first}}) {
    base::Json content = base::Json::array();
    for (size_t i = 0; i < images.size(); ++i) {
      content.push_back(base::Json::object({{"type", "image"}}));
    }
    content.push_back(base::Json::object({{"type", "text"}, {"text", "What is it?"}}));
    const base::Json messages =
        base::Json::array({base::Json::object({{"role", "user"}, {"content", content}})});
    Sample s;
    s.prompt = engine.build_prompt(messages, images).value();
    s.trained.assign(s.prompt.ids.size(), 0);
    std::fill(s.trained.end() - 5, s.trained.end(), uint8_t{1});
    batch.examples.push_back({0, s, {}});
  }
  return batch;
}

std::vector<float> gradients(const ParameterSet& set) {
  std::vector<float> out;
  for (const Parameter& p : set.all()) out.insert(out.end(), p.grad, p.grad + p.count);
  return out;
}

class PicturePass : public testing::Test {
 protected:
  struct Outcome {
    double loss = 0;
    std::vector<float> gradients;
  };
  Outcome run(bool vision, bool connector, bool recompute = false) {
    Rig rig("smolvlm2-a");
    rig.parameters =
        ParameterSet::take_over(rig.engine->mutable_loaded(), rig.engine->pool(),
                                {.vision = vision, .connector = connector, .text = true})
            .value();
    features_ = Features::create(
                    *rig.engine,
                    {.folder = folder_, .connector_trains = connector, .in_8_bits = in_8_bits_})
                    .value();
    auto arena = tensor::Arena::create().value();
    ModelPass pass(*rig.engine, rig.parameters, *features_, arena, {.recompute = recompute});
    const Batch batch = picture_batch(*rig.engine);
    Outcome out;
    out.loss = pass.train(batch, *make_sft(), 1, 0).value().loss;
    out.gradients = gradients(rig.parameters);
    // Along the gradient: d loss / d t = |gradient|^2.
    const double norm = gradient_norm(rig.engine->pool(), rig.parameters.all());
    const auto moved = [&](double by) {
      for (const Parameter& p : rig.parameters.all()) {
        for (int64_t i = 0; i < p.count; ++i) p.value[i] += float(by / norm) * p.grad[i];
      }
      return pass.evaluate(batch, *make_sft()).value().loss;
    };
    const double h = 0.2 / norm, up = moved(h), down = moved(-2 * h);
    EXPECT_NEAR((up - down) / (2 * h), norm, 2e-2 * norm);
    return out;
  }
  std::string folder_;
  bool in_8_bits_ = false;
  std::unique_ptr<Features> features_;
};

TEST_F(PicturePass, EveryChoiceOfPartsHasTheSameLossAndRightGradients) {
  const Outcome text = run(false, false);
  EXPECT_EQ(features_->computed(), 2);  // three places, two pictures
  const Outcome connector = run(false, true);
  EXPECT_EQ(features_->computed(), 2);
  const Outcome all = run(true, true);
  EXPECT_EQ(features_->computed(), 0);
  EXPECT_NEAR(connector.loss, text.loss, 1e-5 * text.loss);
  EXPECT_NEAR(all.loss, text.loss, 1e-5 * text.loss);
}

TEST_F(PicturePass, RecomputingChangesNothing) {
  const Outcome kept = run(true, true), again = run(true, true, true);
  EXPECT_EQ(again.loss, kept.loss);
  ASSERT_EQ(again.gradients.size(), kept.gradients.size());
  for (size_t i = 0; i < kept.gradients.size(); ++i) {
    ASSERT_NEAR(again.gradients[i], kept.gradients[i], 1e-6 + 1e-4 * std::fabs(kept.gradients[i]));
  }
}

// Rounding a row to 8 bits moves it by about 1/127/sqrt(12) of its largest number, 1 % of its norm;
// a dozen products of weights and activations, one after the other, by about 4 %: half of the
// bound. Features of both kinds are never taken for each other.
TEST_F(PicturePass, AFrozenTowerMayHave8Bits) {
  namespace fs = std::filesystem;
  char path[] = "/tmp/ocelli-features-XXXXXX";
  ASSERT_TRUE(mkdtemp(path));
  folder_ = path;
  for (const bool connector : {false, true}) {
    SCOPED_TRACE(connector);
    in_8_bits_ = false;
    const Outcome exact = run(false, connector);
    in_8_bits_ = true;
    const Outcome rounded = run(false, connector);
    EXPECT_EQ(features_->computed(), 2);
    EXPECT_EQ(features_->read(), 0);
    EXPECT_NE(rounded.loss, exact.loss);
    EXPECT_NEAR(rounded.loss, exact.loss, 5e-3 * exact.loss);
    double apart = 0, all = 0;
    for (size_t i = 0; i < exact.gradients.size(); ++i) {
      apart += std::pow(double(exact.gradients[i]) - double(rounded.gradients[i]), 2);
      all += std::pow(double(exact.gradients[i]), 2);
    }
    EXPECT_LT(std::sqrt(apart / all), 0.1);
    run(false, connector);
    EXPECT_EQ(features_->read(), 2);
  }
  fs::remove_all(path);
}

TEST_F(PicturePass, FeaturesComeFromDiskAndDamageIsNoticed) {
  namespace fs = std::filesystem;
  char path[] = "/tmp/ocelli-features-XXXXXX";
  ASSERT_TRUE(mkdtemp(path));
  folder_ = path;
  for (const bool connector : {false, true}) {
    const Outcome first = run(false, connector);
    EXPECT_EQ(features_->computed(), 2);
    const Outcome second = run(false, connector);
    EXPECT_EQ(features_->computed(), 0);
    EXPECT_EQ(features_->read(), 2);
    EXPECT_EQ(second.loss, first.loss);
    EXPECT_EQ(second.gradients, first.gradients);
  }
  for (const auto& entry : fs::directory_iterator(path)) {
    EXPECT_EQ(fs::status(entry).permissions(), fs::perms::owner_read | fs::perms::owner_write);
    std::fstream file(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(100);
    file.put('x');
  }
  run(false, false);
  EXPECT_EQ(features_->read(), 0);
  EXPECT_EQ(features_->computed(), 2);
  fs::remove_all(path);
}

TEST_F(PicturePass, TheFolderOfFeaturesDoesNotGrowBeyondItsLimit) {
  namespace fs = std::filesystem;
  char path[] = "/tmp/ocelli-features-XXXXXX";
  ASSERT_TRUE(mkdtemp(path));
  Rig rig("smolvlm2-a");
  auto features = Features::create(*rig.engine, {.folder = path, .disk_bytes = 100}).value();
  const Batch batch = picture_batch(*rig.engine);
  auto arena = tensor::Arena::create().value();
  tensor::Context c{rig.engine->backend(), arena, rig.engine->pool()};
  ASSERT_TRUE(features->embeddings(c, batch.examples[0].sample.prompt.images).ok());
  EXPECT_TRUE(fs::is_empty(path));
  fs::remove_all(path);
}

}  // namespace
}  // namespace ocelli::train
