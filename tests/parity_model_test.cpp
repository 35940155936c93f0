// Whole models against transformers in float32: prompts, ids, picture features, logits,
// continuations. The fixtures are described in tools/reference/README.md.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "backend/cpu/cpu_backend.h"
#include "base/file.h"
#include "engine/session.h"
#include "parity_pictures.h"

namespace ocelli::parity {
namespace {

using base::Json;
using engine::Engine;

// design.md 5.2: logits within 1e-4 of the reference, relative to their spread.
constexpr double kTolerance = 1e-4;

std::string folder(const std::string& name) {
  return std::string(OCELLI_FIXTURES) + "/models/" + name;
}

struct Fixture {
  std::string name;
  Json json;
  formats::SafetensorsFile tensors;

  explicit Fixture(const std::string& model)
      : name(model),
        json(Json::parse(base::read_file(folder(model) + "/expected.json", 16 << 20).value())
                 .value()),
        tensors(formats::SafetensorsFile::open(folder(model) + "/expected.safetensors").value()) {}

  // All numbers of a tensor as float32.
  std::vector<float> numbers(const std::string& tensor) const {
    const formats::TensorInfo* t = tensors.find(tensor);
    EXPECT_TRUE(t) << tensor;
    if (!t) return {};
    int64_t count = 1;
    for (const int64_t n : t->shape) count *= n;
    std::vector<float> out(static_cast<size_t>(count));
    encoding::decode_row(*t->encoding, t->bytes.data(), 0, count, out.data());
    return out;
  }
};

// Sets OCELLI_ISA while it lives.
class ForcedIsa {
 public:
  explicit ForcedIsa(std::string_view name) { setenv("OCELLI_ISA", std::string(name).c_str(), 1); }
  ~ForcedIsa() { unsetenv("OCELLI_ISA"); }
  ForcedIsa(const ForcedIsa&) = delete;
  ForcedIsa& operator=(const ForcedIsa&) = delete;
};

std::unique_ptr<Engine> load(const std::string& model, bool split, int64_t chunk = 512,
                             int threads = 2) {
  engine::EngineOptions options;
  options.exact = true;
  options.split_images = split;
  options.prefill_chunk = chunk;
  options.threads = threads;
  return Engine::load(formats::ModelFolder::open(folder(model)).value(), options).value();
}

std::vector<int32_t> unpack_ids(const Json& pairs) {
  std::vector<int32_t> ids;
  for (const Json& pair : pairs.items()) {
    ids.insert(ids.end(), size_t(pair.items()[1].as_int()), int32_t(pair.items()[0].as_int()));
  }
  return ids;
}

std::vector<int64_t> ints(const Json& list) {
  std::vector<int64_t> out;
  for (const Json& i : list.items()) out.push_back(i.as_int());
  return out;
}

engine::Prompt make_prompt(Engine& engine, const Json& wanted) {
  std::vector<std::shared_ptr<const engine::PreparedImage>> images;
  for (const Json& picture : wanted.find("pictures")->items()) {
    images.push_back(engine.prepare_image(formula_picture(picture), "formula").value());
  }
  return engine.build_prompt(*wanted.find("messages"), std::move(images)).value();
}

// The largest difference of rows `which` of `all` to the rows of `wanted`, in units of `spread`.
double worst_row(std::span<const float> all, std::span<const int64_t> which,
                 std::span<const float> wanted, size_t width, double spread) {
  EXPECT_EQ(wanted.size(), which.size() * width);
  double worst = 0;
  for (size_t i = 0; i < wanted.size(); ++i) {
    const size_t at = size_t(which[i / width]) * width + i % width;
    const double d = std::abs(double(all[at]) - double(wanted[i])) / spread;
    worst = std::isfinite(d) ? std::max(worst, d) : INFINITY;
  }
  return worst;
}

void report(const Fixture& f, const Json& wanted, const char* what, double worst) {
  std::printf("%-12s %-10s %-9s %.1e of the spread\n", f.name.c_str(),
              wanted.get_string("name").value().c_str(), what, worst);
  EXPECT_LE(worst, kTolerance) << what;
}

void compare_features(Engine& engine, const Fixture& f, const Json& wanted,
                      const engine::Prompt& prompt) {
  if (prompt.images.empty()) return;
  const auto embeddings = engine.encode_images(prompt.images).value();
  std::vector<float> all;
  for (const auto& e : embeddings) all.insert(all.end(), e->begin(), e->end());
  report(f, wanted, "features",
         worst_row(all, ints(*wanted.find("feature_rows")),
                   f.numbers(wanted.get_string("name").value() + ".features"),
                   size_t(engine.info().hidden), wanted.get_double("features_std").value()));
}

void compare_logits(Engine& engine, const Fixture& f, const Json& wanted,
                    const engine::Prompt& prompt) {
  report(f, wanted, "logits",
         worst_row(engine.score(prompt).value(), ints(*wanted.find("logit_positions")),
                   f.numbers(wanted.get_string("name").value() + ".logits"),
                   size_t(engine.info().vocab), wanted.get_double("logits_std").value()));
}

void compare_greedy(Engine& engine, const Json& wanted, const engine::Prompt& prompt) {
  engine::Session session = engine::Session::create(engine).value();
  engine::GenerateOptions options;
  options.max_tokens = 64;
  options.ignore_eos = true;
  const engine::Generated out = session.generate(prompt, options).value();
  const std::vector<int64_t> reference = ints(*wanted.find("greedy"));
  EXPECT_EQ(std::vector<int64_t>(out.ids.begin(), out.ids.end()), reference);
  EXPECT_EQ(reference.size(), 64u);
  EXPECT_GE(wanted.get_int("distinct").value(), 20);
}

// Every checkpoint, with the kernels of every instruction set that this machine executes.
class ModelParity
    : public testing::TestWithParam<std::tuple<const char*, cpu::InstructionSetInfo>> {};

TEST_P(ModelParity, EqualsTransformers) {
  const auto& [model, isa] = GetParam();
  if (!isa.executable)
    GTEST_SKIP() << isa.name
                 << " is not executable here; its kernels run emulated in test backend_cpu";
  const ForcedIsa forced(isa.name);
  const Fixture f(model);
  for (const Json& wanted : f.json.find("cases")->items()) {
    SCOPED_TRACE(wanted.get_string("name").value());
    const auto engine = load(f.name, wanted.get_bool("do_image_splitting", true).value());
    const engine::Prompt prompt = make_prompt(*engine, wanted);
    EXPECT_EQ(prompt.ids, unpack_ids(*wanted.find("ids")));
    const std::vector<int64_t> rows =
        wanted.find("rows") ? ints(*wanted.find("rows")) : std::vector<int64_t>();
    ASSERT_EQ(rows.size(), prompt.images.size());
    for (size_t i = 0; i < rows.size(); ++i) EXPECT_EQ(prompt.images[i]->tiles.plan.rows, rows[i]);
    compare_features(*engine, f, wanted, prompt);
    compare_logits(*engine, f, wanted, prompt);
    compare_greedy(*engine, wanted, prompt);
  }
}

std::string test_name(const testing::TestParamInfo<ModelParity::ParamType>& info) {
  std::string name =
      std::string(std::get<0>(info.param)) + "_" + std::string(std::get<1>(info.param).name);
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(Checkpoints, ModelParity,
                         testing::Combine(testing::Values("smollm2", "smolvlm2-a", "smolvlm2-b",
                                                          "smolvlm2-c", "smolvlm1"),
                                          testing::ValuesIn(cpu::instruction_sets().begin(),
                                                            cpu::instruction_sets().end())),
                         test_name);

// design.md 5.3: the cache, the cutting of the prefill and the number of threads.
class Determinism : public testing::Test {
 protected:
  Fixture fixture{"smolvlm2-a"};
  const Json& wanted = fixture.json.find("cases")->items()[1];

  // Logits after the whole prompt.
  std::vector<float> last_logits(int64_t chunk, int threads) {
    const auto engine = load(fixture.name, true, chunk, threads);
    const engine::Prompt prompt = make_prompt(*engine, wanted);
    const auto images = engine->encode_images(prompt.images).value();
    nn::KvCache cache = engine->make_cache().value();
    std::vector<float> logits;
    const auto total = int64_t(prompt.ids.size());
    for (int64_t at = 0; at < total; at += chunk) {
      EXPECT_TRUE(
          engine->forward(prompt, images, at, std::min(chunk, total - at), cache, &logits).ok());
    }
    return logits;
  }
};

TEST_F(Determinism, ThreadsGiveTheSameBits) {
  const std::vector<float> reference = last_logits(512, 1);
  for (const int threads : {2, 3})
    EXPECT_EQ(last_logits(512, threads), reference) << threads << " threads";
}

TEST_F(Determinism, ChunksOfThePrefillAgree) {
  const std::vector<float> reference = last_logits(4096, 2);
  const std::vector<int64_t> row{0};
  for (const int64_t chunk : {1, 7, 64, 300}) {
    EXPECT_LE(worst_row(last_logits(chunk, 2), row, reference, reference.size(),
                        wanted.get_double("logits_std").value()),
              1e-5)
        << "chunks of " << chunk;
  }
}

TEST_F(Determinism, TurnsReuseTheCache) {
  const auto engine = load("smolvlm2-a", false);
  const auto image =
      engine->prepare_image(formula_picture("texture", 9, 120, 80), "formula").value();
  const auto ask = [&](const char* messages) {
    return engine->build_prompt(Json::parse(messages).value(), {image}).value();
  };
  const engine::Prompt first = ask(
      R"([{"role":"user","content":[{"type":"image"},{"type":"text","text":"What is this?"}]}])");
  const engine::Prompt second =
      ask(R"([{"role":"user","content":[{"type":"image"},{"type":"text","text":"What is this?"}]},
                                        {"role":"assistant","content":[{"type":"text","text":"A cat."}]},
                                        {"role":"user","content":[{"type":"text","text":"Why?"}]}])");
  engine::GenerateOptions options;
  options.max_tokens = 16;
  options.ignore_eos = true;
  engine::Session turns = engine::Session::create(*engine).value();
  const engine::Generated opening = turns.generate(first, options).value();
  EXPECT_EQ(opening.reused_tokens, 0);
  const engine::Generated reused = turns.generate(second, options).value();
  engine::Session fresh = engine::Session::create(*engine).value();
  const engine::Generated computed = fresh.generate(second, options).value();
  const auto common = std::mismatch(first.ids.begin(), first.ids.end(), second.ids.begin()).first -
                      first.ids.begin();
  EXPECT_GT(common, first.image_tokens());
  EXPECT_EQ(reused.reused_tokens, common);
  EXPECT_EQ(reused.ids, computed.ids);
  EXPECT_LT(reused.images.encode, 1e-3) << "the picture's tokens are in the cache";
}

TEST_F(Determinism, AnotherPictureIsNotTakenForTheSame) {
  const auto engine = load("smolvlm2-a", false);
  const Json messages = Json::parse(R"([{"role":"user","content":[{"type":"image"}]}])").value();
  engine::GenerateOptions options;
  options.max_tokens = 8;
  options.ignore_eos = true;
  const auto prompt = [&](uint32_t seed) {
    const auto image =
        engine->prepare_image(formula_picture("texture", seed, 120, 80), "formula").value();
    return engine->build_prompt(messages, {image}).value();
  };
  engine::Session session = engine::Session::create(*engine).value();
  ASSERT_TRUE(session.generate(prompt(1), options).ok());
  const engine::Generated other = session.generate(prompt(2), options).value();
  EXPECT_LT(other.reused_tokens, 10);
  engine::Session fresh = engine::Session::create(*engine).value();
  EXPECT_EQ(other.ids, fresh.generate(prompt(2), options).value().ids);
}

}  // namespace
}  // namespace ocelli::parity
