// Rotary positions against transformers (tools/reference/make_rope.py), and configs that are wrong.
#include "nn/rope.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/file.h"

namespace ocelli::nn {
namespace {

using base::Json;
using testing::AllOf;
using testing::HasSubstr;

Json parse_json(std::string_view text) {
  return Json::parse(text).value();
}

TEST(RotaryPositions, AreThoseOfTransformers) {
  const auto file = base::read_file(std::string(OCELLI_FIXTURES) + "/rope/cases.json", 1 << 20);
  ASSERT_TRUE(file.ok()) << file.error().message();
  const Json document = parse_json(*file);
  const Json& silent = *document.find("defaults");
  const Json& cases = *document.find("cases");
  EXPECT_GE(cases.size(), 25u);
  double worst = 0;
  for (const Json& c : cases.items()) {
    const Json& config = *c.find("config");
    const auto rope = RotaryPositions::parse(
        config, {silent.get_double("theta").value(), silent.get_int("context").value(),
                 c.get_int("head_dim").value()});
    ASSERT_TRUE(rope.ok()) << config.dump() << rope.error().message();
    EXPECT_EQ(rope->attention_factor, float(c.get_double("attention_factor").value()))
        << config.dump();
    const auto& wanted = c.find("inv_freq")->items();
    ASSERT_EQ(rope->inv_freq.size(), wanted.size());
    for (size_t i = 0; i < wanted.size(); ++i) {
      const double d = std::abs(rope->inv_freq[i] / wanted[i].as_double() - 1);
      worst = std::max(worst, d);
      EXPECT_LE(d, 3e-7) << config.dump() << " frequency " << i;  // two roundings of float32
    }
  }
  std::printf("frequencies within %.1e of transformers\n", worst);
}

TEST(RotaryPositions, KnowTheirLength) {
  const auto length = [](const char* config) {
    return RotaryPositions::parse(parse_json(config), {10000, 2048, 16}).value().context;
  };
  EXPECT_EQ(length("{}"), 2048);
  EXPECT_EQ(length(R"({"max_position_embeddings": 65536})"), 65536);
  // As the SmolLM3 card has it, and with the longer length written into the config.
  EXPECT_EQ(length(R"({"max_position_embeddings": 65536, "rope_scaling": {"rope_type": "yarn",
                       "factor": 2.0, "original_max_position_embeddings": 65536}})"),
            131072);
  EXPECT_EQ(length(R"({"max_position_embeddings": 131072, "rope_scaling": {"rope_type": "yarn",
                       "factor": 2.0, "original_max_position_embeddings": 65536}})"),
            131072);
  EXPECT_EQ(length(R"({"max_position_embeddings": 65536, "rope_parameters": {"rope_type": "yarn",
                       "factor": 2.5}})"),
            163840);
  EXPECT_EQ(length(R"({"max_position_embeddings": 8192, "rope_scaling": {"type": "linear",
                       "factor": 8}})"),
            65536);
}

TEST(RotaryPositions, YarnKeepsTheFastAndStretchesTheSlow) {
  const auto plain = RotaryPositions::plain(10000, 64, 4096);
  YarnScaling yarn;
  yarn.factor = 8;
  yarn.original_context = 4096;
  const auto stretched = RotaryPositions::yarn(10000, 64, yarn);
  EXPECT_EQ(stretched.context, 32768);
  EXPECT_EQ(stretched.inv_freq.front(), plain.inv_freq.front());
  EXPECT_FLOAT_EQ(stretched.inv_freq.back(), plain.inv_freq.back() / 8);
  for (size_t i = 0; i < plain.inv_freq.size(); ++i) {
    EXPECT_LE(stretched.inv_freq[i], plain.inv_freq[i]);
    EXPECT_GE(stretched.inv_freq[i], plain.inv_freq[i] / 8.001f);
  }
}

std::string error_of(const std::string& config) {
  const auto rope = RotaryPositions::parse(parse_json(config), {10000, 2048, 16});
  if (rope.ok()) return "";
  EXPECT_EQ(rope.error().code, base::Code::kBadInput);
  EXPECT_LT(rope.error().message().size(), 300u);
  return rope.error().message();
}

