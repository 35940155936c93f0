// Ids and texts against Hugging Face tokenizers, on fixtures.
#include "text/tokenizer.h"

#include "text/detokenizer.h"
#include "text/tokenizer_test_support.h"

namespace ocelli::text {
namespace {

constexpr size_t kLeastTexts = 2000;

class Pipeline : public testing::TestWithParam<const char*> {
 protected:
  std::string file(const char* ending) const { return std::string(GetParam()) + ending; }

  // NAME.ids: for each text a count and that many ids, little-endian uint16.
  std::vector<std::vector<int32_t>> expected() const {
    const std::string bytes = fixture(file(".ids"));
    std::vector<std::vector<int32_t>> rows;
    size_t at = 0;
    const auto next = [&]() -> int32_t {
      if (at + 2 > bytes.size()) return -1;
      const auto low = static_cast<uint8_t>(bytes[at]), high = static_cast<uint8_t>(bytes[at + 1]);
      at += 2;
      return low | high << 8;
    };
    while (at < bytes.size()) {
      rows.emplace_back(static_cast<size_t>(next()));
      for (int32_t& id : rows.back()) id = next();
    }
    return rows;
  }
};

TEST_P(Pipeline, EncodesAsTheReference) {
  const Tokenizer tokenizer = fixture_tokenizer(GetParam());
  const auto texts = fixture_texts();
  const auto rows = expected();
  ASSERT_GE(texts.size(), kLeastTexts);
  ASSERT_EQ(texts.size(), rows.size());
  for (size_t i = 0; i < texts.size(); ++i) {
    const auto ids = tokenizer.encode(texts[i]);
    ASSERT_TRUE(ids.ok()) << ids.error().message();
    ASSERT_EQ(*ids, rows[i]) << "text " << i << ": " << base::printable(texts[i]);
  }
}

TEST_P(Pipeline, LeavesSpecialTokensOfTheUserAsText) {
  const Tokenizer tokenizer = fixture_tokenizer(GetParam());
  const auto texts = fixture_texts();
  const auto rows = expected();
  const base::Json other = parse_json(fixture(file(".plain.json")));
  ASSERT_EQ(texts.size(), rows.size());
  for (size_t i = 0; i < texts.size(); ++i) {
    const auto ids = tokenizer.encode(texts[i], {.parse_special = false});
    ASSERT_TRUE(ids.ok()) << ids.error().message();
    const base::Json* as_text = other.find(std::to_string(i));
    ASSERT_EQ(*ids, as_text == nullptr ? rows[i] : ids_of(*as_text))
        << "text " << i << ": " << base::printable(texts[i]);
    for (const int32_t id : *ids) ASSERT_FALSE(tokenizer.is_special(id) && as_text != nullptr);
  }
}

// Long texts remember words; what they remember must be right. No word spans two lines here, and
// only the first line may get a space before it.
TEST_P(Pipeline, EncodesLongTextsAsShortOnes) {
  const Tokenizer tokenizer = fixture_tokenizer(GetParam());
  const std::string line = "x\n the water is \xE4\xB8\x80 1234 don't people's waterwater\n";
  const auto one = tokenizer.encode(line), two = tokenizer.encode(line + line);
  ASSERT_TRUE(one.ok() && two.ok());
  std::string text;
  std::vector<int32_t> want = *one;
  for (int i = 0; i < 400; ++i) text += line;
  for (int i = 1; i < 400; ++i)
    want.insert(want.end(), two->begin() + static_cast<ptrdiff_t>(one->size()), two->end());
  EXPECT_EQ(*tokenizer.encode(text), want);
}

TEST_P(Pipeline, DecodesAsTheReference) {
  const Tokenizer tokenizer = fixture_tokenizer(GetParam());
  const auto texts = fixture_texts();
  const auto rows = expected();
  const base::Json decode = parse_json(fixture(file(".decode.json")));
  for (const bool skip : {false, true}) {
    const base::Json& differing = *decode.find(skip ? "texts_skip" : "texts");
    for (size_t i = 0; i < texts.size(); i += 3) {
      const base::Json* other = differing.find(std::to_string(i));
      const auto text = tokenizer.decode(rows[i], skip);
      ASSERT_TRUE(text.ok()) << text.error().message();
      ASSERT_EQ(*text, other == nullptr ? texts[i] : other->as_string()) << "text " << i;
    }
    for (const base::Json& row : decode.find("random")->items()) {
      const auto text = tokenizer.decode(ids_of(row.items()[0]), skip);
      ASSERT_TRUE(text.ok()) << text.error().message();
      ASSERT_EQ(*text, row.items()[skip ? 2 : 1].as_string()) << row.items()[0].dump();
    }
  }
}

TEST_P(Pipeline, StreamsWhatItDecodesInWholeCharacters) {
  const Tokenizer tokenizer = fixture_tokenizer(GetParam());
  auto rows = expected();
  const base::Json decode = parse_json(fixture(file(".decode.json")));
  for (const base::Json& row : decode.find("random")->items())
    rows.push_back(ids_of(row.items()[0]));
  for (const bool skip : {false, true}) {
    Detokenizer stream(tokenizer, skip);
    for (const auto& ids : rows) {
      std::string text;
      for (const int32_t id : ids) {
        const std::string part = stream.push(id);
        ASSERT_TRUE(base::Json::parse(base::Json(part).dump()).ok());  // UTF-8
        text += part;
      }
      text += stream.finish();
      ASSERT_EQ(text, *tokenizer.decode(ids, skip));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Fixtures, Pipeline, testing::Values("smol", "llama3", "plain", "added"),
                         [](const auto& p) { return std::string(p.param); });

TEST(Tokenizer, VariantsOfStepsEncodeAsTheReference) {
  const auto texts = fixture_texts();
  const base::Json variants = parse_json(fixture("variants.json"));
  ASSERT_GE(variants.size(), 20u);
  for (const base::Json& variant : variants.items()) {
    base::Json json = parse_json(fixture(variant.find("base")->as_string() + ".json"));
    for (const auto& [key, value] : variant.find("set")->members()) json.set(key, value);
    const Tokenizer tokenizer = parse_or_die(json.dump());
    const auto& rows = variant.find("ids")->items();
    const auto& chosen = variant.find("texts")->items();
    ASSERT_EQ(rows.size(), chosen.size());
    for (size_t i = 0; i < rows.size(); ++i) {
      const std::string& text = texts[static_cast<size_t>(chosen[i].as_int())];
      const auto ids = tokenizer.encode(text, {.add_special = true});
      ASSERT_TRUE(ids.ok()) << ids.error().message();
      ASSERT_EQ(*ids, ids_of(rows[i]))
          << variant.find("set")->dump() << "\ntext: " << base::printable(text);
      const base::Json* as_text = variant.find("plain")->find(std::to_string(i));
      ASSERT_EQ(*tokenizer.encode(text, {.parse_special = false, .add_special = true}),
                ids_of(as_text == nullptr ? rows[i] : *as_text))
          << variant.find("set")->dump() << "\ntext: " << base::printable(text);
    }
  }
}

TEST(Tokenizer, AddsWhatThePostProcessorAdds) {
  const Tokenizer tokenizer = fixture_tokenizer("llama3");
  const auto bos = tokenizer.id_of("<|begin_of_text|>");
  ASSERT_TRUE(bos.has_value());
  EXPECT_TRUE(tokenizer.is_special(*bos));
  const auto plain = tokenizer.encode("the water"),
             with = tokenizer.encode("the water", {.add_special = true});
  ASSERT_TRUE(plain.ok() && with.ok());
  std::vector<int32_t> want{*bos};
  want.insert(want.end(), plain->begin(), plain->end());
  EXPECT_EQ(*with, want);
}

// With ignore_merges a word that is a token is that token, but not one that the user must not name.
TEST(Tokenizer, AWordIsNeverASpecialToken) {
  base::Json json = parse_json(fixture("llama3.json"));
  json.set("pre_tokenizer", parse_json(R"({"type":"ByteLevel","use_regex":false,
                                           "add_prefix_space":false})"));
  base::Json model = *json.find("model"), vocab = *model.find("vocab");
  const auto size = static_cast<int64_t>(vocab.size());
  vocab.set("<own>", base::Json(size));
  model.set("vocab", vocab);
  json.set("model", model);
  json.set("post_processor", base::Json());
  json.set("added_tokens",
           parse_json(R"([{"id":)" + std::to_string(size) +
                      R"(,"content":"<own>","special":true},{"id":)" + std::to_string(size + 1) +
                      R"(,"content":"<new>","special":true}])"));
  const Tokenizer tokenizer = parse_or_die(json.dump());
  for (const char* text : {"<own>", "<new>"}) {
    EXPECT_EQ(tokenizer.encode(text)->size(), 1u);
    const auto ids = tokenizer.encode(text, {.parse_special = false});
    ASSERT_TRUE(ids.ok());
    EXPECT_GT(ids->size(), 1u);
    for (const int32_t id : *ids) EXPECT_FALSE(tokenizer.is_special(id));
  }
}

TEST(Tokenizer, NamesItsTokens) {
  const Tokenizer tokenizer = fixture_tokenizer("llama3");
  const auto id = tokenizer.id_of("\xC4\xA0water");  // U+0120: a space in the byte alphabet
  ASSERT_TRUE(id.has_value());
  EXPECT_EQ(tokenizer.token(*id), "\xC4\xA0water");
  EXPECT_EQ(tokenizer.bytes_of(*id), " water");
  EXPECT_FALSE(tokenizer.is_special(*id));
  const auto think = tokenizer.id_of("<think>");
  ASSERT_TRUE(think.has_value());
  EXPECT_FALSE(tokenizer.is_special(*think));
  EXPECT_EQ(*tokenizer.decode(std::vector<int32_t>{*think}, true), "<think>");
  EXPECT_FALSE(tokenizer.id_of("no such token").has_value());
  EXPECT_EQ(static_cast<size_t>(tokenizer.id_limit()), tokenizer.vocab_size());
  EXPECT_EQ(tokenizer.token(-1), "");
  EXPECT_EQ(tokenizer.bytes_of(tokenizer.id_limit()), "");
}

TEST(Tokenizer, RefusesIdsOutOfRange) {
  const Tokenizer tokenizer = fixture_tokenizer("smol");
  for (const int32_t id : {-1, tokenizer.id_limit(), INT32_MAX, INT32_MIN}) {
    const auto text = tokenizer.decode(std::vector<int32_t>{0, id});
    ASSERT_FALSE(text.ok());
    EXPECT_EQ(text.error().code, base::Code::kBadInput);
    EXPECT_THAT(text.error().message(), testing::HasSubstr("out of range"));
  }
  EXPECT_FALSE(tokenizer.is_special(-1));
}

TEST(Tokenizer, TakesBrokenUtf8AsReplacementCharacters) {
  const Tokenizer tokenizer = fixture_tokenizer("llama3");
  EXPECT_EQ(*tokenizer.encode("a\xFF\xE4\xB8z"), *tokenizer.encode("a\xEF\xBF\xBD\xEF\xBF\xBDz"));
}

}  // namespace
}  // namespace ocelli::text
