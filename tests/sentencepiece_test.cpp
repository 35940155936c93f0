// SentencePiece models and the pipelines of real files against transformers and tokenizers, on
// tests/fixtures/sentencepiece (tools/reference/make_sentencepiece.py).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

#include "base/hash.h"
#include "sentencepiece_support.h"
#include "text/detokenizer.h"

namespace ocelli {
namespace {

constexpr size_t kLeastTexts = 2000;
constexpr const char* kModels[] = {"llama", "gemma", "words"};
constexpr const char* kPipelines[] = {"legacy", "always", "first", "never", "regex", "whole"};

std::vector<std::string> texts() {
  std::vector<std::string> out;
  const Json list = parse(fixture("texts.json"));
  for (const Json& text : list.items()) out.push_back(text.as_string());
  EXPECT_GE(out.size(), kLeastTexts);
  return out;
}

std::vector<int32_t> ids_of(const Json& list) {
  std::vector<int32_t> ids;
  for (const Json& id : list.items()) ids.push_back(static_cast<int32_t>(id.as_int()));
  return ids;
}

// uint16 count, then ids of one byte below 0x80 or two (0x80 | high, low).
std::vector<std::vector<int32_t>> unpacked(const std::string& bytes) {
  std::vector<std::vector<int32_t>> rows;
  size_t at = 0;
  const auto next = [&]() -> int32_t {
    return at < bytes.size() ? static_cast<uint8_t>(bytes[at++]) : 0;
  };
  while (at < bytes.size()) {
    const int32_t low = next();
    rows.emplace_back(static_cast<size_t>(low | next() << 8));
    for (int32_t& id : rows.back()) {
      id = next();
      if (id >= 0x80) id = (id & 0x7F) << 8 | next();
    }
  }
  return rows;
}

uint32_t fnv1a(const std::vector<int32_t>& ids) {
  uint32_t hash = 0x811C9DC5;
  for (const int32_t id : ids) {
    for (int shift = 0; shift < 32; shift += 8)
      hash = (hash ^ (static_cast<uint32_t>(id) >> shift & 255)) * 0x01000193;
  }
  return hash;
}

std::vector<uint32_t> hashes(const std::string& bytes) {
  std::vector<uint32_t> out(bytes.size() / 4);
  std::memcpy(out.data(), bytes.data(), out.size() * 4);
  return out;
}

class SentencePiece : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    const bool model = testing::Matches(testing::Contains(std::string(GetParam())))(
        std::vector<std::string>(std::begin(kModels), std::end(kModels)));
    auto made = Tokenizer::parse(model ? converted(GetParam()) : piped(GetParam()));
    ASSERT_TRUE(made.ok()) << made.error().message();
    tokenizer_.emplace(std::move(*made));
    texts_ = texts();
    if (model) {
      rows_ = unpacked(fixture(GetParam() + std::string(".ids")));
      for (const auto& row : rows_) hashes_.push_back(fnv1a(row));
    } else {
      hashes_ = hashes(fixture(GetParam() + std::string(".ids")));
    }
    ASSERT_EQ(hashes_.size(), texts_.size());
  }
  Json json(const char* ending) const { return parse(fixture(GetParam() + std::string(ending))); }

  std::optional<Tokenizer> tokenizer_;
  std::vector<std::string> texts_;
  std::vector<std::vector<int32_t>> rows_;  // of a model
  std::vector<uint32_t> hashes_;
};

TEST_P(SentencePiece, EncodesAsTheReference) {
  for (size_t i = 0; i < texts_.size(); ++i) {
    const auto ids = tokenizer_->encode(texts_[i]);
    ASSERT_TRUE(ids.ok()) << ids.error().message();
    if (!rows_.empty()) {
      ASSERT_EQ(*ids, rows_[i]) << "text " << i << ": " << base::printable(texts_[i]);
    }
    ASSERT_EQ(fnv1a(*ids), hashes_[i]) << "text " << i << ": " << base::printable(texts_[i]);
  }
}

TEST_P(SentencePiece, LeavesSpecialTokensOfTheUserAsText) {
  const Json other = json(".plain.json");
  const bool whole = std::string_view(GetParam()) == "whole";
  for (size_t i = 0; i < texts_.size(); ++i) {
    const auto ids = tokenizer_->encode(texts_[i], {.parse_special = false});
    ASSERT_TRUE(ids.ok()) << ids.error().message();
    for (const int32_t id : *ids) {
      ASSERT_FALSE(tokenizer_->is_special(id) && tokenizer_->token(id) != "<unk>") << texts_[i];
    }
    const Json* as_text = other.find(std::to_string(i));
    const auto want = as_text == nullptr ? hashes_[i] : fnv1a(ids_of(*as_text));
    // With ignore_merges the reference still takes a text that is a special token for that.
    if (whole && as_text == nullptr && tokenizer_->id_of(texts_[i])) continue;
    ASSERT_EQ(fnv1a(*ids), want) << "text " << i << ": " << base::printable(texts_[i]);
  }
}

