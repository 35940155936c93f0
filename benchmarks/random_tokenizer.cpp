// The made-up tokenizer of random checkpoints.
#include <set>

#include "base/json.h"
#include "base/utf8.h"
#include "benchmarks/random_models.h"

namespace ocelli::benchmarks {

using base::Json;

namespace {

constexpr int64_t kBaseTokens = 49152;
constexpr const char* kBaseSpecials[] = {
    "<|endoftext|>",    "<|im_start|>",    "<|im_end|>",     "<repo_name>",    "<reponame>",
    "<file_sep>",       "<filename>",      "<gh_stars>",     "<issue_start>",  "<issue_comment>",
    "<issue_closed>",   "<jupyter_start>", "<jupyter_text>", "<jupyter_code>", "<jupyter_output>",
    "<jupyter_script>", "<empty_output>"};
constexpr char kSpace[] = "\xC4\xA0";  // U+0120, the byte 32 in byte-level BPE

std::string utf8(int code) {  // below U+0800
  if (code < 0x80) return std::string(1, char(code));
  return {char(0xC0 | code >> 6), char(0x80 | (code & 0x3F))};
}

// The characters that stand for the 256 bytes, ascending: printable bytes are themselves, the
// others follow from U+0100.
std::set<int> byte_characters() {
  std::set<int> characters;
  int next = 256;
  for (int byte = 0; byte < 256; ++byte) {
    const bool printable =
        (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
    characters.insert(printable ? byte : next++);
  }
  return characters;
}

// Collects tokens and merges until the vocabulary is full.
class Builder {
 public:
  void token(std::string text) { vocab_.emplace_back(std::move(text), int64_t(vocab_.size())); }
  void merge(const std::string& left, const std::string& right) {
    if (int64_t(vocab_.size()) >= kBaseTokens) return;
    token(left + right);
    merges_.push_back(left + " " + right);
  }

  Json model() {
    Json merges = Json::array();
    for (std::string& m : merges_) merges.push_back(std::move(m));
    return Json::object({{"type", "BPE"},
                         {"dropout", nullptr},
                         {"unk_token", nullptr},
                         {"continuing_subword_prefix", nullptr},
                         {"end_of_word_suffix", nullptr},
                         {"fuse_unk", false},
                         {"byte_fallback", false},
                         {"ignore_merges", false},
                         {"vocab", Json::object(std::move(vocab_))},
                         {"merges", std::move(merges)}});
  }

 private:
  std::vector<Json::Member> vocab_;
  std::vector<std::string> merges_;
};

std::vector<std::string> letters() {
  std::vector<std::string> out;
  for (const char c : std::string("etaoinshrdlucmfwypvbgkqjxz")) out.emplace_back(1, c);
  return out;
}

void add_merges(Builder& b) {
  const std::vector<std::string> one = letters();
  std::vector<std::string> two;
  for (const auto& x : one) b.merge(kSpace, x);
  for (const auto& x : one) {
    for (const auto& y : one) two.push_back(x + y);
  }
  for (const auto& xy : two) b.merge(xy.substr(0, 1), xy.substr(1));
  for (const auto& x : one) {
    for (const auto& yz : two) b.merge(kSpace + x, yz);
  }
  for (const auto& xy : two) {
    for (const auto& z : one) b.merge(xy, z);
  }
  for (const auto& wx : two) {
    for (const auto& yz : two) b.merge(wx, yz);
  }
}

std::vector<std::string> vision_tokens() {
  std::vector<std::string> out = {"<global-img>"};
  for (int row = 1; row <= 6; ++row) {
    for (int col = 1; col <= 6; ++col) {
      out.push_back("<row_" + std::to_string(row) + "_col_" + std::to_string(col) + ">");
    }
  }
  out.insert(out.end(), {"<fake_token_around_image>", "<image>"});
  for (int i = 0; i < 88; ++i)
    out.push_back("<|reserved_special_token_" + std::to_string(i) + "|>");
  out.push_back("<end_of_utterance>");
  return out;
}

Json added_token(int64_t id, const std::string& content) {
  return Json::object({{"id", id},
                       {"content", content},
                       {"single_word", false},
                       {"lstrip", false},
                       {"rstrip", false},
                       {"normalized", false},
                       {"special", true}});
}

}  // namespace

std::string tokenizer_json(bool vision) {
  Builder builder;
  Json added = Json::array();
  int64_t id = 0;
  for (const char* special : kBaseSpecials) {
    builder.token(special);
    added.push_back(added_token(id++, special));
  }
  for (const int character : byte_characters()) builder.token(utf8(character));
  add_merges(builder);
  if (vision) {
    id = kBaseTokens;
    for (const std::string& token : vision_tokens()) added.push_back(added_token(id++, token));
  }
  const Json byte_level = Json::object({{"type", "ByteLevel"},
                                        {"add_prefix_space", false},
                                        {"trim_offsets", true},
                                        {"use_regex", true}});
  const Json digits = Json::object({{"type", "Digits"}, {"individual_digits", true}});
  const Json pre =
      Json::object({{"type", "Sequence"}, {"pretokenizers", Json::array({digits, byte_level})}});
  return Json::object({{"version", "1.0"},
                       {"truncation", nullptr},
                       {"padding", nullptr},
                       {"added_tokens", added},
                       {"normalizer", nullptr},
                       {"pre_tokenizer", pre},
                       {"post_processor", nullptr},
                       {"decoder", byte_level},
                       {"model", builder.model()}})
      .dump(1);
}

}  // namespace ocelli::benchmarks
