#include "base/json.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <ctime>
#include <limits>

#include "base/slower.h"

namespace ocelli::base {
namespace {

std::string error_of(std::string_view text, JsonLimits limits = {}) {
  const auto parsed = Json::parse(text, limits);
  return parsed.ok() ? "accepted: " + parsed->dump() : parsed.error().message();
}

TEST(Json, ReadsEveryKind) {
  const auto parsed = Json::parse(
      R"( {"n":null,"t":true,"i":-7,"f":2.5,"s":"a\u00e9\ud83d\ude00\n","a":[1,[]],"o":{}} )");
  ASSERT_TRUE(parsed.ok()) << parsed.error().message();
  const Json& json = *parsed;
  ASSERT_TRUE(json.is_object());
  EXPECT_EQ(json.size(), 7u);
  EXPECT_EQ(json.members()[0].first, "n");
  EXPECT_EQ(json.members()[6].first, "o");
  EXPECT_TRUE(json.find("n")->is_null());
  EXPECT_TRUE(json.find("t")->as_bool());
  EXPECT_EQ(json.find("i")->as_int(), -7);
  EXPECT_EQ(json.find("i")->as_double(), -7.0);
  EXPECT_EQ(json.find("f")->as_double(), 2.5);
  EXPECT_EQ(json.find("s")->as_string(), "a\xC3\xA9\xF0\x9F\x98\x80\n");
  EXPECT_EQ(json.find("a")->items().size(), 2u);
  EXPECT_EQ(json.find("o")->size(), 0u);
  EXPECT_EQ(json.find("missing"), nullptr);
  EXPECT_EQ(json.find("i")->find("x"), nullptr);
  EXPECT_EQ(json.dump(),
            "{\"n\":null,\"t\":true,\"i\":-7,\"f\":2.5,\"s\":\"a\xC3\xA9\xF0\x9F\x98\x80\\n\","
            "\"a\":[1,[]],\"o\":{}}");
}

TEST(Json, KeepsIntegersExact) {
  EXPECT_EQ(Json::parse("9223372036854775807").value().as_int(), INT64_MAX);
  EXPECT_EQ(Json::parse("-9223372036854775808").value().as_int(), INT64_MIN);
  EXPECT_TRUE(Json::parse("-0").value().is_int());
  const Json over = Json::parse("9223372036854775808").value();
  EXPECT_EQ(over.kind(), Json::Kind::kFloat);
  EXPECT_EQ(over.as_double(), 9223372036854775808.0);
  EXPECT_EQ(Json::parse("-9223372036854775809").value().kind(), Json::Kind::kFloat);
  EXPECT_EQ(Json::parse("123456789012345678901234567890").value().as_double(),
            123456789012345678901234567890.0);
  EXPECT_EQ(Json::parse("1.0").value().kind(), Json::Kind::kFloat);
  EXPECT_EQ(Json::parse("1e-5").value().as_double(), 1e-5);
}

TEST(Json, RefusesWhatIsNotJson) {
  for (const std::string_view text : {"",
                                      " ",
                                      "nul",
                                      "NaN",
                                      "Infinity",
                                      "-Infinity",
                                      "[1,]",
                                      "{\"a\":1,}",
                                      "{a:1}",
                                      "'a'",
                                      "01",
                                      "1.",
                                      ".5",
                                      "+1",
                                      "0x10",
                                      "1e",
                                      "[1 2]",
                                      "{\"a\" 1}",
                                      "\"\t\"",
                                      "\"\\x41\"",
                                      "[",
                                      "{\"a\":",
                                      "\"abc",
                                      "// c\n1",
                                      "/* c */1",
                                      "1 2",
                                      "{} x",
                                      "[]]",
                                      "\"\\ud800\"",
                                      "\"\\udc00\"",
                                      "\"\\ud800\\u0041\"",
                                      "\"\xff\"",
                                      "\"\xed\xa0\x80\"",
                                      "\"\xc0\xaf\"",
                                      "\xEF\xBB\xBF{}",
                                      "1e999",
                                      "-1e999",
                                      "[1e400]"}) {
    const auto parsed = Json::parse(text);
    ASSERT_FALSE(parsed.ok()) << text << " gave " << parsed->dump();
    EXPECT_EQ(parsed.error().code, Code::kBadInput) << text;
    EXPECT_EQ(parsed.error().where.rfind("line ", 0), 0u)
        << text << ": " << parsed.error().message();
    EXPECT_LT(parsed.error().message().size(), 400u);
  }
  using namespace std::string_view_literals;
  EXPECT_FALSE(Json::parse("1\0 garbage"sv).ok());
  EXPECT_FALSE(Json::parse("\0"sv).ok());
  EXPECT_FALSE(Json::parse("\"a\0b\""sv).ok());
}

TEST(Json, NamesThePlace) {
  EXPECT_EQ(error_of("{\n  \"a\": 1,\n  \"a\": 2\n}"),
            "line 3, column 6: the key \"a\" appears twice in one object");
  EXPECT_EQ(error_of("[\n\n  nope]").substr(0, 36), "line 3, column 4: not valid JSON: sy");
  EXPECT_EQ(error_of("[1, 1e999]").substr(0, 34), "line 1, column 9: not valid JSON: ");
}

TEST(Json, ShowsHostileNamesHarmlessly) {
  const std::string message = error_of("{\"\\u001b[2J\":1,\"\\u001b[2J\":1}");
  EXPECT_EQ(message.find('\x1b'), std::string::npos) << message;
  EXPECT_NE(message.find("\\x1b[2J"), std::string::npos) << message;
}

TEST(Json, LimitsDepthSizeAndCount) {
  const std::string deep = std::string(100'000, '[') + std::string(100'000, ']');
  EXPECT_NE(error_of(deep).find("nest too deeply (limit 128)"), std::string::npos);
  EXPECT_NE(error_of(deep, {.max_depth = 1'000'000}).find("(limit 1000)"), std::string::npos);
  std::string objects;
  for (int i = 0; i < 100'000; ++i) objects += "{\"a\":";
  EXPECT_NE(error_of(objects).find("nest too deeply"), std::string::npos);
  const std::string edge = std::string(128, '[') + std::string(128, ']');
  EXPECT_TRUE(Json::parse(edge).ok());
  EXPECT_FALSE(Json::parse("[" + edge + "]").ok());
  const std::string most = std::string(1000, '[') + std::string(1000, ']');
  EXPECT_EQ(Json::parse(most, {.max_depth = 1000}).value().dump(), most);
  EXPECT_FALSE(Json::parse("[]", {.max_depth = 0}).ok());
  EXPECT_TRUE(Json::parse("[1]", {.max_bytes = 3}).ok());
  EXPECT_EQ(error_of("[10]", {.max_bytes = 3}), "too much JSON text (4 bytes, limit 3)");
  EXPECT_TRUE(Json::parse("[1,2]", {.max_values = 3}).ok());
  EXPECT_NE(error_of("[1,2,3]", {.max_values = 3}).find("(limit 3)"), std::string::npos);
}

TEST(Json, FindsKeysAmongMany) {
  for (const int count : {1, 15, 16, 17, 18, 31, 32, 33, 64, 65, 50'000}) {
    std::string text = "{";
    for (int i = 0; i < count; ++i)
      text += (i ? ",\"key" : "\"key") + std::to_string(i) + "\":" + std::to_string(i);
    const std::clock_t start = std::clock();
    const auto parsed = Json::parse(text + "}");
    ASSERT_TRUE(parsed.ok()) << parsed.error().message();
    for (int i = 0; i < count; ++i) {
      ASSERT_EQ(parsed->find("key" + std::to_string(i))->as_int(), i);
    }
    EXPECT_EQ(parsed->find("key" + std::to_string(count)), nullptr);
    // A quadratic search would take 2.5e9 comparisons.
    EXPECT_LT(double(std::clock() - start) / CLOCKS_PER_SEC, 1 * kSlower);
    EXPECT_NE(error_of(text + ",\"key0\":0}").find("\"key0\" appears twice"), std::string::npos);
  }
}

TEST(Json, GetsMembersWithClearErrors) {
  const Json json =
      Json::parse(
          R"({"i":-3,"f":1.5,"w":2.0,"b":true,"s":"x","n":null,"big":99999999999999999999})")
          .value();
  EXPECT_EQ(json.get_int("i").value(), -3);
  EXPECT_EQ(json.get_int("none", {}, 5).value(), 5);
  EXPECT_EQ(json.get_int("n", {}, 5).value(), 5);
  EXPECT_EQ(json.get_int("none").error().what, "\"none\" is missing");
  EXPECT_EQ(json.get_int("n").error().what, "\"n\" is missing");
  EXPECT_EQ(json.get_int("i", {.min = 1, .max = 65536}).error().what,
            "\"i\" must be an integer from 1 to 65536 (-3)");
  EXPECT_EQ(json.get_int("i", {.min = 1}, 5).error().what,
            "\"i\" must be an integer of at least 1 (-3)");
  EXPECT_EQ(json.get_int("w").error().what, "\"w\" must be an integer (2.0)");
  EXPECT_EQ(json.get_int("big", {.max = 9}).error().what,
            "\"big\" must be an integer of at most 9 (1e+20)");
  EXPECT_EQ(json.get_double("f").value(), 1.5);
  EXPECT_EQ(json.get_double("i").value(), -3.0);
  EXPECT_EQ(json.get_double("none", 0.5).value(), 0.5);
  EXPECT_EQ(json.get_double("s", 0.5).error().what, "\"s\" must be a number (\"x\")");
  EXPECT_EQ(json.get_bool("b", false).value(), true);
  EXPECT_EQ(json.get_bool("none", true).value(), true);
  EXPECT_EQ(json.get_bool("i", true).error().what, "\"i\" must be true or false (-3)");
  EXPECT_EQ(json.get_string("s").value(), "x");
  EXPECT_EQ(json.get_string("none", "y").value(), "y");
  EXPECT_EQ(json.get_string("b").error().what, "\"b\" must be a string (true)");
  EXPECT_EQ(Json::parse("[1]").value().get_int("i", {}, 1).error().what,
            "expected an object with \"i\" ([1])");
  EXPECT_EQ(Json().get_int("i", {}, 1).value(), 1);
}

TEST(Json, WritesFloatsThatReadBackEqual) {
  EXPECT_EQ(Json(1.0).dump(), "1.0");
  EXPECT_EQ(Json(-0.0).dump(), "-0.0");
  EXPECT_EQ(Json(0.1).dump(), "0.1");
  EXPECT_EQ(Json(100000.0).dump(), "100000.0");
  EXPECT_EQ(Json(1e16).dump(), "1e+16");
  EXPECT_EQ(Json(9999999999999998.0).dump(), "9999999999999998.0");
  EXPECT_EQ(Json(1e-5).dump(), "1e-05");
  EXPECT_EQ(Json(0.0001).dump(), "0.0001");
  EXPECT_EQ(Json(std::nan("")).dump(), "null");
  EXPECT_EQ(Json(std::numeric_limits<double>::infinity()).dump(), "null");
  uint64_t state = 1;
  for (int i = 0; i < 20'000; ++i) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    double d;
    std::memcpy(&d, &state, 8);
    if (!std::isfinite(d)) continue;
    const Json back = Json::parse(Json(d).dump()).value();
    ASSERT_EQ(back.kind(), Json::Kind::kFloat) << d;
    ASSERT_EQ(back.as_double(), d);
  }
}

// The parser holds a text several times over, so that its length is tested first.
TEST(Json, RefusesATextOfManyMegabytes) {
  const std::string fits = "[\"" + std::string((32 << 20) - 2, 'a') + "\"]";
  EXPECT_TRUE(Json::parse(fits).ok());
  const std::string text = "[\"\\\"b\", \"" + std::string(33 << 20, 'a');
  const auto long_at = [](int column) {
    return "line 1, column " + std::to_string(column) +
           ": a text, number or white space is too long (limit 33554432 bytes)";
  };
  EXPECT_EQ(error_of(text + "\"]"), long_at(9));
  EXPECT_EQ(error_of(text), long_at(9));
  EXPECT_EQ(error_of("[1," + std::string(33 << 20, ' ') + "2]"), long_at(4));
  EXPECT_EQ(error_of("{\"a\":" + std::string(33 << 20, '1') + "}"), long_at(6));
  // Many short ones are none of its business.
  std::string many = "[\"a\\\\\"";
  while (many.size() <= (33 << 20)) many += ",\"" + std::string(1 << 20, 'b') + "\"";
  EXPECT_TRUE(Json::parse(many + "]").ok());
}

TEST(Json, WritesStringsAndIndent) {
  std::string controls;
  for (int c = 0; c < 0x80; ++c) controls += char(c);
  EXPECT_EQ(Json::parse(Json(controls).dump()).value().as_string(), controls);
  EXPECT_EQ(Json("a\"\\\x01\n").dump(), "\"a\\\"\\\\\\u0001\\n\"");
  EXPECT_EQ(Json("\xff!").dump(), "\"\xEF\xBF\xBD!\"");
  Json json = Json::object();
  json.set("a", Json::array({1, "b"})).set("e", Json::array()).set("o", Json::object());
  EXPECT_EQ(json.dump(2), "{\n  \"a\": [\n    1,\n    \"b\"\n  ],\n  \"e\": [],\n  \"o\": {}\n}");
  EXPECT_EQ(json.dump(), "{\"a\":[1,\"b\"],\"e\":[],\"o\":{}}");
}

TEST(Json, BuildersDoNotTouchCopies) {
  Json first = Json::array({1});
  Json second = first;
  second.push_back(2);
  EXPECT_EQ(first.dump(), "[1]");
  EXPECT_EQ(second.dump(), "[1,2]");
  second.push_back(second);
  EXPECT_EQ(second.dump(), "[1,2,[1,2]]");
  Json object = Json::object({{"a", 1}, {"b", 2}, {"a", 3}});
  EXPECT_EQ(object.dump(), "{\"a\":3,\"b\":2}");
  Json copy = object;
  copy.set("b", "new");
  EXPECT_EQ(object.find("b")->as_int(), 2);
  Json many = Json::object();
  for (int i = 0; i < 100; ++i) many.set(std::to_string(i), i);
  Json many_copy = many;
  many_copy.set("100", 100);
  EXPECT_EQ(many.find("100"), nullptr);
  EXPECT_EQ(many_copy.find("100")->as_int(), 100);
  EXPECT_EQ(many_copy.find("57")->as_int(), 57);
}

TEST(Json, ComparesByValue) {
  EXPECT_EQ(Json::parse(R"({"a":1,"b":[true,null]})").value(),
            Json::parse(R"({"b":[true,null],"a":1})").value());
  EXPECT_FALSE(Json::parse(R"({"a":1})").value() == Json::parse(R"({"a":2})").value());
  EXPECT_FALSE(Json::parse(R"({"a":1})").value() == Json::parse(R"({"b":1})").value());
  EXPECT_FALSE(Json(1) == Json(1.0));
  EXPECT_EQ(Json::array(), Json::parse("[]").value());
  EXPECT_FALSE(Json::array() == Json::object());
}

TEST(JsonDeathTest, AsksForTheRightKind) {
  EXPECT_DEATH(Json("x").as_int(), "as_int");
  EXPECT_DEATH(Json(1).items(), "items");
}

}  // namespace
}  // namespace ocelli::base