std::string yarn_error(const std::string& more) {
  return error_of(R"({"rope_scaling": {"rope_type": "yarn", "factor": 2, )" + more + "}}");
}

TEST(RotaryPositions, SayWhatIsWrong) {
  for (const char* theta : {"0", "1", "-5", "1e13", "1e300", "\"x\"", "true", "[]"}) {
    EXPECT_THAT(error_of(std::string(R"({"rope_theta": )") + theta + "}"), HasSubstr("rope_theta"));
    EXPECT_THAT(yarn_error(std::string(R"("rope_theta": )") + theta), HasSubstr("rope_theta"));
  }
  for (const char* length : {"0", "-1", "1.5", "9223372036854775807", "\"8\"", "[]"}) {
    EXPECT_THAT(error_of(std::string(R"({"max_position_embeddings": )") + length + "}"),
                HasSubstr("max_position_embeddings"));
    EXPECT_THAT(yarn_error(std::string(R"("original_max_position_embeddings": )") + length),
                AllOf(HasSubstr("rope_scaling"), HasSubstr("original_max_position_embeddings")));
  }
  for (const char* type : {"yarn", "linear"}) {
    for (const char* key : {"rope_scaling", "rope_parameters"}) {
      const std::string head = std::string("{\"") + key + R"(": {"rope_type": ")" + type + "\"";
      EXPECT_THAT(error_of(head + "}}"), AllOf(HasSubstr(key), HasSubstr("\"factor\" is missing")));
      for (const char* factor : {"0", "-2", "0.5", "1e9", "1e300", "\"2\"", "true", "{}", "[2]"}) {
        EXPECT_NE(error_of(head + ", \"factor\": " + factor + "}}"), "") << factor;
      }
      EXPECT_THAT(error_of(head + ", \"factor\": 0}}"),
                  HasSubstr("factor must be from 1.0 to 65536.0 (0.0)"));
    }
  }
  for (const char* key :
       {"beta_fast", "beta_slow", "mscale", "mscale_all_dim", "attention_factor"}) {
    for (const char* value : {"-1", "1e300", "\"1\"", "[]", "true"}) {
      EXPECT_THAT(yarn_error(std::string("\"") + key + "\": " + value), HasSubstr(key)) << value;
    }
  }
  EXPECT_THAT(yarn_error(R"("attention_factor": 0)"), HasSubstr("attention_factor"));
  EXPECT_THAT(yarn_error(R"("beta_fast": 1, "beta_slow": 2)"), HasSubstr("beta_fast"));
  EXPECT_THAT(yarn_error(R"("truncate": 1)"), HasSubstr("truncate"));
  EXPECT_THAT(yarn_error(R"("partial_rotary_factor": 0.5)"), HasSubstr("partial_rotary_factor"));
  EXPECT_THAT(error_of(R"({"rope_scaling": {"type": "yarn", "factor": 65536},
                           "max_position_embeddings": 1073741824})"),
              HasSubstr("limit 1073741824"));
}

TEST(RotaryPositions, RefuseOtherForms) {
  for (const char* bad : {"4", "[1]", "\"yarn\"", R"({"rope_type": 3})", R"({"type": []})"}) {
    EXPECT_NE(error_of(std::string(R"({"rope_scaling": )") + bad + "}"), "") << bad;
    EXPECT_NE(error_of(std::string(R"({"rope_parameters": )") + bad + "}"), "") << bad;
  }
  for (const char* type : {"dynamic", "llama3", "longrope", "mrope", ""}) {
    EXPECT_THAT(error_of(std::string(R"({"rope_scaling": {"rope_type": ")") + type + R"("}})"),
                AllOf(HasSubstr(type), HasSubstr("not supported")));
  }
  EXPECT_THAT(error_of(R"({"rope_parameters": {"full_attention": {"rope_type": "default"}}})"),
              HasSubstr("each kind of layer"));
  EXPECT_THAT(error_of(R"({"rope_scaling": {"rope_type": "a\u001bb"}})"), HasSubstr(R"(a\x1bb)"));
}

}  // namespace
}  // namespace ocelli::nn
