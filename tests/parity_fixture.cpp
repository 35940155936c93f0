#include "parity_fixture.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "base/file.h"
#include "parity_pictures.h"

namespace ocelli::parity {

using base::Json;
using engine::Engine;

std::string folder(const std::string& model) {
  return std::string(OCELLI_FIXTURES) + "/models/" + model;
}

Fixture::Fixture(const std::string& model, const std::string& files)
    : name(model),
      json(Json::parse(base::read_file(folder(model) + "/" + files + ".json", 16 << 20).value())
               .value()),
      tensors(
          formats::SafetensorsFile::open(folder(model) + "/" + files + ".safetensors").value()) {}

std::vector<float> Fixture::numbers(const std::string& tensor) const {
  const formats::TensorInfo* t = tensors.find(tensor);
  EXPECT_TRUE(t) << tensor;
  if (!t) return {};
  int64_t count = 1;
  for (const int64_t n : t->shape) count *= n;
  std::vector<float> out(static_cast<size_t>(count));
  encoding::decode_row(*t->encoding, t->bytes.data(), 0, count, out.data());
  return out;
}

ForcedIsa::ForcedIsa(std::string_view isa) {
  setenv("OCELLI_ISA", std::string(isa).c_str(), 1);
}
ForcedIsa::~ForcedIsa() {
  unsetenv("OCELLI_ISA");
}

std::unique_ptr<Engine> load(const std::string& model, bool split, int64_t chunk, int threads) {
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

std::vector<float> last_logits(Engine& engine, const engine::Prompt& prompt, int64_t chunk) {
  const auto images = engine.encode_images(prompt.images).value();
  nn::KvCache cache = engine.make_cache().value();
  std::vector<float> logits;
  const auto total = int64_t(prompt.ids.size());
  for (int64_t at = 0; at < total; at += chunk) {
    EXPECT_TRUE(
        engine.forward(prompt, images, at, std::min(chunk, total - at), cache, &logits).ok());
  }
  return logits;
}

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

namespace {

void report(const Fixture& f, const Json& wanted, const char* what, double worst) {
  std::printf("%-12s %-10s %-9s %.1e of the spread\n", f.name.c_str(),
              wanted.get_string("name").value().c_str(), what, worst);
  EXPECT_LE(worst, kTolerance) << what;
}

}  // namespace

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

}  // namespace ocelli::parity
