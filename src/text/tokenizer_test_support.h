// For the tests of tokenizers: fixtures of tests/fixtures/tokenizers
// (tools/reference/make_tokenizers.py).
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/json.h"
#include "text/tokenizer.h"

namespace ocelli::text {

inline std::string read_or_fail(const std::string& path) {
  auto content = base::read_file(path, size_t{256} << 20);
  EXPECT_TRUE(content.ok()) << content.error().message();
  return content.ok() ? *content : std::string();
}

inline std::string fixture(const std::string& name) {
  return read_or_fail(std::string(OCELLI_FIXTURES) + "/tokenizers/" + name);
}

inline base::Json parse_json(const std::string& text) {
  auto json = base::Json::parse(text);
  EXPECT_TRUE(json.ok()) << json.error().message();
  return json.ok() ? *json : base::Json();
}

inline Tokenizer parse_or_die(const std::string& text, TokenizerOptions options = {}) {
  auto tokenizer = Tokenizer::parse(text, options);
  if (!tokenizer.ok()) {
    ADD_FAILURE() << tokenizer.error().message();
    std::abort();  // nothing to go on with
  }
  return std::move(*tokenizer);
}

inline Tokenizer fixture_tokenizer(const std::string& name) {
  return parse_or_die(fixture(name + ".json"));
}

inline std::vector<int32_t> ids_of(const base::Json& list) {
  std::vector<int32_t> ids;
  for (const base::Json& id : list.items()) ids.push_back(static_cast<int32_t>(id.as_int()));
  return ids;
}

inline std::vector<std::string> fixture_texts() {
  std::vector<std::string> texts;
  const base::Json list = parse_json(fixture("texts.json"));
  for (const base::Json& text : list.items()) texts.push_back(text.as_string());
  return texts;
}

// A folder of real models beside the source tree, or "" (then tests say what they skip).
inline std::string shared_models() {
  const char* set = std::getenv("OCELLI_SHARED");
  const std::string root = set != nullptr ? set : std::string(OCELLI_SOURCE_DIR) + "/../shared";
  const std::string models = root + "/models";
  return std::filesystem::is_directory(models) ? models : std::string();
}

}  // namespace ocelli::text
