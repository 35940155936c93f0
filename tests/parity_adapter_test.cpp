// Adapters that PEFT wrote, against what transformers and PEFT compute with them; and what we write
// of them. tools/reference/make_adapters.py makes the fixtures.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>

#include "backend/cpu/cpu_backend.h"
#include "base/file.h"
#include "models/adapter.h"
#include "models/save.h"
#include "parity_fixture.h"
#include "parity_gradient.h"

namespace ocelli::parity {
namespace {

using base::Json;
using engine::AdapterUse;
using engine::Engine;

std::string adapter_folder(const std::string& name) {
  return std::string(OCELLI_FIXTURES) + "/adapters/" + name;
}

struct AdapterFixture {
  std::string name;
  Fixture expected;
  std::string base;
  Fixture model;

  explicit AdapterFixture(const std::string& adapter)
      : name(adapter),
        expected("../adapters/" + adapter),
        base(expected.json.get_string("base").value()),
        model(base) {}

  // The case of the base model's fixture.
  const Json& input(const std::string& wanted) const {
    for (const Json& c : model.json.find("cases")->items())
      if (c.get_string("name").value() == wanted) return c;
    ADD_FAILURE() << wanted;
    return model.json.find("cases")->items()[0];
  }
};

std::unique_ptr<Engine> load_base(const AdapterFixture& f, bool split) {
  return load(f.base, split);
}

// The largest difference to PEFT's logits over all cases, in units of their spread.
double difference(Engine& engine, const AdapterFixture& f, const Json& wanted) {
  const std::string name = wanted.get_string("name").value();
  const engine::Prompt prompt = make_prompt(engine, f.input(name));
  return worst_row(engine.score(prompt).value(), ints(*wanted.find("logit_positions")),
                   f.expected.numbers(name + ".logits"), size_t(engine.info().vocab),
                   wanted.get_double("logits_std").value());
}

void compare(Engine& engine, const AdapterFixture& f, const char* what,
             double tolerance = kTolerance) {
  for (const Json& wanted : f.expected.json.find("cases")->items()) {
    const double worst = difference(engine, f, wanted);
    std::printf("%-14s %-9s %-9s %.1e of the spread, the adapter %.1e\n", f.name.c_str(),
                wanted.get_string("name").value().c_str(), what, worst,
                wanted.get_double("change").value());
    EXPECT_LE(worst, tolerance) << f.name << " " << what;
  }
}

// A folder of its own, which goes with the object; with OCELLI_KEEP_ADAPTERS it is made there and
// stays, for tools/reference/check_adapters.py.
class Scratch {
 public:
  explicit Scratch(const std::string& name) {
    const char* const keep = std::getenv("OCELLI_KEEP_ADAPTERS");
    keep_ = keep != nullptr;
    std::string root = testing::TempDir() + "ocelli_adapters_XXXXXX";
    if (!keep_) {
      EXPECT_TRUE(mkdtemp(root.data()));
    }
    root_ = keep_ ? std::string(keep) : root;
    path_ = root_ + "/" + name;
  }
  ~Scratch() {
    std::error_code ignored;
    if (!keep_) std::filesystem::remove_all(root_, ignored);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  const std::string& path() const { return path_; }

 private:
  bool keep_ = false;
  std::string root_, path_;
};

class Adapters : public testing::TestWithParam<const char*> {};

TEST_P(Adapters, ComputeAsPeftDoes) {
  const AdapterFixture f(GetParam());
  const auto engine = load_base(f, false);
  const std::string name = f.expected.json.find("cases")->items()[0].get_string("name").value();
  const engine::Prompt prompt = make_prompt(*engine, f.input(name));
  const std::vector<float> plain = engine->score(prompt).value();
  const AdapterUse use{adapter_folder(GetParam())};
  ASSERT_TRUE(engine->set_adapters({&use, 1}).ok());
  compare(*engine, f, "run time");
  ASSERT_TRUE(engine->set_adapters({}).ok());
  EXPECT_EQ(engine->score(prompt).value(), plain);  // nothing is left of it
}

TEST_P(Adapters, AreTheSameAfterSavingAndReading) {
  const AdapterFixture f(GetParam());
  const auto engine = load_base(f, false);
  models::LoadedModel& loaded = engine->mutable_loaded();
  const auto first =
      models::Adapter::open(adapter_folder(GetParam()), loaded, engine->pool()).value();
  const Scratch out(f.name + ".saved");
  const std::string& folder = out.path();
  ASSERT_TRUE(first->save(folder).ok());
  const auto second = models::Adapter::open(folder, loaded, engine->pool()).value();
  ASSERT_EQ(first->tensors().size(), second->tensors().size());
  EXPECT_EQ(first->parameters(), f.expected.json.get_int("trainable").value());
  EXPECT_EQ(first->config().json(), second->config().json());
  for (size_t i = 0; i < first->tensors().size(); ++i) {
    const models::AdapterTensor &a = first->tensors()[i], &b = second->tensors()[i];
    EXPECT_EQ(a.name, b.name);
    EXPECT_EQ(a.shape, b.shape);
    EXPECT_TRUE(std::equal(a.value, a.value + a.count, b.value)) << a.name;
  }
  // In PEFT's words: every key of theirs but the embedding itself is a key of ours.
  const auto theirs =
      formats::SafetensorsFile::open(adapter_folder(GetParam()) + "/adapter_model.safetensors")
          .value();
  const auto ours = formats::SafetensorsFile::open(folder + "/adapter_model.safetensors").value();
  for (const formats::TensorInfo& t : theirs.tensors()) {
    if (t.name.find(".base_layer.") != std::string::npos) continue;
    const formats::TensorInfo* same = ours.find(t.name);
    ASSERT_TRUE(same) << t.name;
    EXPECT_EQ(same->shape, t.shape) << t.name;
  }
}

TEST_P(Adapters, MergeIntoTheModel) {
  const AdapterFixture f(GetParam());
  const Scratch out(f.name + ".merged");
  {
    const auto engine = load_base(f, false);
    const auto adapter =
        models::Adapter::open(adapter_folder(GetParam()), engine->mutable_loaded(), engine->pool())
            .value();
    models::SaveOptions options;
    options.dtype = encoding::Encoding::kF32;
    ASSERT_TRUE(adapter->add_edits(1, options).ok());
    const auto source = formats::ModelFolder::open(folder(f.base)).value();
    const auto saved =
        models::save_model(engine->mutable_loaded(), source, engine->pool(), out.path(), options);
    ASSERT_TRUE(saved.ok()) << saved.error().message();
  }
  engine::EngineOptions options;
  options.exact = true;
  options.split_images = false;
  options.threads = 2;
  const auto merged = Engine::load(formats::ModelFolder::open(out.path()).value(), options).value();
  compare(*merged, f, "merged");
}

INSTANTIATE_TEST_SUITE_P(Peft, Adapters,
                         testing::Values("lora", "rslora", "dora", "patterns", "layers", "saved",
                                         "embedding", "embedding-dora"),
                         [](const auto& test) {
                           std::string name = test.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

TEST(AdapterOrder, TwoAtOnceAsInPeft) {
  for (const std::string name : {"lora+dora", "dora+lora"}) {
    const AdapterFixture f(name);
    const size_t plus = name.find('+');
    const AdapterUse uses[] = {{adapter_folder(name.substr(0, plus))},
                               {adapter_folder(name.substr(plus + 1))}};
    const auto engine = load_base(f, false);
    ASSERT_TRUE(engine->set_adapters(uses).ok());
    compare(*engine, f, "both");
  }
}

// Weights in strips beside adapters of either kind give what plain ones do, bit for bit.
TEST(AdapterBesidePackedWeights, GivesTheSameNumbers) {
  for (const std::string name : {"lora", "dora", "embedding"}) {
    const AdapterFixture f(name);
    const AdapterUse use{adapter_folder(name)};
    const Json& wanted = f.expected.json.find("cases")->items()[0];
    std::vector<float> scores[2], bare;
    for (const bool packed : {false, true}) {
      engine::EngineOptions options;
      options.threads = 1;
      options.weights = encoding::Encoding::kQ8;
      options.packed = packed;
      options.split_images = false;
      const auto engine =
          Engine::load(formats::ModelFolder::open(folder(f.base)).value(), options).value();
      EXPECT_EQ(engine->pack_for() != nullptr, packed);
      const engine::Prompt prompt =
          make_prompt(*engine, f.input(wanted.get_string("name").value()));
      bare = engine->score(prompt).value();
      const auto status = engine->set_adapters({&use, 1});
      ASSERT_TRUE(status.ok()) << status.error().message();
      scores[packed] = engine->score(prompt).value();
    }
    EXPECT_NE(scores[0], bare) << name;
    EXPECT_EQ(scores[0], scores[1]) << name;
  }
}

// Embeddings of pictures and answers so far are of the adapters that they were made with.
TEST(AdapterSwitching, LeavesNothingBehind) {
  const AdapterFixture f("dora");
  const auto engine = load_base(f, false);
  const engine::Prompt prompt = make_prompt(*engine, f.input("no_split"));
  const AdapterUse dora{adapter_folder("dora")}, half{adapter_folder("dora"), 0.5f},
      lora{adapter_folder("lora")};
  std::map<std::string, std::vector<float>> alone;
  for (const auto& [name, use] : {std::pair("dora", dora), {"half", half}, {"lora", lora}}) {
    const auto fresh = load_base(f, false);
    ASSERT_TRUE(fresh->set_adapters({&use, 1}).ok());
    alone[name] = fresh->score(prompt).value();
  }
  const std::vector<float> plain = engine->score(prompt).value();
  engine::Session session = engine::Session::create(*engine).value();
  engine::GenerateOptions options;
  options.max_tokens = 8;
  options.ignore_eos = true;
  const engine::Generated before = session.generate(prompt, options).value();
  for (const auto& [name, use] :
       {std::pair("dora", dora), {"half", half}, {"lora", lora}, {"dora", dora}}) {
    ASSERT_TRUE(engine->set_adapters({&use, 1}).ok());
    EXPECT_EQ(engine->score(prompt).value(), alone[name]) << name;
    EXPECT_NE(alone[name], plain);
    EXPECT_EQ(session.generate(prompt, options).value().reused_tokens, 0);
    EXPECT_GT(session.generate(prompt, options).value().reused_tokens, 0);
  }
  // One that cannot be used leaves those that are.
  const AdapterUse bad[] = {lora, {adapter_folder("patterns")}};
  EXPECT_FALSE(engine->set_adapters(bad).ok());
  EXPECT_EQ(engine->score(prompt).value(), alone["dora"]);
  ASSERT_TRUE(engine->set_adapters({}).ok());
  EXPECT_EQ(engine->score(prompt).value(), plain);
  EXPECT_EQ(session.generate(prompt, options).value().ids, before.ids);
}

// --- gradients ---

GradientBatch gradient_batch(Engine& engine, const engine::Prompt& prompt) {
  GradientBatch batch;
  batch.ids = prompt.ids;
  const auto count = int32_t(prompt.ids.size());
  batch.lengths = {count};
  for (int32_t t = 0; t + 1 < count; ++t) {
    batch.rows.push_back(t);
    batch.targets.push_back(prompt.ids[size_t(t) + 1]);
  }
  for (int32_t t = 0; t < count; ++t)
    if (prompt.image_rows[size_t(t)] >= 0) batch.places.push_back(t);
  for (const auto& image : prompt.images) {
    const int64_t tiles = image->tiles.plan.tiles, side = image->tiles.plan.side;
    const size_t at = batch.pixels.size();
    batch.pixels.resize(at + size_t(tiles * 3 * side * side));
    engine.processor()->normalize(image->tiles, 0, tiles, batch.pixels.data() + at);
    batch.tiles += tiles;
  }
  return batch;
}

std::map<std::string, std::vector<float>> gradients(const models::Adapter& adapter) {
  std::map<std::string, std::vector<float>> out;
  for (const models::AdapterTensor& t : adapter.tensors()) {
    std::vector<float>& g = out[t.name];
    g.assign(t.grad, t.grad + t.count);
    if (!t.turned) continue;
    for (int64_t r = 0; r < t.shape[0]; ++r)
      for (int64_t k = 0; k < t.shape[1]; ++k)
        g[size_t(k * t.shape[0] + r)] = t.grad[r * t.shape[1] + k];
  }
  return out;
}

// float32 in two orders of summation through all layers: up to 3e-5 is measured here,
// tests/parity_gradient_test.cpp has up to 1e-5 for the models themselves.
constexpr double kGradientTolerance = 1e-4;

TEST(AdapterGradients, EqualPyTorchs) {
  for (const std::string name : {"lora", "dora", "saved", "embedding", "embedding-dora"}) {
    for (const bool recompute : {false, true}) {
      const AdapterFixture f(name);
      const auto engine = load_base(f, false);
      const std::string input = f.expected.json.get_string("gradient_case").value();
      const engine::Prompt prompt = make_prompt(*engine, f.input(input));
      const auto adapter =
          models::Adapter::open(adapter_folder(name), engine->mutable_loaded(), engine->pool(),
                                {.force = false, .trainable = true})
              .value();
      // The reference is without dropout, which would draw other numbers.
      ASSERT_TRUE(adapter->attach().ok());
      class NoDropout : public nn::ParameterVisitor {
       public:
        void matrix(const std::string&, encoding::Weight&, int64_t, int64_t) override {}
        void vector(const std::string&, tensor::Tensor&, std::initializer_list<int64_t>) override {}
        void module(const std::string&, nn::Linear& l) override {
          for (nn::Lora& lora : l.lora) lora.dropout = 0;
        }
      } no_dropout;
      engine->mutable_loaded().model->visit(no_dropout);
      GradientRun run{engine->backend(), engine->pool(), recompute};
      const double loss = run.run(engine->model(), gradient_batch(*engine, prompt));
      EXPECT_NEAR(loss, f.expected.json.get_double("loss").value(), 1e-5);
      std::map<std::string, std::vector<float>> wanted;
      for (const formats::TensorInfo& t : f.expected.tensors.tensors())
        if (t.name.starts_with("grad.")) wanted[t.name.substr(5)] = f.expected.numbers(t.name);
      const WorstGradient worst = worst_gradient(gradients(*adapter), wanted);
      std::printf("%-14s %s %zu gradients: %.1e (%s)\n", name.c_str(),
                  recompute ? "recomputed" : "kept", wanted.size(), worst.error,
                  worst.name.c_str());
      EXPECT_LE(worst.error, kGradientTolerance) << worst.name;
      EXPECT_GE(wanted.size(), 12u);
    }
  }
}

}  // namespace
}  // namespace ocelli::parity
