// tokenizer.json files that are wrong: a clear error, always.
#include "text/tokenizer_test_support.h"

namespace ocelli::text {
namespace {

using base::Json;
using testing::HasSubstr;

// A tokenizer of four tokens that loads, to be broken in one place.
constexpr const char* kGood = R"({"version":"1.0","truncation":null,"padding":null,
  "added_tokens":[{"id":3,"content":"<s>","single_word":false,"lstrip":false,"rstrip":false,
                   "normalized":false,"special":true}],
  "normalizer":null,
  "pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false,"use_regex":true},
  "post_processor":null,"decoder":{"type":"ByteLevel"},
  "model":{"type":"BPE","unk_token":null,"vocab":{"a":0,"b":1,"ab":2},"merges":["a b"]}})";

struct Case {
  const char* member;  // of the file, or of "model" after a point
  const char* value;
  const char* message;
};

void expect_refused(const std::string& text, const char* message, TokenizerOptions options = {}) {
  const auto tokenizer = Tokenizer::parse(text, options);
  ASSERT_FALSE(tokenizer.ok()) << text;
  EXPECT_EQ(tokenizer.error().code, base::Code::kBadInput);
  EXPECT_THAT(tokenizer.error().message(), HasSubstr("tokenizer.json"));
  EXPECT_THAT(tokenizer.error().message(), HasSubstr(message));
}

TEST(TokenizerJson, TheGoodOneLoads) {
  const Tokenizer tokenizer = parse_or_die(kGood);
  EXPECT_EQ(*tokenizer.encode("ab<s>ba"), (std::vector<int32_t>{2, 3, 1, 0}));
  EXPECT_EQ(tokenizer.vocab_size(), 4u);
  // c is not in the vocabulary and there is no unknown token: it disappears, as in the reference.
  EXPECT_EQ(*tokenizer.encode("acb"), (std::vector<int32_t>{2}));
}

