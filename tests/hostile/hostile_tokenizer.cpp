// Row S11: tokenizer.json. Rows C11 and C12: texts made to cost time.
#include <gtest/gtest.h>

#include "harness.h"

namespace ocelli::hostile {
namespace {

constexpr char kFile[] = "tokenizer.json";
constexpr size_t kMiB = size_t{1} << 20;
const std::string kHere = "^error: .*tokenizer\\.json: .*";

class Tokenizers : public Table {
 public:
  Case& file(std::string what, std::string text, const std::string& says) {
    return add(
        std::move(what), [text = std::move(text)](const Folder& f) { f.write(kFile, text); },
        kHere + says);
  }
  Case& value(const std::string& path, const Json& value, const std::string& says) {
    return add(
        path + " = " + value.dump().substr(0, 60),
        [=](const Folder& f) { f.set(kFile, path, value); }, kHere + says);
  }
  Case& gone(const std::string& path, const std::string& says) {
    return add(
        "no " + path, [=](const Folder& f) { f.erase(kFile, path); }, kHere + says);
  }
};

Json split(const std::string& regex) {
  return Json::object(
      {{"type", "Sequence"},
       {"pretokenizers", Json::array({Json::object({{"type", "Split"},
                                                    {"pattern", Json::object({{"Regex", regex}})},
                                                    {"behavior", "Isolated"},
                                                    {"invert", false}}),
                                      Json::object({{"type", "ByteLevel"},
                                                    {"add_prefix_space", false},
                                                    {"use_regex", false}})})}});
}

Json added(int64_t id, const std::string& content) {
  return Json::object({{"id", id},
                       {"content", content},
                       {"special", true},
                       {"normalized", false},
                       {"lstrip", false},
                       {"rstrip", false},
                       {"single_word", false}});
}

void texts(Tokenizers& t) {
  t.row("S11");
  t.add(
      "no tokenizer", [](const Folder& f) { f.remove(kFile); },
      "^error: .*tokenizer\\.json is missing");
  t.file("an empty file", "", "JSON");
  t.file("a list", "[]", "object");
  t.file("null", "null", "object");
  t.file("an empty object", "{}", "model");
  t.file("a web page", "<html>", "JSON");
  t.file("not UTF-8", "{\"model\":\"\xff\"}", "JSON");
  t.file("a byte order mark", "\xEF\xBB\xBF{}", "byte order mark");
  t.file("100000 lists", std::string(100'000, '['), "deep");
  t.add(
      "cut in the middle", [](const Folder& f) { f.write(kFile, f.read(kFile).substr(0, 9000)); },
      kHere + "JSON");
  t.add(
      "a GiB of zeros", [](const Folder& f) { f.write_hole(kFile, "{", uint64_t{1} << 30); },
      "^error: .*tokenizer\\.json: too large");
  t.add(
      "128 MB of spaces",
      [](const Folder& f) { f.write_many(kFile, "{", std::string(kMiB, ' '), 127, "x"); },
      kHere + "too long");
  t.add(
      "20 million numbers",
      [](const Folder& f) { f.write_many(kFile, "{\"a\":[0", ",0", 20'000'000, "]}"); },
      kHere + "too many values");
}

void models(Tokenizers& t) {
  for (const char* type : {"WordPiece", "Unigram", "", "bpe", "WordLevel"})
    t.value("model.type", type, "type");
  t.value("model.type", 5, "type");
  t.value("model.dropout", 0.5, "dropout");
  t.value("model.byte_fallback", "yes", "byte_fallback");
  t.value("model.unk_token", "<nobody>", "unk_token");
  t.value("model.continuing_subword_prefix", "##", "continuing_subword_prefix");
  t.value("model.end_of_word_suffix", "</w>", "end_of_word_suffix");
  for (const Json& vocab : {Json(), Json::array(), Json("x"), Json(3)})
    t.value("model.vocab", vocab, "vocab");
  for (const Json& id :
       {Json(-1), Json(1.5), Json("7"), Json(), Json(int64_t{1} << 40), Json(4'000'000'000.0)})
    t.value("model.vocab.the", id, "(the|id)");
  t.value("model.vocab.the", 5, "id");  // that of another token
  t.add(
      "a token twice",
      [](const Folder& f) { f.replace(kFile, "\"vocab\": {", "\"vocab\": {\"he\": 400,"); },
      kHere + "twice");
  t.add(
      "an id far away", [](const Folder& f) { f.set(kFile, "model.vocab.new", 100'000); },
      "^error: .*(embedding has 592 rows|tokenizer\\.json)");
  t.value("model.vocab.new", 592, "(embedding|added|id)").says =
      "^error: .*(embedding has 592 rows|tokenizer\\.json)";
  t.add(
      "a token of 100000 bytes",
      [](const Folder& f) { f.set(kFile, "model.vocab." + std::string(100'000, 'x'), 592); },
      kHere + "(long|bytes)");
  t.gone("model", "model");
  t.gone("model.vocab", "vocab");
  t.gone("model.merges", "merges");
  for (const Json& merges : {Json(), Json::object(), Json("a b"), Json(1)})
    t.value("model.merges", merges, "merges");
  for (const Json& merge : {Json("ab"), Json("a b c"), Json(""), Json(" "), Json("a"), Json(7),
                            Json(), Json::array({Json("a")}), Json::array({Json("a"), Json(1)}),
                            Json::array({Json("a"), Json("b"), Json("c")})})
    t.value("model.merges.0", merge, "merge 0");
  t.value("model.merges.0", "nothing the", "merge 0: .*not in the vocabulary");
  t.value("model.merges.318", "the the", "not in the vocabulary");
  t.add(
      "10 million merges",
      [](const Folder& f) {
        std::string text = f.read(kFile);
        const std::string key = "\"merges\": [";
        const size_t at = text.find(key);
        ASSERT_NE(at, text.npos);
        f.write_many(kFile, text.substr(0, at + key.size()), "\"t h\",", 10'000'000,
                     text.substr(at + key.size()));
      },
      kHere + "too many values");
  t.add(
       "a million merges again and again",
       [](const Folder& f) {
         std::string text = f.read(kFile);
         const std::string key = "\"merges\": [";
         const size_t at = text.find(key);
         ASSERT_NE(at, text.npos);
         f.write_many(kFile, text.substr(0, at + key.size()), "\"h e\",", 1'000'000,
                      text.substr(at + key.size()));
       },
       kHere)
      .says = "(the|family)";
  t.cases.back().status = 0;
}

void steps(Tokenizers& t) {
  const char* pre = "pre_tokenizer";
  for (const Json& value : {Json(1), Json("ByteLevel"), Json::array(), Json::object(),
                            Json::object({{"type", "BertPreTokenizer"}}),
                            Json::object({{"type", 5}}), Json::object({{"type", "Sequence"}}),
                            Json::object({{"type", "Sequence"}, {"pretokenizers", "x"}})})
    t.value(pre, value, "pre_tokenizer");
  Json deep = Json::object({{"type", "ByteLevel"}});
  for (int i = 0; i < 40; ++i)
    deep = Json::object({{"type", "Sequence"}, {"pretokenizers", Json::array({deep})}});
  t.value(pre, deep, "nested too deeply").what = "40 sequences in sequences";
  Json many = Json::array();
  for (int i = 0; i < 1000; ++i)
    many.push_back(Json::object({{"type", "Digits"}, {"individual_digits", true}}));
  many.push_back(Json::object({{"type", "ByteLevel"}}));
  t.value(pre, Json::object({{"type", "Sequence"}, {"pretokenizers", many}}), "too many steps")
      .what = "1000 steps";
  t.value(pre, split("(unclosed"), "pattern");
  t.value(pre, split("[z-a]"), "pattern");
  t.value(pre, split("(?<=a+)b"), "pattern");
  t.value(pre, split("a{99999999}"), "pattern");
  t.value(pre, split(std::string(10'000, '(')), "pattern").what = "10000 parentheses";
  t.value(pre, split(std::string(3000, '(') + "a" + std::string(3000, ')')), "pattern").what =
      "3000 groups";
  t.value(pre, split(std::string(100'000, 'a')), "pattern").what = "a pattern of 100000 letters";
  t.value(pre, split("(?{print 1})"), "pattern");
  t.value(pre, split("\\Cx"), "pattern");
  t.value("pre_tokenizer.pretokenizers.0.type", "Metaspace9", "pre_tokenizer");
  Json step = Json::object({{"type", "Split"},
                            {"pattern", Json::object({{"Regex", "a"}, {"String", "b"}})},
                            {"behavior", "Isolated"}});
  t.value(pre, step, "pre_tokenizer");
  step.set("pattern", Json::object({{"Regex", "a"}})).set("behavior", "Exploded");
  t.value(pre, step, "behavior");
  for (const Json& value : {Json(1), Json::array(), Json::object({{"type", "Lua"}})}) {
    t.value("normalizer", value, "normalizer");
    t.value("post_processor", value, "post_processor");
    t.value("decoder", value, "decoder");
  }
  t.value("post_processor", Json::object({{"type", "TemplateProcessing"}}), "post_processor");
  t.value("post_processor",
          Json::object(
              {{"type", "TemplateProcessing"},
               {"single", Json::array({Json::object(
                              {{"SpecialToken", Json::object({{"id", "<s>"}, {"type_id", 0}})}})})},
               {"special_tokens", Json::object()}}),
          "post_processor");

  // Backtracking patterns load; the text that would cost years is refused at once.
  for (const char* regex :
       {"(a+)+$", "(a|a)*b", "(.*)*x", "(?=(a+))*?\\1b", "((a{0,9}){0,9}){0,9}c"}) {
    Case& c = t.add(
        std::string("pattern ") + regex,
        [=](const Folder& f) {
          f.set(kFile, pre, split(regex));
          f.write("text", std::string(kMiB, 'a') + "!");
        },
        "^error: .*tokenizer\\.json: .*pattern.*;");
    c.words = {"tokenize", "-m", ".", "-f", "text", "--ids"};
  }
}

void added_tokens(Tokenizers& t) {
  for (const Json& value : {Json(1), Json::object(), Json("x")})
    t.value("added_tokens", value, "added_tokens");
  t.value("added_tokens.0.id", -1, "added_tokens");
  t.value("added_tokens.0.id", int64_t{4'000'000'000}, "added_tokens");
  t.value("added_tokens.0.id", 5, "added_tokens.*id");
  t.value("added_tokens.0.id", "0", "added_tokens");
  t.value("added_tokens.0.content", "", "added_tokens.*empty");
  t.value("added_tokens.0.content", 5, "added_tokens");
  t.value("added_tokens.1.content", "<|endoftext|>", "added_tokens");
  t.value("added_tokens.0.special", "yes", "added_tokens");
  t.value("added_tokens.0", "text", "added_tokens");
  t.gone("added_tokens.0.content", "content");
  t.gone("added_tokens.0.id", "id");
  const auto many = [&](std::string what, int count, std::function<std::string(int)> text) {
    return t.add(
        std::move(what),
        [=](const Folder& f) {
          Json list = Json::array();
          for (int i = 0; i < count; ++i) list.push_back(added(592 + i, text(i)));
          f.set(kFile, "added_tokens", list);
        },
        "^error: .*(added_tokens|embedding has 592 rows|tokenizer\\.json)");
  };
  many("100000 added tokens", 100'000, [](int i) { return "<x" + std::to_string(i) + ">"; });
  many("added tokens of 5 MB", 500,
       [](int i) { return std::string(10'000, 'x') + std::to_string(i); });
}

// A MiB of one thing takes at most a second, and every id has its place.
void long_texts(Tokenizers& t) {
  t.row("C11");
  struct Unit {
    const char *name, *text;
  };
  for (const char* tokenizer : {"smol", "llama3", "added", "plain"}) {
    for (const Unit& u : {Unit{"a", "a"},
                          {"spaces", " "},
                          {"newlines", "\n"},
                          {"digits", "1"},
                          {"Chinese", "\xE4\xB8\xAD"},
                          {"marks", "!"},
                          {"joined emoji", "\xF0\x9F\x91\xA9\xE2\x80\x8D"},
                          {"accents", "\xCC\x81"},
                          {"control tokens", "<|im_start|>"},
                          {"not UTF-8", "\xff"},
                          {"a mixture", "Hello, 12 \xE4\xB8\xAD\xF0\x9F\x98\x80\n\t<|im_end|> "}}) {
      const std::string unit = u.text;
      Case& c = t.add(
          std::string("a MiB of ") + u.name + " with " + tokenizer,
          [=](const Folder& f) {
            f.remove(kFile);
            fs::create_symlink(std::string(OCELLI_FIXTURES "/tokenizers/") + tokenizer + ".json",
                               f.path() / kFile);
            f.write_many("text", "", unit, kMiB / unit.size());
          },
          "^[0-9]");
      c.status = 0;
      c.seconds = 1;
      c.words = {"tokenize", "-m", ".", "-f", "text", "--ids"};
    }
  }
  t.row("C12");
  struct Odd {
    const char* name;
    std::string text;
  };
  for (const Odd& odd : {Odd{"no text", ""},
                         {"a NUL byte", std::string("a\0b", 3)},
                         {"half a surrogate", "a\xED\xA0\x80z"},
                         {"a byte order mark", "\xEF\xBB\xBFz"},
                         {"the last character", "\xF4\x8F\xBF\xBFz"},
                         {"beyond the last", "\xF4\x90\x80\x80z"},
                         {"overlong", "\xC0\xAFz"},
                         {"cut", "z\xF0\x9F\x98"},
                         {"no character", "\xEF\xBF\xBFz"}}) {
    Case& c = t.add(
        odd.name, [=](const Folder& f) { f.write("text", odd.text); },
        odd.text.empty() ? "" : "^[0-9]");
    c.status = 0;
    c.words = {"tokenize", "-m", ".", "-f", "text", "--ids"};
  }
  Case& big = t.add(
      "a text of 300 MB", [](const Folder& f) { f.write_hole("text", "a", 300'000'000); },
      "^error: .*text: too large.*limit");
  big.words = {"tokenize", "-m", ".", "-f", "text", "--ids"};
}

}  // namespace

std::vector<Case> tokenizer_cases() {
  Tokenizers t;
  texts(t);
  models(t);
  steps(t);
  added_tokens(t);
  long_texts(t);
  return t.cases;
}

}  // namespace ocelli::hostile
