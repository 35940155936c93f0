// An adapter: the first line is adapter_config.json, what follows adapter_model.safetensors. It is
// refused with a sentence, or can be attached to the model, taken off again and merged.
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "models/adapter.h"
#include "models/adapter_test_kit.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ocelli;
  static models::adapter_test::SmallModel model;
  static base::ThreadPool pool{1};
  const std::string_view all(reinterpret_cast<const char*>(data), size);
  const size_t line = std::min(all.find('\n'), size);
  const std::string_view config = all.substr(0, line);
  const std::span bytes = std::as_bytes(std::span(data, size)).subspan(std::min(line + 1, size));
  const auto json = base::Json::parse(config, {.max_bytes = 1 << 20});
  if (json.ok()) {
    if (const auto parsed = models::AdapterConfig::parse(*json); parsed.ok()) {
      const auto again = models::AdapterConfig::parse(parsed->json());
      OCELLI_CHECK(again.ok() && again->json() == parsed->json(), "a config is read as written");
      (void)models::count_adapter_parameters(models::adapter_test::small_config(), *parsed);
    }
  }
  const auto file = formats::SafetensorsFile::parse(bytes);
  if (!file.ok()) return 0;
  const auto adapter = models::Adapter::parse(config, *file, model.loaded, pool, {});
  if (!adapter.ok()) {
    OCELLI_CHECK(!adapter.error().what.empty(), "an error says something");
    return 0;
  }
  if ((*adapter)->attach().ok()) (*adapter)->detach();
  models::SaveOptions options;
  if (!(*adapter)->add_edits(1, options).ok()) return 0;
  for (auto& [name, edit] : options.edits) {
    std::vector<float> row(name.find("down_proj") == name.npos ? 16 : 24);
    edit(0, row);
  }
  return 0;
}
