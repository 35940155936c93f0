// tokenizer.model files made by hand, whole and broken, and the tokenizer.json they mean.
#include "formats/pieces.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ctime>
#include <set>

#include "base/slower.h"
#include "formats/model_folder.h"
#include "formats/piece_merges.h"
#include "formats/test_support.h"

namespace ocelli::formats {
namespace {

using base::Json;
using testing::ElementsAre;
using testing::HasSubstr;

std::string varint(uint64_t value) {
  std::string out;
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  return out + static_cast<char>(value);
}
std::string number(uint32_t field, uint64_t value) {
  return varint(field << 3) + varint(value);
}
std::string bytes(uint32_t field, const std::string& value) {
  return varint(field << 3 | 2) + varint(value.size()) + value;
}
std::string real(uint32_t field, float value) {
  std::string raw(4, '\0');
  std::memcpy(raw.data(), &value, 4);
  return varint(field << 3 | 5) + raw;
}
std::string piece(const std::string& text, float score = 0, int type = 1) {
  return bytes(1, bytes(1, text) + real(2, score) + number(3, static_cast<uint64_t>(type)));
}

// <unk> <s> </s> a b ab aba <t>
std::string small_model() {
  return piece("<unk>", 0, 2) + piece("<s>", 0, 3) + piece("</s>", 0, 3) + piece("a") +
         piece("b", -1) + piece("ab", -2) + piece("ba", -3) + piece("aba", -3) +
         piece("<t>", 0, 4) + bytes(2, number(3, 2) + number(35, 1)) +
         bytes(3, bytes(2, "map") + number(3, 0));
}

base::Result<PieceModel> parse(const std::string& file) {
  return parse_sentencepiece(std::as_bytes(std::span(file)));
}

Json json_of(const PieceModel& model) {
  const auto text = tokenizer_json(model);
  EXPECT_TRUE(text.ok()) << text.error().message();
  if (!text.ok()) return {};
  auto json = Json::parse(*text);
  EXPECT_TRUE(json.ok()) << json.error().message();
  return json.ok() ? *json : Json();
}

std::vector<std::string> merges_of(const Json& json) {
  std::vector<std::string> out;
  for (const Json& merge : json.find("model")->find("merges")->items())
    out.push_back(merge.items()[0].as_string() + " " + merge.items()[1].as_string());
  return out;
}

TEST(Pieces, ReadsEveryField) {
  const auto model = parse(small_model());
  ASSERT_TRUE(model.ok()) << model.error().message();
  ASSERT_EQ(model->pieces.size(), 9u);
  EXPECT_EQ(model->pieces[5].text, "ab");
  EXPECT_EQ(model->pieces[5].score, -2);
  EXPECT_EQ(model->pieces[0].type, PieceType::kUnknown);
  EXPECT_EQ(model->pieces[8].type, PieceType::kUserDefined);
  EXPECT_EQ(model->kind, PieceKind::kBpe);
  EXPECT_TRUE(model->byte_fallback);
  EXPECT_FALSE(model->add_dummy_prefix);
  EXPECT_TRUE(model->remove_extra_whitespaces);
  EXPECT_EQ(model->precompiled_charsmap, "map");
  EXPECT_EQ(model->unk_id, 0);
  EXPECT_EQ(model->pad_id, -1);
  const auto unigram = parse(piece("a"));
  ASSERT_TRUE(unigram.ok());
  EXPECT_EQ(unigram->kind, PieceKind::kUnigram);
}

TEST(Pieces, NegativeIdsAndUnknownFields) {
  const auto model =
      parse(piece("a") + bytes(9, "later") + number(200, 1) + real(201, 1) + varint(202 << 3 | 1) +
            std::string(8, 'x') + bytes(2, number(43, ~uint64_t{0}) + number(41, 7)));
  ASSERT_TRUE(model.ok()) << model.error().message();
  EXPECT_EQ(model->pad_id, -1);
  EXPECT_EQ(model->bos_id, 7);
}

TEST(Pieces, EveryPrefixOfAFileIsReadOrRefused) {
  const std::string file = small_model();
  int refused = 0;
  for (size_t size = 0; size < file.size(); ++size) {
    const auto model = parse(file.substr(0, size));
    if (model.ok()) {
      (void)tokenizer_json(*model);
    } else {
      EXPECT_EQ(model.error().code, base::Code::kBadInput);
      ++refused;
    }
  }
  EXPECT_GT(refused, 50);
}

TEST(Pieces, RefusesWhatIsBroken) {
  const std::string ten(10, '\xFF');
  const std::pair<std::string, const char*> files[] = {
      {"", "no pieces"},
      {"\x08", "number"},
      {ten + "\x01", "longer than ten bytes"},
      {bytes(1, "x").substr(0, 2), "expected"},
      {varint(1 << 3 | 3) + "x", "wire type"},
      {varint(1 << 3 | 2) + varint(uint64_t{1} << 60) + "x", "expected"},
      {number(1, 5), "wire type"},
      {bytes(1, number(1, 1)), "wire type"},
      {bytes(1, bytes(1, "a") + number(3, 7)), "unknown type"},
      {bytes(1, bytes(1, std::string(kMaxPieceBytes + 1, 'a'))), "too long"},
      {piece("a") + bytes(2, number(3, 9)), "unknown kind"},
      {"IQ== 0\nIg== 1\n", "SentencePiece"},  // a tiktoken file
  };
  for (const auto& [file, sentence] : files) {
    const auto model = parse(file);
    ASSERT_FALSE(model.ok()) << sentence;
    EXPECT_EQ(model.error().code, base::Code::kBadInput);
    EXPECT_THAT(model.error().message(), HasSubstr(sentence));
  }
  const std::pair<std::string, const char*> models[] = {
      {piece("a"), "Unigram"},
      {piece("a") + piece("a") + bytes(2, number(3, 2)), "already"},
      {piece("") + bytes(2, number(3, 2)), "empty"},
      {piece("\xFF") + bytes(2, number(3, 2)), "UTF-8"},
      {piece("a") + bytes(2, number(3, 2) + number(24, 1)), "suffix"},
      {piece("a", NAN) + bytes(2, number(3, 2)), "score"},
  };
  for (const auto& [file, sentence] : models) {
    const auto model = parse(file);
    ASSERT_TRUE(model.ok()) << sentence;
    const auto json = tokenizer_json(*model);
    ASSERT_FALSE(json.ok()) << sentence;
    EXPECT_THAT(json.error().message(), HasSubstr(sentence));
  }
}

TEST(Pieces, MergesInEveryOrder) {
  auto model = parse(small_model());
  ASSERT_TRUE(model.ok());
  EXPECT_THAT(merges_of(json_of(*model)), ElementsAre("a b", "b a", "a ba", "ab a"));
  model->order = MergeOrder::kByIdLongestFirst;
  EXPECT_THAT(merges_of(json_of(*model)), ElementsAre("a b", "b a", "ab a", "a ba"));
  model->order = MergeOrder::kByScore;  // "ba" and "aba" have the same score
  EXPECT_THAT(merges_of(json_of(*model)), ElementsAre("a b", "ab a", "a ba", "b a"));
  std::swap(model->pieces[5].score, model->pieces[6].score);
  EXPECT_THAT(merges_of(json_of(*model)), ElementsAre("b a", "ab a", "a ba", "a b"));
}

// The keys of halves against the plain way.
TEST(Pieces, FindsEveryPairThatSpellsAPiece) {
  std::set<std::string> texts;
  uint64_t state = 7;
  while (texts.size() < 400) {
    std::string text;
    do {
      state = state * 6364136223846793005u + 1442695040888963407u;
      text += std::array{"a", "b", "\xE2\x96\x81", "\xC3\xA9"}[state >> 62];
    } while ((state >> 40) % 4 != 0);
    texts.insert(text);
  }
  std::vector<Piece> pieces;
  for (const std::string& text : texts) pieces.push_back({.text = text});
  size_t expected = 0;
  for (const std::string& text : texts) {
    for (size_t at = 1; at < text.size(); ++at)
      expected += texts.count(text.substr(0, at)) * texts.count(text.substr(at));
  }
  const auto merges = piece_merges(pieces, MergeOrder::kById);
  ASSERT_TRUE(merges.ok());
  EXPECT_EQ(merges->size(), expected);
  EXPECT_GT(expected, 400u);
  for (const PieceMerge& m : *merges) {
    const auto text = [&](int32_t id) { return pieces[static_cast<size_t>(id)].text; };
    EXPECT_EQ(text(m.left) + text(m.right), text(m.id));
  }
}

TEST(Pieces, LongPiecesTakeLinearTime) {
  // Every prefix of a long run: half a million pairs out of half a megabyte of pieces.
  std::vector<Piece> pieces;
  for (size_t length = 1; length <= kMaxPieceBytes; ++length)
    pieces.push_back({.text = std::string(length, 'a')});
  const std::clock_t start = std::clock();
  const auto merges = piece_merges(pieces, MergeOrder::kByScore);
  ASSERT_TRUE(merges.ok());
  EXPECT_EQ(merges->size(), kMaxPieceBytes * (kMaxPieceBytes - 1) / 2);
  EXPECT_LT(double(std::clock() - start) / CLOCKS_PER_SEC, 4 * base::kSlower);
  // Written out they would take half a gigabyte.
  PieceModel model;
  model.pieces = std::move(pieces);
  const auto json = tokenizer_json(model);
  ASSERT_FALSE(json.ok());
  EXPECT_THAT(json.error().message(), HasSubstr("too long together"));
}

TEST(Pieces, TheStyleDecidesWhatStandsAround) {
  auto model = parse(small_model());
  ASSERT_TRUE(model.ok());
  model->precompiled_charsmap = "mapp";
  Json json = json_of(*model);
  EXPECT_EQ(json.find("normalizer")
                ->find("normalizers")
                ->items()[0]
                .find("precompiled_charsmap")
                ->as_string(),
            "bWFwcA==");
  EXPECT_TRUE(json.find("pre_tokenizer")->is_null());
  EXPECT_EQ(json.find("model")->find("unk_token")->as_string(), "<unk>");
  EXPECT_EQ(json.find("decoder")->find("decoders")->size(), 3u);
  model->byte_fallback = false;
  EXPECT_EQ(json_of(*model).find("decoder")->find("decoders")->size(), 1u);

  model->style = PieceStyle::kLlama;
  model->add_dummy_prefix = true;
  json = json_of(*model);
  EXPECT_TRUE(json.find("normalizer")->is_null());
  EXPECT_EQ(json.find("pre_tokenizer")->find("prepend_scheme")->as_string(), "first");
  EXPECT_TRUE(json.find("model")->find("byte_fallback")->as_bool());
  EXPECT_EQ(json.find("decoder")->find("decoders")->size(), 4u);

  model->prefix_every_text = true;
  EXPECT_EQ(json_of(*model).find("pre_tokenizer")->find("prepend_scheme")->as_string(), "always");
  model->add_dummy_prefix = false;
  EXPECT_EQ(json_of(*model).find("pre_tokenizer")->find("prepend_scheme")->as_string(), "never");
  model->add_dummy_prefix = true;

  model->style = PieceStyle::kPhi3;
  EXPECT_EQ(json_of(*model).find("normalizer")->find("normalizers")->size(), 2u);

  model->style = PieceStyle::kGemma;
  model->pieces[7].text = "   ";
  json = json_of(*model);
  EXPECT_EQ(json.find("normalizer")->find("type")->as_string(), "Replace");
  EXPECT_EQ(json.find("model")->find("vocab")->members()[7].first,
            "\xE2\x96\x81\xE2\x96\x81\xE2\x96\x81");
}

TEST(Pieces, TheConfigurationDecidesAboutTokens) {
  auto model = parse(small_model());
  ASSERT_TRUE(model.ok());
  const auto config = Json::parse(
      R"({"tokenizer_class":"LlamaTokenizerFast","add_bos_token":true,"bos_token":"<t>",
          "eos_token":{"content":"</s>"},"pad_token":"<pad>","additional_special_tokens":["ab"],
          "added_tokens_decoder":{"9":{"content":"<new>","lstrip":true},
                                  "8":{"content":"<t>","rstrip":true}}})");
  ASSERT_TRUE(config.ok());
  ASSERT_TRUE(apply_tokenizer_config(*config, *model).ok());
  EXPECT_EQ(model->style, PieceStyle::kLlama);
  const Json json = json_of(*model);
  std::string list;
  for (const Json& token : json.find("added_tokens")->items()) {
    list += token.find("content")->as_string() + std::to_string(token.find("id")->as_int());
    for (const char* flag : {"special", "lstrip", "rstrip"})
      list += token.find(flag)->as_bool() ? flag[0] : '-';
    list += ' ';
  }
  EXPECT_EQ(list, "<unk>0s-- <s>1s-- </s>2s-- ab5s-- <t>8s-r <new>9-l- <pad>10s-- ");
  EXPECT_EQ(json.find("post_processor")->find("single")->dump(),
            R"([{"SpecialToken":{"id":"<t>","type_id":0}},{"Sequence":{"id":"A","type_id":0}}])");
  for (const char* bad : {"[]", R"({"added_tokens_decoder":[]})", R"({"add_bos_token":1})",
                          R"({"added_tokens_decoder":{"x":{"content":"a"}}})",
                          R"({"added_tokens_decoder":{"4":{}}})"}) {
    EXPECT_FALSE(apply_tokenizer_config(*Json::parse(bad), *model).ok()) << bad;
  }
  model->bos_id = 99;
  EXPECT_FALSE(tokenizer_json(*model).ok());
}

TEST(Pieces, AFolderWithoutTokenizerJsonHasOneStill) {
  const std::string file = small_model();
  const auto raw = [](const std::string& text) { return std::as_bytes(std::span(text)); };
  const std::string config = R"({"tokenizer_class":"GemmaTokenizer"})";
  const EmbeddedFile files[] = {{"tokenizer.model", raw(file)},
                                {"tokenizer_config.json", raw(config)}};
  const auto folder = ModelFolder::embedded("m", files);
  const auto text = folder.text("tokenizer.json", 1 << 20);
  ASSERT_TRUE(text.ok()) << text.error().message();
  ASSERT_TRUE(text->has_value());
  EXPECT_THAT(**text, HasSubstr("MergedWithPrevious"));
  const auto small = folder.text("tokenizer.json", 100);
  ASSERT_FALSE(small.ok());
  EXPECT_THAT(small.error().message(), HasSubstr("limit 100"));
  const EmbeddedFile broken[] = {{"tokenizer.model", raw(config)}};
  const auto none = ModelFolder::embedded("m", broken).text("tokenizer.json", 1 << 20);
  ASSERT_FALSE(none.ok());
  EXPECT_THAT(none.error().message(), HasSubstr("tokenizer.model"));
  EXPECT_FALSE(ModelFolder::embedded("m", {}).text("tokenizer.json", 9)->has_value());
}

}  // namespace
}  // namespace ocelli::formats