constexpr Case kCases[] = {
    {"model", "null", "vocab"},
    {"model.type", "\"WordPiece\"", "not supported"},
    {"model.type", "7", "type"},
    {"model.vocab", "null", "vocab"},
    {"model.vocab", "[]", "vocab"},
    {"model.vocab", R"({"a":0,"b":1,"ab":1.5})", "no integer id"},
    {"model.vocab", R"({"a":0,"b":1,"ab":-1})", "out of range"},
    {"model.vocab", R"({"a":0,"b":1,"ab":4000000000})", "out of range"},
    {"model.vocab", R"({"a":0,"b":1,"ab":4194304})", "out of range"},
    {"model.vocab", R"({"a":0,"b":1,"ab":1})", "which is that of \"b\""},
    {"model.vocab", R"({"a":0,"b":1})", "\"ab\" is not in the vocabulary"},
    {"model.vocab", R"({"a":0,"b":1,"ab":2,"<s>":5})", "the vocabulary gives it 5"},
    {"model.merges", "null", "merges"},
    {"model.merges", R"(["a c"])", "merge 0: \"c\" is not in the vocabulary"},
    {"model.merges", R"(["a b",["b","b"]])", "merge 1: \"bb\" is not in the vocabulary"},
    {"model.merges", R"(["a  b"])", "merge 0: not of the form"},
    {"model.merges", R"([["a"]])", "merge 0: not of the form"},
    {"model.merges", R"([["a",1]])", "merge 0: not of the form"},
    {"model.merges", "[7]", "merge 0: not of the form"},
    {"model.dropout", "0.1", "dropout"},
    {"model.continuing_subword_prefix", "\"##\"", "continuing_subword_prefix"},
    {"model.end_of_word_suffix", "\"</w>\"", "end_of_word_suffix"},
    {"model.byte_fallback", "true", "beside ByteLevel"},
    {"model.unk_token", "\"<unk>\"", "unk_token"},
    {"model.ignore_merges", "\"yes\"", "ignore_merges"},
    {"added_tokens", "{}", "added_tokens"},
    {"added_tokens", "[{}]", "content"},
    {"added_tokens", R"([{"id":3,"content":""}])", "empty"},
    {"added_tokens", R"([{"id":-3,"content":"x"}])", "id"},
    {"added_tokens", R"([{"id":9,"content":"x"}])", "the next free one is 3"},
    {"added_tokens", R"([{"id":3,"content":"x"},{"id":3,"content":"y"}])",
     "the next free one is 4"},
    {"added_tokens", R"([{"id":3,"content":"x"},{"id":3,"content":"x"}])", "the same as another"},
    {"added_tokens", R"([{"id":1,"content":"a"}])", "the vocabulary gives it 0"},
    {"normalizer", R"({"type":"Lowercase"})", "normalizer: a step of type \"Lowercase\""},
    {"normalizer", "[]", "type"},
    {"normalizer", R"({"type":"Prepend"})", "prepend"},
    {"normalizer",
     R"({"type":"Prepend","prepend":"0123456789012345678901234567890123456789012345678901234567890123456789"})",
     "too long"},
    {"normalizer", R"({"type":"Replace","content":"x"})", "pattern"},
    {"normalizer", R"({"type":"Replace","content":"x","pattern":{"String":""}})", "empty"},
    {"normalizer", R"({"type":"Replace","content":"x","pattern":{"Regex":"[a"}})", "wrong at"},
    {"normalizer", R"({"type":"Precompiled","precompiled_charsmap":"*"})", "normalizer"},
    {"normalizer", R"({"type":"Precompiled","precompiled_charsmap":"/////w=="})", "expected"},
    {"normalizer", R"({"type":"Precompiled","precompiled_charsmap":"AAAAAA=="})", "no trie"},
    {"pre_tokenizer", R"({"type":"BertPreTokenizer"})", "not supported yet"},
    {"pre_tokenizer", R"({"type":"Metaspace"})", "replacement"},
    {"pre_tokenizer", R"({"type":"Metaspace","replacement":"ab"})", "one character"},
    {"pre_tokenizer", R"({"type":"Metaspace","replacement":"_","prepend_scheme":"often"})",
     "often"},
    {"pre_tokenizer", R"({"type":"Sequence"})", "pretokenizers"},
    {"pre_tokenizer",
     R"({"type":"Sequence","pretokenizers":[{"type":"ByteLevel"},{"type":"Digits"}]})", "behind"},
    {"pre_tokenizer", R"({"type":"Split","pattern":{"Regex":"[a"},"behavior":"Isolated"})",
     "wrong at"},
    {"pre_tokenizer", R"({"type":"Split","pattern":{"Regex":"\\w+"},"behavior":"Isolated"})",
     "\\w"},
    {"pre_tokenizer", R"x({"type":"Split","pattern":{"Regex":"(?m:a)"},"behavior":"Isolated"})x",
     "inline"},
    {"pre_tokenizer", R"({"type":"Split","pattern":{"Regex":"a"},"behavior":"Sideways"})",
     "Sideways"},
    {"pre_tokenizer", R"({"type":"Split","pattern":{"String":""},"behavior":"Isolated"})", "empty"},
    {"pre_tokenizer", R"({"type":"Split","pattern":"a","behavior":"Isolated"})", "pattern"},
    {"post_processor", R"({"type":"BertProcessing"})", "not supported yet"},
    {"post_processor", R"({"type":"TemplateProcessing"})", "single"},
    {"post_processor", R"({"type":"TemplateProcessing","single":[]})", "exactly once"},
    {"post_processor",
     R"({"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<s>"}},
         {"Sequence":{"id":"A"}}]})",
     "without its ids"},
    {"post_processor",
     R"({"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<s>"}},
         {"Sequence":{"id":"A"}}],
         "special_tokens":{"<s>":{"id":"<s>","ids":[99],"tokens":["<s>"]}}})",
     "out of range"},
    {"decoder", "null", "decoder"},
    {"decoder", R"({"type":"WordPiece"})", "decoder"},
    {"decoder", R"({"type":"Sequence"})", "decoders"},
    {"decoder", R"({"type":"Sequence","decoders":[{"type":"Fuse"},{"type":"ByteLevel"}]})",
     "beside ByteLevel"},
    {"decoder", R"({"type":"Sequence","decoders":[{"type":"Fuse"},{"type":"ByteFallback"}]})",
     "behind ByteFallback or Fuse"},
    {"decoder", R"({"type":"Strip","content":"ab","start":1,"stop":0})", "one character"},
    {"decoder", R"({"type":"Strip","content":" ","start":-1,"stop":0})", "start"},
    {"decoder",
     R"({"type":"Sequence","decoders":[{"type":"Fuse"},
         {"type":"Strip","content":" ","start":0,"stop":1}]})",
     "end of a text"},
    {"decoder", R"({"type":"Replace","content":"x"})", "pattern"},
};