// A long text remembers words and is cut where nothing merges: neither may show. The rows of the
// reference are of short texts, each of which is one part of a long one here: "<s>" or what is like
// it lies between.
TEST_P(SentencePiece, EncodesLongTextsAsShortOnes) {
  const auto mark = tokenizer_->id_of("</s>").value_or(1);
  const std::string between(tokenizer_->token(mark));
  std::string text;
  std::vector<int32_t> want;
  for (size_t i = 0; i < texts_.size(); i += 3) {
    text += between + texts_[i];
    const auto part = tokenizer_->encode(between + texts_[i]);
    ASSERT_TRUE(part.ok());
    want.insert(want.end(), part->begin(), part->end());
  }
  // A token that takes white space along takes it from its own text alone here.
  const auto ids = tokenizer_->encode(text);
  ASSERT_TRUE(ids.ok());
  ASSERT_GT(text.size(), 10'000u);
  EXPECT_EQ(*ids, want);
}

TEST_P(SentencePiece, DecodesAsTheReference) {
  const Json decode = json(".decode.json");
  for (const bool skip : {false, true}) {
    const Json& differing = *decode.find(skip ? "texts_skip" : "texts");
    for (size_t i = 0; i < texts_.size(); i += 8) {
      const Json* other = differing.find(std::to_string(i));
      const auto text = tokenizer_->decode(*tokenizer_->encode(texts_[i]), skip);
      ASSERT_TRUE(text.ok()) << text.error().message();
      ASSERT_EQ(*text, other == nullptr ? texts_[i] : other->as_string()) << "text " << i;
    }
    for (const Json& row : decode.find("random")->items()) {
      const auto text = tokenizer_->decode(ids_of(row.items()[0]), skip);
      ASSERT_TRUE(text.ok()) << text.error().message();
      ASSERT_EQ(*text, row.items()[skip ? 2 : 1].as_string()) << row.items()[0].dump();
    }
  }
}

TEST_P(SentencePiece, StreamsWhatItDecodesInWholeCharacters) {
  std::vector<std::vector<int32_t>> rows;
  for (size_t i = 0; i < texts_.size(); i += 5) rows.push_back(*tokenizer_->encode(texts_[i]));
  const Json decode = json(".decode.json");
  for (const Json& row : decode.find("random")->items()) rows.push_back(ids_of(row.items()[0]));
  for (const bool skip : {false, true}) {
    text::Detokenizer stream(*tokenizer_, skip);
    for (const auto& ids : rows) {
      std::string text;
      for (const int32_t id : ids) {
        const std::string part = stream.push(id);
        ASSERT_TRUE(Json::parse(Json(part).dump()).ok());  // UTF-8
        text += part;
      }
      text += stream.finish();
      ASSERT_EQ(text, *tokenizer_->decode(ids, skip));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Models, SentencePiece, testing::ValuesIn(kModels),
                         [](const auto& p) { return std::string(p.param); });
INSTANTIATE_TEST_SUITE_P(Pipelines, SentencePiece, testing::ValuesIn(kPipelines),
                         [](const auto& p) { return std::string(p.param); });

// A list in a fixture is its length and the hash of its lines.
Json digest(const std::vector<std::string>& lines) {
  base::Sha256 hash;
  for (const std::string& line : lines) hash.update(line + "\n");
  return Json::object(
      {{"count", static_cast<int64_t>(lines.size())}, {"sha256", hash.finish().hex()}});
}

TEST(SentencePieceModels, BecomeTheTokenizerJsonOfTheReference) {
  for (const std::string name : kModels) {
    Json json = parse(converted(name));
    const Json want = parse(fixture(name + ".expected.json"));
    Json model = *json.find("model");
    std::vector<std::string> tokens, merges;
    for (const auto& [token, id] : model.find("vocab")->members())
      tokens.push_back(Json(token).dump() + " " + id.dump());
    for (const Json& merge : model.find("merges")->items())
      merges.push_back(merge.items()[0].dump() + " " + merge.items()[1].dump());
    model.set("vocab", digest(tokens));
    model.set("merges", digest(merges));
    json.set("model", model);
    for (const auto& [key, value] : want.members()) {
      ASSERT_NE(json.find(key), nullptr) << key;
      std::string ours = json.find(key)->dump(), theirs = value.dump();
      if (const Json* steps = value.find("normalizers"); steps && steps->size() == 2) {
        const Json& charsmap =
            *json.find(key)->find("normalizers")->items()[0].find("precompiled_charsmap");
        ours.replace(ours.find(charsmap.dump()), charsmap.dump().size(),
                     std::to_string(charsmap.as_string().size()));
      }
      EXPECT_EQ(ours, theirs) << name << " " << key;
    }
  }
}

// What the sentencepiece library says of the same model: the same, but where transformers itself
// says otherwise (each such text is one that the script can explain).
TEST(SentencePieceModels, TheLibraryAgreesOnMostTexts) {
  const Json library = parse(fixture("library.json"));
  const size_t count = texts().size();
  EXPECT_LT(library.find("llama")->size(), count / 20);
  EXPECT_LT(library.find("gemma")->size(), count / 10);
}

TEST(SentencePieceModels, AddWhatTheConfigurationSays) {
  for (const auto& [name, bos] : {std::pair("llama", "<s>"), {"gemma", "<bos>"}, {"words", ""}}) {
    const auto tokenizer = Tokenizer::parse(converted(name));
    ASSERT_TRUE(tokenizer.ok());
    std::vector<int32_t> want = *tokenizer->encode("the water");
    if (*bos) want.insert(want.begin(), tokenizer->id_of(bos).value());
    EXPECT_EQ(*tokenizer->encode("the water", {.add_special = true}), want) << name;
  }
}

}  // namespace
}  // namespace ocelli
