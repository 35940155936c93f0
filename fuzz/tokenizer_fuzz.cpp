// An input that starts with { is taken for a tokenizer.json; what loads then encodes and decodes
// some text. Any other is a text for tokenizers made here (the first byte says how it is encoded),
// which must give it back.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "base/json.h"
#include "base/utf8.h"
#include "text/byte_alphabet.h"
#include "text/detokenizer.h"
#include "text/tokenizer.h"

namespace {

using ocelli::base::Json;
using ocelli::text::Detokenizer;
using ocelli::text::EncodeOptions;
using ocelli::text::Tokenizer;

// Steps of a pipeline meet within a few words; longer texts only make runs fewer.
constexpr size_t kMostText = 256;

constexpr std::string_view kSample =
    "It's <s> 12345 \xE4\xB8\x80 a\n\n b  \t\xC3\xA9\xCC\x81 aaaa <t>\xF0\x9F\x98\x80!!";

// All bytes, a few merges, two added tokens.
std::string tokenizer_json(const char* pre_tokenizer) {
  Json vocab = Json::object();
  int64_t id = 0;
  for (int byte = 0; byte < 256; ++byte) {
    const char raw = static_cast<char>(byte);
    std::string letter;
    ocelli::text::append_letters(letter, std::string_view(&raw, 1));
    vocab.set(letter, Json(id++));
  }
  Json merges = Json::array();
  for (const auto& [left, right] : {std::pair("a", "a"),
                                    {"aa", "a"},
                                    {"t", "h"},
                                    {"th", "e"},
                                    {"\xC4\xA0", "the"},
                                    {"\xC4\xA0", "\xC4\xA0"},
                                    {"1", "2"}}) {
    vocab.set(std::string(left) + right, Json(id++));
    merges.push_back(Json::array({Json(left), Json(right)}));
  }
  Json added = Json::array();
  for (const char* content : {"<s>", "<t>"}) {
    const bool special = content[1] == 's';
    added.push_back(Json::object({{"id", Json(id++)},
                                  {"content", Json(content)},
                                  {"special", Json(special)},
                                  {"normalized", Json(false)}}));
  }
  const Json model = Json::object({{"type", Json("BPE")}, {"vocab", vocab}, {"merges", merges}});
  return Json::object({{"added_tokens", added},
                       {"pre_tokenizer", *Json::parse(pre_tokenizer)},
                       {"decoder", Json::object({{"type", Json("ByteLevel")}})},
                       {"model", model}})
      .dump();
}

// Some characters, every byte, a few merges; spaces become U+2581 and back.
std::string character_tokenizer_json() {
  Json vocab = Json::object();
  int64_t id = 0;
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  for (size_t byte = 0; byte < 256; ++byte)
    vocab.set(std::string("<0x") + kDigits[byte / 16] + kDigits[byte % 16] + ">", Json(id++));
  for (const char* letter : {"\xE2\x96\x81", "a", "b", "t", "h", "e", "\xC3\xA9"})
    vocab.set(letter, Json(id++));
  Json merges = Json::array();
  for (const auto& [left, right] : {std::pair("a", "a"),
                                    {"aa", "a"},
                                    {"t", "h"},
                                    {"th", "e"},
                                    {"\xE2\x96\x81", "the"},
                                    {"\xE2\x96\x81", "\xE2\x96\x81"}}) {
    vocab.set(std::string(left) + right, Json(id++));
    merges.push_back(Json::array({Json(left), Json(right)}));
  }
  Json json =
      *Json::parse(R"({"normalizer":{"type":"Replace","pattern":{"String":" "},"content":"_"},
      "decoder":{"type":"Sequence","decoders":[
          {"type":"Replace","pattern":{"String":"_"},"content":" "},
          {"type":"ByteFallback"},{"type":"Fuse"}]}})");
  json.set("model", Json::object({{"type", Json("BPE")},
                                  {"byte_fallback", Json(true)},
                                  {"vocab", vocab},
                                  {"merges", merges}}));
  std::string text = json.dump();
  for (size_t at = 0; (at = text.find("\"_\"", at)) != text.npos;)
    text.replace(at + 1, 1, "\xE2\x96\x81");
  return text;
}