TEST(TokenizerJson, WrongMembersAreNamed) {
  for (const Case& c : kCases) {
    Json json = parse_json(kGood);
    const std::string member = c.member;
    if (member.starts_with("model.")) {
      Json model = *json.find("model");
      model.set(member.substr(6), parse_json(c.value));
      json.set("model", model);
    } else {
      json.set(member, parse_json(c.value));
    }
    SCOPED_TRACE(member + " = " + c.value);
    expect_refused(json.dump(), c.message);
  }
}

TEST(TokenizerJson, WrongFilesAreRefused) {
  expect_refused("", "tokenizer.json");
  expect_refused("{", "tokenizer.json");
  expect_refused("[]", "not a JSON object");
  expect_refused(std::string(100000, '['), "tokenizer.json");
  expect_refused(kGood, "limit", {.max_bytes = 100});
  // The same key twice.
  std::string twice = kGood;
  twice.replace(twice.find("\"ab\":2"), 6, "\"a\":2");
  expect_refused(twice, "twice");
  for (size_t size = 0; size + 1 < std::string_view(kGood).size(); size += 7)
    expect_refused(std::string(kGood).substr(0, size), "tokenizer.json");
}

TEST(TokenizerJson, TooDeepSequencesAreRefused) {
  for (const char* member : {"normalizer", "pre_tokenizer", "post_processor"}) {
    const std::string key = std::string(member) == "normalizer"      ? "normalizers"
                            : std::string(member) == "pre_tokenizer" ? "pretokenizers"
                                                                     : "processors";
    Json inner = parse_json(R"({"type":"ByteLevel"})");
    for (int i = 0; i < 20; ++i) {
      inner = Json::object({{"type", Json("Sequence")}, {key, Json::array({inner})}});
    }
    Json json = parse_json(kGood);
    json.set(member, inner);
    expect_refused(json.dump(), "nested too deeply");
  }
}

TEST(TokenizerJson, MoreIdsThanRowsIsAnError) {
  expect_refused(kGood, "the embedding has 3 rows, the tokenizer ids up to 3", {.max_rows = 3});
  EXPECT_TRUE(Tokenizer::parse(kGood, {.max_rows = 4}).ok());
}

TEST(TokenizerJson, GapsInTheVocabularyGiveNoText) {
  Json json = parse_json(kGood);
  Json model = *json.find("model");
  model.set("vocab", parse_json(R"({"a":0,"b":1,"ab":7})"));
  json.set("model", model);
  json.set("added_tokens", Json::array());
  const Tokenizer tokenizer = parse_or_die(json.dump());
  EXPECT_EQ(tokenizer.vocab_size(), 3u);
  EXPECT_EQ(tokenizer.id_limit(), 8);
  EXPECT_EQ(*tokenizer.decode(std::vector<int32_t>{7, 5, 0}), "aba");
}

}  // namespace
}  // namespace ocelli::text
