// For the tests of SentencePiece tokenizers: fixtures of tests/fixtures/sentencepiece
// (tools/reference/make_sentencepiece.py).
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "base/file.h"
#include "base/json.h"
#include "formats/pieces.h"
#include "text/tokenizer.h"

namespace ocelli {

using base::Json;
using text::Tokenizer;

inline std::string fixture(const std::string& name) {
  auto file =
      base::read_file(std::string(OCELLI_FIXTURES) + "/sentencepiece/" + name, size_t{1} << 24);
  EXPECT_TRUE(file.ok()) << file.error().message();
  return file.ok() ? *file : std::string();
}

inline Json parse(const std::string& text) {
  auto json = Json::parse(text);
  EXPECT_TRUE(json.ok()) << json.error().message();
  return json.ok() ? *json : Json();
}

// NAME.model with NAME.config.json, as tokenizer.json.
inline std::string converted(const std::string& name) {
  const std::string file = fixture(name + ".model");
  auto model = formats::parse_sentencepiece(std::as_bytes(std::span(file)));
  EXPECT_TRUE(model.ok()) << model.error().message();
  const auto config =
      formats::apply_tokenizer_config(parse(fixture(name + ".config.json")), *model);
  EXPECT_TRUE(config.ok()) << config.error().message();
  auto json = formats::tokenizer_json(*model);
  EXPECT_TRUE(json.ok()) << json.error().message();
  return *json;
}

// The tokenizer.json of a pipeline: that of its base with some members replaced.
inline std::string piped(const std::string& name) {
  const Json pipeline = *parse(fixture("pipelines.json")).find(name);
  Json json = parse(converted(pipeline.find("base")->as_string()));
  const Json charsmap = json.find("normalizer")->find("normalizers")
                            ? json.find("normalizer")->find("normalizers")->items()[0]
                            : Json();
  for (const auto& [key, value] : pipeline.find("set")->members()) {
    if (key != "model") {
      json.set(key, value);
      continue;
    }
    Json model = *json.find("model");
    for (const auto& [member, changed] : value.members()) model.set(member, changed);
    json.set("model", model);
  }
  std::string text = json.dump();
  const std::string empty = R"("precompiled_charsmap":"")";
  if (const size_t at = text.find(empty); at != text.npos) {
    text.replace(
        at, empty.size(),
        R"("precompiled_charsmap":")" + charsmap.find("precompiled_charsmap")->as_string() + '"');
  }
  return text;
}

}  // namespace ocelli