const Tokenizer& character_tokenizer() {
  static const Tokenizer made = [] {
    auto tokenizer = Tokenizer::parse(character_tokenizer_json());
    OCELLI_CHECK(tokenizer.ok(), "the fuzzer's own tokenizer loads");
    return std::move(*tokenizer);
  }();
  return made;
}

// The text with U+2581 as the space that it is read as.
std::string with_spaces(std::string text) {
  for (size_t at = 0; (at = text.find("\xE2\x96\x81", at)) != text.npos; ++at)
    text.replace(at, 3, " ");
  return text;
}

const std::vector<Tokenizer>& tokenizers() {
  static const std::vector<Tokenizer> made = [] {
    std::vector<Tokenizer> list;
    for (const char* pre_tokenizer :
         {R"({"type":"Sequence","pretokenizers":[{"type":"Digits","individual_digits":true},
              {"type":"ByteLevel","add_prefix_space":false}]})",
          // Llama 3
          R"x({"type":"Sequence","pretokenizers":[{"type":"Split","behavior":"Isolated","pattern":
              {"Regex":"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}|)x"
          R"x( ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"}},
              {"type":"ByteLevel","add_prefix_space":false,"use_regex":false}]})x",
          R"x({"type":"Sequence","pretokenizers":[{"type":"Split","behavior":"MergedWithNext",
              "pattern":{"Regex":"\\p{Lu}|\\s+|(?=a)"}},
              {"type":"ByteLevel","add_prefix_space":false}]})x"}) {
      auto tokenizer = Tokenizer::parse(tokenizer_json(pre_tokenizer));
      OCELLI_CHECK(tokenizer.ok(), "the fuzzer's own tokenizer loads");
      list.push_back(std::move(*tokenizer));
    }
    return list;
  }();
  return made;
}

void check_streaming(const Tokenizer& tokenizer, const std::vector<int32_t>& ids) {
  for (const bool skip : {false, true}) {
    const auto whole = tokenizer.decode(ids, skip);
    OCELLI_CHECK(whole.ok(), "ids of encode() decode");
    Detokenizer stream(tokenizer, skip);
    std::string text;
    for (const int32_t id : ids) text += stream.push(id);
    OCELLI_CHECK(text + stream.finish() == *whole, "streamed text is the decoded text");
  }
}

void as_tokenizer(std::string_view json) {
  const auto tokenizer = Tokenizer::parse(json, {.max_bytes = 1 << 20});
  if (!tokenizer.ok()) return;
  for (const bool flag : {false, true}) {
    const auto ids = tokenizer->encode(kSample, {.parse_special = flag, .add_special = flag});
    if (ids.ok()) check_streaming(*tokenizer, *ids);
  }
  for (int32_t id = -1; id <= tokenizer->id_limit(); ++id) (void)tokenizer->bytes_of(id);
}

void as_text(std::string_view text, bool parse_special) {
  for (const Tokenizer& tokenizer : tokenizers()) {
    const auto ids = tokenizer.encode(text, {.parse_special = parse_special});
    if (!ids.ok()) continue;
    OCELLI_CHECK(*tokenizer.decode(*ids) == ocelli::base::replace_invalid_utf8(text),
                 "a text comes back from its ids");
    check_streaming(tokenizer, *ids);
  }
  const auto ids = character_tokenizer().encode(text, {.parse_special = parse_special});
  OCELLI_CHECK(ids.ok(), "any text has ids");
  OCELLI_CHECK(
      *character_tokenizer().decode(*ids) == with_spaces(ocelli::base::replace_invalid_utf8(text)),
      "a text comes back from its ids");
  check_streaming(character_tokenizer(), *ids);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  if (input.empty()) return 0;
  if (input.front() == '{') {
    as_tokenizer(input);
  } else {
    as_text(input.substr(1, kMostText), (data[0] & 1) != 0);
  }
  return 0;
}
