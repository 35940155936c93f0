// tokenizer.json as the keys "tokenizer.ggml.*".
#include <algorithm>

#include "formats/gguf_tokenizer.h"
#include "formats/pieces.h"
#include "quantize/gguf_metadata.h"

namespace ocelli::quantize {

using base::Code;
using base::fail;
using base::Json;
using base::Result;
using base::Status;
using formats::GgufHeader;
using formats::PieceType;

namespace {

base::Error cannot(const std::string& what) {
  return fail(Code::kUsage, what + " cannot be said in GGUF; write safetensors");
}

struct Tokens {
  std::vector<std::string> texts;
  std::vector<int32_t> types;
};

Status place(int64_t id, const std::string& text, PieceType type, Tokens& out) {
  if (id < 0 || id >= int64_t(out.texts.size())) {
    return fail(Code::kBadInput, "token " + base::printable(text, 40) + " has id " +
                                     std::to_string(id) + " but the embedding has " +
                                     std::to_string(out.texts.size()) + " rows");
  }
  out.texts[size_t(id)] = text;
  out.types[size_t(id)] = int32_t(type);
  return {};
}

Result<Tokens> read_tokens(const Json& tokenizer, int64_t vocab) {
  Tokens out;
  out.types.assign(size_t(vocab), int32_t(PieceType::kUnused));
  for (int64_t i = 0; i < vocab; ++i) out.texts.push_back("[PAD" + std::to_string(i) + "]");
  const Json* words = tokenizer.find("model")->find("vocab");
  if (!words || !words->is_object()) return cannot("a vocabulary that is no object");
  for (const auto& [text, id] : words->members()) {
    if (!id.is_int()) return cannot("an id that is no number");
    OCELLI_TRY(place(id.as_int(), text, PieceType::kNormal, out));
  }
  const Json* added = tokenizer.find("added_tokens");
  if (!added || !added->is_array()) return out;
  for (const Json& token : added->items()) {
    OCELLI_ASSIGN(const int64_t id, token.get_int("id"));
    OCELLI_ASSIGN(const std::string text, token.get_string("content"));
    OCELLI_ASSIGN(const bool special, token.get_bool("special", false));
    OCELLI_TRY(
        place(id, text, special ? PieceType::kControl : PieceType::kUserDefined, out));
  }
  return out;
}

Result<std::vector<std::string>> read_merges(const Json& model) {
  std::vector<std::string> out;
  const Json* merges = model.find("merges");
  if (!merges || !merges->is_array()) return cannot("a model without merges");
  for (const Json& merge : merges->items()) {
    if (merge.is_string()) {
      out.push_back(merge.as_string());
      continue;
    }
    const bool pair = merge.is_array() && merge.size() == 2 && merge.items()[0].is_string() &&
                      merge.items()[1].is_string();
    if (!pair) return cannot("a merge that is no pair");
    const std::string &a = merge.items()[0].as_string(), &b = merge.items()[1].as_string();
    if (a.find(' ') != a.npos || b.find(' ') != b.npos) return cannot("a merge with a space in it");
    out.push_back(a + " " + b);
  }
  return out;
}

// A special token in tokenizer_config.json: text, or an object with "content".
std::string token_text(const Json& config, std::string_view key) {
  const Json* value = config.find(key);
  if (value && value->is_object()) value = value->find("content");
  return value && value->is_string() ? value->as_string() : std::string();
}

std::optional<int32_t> id_of(const Tokens& tokens, const std::string& text) {
  if (text.empty()) return std::nullopt;
  const auto found = std::find(tokens.texts.begin(), tokens.texts.end(), text);
  if (found == tokens.texts.end()) return std::nullopt;
  return int32_t(found - tokens.texts.begin());
}

// The special tokens that a TemplateProcessing puts around a text: before, behind.
std::pair<std::vector<std::string>, std::vector<std::string>> around(const Json* post) {
  std::pair<std::vector<std::string>, std::vector<std::string>> out;
  const Json* parts = post ? post->find("processors") : nullptr;
  if (parts && parts->is_array()) {
    for (const Json& part : parts->items()) {
      auto inner = around(&part);
      if (!inner.first.empty() || !inner.second.empty()) return inner;
    }
    return out;
  }
  const Json* single = post ? post->find("single") : nullptr;
  if (!single || !single->is_array()) return out;
  bool behind = false;
  for (const Json& step : single->items()) {
    const Json* special = step.find("SpecialToken");
    const Json* id = special ? special->find("id") : nullptr;
    if (!id || !id->is_string()) {
      behind = true;
      continue;
    }
    (behind ? out.second : out.first).push_back(id->as_string());
  }
  return out;
}

}  // namespace

Status add_gguf_tokenizer(const ModelTexts& texts, int64_t vocab,
                          const std::vector<int32_t>& end_ids, GgufHeader& header) {
  const Json* model = texts.tokenizer.find("model");
  if (!model || !model->is_object())
    return fail(Code::kBadInput, "tokenizer.json is missing or has no model");
  OCELLI_ASSIGN(const std::string type, model->get_string("type", std::string()));
  OCELLI_ASSIGN(const bool byte_fallback, model->get_bool("byte_fallback", false));
  if (type != "BPE" || byte_fallback) return cannot("a tokenizer other than BPE over bytes");
  const auto pre = formats::gguf_pre_tokenizer(texts.tokenizer);
  if (!pre) return cannot("the way this tokenizer cuts a text into words");
  OCELLI_ASSIGN(const Tokens tokens, read_tokens(texts.tokenizer, vocab));
  OCELLI_ASSIGN(const std::vector<std::string> merges, read_merges(*model));
  header.text("tokenizer.ggml.model", "gpt2").text("tokenizer.ggml.pre", *pre);
  header.texts("tokenizer.ggml.tokens", tokens.texts);
  header.i32s("tokenizer.ggml.token_type", tokens.types);
  header.texts("tokenizer.ggml.merges", merges);

  const auto bos = id_of(tokens, token_text(texts.tokenizer_config, "bos_token"));
  auto eos = id_of(tokens, token_text(texts.tokenizer_config, "eos_token"));
  if (!eos && !end_ids.empty()) eos = end_ids[0];
  const auto [before, behind] = around(texts.tokenizer.find("post_processor"));
  const auto is = [&](const std::vector<std::string>& list, std::optional<int32_t> id) {
    return list.size() == 1 && id && list[0] == tokens.texts[size_t(*id)];
  };
  if ((!before.empty() && !is(before, bos)) || (!behind.empty() && !is(behind, eos)))
    return cannot("the tokens that are put around a text");
  if (bos) header.u32("tokenizer.ggml.bos_token_id", uint32_t(*bos));
  if (eos) header.u32("tokenizer.ggml.eos_token_id", uint32_t(*eos));
  size_t more = 0;
  for (const int32_t id : end_ids) {
    constexpr const char* kFurther[] = {"eot", "eom"};
    if (id == eos) continue;
    if (more == std::size(kFurther)) return cannot("more than three tokens that end an answer");
    header.u32("tokenizer.ggml." + std::string(kFurther[more++]) + "_token_id", uint32_t(id));
  }
  for (const auto& [key, name] : {std::pair{"unk_token", "unknown"}, {"pad_token", "padding"}}) {
    const auto id = id_of(tokens, token_text(texts.tokenizer_config, key));
    if (id) header.u32("tokenizer.ggml." + std::string(name) + "_token_id", uint32_t(*id));
  }
  header.flag("tokenizer.ggml.add_bos_token", !before.empty());
  header.flag("tokenizer.ggml.add_eos_token", !behind.empty());
  return {};
}

}  // namespace ocelli::quantize
