// tokenizer.json -> Tokenizer::Impl.
#include <unordered_map>

#include "text/byte_alphabet.h"
#include "text/sequence_depth.h"
#include "text/tokenizer_impl.h"

namespace ocelli::text {
namespace {

using base::Code;
using base::fail;
using base::Json;
using base::Result;
using base::Status;
using Impl = Tokenizer::Impl;

constexpr size_t kMaxTemplateTokens = 64;      // that a post-processor adds
constexpr size_t kMaxBytes = size_t{1} << 30;  // of all tokens together, as text

std::string quoted(std::string_view text) {
  return '"' + base::printable(text, 80) + '"';
}

const Json& member_or_null(const Json& json, std::string_view key) {
  static const Json null;
  const Json* found = json.find(key);
  return found == nullptr ? null : *found;
}

Status parse_vocabulary(const Json& model, Impl& impl) {
  const Json& vocab = member_or_null(model, "vocab");
  if (!vocab.is_object()) return fail(Code::kBadInput, "model.vocab is missing or no object");
  impl.vocabulary.reserve(vocab.size());
  for (const auto& [token, id] : vocab.members()) {
    if (!id.is_int()) return fail(Code::kBadInput, "token " + quoted(token) + " has no integer id");
    OCELLI_TRY(impl.vocabulary.add(token, id.as_int()));
  }
  return {};
}

// A merge is "a b" or ["a", "b"].
Result<std::pair<std::string_view, std::string_view>> parts_of(const Json& merge) {
  if (merge.is_array() && merge.size() == 2 && merge.items()[0].is_string() &&
      merge.items()[1].is_string()) {
    return std::pair<std::string_view, std::string_view>(merge.items()[0].as_string(),
                                                         merge.items()[1].as_string());
  }
  if (merge.is_string()) {
    const std::string_view text = merge.as_string();
    const size_t space = text.find(' ');
    if (space != text.npos && text.find(' ', space + 1) == text.npos)
      return std::pair(text.substr(0, space), text.substr(space + 1));
  }
  return fail(Code::kBadInput, "not of the form \"a b\" or [\"a\", \"b\"]");
}

Status add_merge(const Json& json, uint32_t rank, std::string& joined, Impl& impl) {
  OCELLI_ASSIGN(const auto parts, parts_of(json));
  const auto known = [&](std::string_view token) -> Result<int32_t> {
    const std::optional<int32_t> id = impl.vocabulary.find(token);
    if (!id) return fail(Code::kBadInput, quoted(token) + " is not in the vocabulary");
    return *id;
  };
  OCELLI_ASSIGN(const int32_t left, known(parts.first));
  OCELLI_ASSIGN(const int32_t right, known(parts.second));
  joined.assign(parts.first).append(parts.second);
  OCELLI_ASSIGN(const int32_t id, known(joined));
  impl.merges.set(left, right, {rank, id});
  if (!impl.pre_tokenizer.byte_level()) impl.symbols.note_merge(parts.first, parts.second);
  return {};
}

Status parse_merges(const Json& model, Impl& impl) {
  const Json& merges = member_or_null(model, "merges");
  if (!merges.is_array()) return fail(Code::kBadInput, "model.merges is missing or no list");
  if (merges.size() > kMaxMerges) {
    return fail(Code::kBadInput, "too many merges (" + std::to_string(merges.size()) + ", limit " +
                                     std::to_string(kMaxMerges) + ")");
  }
  impl.merges = MergeTable(merges.size());
  std::string joined;
  uint32_t rank = 0;
  for (const Json& merge : merges.items()) {
    // The first line of a merges.txt, which older converters kept.
    if (merge.is_string() && merge.as_string().starts_with("#version")) continue;
    OCELLI_TRY(add_merge(merge, rank, joined, impl).in("merge " + std::to_string(rank)));
    ++rank;
  }
  impl.symbols.finish_merges();
  return {};
}

Status parse_model(const Json& model, Impl& impl) {
  OCELLI_ASSIGN(const std::string type, model.get_string("type", "BPE"));
  if (type != "BPE")
    return fail(Code::kBadInput,
                "a model of type " + quoted(type) + " is not supported yet; BPE is");
  OCELLI_ASSIGN(const bool byte_fallback, model.get_bool("byte_fallback", false));
  if (byte_fallback && impl.pre_tokenizer.byte_level())
    return fail(Code::kBadInput, "byte_fallback beside ByteLevel is not supported yet");
  OCELLI_ASSIGN(const double dropout, model.get_double("dropout", 0.0));
  if (dropout != 0.0) return fail(Code::kBadInput, "dropout is for training; remove it");
  for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    OCELLI_ASSIGN(const std::string affix, model.get_string(key, ""));
    if (!affix.empty()) return fail(Code::kBadInput, std::string(key) + " is not supported yet");
  }
  OCELLI_ASSIGN(impl.ignore_merges, model.get_bool("ignore_merges", false));
  OCELLI_ASSIGN(impl.fuse_unknown, model.get_bool("fuse_unk", false));
  OCELLI_TRY(parse_vocabulary(model, impl));
  if (const Json& unknown = member_or_null(model, "unk_token"); unknown.is_string()) {
    const std::optional<int32_t> id = impl.vocabulary.find(unknown.as_string());
    if (!id)
      return fail(Code::kBadInput,
                  "unk_token " + quoted(unknown.as_string()) + " is not in the vocabulary");
    impl.unknown = *id;
  }
  if (!impl.pre_tokenizer.byte_level())
    impl.symbols = CharSymbols(impl.vocabulary, byte_fallback, impl.unknown, impl.fuse_unknown);
  OCELLI_TRY(parse_merges(model, impl));
  for (int byte = 0; byte < 256; ++byte) {
    const char raw = static_cast<char>(byte);
    std::string letter;
    append_letters(letter, std::string_view(&raw, 1));
    impl.id_of_byte[static_cast<size_t>(byte)] = impl.vocabulary.find(letter).value_or(-1);
  }
  return {};
}

// The id that an added token gets when tokenizers loads the file: that of the vocabulary, else the
// next free one. An id that says otherwise would mean two things at once.
Status place_added_token(const AddedToken& token, int32_t next_id, Impl& impl) {
  const std::optional<int32_t> known = impl.vocabulary.find(token.content);
  const int32_t expected = known.value_or(next_id);
  if (token.id != expected) {
    return fail(Code::kBadInput,
                "the added token " + quoted(token.content) + " has the id " +
                    std::to_string(token.id) + ", but " +
                    (known ? "the vocabulary gives it " : "the next free one is ") +
                    std::to_string(expected));
  }
  return known ? Status() : impl.vocabulary.add(token.content, token.id);
}

Status parse_added_tokens(const Json& json, Impl& impl) {
  if (!json.is_null() && !json.is_array()) return fail(Code::kBadInput, "added_tokens is no list");
  std::vector<AddedToken> tokens;
  std::vector<int32_t> fresh;
  int32_t next_id = static_cast<int32_t>(impl.vocabulary.size());
  for (const Json& item : json.is_null() ? Json::Array() : json.items()) {
    AddedToken token;
    OCELLI_ASSIGN(token.content, item.get_string("content"));
    OCELLI_ASSIGN(const int64_t id, item.get_int("id", {.min = 0, .max = kMaxTokens - 1}));
    token.id = static_cast<int32_t>(id);
    OCELLI_ASSIGN(token.special, item.get_bool("special", false));
    OCELLI_ASSIGN(token.single_word, item.get_bool("single_word", false));
    OCELLI_ASSIGN(token.lstrip, item.get_bool("lstrip", false));
    OCELLI_ASSIGN(token.rstrip, item.get_bool("rstrip", false));
    OCELLI_ASSIGN(token.normalized, item.get_bool("normalized", !token.special));
    if (token.content.empty()) return fail(Code::kBadInput, "an added token is empty");
    const size_t size = impl.vocabulary.size();
    OCELLI_TRY(place_added_token(token, next_id, impl));
    if (impl.vocabulary.size() > size) fresh.push_back(next_id++);
    tokens.push_back(std::move(token));
  }
  impl.special.assign(static_cast<size_t>(impl.vocabulary.id_limit()), false);
  impl.only_added = impl.special;
  for (const int32_t id : fresh) impl.only_added[static_cast<size_t>(id)] = true;
  for (const AddedToken& token : tokens) {
    if (token.special) impl.special[static_cast<size_t>(token.id)] = true;
  }
  if (impl.merges.makes_any(impl.special)) impl.text_merges = impl.merges.without(impl.special);
  OCELLI_ASSIGN(impl.added, AddedTokens::make(std::move(tokens), impl.normalizer));
  return {};
}

// TemplateProcessing: [{"SpecialToken": {"id": "<s>", ...}}, {"Sequence": {"id": "A", ...}}, ...]
// with the ids of "<s>" in special_tokens.
Status parse_template(const Json& json, Impl& impl) {
  const Json& single = member_or_null(json, "single");
  if (!single.is_array()) return fail(Code::kBadInput, "TemplateProcessing lacks \"single\"");
  bool behind = false;
  std::vector<int32_t> before, after;
  for (const Json& piece : single.items()) {
    if (const Json* sequence = piece.find("Sequence")) {
      OCELLI_ASSIGN(const std::string id, sequence->get_string("id"));
      if (id != "A" || behind)
        return fail(Code::kBadInput, "TemplateProcessing must have the text (A) exactly once");
      behind = true;
      continue;
    }
    OCELLI_ASSIGN(const std::string name, member_or_null(piece, "SpecialToken").get_string("id"));
    const Json& ids =
        member_or_null(member_or_null(member_or_null(json, "special_tokens"), name), "ids");
    if (!ids.is_array())
      return fail(Code::kBadInput, "TemplateProcessing names " + quoted(name) + " without its ids");
    for (const Json& id : ids.items()) {
      if (!id.is_int() || id.as_int() < 0 || id.as_int() >= impl.vocabulary.id_limit())
        return fail(Code::kBadInput, "an id of " + quoted(name) + " is out of range");
      (behind ? after : before).push_back(static_cast<int32_t>(id.as_int()));
    }
    if (before.size() + after.size() > kMaxTemplateTokens)
      return fail(Code::kBadInput, "TemplateProcessing adds too many tokens");
  }
  if (!behind)
    return fail(Code::kBadInput, "TemplateProcessing must have the text (A) exactly once");
  impl.before.insert(impl.before.begin(), before.begin(), before.end());
  impl.after.insert(impl.after.end(), after.begin(), after.end());
  return {};
}

Status parse_post_processor(const Json& json, Impl& impl, int depth = 0) {
  if (json.is_null()) return {};
  OCELLI_TRY(check_depth(depth));
  OCELLI_ASSIGN(const std::string type, json.get_string("type"));
  if (type == "ByteLevel") return {};  // moves offsets, which we do not have
  if (type == "TemplateProcessing") {
    if (!impl.before.empty() || !impl.after.empty())
      return fail(Code::kBadInput, "two TemplateProcessing steps are not supported");
    return parse_template(json, impl);
  }
  if (type == "Sequence") {
    for (const Json& item : member_or_null(json, "processors").is_array()
                                ? member_or_null(json, "processors").items()
                                : Json::Array()) {
      OCELLI_TRY(parse_post_processor(item, impl, depth + 1));
    }
    return {};
  }
  return fail(Code::kBadInput, "a step of type " + quoted(type) + " is not supported yet");
}

// What the decoder makes of each token. At byte level one that is not written in the byte alphabet
// stands for its own UTF-8. An added token that is looked for in normalized text is read in its
// normalized form.
Status fill_bytes(Impl& impl) {
  std::unordered_map<int32_t, std::string> normalized;
  for (const AddedToken& token : impl.added.tokens()) {
    if (!token.normalized || impl.normalizer.is_identity()) continue;
    OCELLI_ASSIGN(normalized[token.id], impl.normalizer.apply(token.content));
  }

  const int32_t limit = impl.vocabulary.id_limit();
  impl.at.reserve(static_cast<size_t>(limit) + 1);
  impl.is_byte.resize(static_cast<size_t>(limit));
  for (int32_t id = 0; id < limit; ++id) {
    impl.at.push_back(static_cast<uint32_t>(impl.bytes.size()));
    const auto other = normalized.find(id);
    const std::string_view token =
        other == normalized.end() ? impl.vocabulary.token(id) : std::string_view(other->second);
    if (!impl.decoder.byte_level()) {
      OCELLI_ASSIGN(const std::string text, impl.decoder.text_of(token, false));
      const std::optional<uint8_t> byte = impl.decoder.byte_of(text);
      if (byte) {
        impl.bytes += static_cast<char>(*byte);
      } else {
        impl.bytes += text;
      }
      impl.is_byte[static_cast<size_t>(id)] = byte.has_value();
    } else if (const std::optional<std::string> bytes = bytes_of_letters(token)) {
      impl.bytes += *bytes;
    } else {
      impl.bytes += token;
    }
    if (impl.bytes.size() > kMaxBytes)
      return fail(Code::kBadInput, "the decoder makes the tokens too long");
  }
  impl.at.push_back(static_cast<uint32_t>(impl.bytes.size()));
  return {};
}

}  // namespace

