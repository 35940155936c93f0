// What tests over tests/fixtures/steps share. The fixtures are described in
// tools/reference/README.md.
#pragma once

#include "base/file.h"
#include "models/adapter.h"
#include "parity_pictures.h"
#include "train/trainer_test_kit.h"

namespace ocelli::train::steps {

using base::Json;

// Of what the fixtures say of their own rounding, and of what they tell as float32.
inline constexpr double kOwnErrors = 4;
inline constexpr double kRounding = 0x1p-22;

inline std::string folder_of(const std::string& name) {
  return std::string(OCELLI_FIXTURES) + "/steps/" + name;
}

inline Json read_json(const std::string& name) {
  return Json::parse(base::read_file(folder_of(name) + "/expected.json", 1 << 20).value()).value();
}

inline std::vector<float> numbers(const formats::SafetensorsFile& file, const std::string& name) {
  const formats::TensorInfo* t = file.find(name);
  EXPECT_TRUE(t) << name;
  if (!t) return {};
  int64_t count = 1;
  for (const int64_t n : t->shape) count *= n;
  std::vector<float> out(static_cast<size_t>(count));
  encoding::decode_row(*t->encoding, t->bytes.data(), 0, count, out.data());
  return out;
}

inline Sample make_sample(engine::Engine& engine, const Json& json) {
  Sample s;
  for (const Json& id : json.find("ids")->items()) s.prompt.ids.push_back(int32_t(id.as_int()));
  for (const Json& t : json.find("trained")->items()) s.trained.push_back(uint8_t(t.as_int()));
  int32_t row = 0;
  for (const int32_t id : s.prompt.ids) {
    const bool picture = engine.info().vision && id == engine.info().vision->image_token_id;
    s.prompt.image_rows.push_back(picture ? row++ : -1);
  }
  const Json* picture = json.find("picture");
  if (picture && picture->is_object()) {
    s.prompt.images.push_back(
        engine.prepare_image(parity::formula_picture(*picture), "formula").value());
  }
  return s;
}

inline std::unique_ptr<engine::Engine> load_engine(const std::string& model) {
  engine::EngineOptions options;
  options.threads = 2;
  options.exact = true;
  options.split_images = false;
  auto folder = formats::ModelFolder::open(OCELLI_FIXTURES "/models/" + model);
  return engine::Engine::load(std::move(folder).value(), options).value();
}

inline void add_adapter(models::Adapter& adapter, ParameterSet& set) {
  for (const models::AdapterTensor& t : adapter.tensors()) {
    ASSERT_TRUE(set.add({.name = t.name,
                         .shape = t.shape,
                         .value = t.value,
                         .grad = t.grad,
                         .count = t.count,
                         .part = part_of(t.name),
                         .decay = decays(t.name)})
                    .ok());
  }
}

}  // namespace ocelli::train::steps