Result<std::unique_ptr<const Impl>> parse_tokenizer_json(const Json& json) {
  auto impl = std::make_unique<Impl>();
  if (!json.is_object()) return fail(Code::kBadInput, "not a JSON object");
  OCELLI_ASSIGN(impl->normalizer,
                Normalizer::parse(member_or_null(json, "normalizer")).in("normalizer"));
  OCELLI_ASSIGN(impl->pre_tokenizer,
                PreTokenizer::parse(member_or_null(json, "pre_tokenizer")).in("pre_tokenizer"));
  if (!impl->normalizer.is_identity() && impl->pre_tokenizer.first_of_parts()) {
    return fail(
        Code::kBadInput,
        "a Metaspace with prepend_scheme \"first\" behind another step is not supported yet "
        "where there is a normalizer",
        "pre_tokenizer");
  }
  OCELLI_TRY(parse_model(member_or_null(json, "model"), *impl).in("model"));
  OCELLI_TRY(parse_added_tokens(member_or_null(json, "added_tokens"), *impl).in("added_tokens"));
  OCELLI_TRY(
      parse_post_processor(member_or_null(json, "post_processor"), *impl).in("post_processor"));
  OCELLI_ASSIGN(impl->decoder, Decoder::parse(member_or_null(json, "decoder")).in("decoder"));
  OCELLI_TRY(fill_bytes(*impl));
  return std::unique_ptr<const Impl>(std::move(impl));
}

}  // namespace ocelli::text
