#include "formats/gguf_tokenizer.h"

#include <algorithm>

#include "base/utf8.h"
#include "formats/pieces.h"

namespace ocelli::formats {

using base::Code;
using base::fail;
using base::Json;
using base::Result;
using base::Status;

namespace {

constexpr std::string_view kTokens = "tokenizer.ggml.tokens", kScores = "tokenizer.ggml.scores",
                           kTypes = "tokenizer.ggml.token_type", kMerges = "tokenizer.ggml.merges";

// --- pre-tokenizers ---

Json byte_level(bool use_regex) {
  return Json::object({{"type", "ByteLevel"},
                       {"add_prefix_space", false},
                       {"trim_offsets", true},
                       {"use_regex", use_regex}});
}

Json split(std::string_view pattern) {
  return Json::object({{"type", "Split"},
                       {"pattern", Json::object({{"Regex", pattern}})},
                       {"behavior", "Isolated"},
                       {"invert", false}});
}

Json sequence(Json::Array steps) {
  return Json::object({{"type", "Sequence"}, {"pretokenizers", Json::array(std::move(steps))}});
}

constexpr std::string_view kGpt2 =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
constexpr std::string_view kLlama3 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|)"
    R"( ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kQwen2 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|)"
    R"( ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

Json gpt2_pre() {
  return byte_level(true);
}
Json smollm_pre() {
  return sequence(
      {Json::object({{"type", "Digits"}, {"individual_digits", true}}), byte_level(true)});
}
Json llama3_pre() {
  return sequence({split(kLlama3), byte_level(false)});
}
Json qwen2_pre() {
  return sequence({split(kQwen2), byte_level(false)});
}
// What llama.cpp does for files that do not say: no model was trained with it.
Json default_pre() {
  return sequence({split(R"([\p{P}\$\+<=>\^~\|]+)"), split(kGpt2), split(R"(\p{N}+)"),
                   split("[0-9][0-9][0-9]"), byte_level(false)});
}

struct PreTokenizer {
  std::string_view name;
  Json (*make)();
  bool ignore_merges, add_bos, nfc;  // add_bos: where the metadata is silent
};

constexpr PreTokenizer kPreTokenizers[] = {
    {"smollm", smollm_pre, false, false, false}, {"gpt-2", gpt2_pre, false, false, false},
    {"phi-2", gpt2_pre, false, false, false},    {"llama-bpe", llama3_pre, true, true, false},
    {"llama3", llama3_pre, true, true, false},   {"llama-v3", llama3_pre, true, true, false},
    {"qwen2", qwen2_pre, false, false, true},    {"default", default_pre, false, false, false},
};

Result<const PreTokenizer*> find_pre(const GgufMetadata& metadata) {
  OCELLI_ASSIGN(const std::string_view name, metadata.text("tokenizer.ggml.pre", "default"));
  std::string known;
  for (const PreTokenizer& pre : kPreTokenizers) {
    if (pre.name == name) return &pre;
    known += (known.empty() ? "" : ", ") + std::string(pre.name);
  }
  return fail(Code::kBadInput, "tokenizer.ggml.pre \"" + base::printable(name, 60) +
                                   "\" is not known here; " + known + " are");
}

// --- tokens ---

struct Tokens {
  std::vector<std::string_view> texts;
  std::vector<int64_t> types;  // as many
};

Status check_utf8(std::string_view key, size_t index, std::string_view text) {
  if (base::is_valid_utf8(text)) return {};
  return fail(Code::kBadInput, std::string(key) + ": entry " + std::to_string(index) + " (" +
                                   base::printable(text, 60) + ") is not UTF-8");
}

Result<Tokens> read_tokens(const GgufMetadata& metadata) {
  Tokens out;
  OCELLI_ASSIGN(out.texts, metadata.texts(kTokens));
  const size_t count = out.texts.size();
  if (count == 0 || count > kMaxGgufTokens) {
    return fail(Code::kBadInput, std::string(kTokens) + " has a length out of range (" +
                                     std::to_string(count) + ", limit 1 to " +
                                     std::to_string(kMaxGgufTokens) + ")");
  }
  for (size_t i = 0; i < count; ++i) OCELLI_TRY(check_utf8(kTokens, i, out.texts[i]));
  out.types.assign(count, int64_t(PieceType::kNormal));
  if (metadata.has(kTypes)) {
    OCELLI_ASSIGN(out.types, metadata.integers(kTypes, kMaxGgufTokens));
  }
  if (out.types.size() != count) {
    return fail(Code::kBadInput, std::string(kTypes) + " has " + std::to_string(out.types.size()) +
                                     " entries but there are " + std::to_string(count) + " tokens");
  }
  const GgufValue* scores = metadata.find(kScores);
  if (scores && (!scores->array || scores->type != GgufType::kF32 || scores->count != count)) {
    return fail(Code::kBadInput, std::string(kScores) + " is " + type_text(*scores) + " with " +
                                     std::to_string(scores->count) +
                                     " entries but must be an array of float32, one for each of " +
                                     std::to_string(count) + " tokens");
  }
  return out;
}

bool is_type(int64_t type, PieceType wanted) {
  return type == int64_t(wanted);
}

// A special token's id: nothing where the metadata has none.
Result<std::optional<int64_t>> special_id(const GgufMetadata& metadata, std::string_view which) {
  const std::string key = "tokenizer.ggml." + std::string(which) + "_token_id";
  if (!metadata.has(key)) return std::optional<int64_t>();
  const GgufValue* tokens = metadata.find(kTokens);
  const int64_t count = tokens ? int64_t(tokens->count) : 0;
  OCELLI_ASSIGN(const int64_t id, metadata.integer(key, {0, std::max<int64_t>(count, 1) - 1}));
  return std::optional<int64_t>(id);
}

// A text as JSON. It is UTF-8.
void append_quoted(std::string& out, std::string_view text) {
  out += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      constexpr char kHex[] = "0123456789abcdef";
      out += "\\u00";
      out += kHex[c >> 4 & 15];
      out += kHex[c & 15];
    } else {
      out += c;
    }
  }
  out += '"';
}

// --- byte-level BPE ---

bool is_added(int64_t type) {
  return is_type(type, PieceType::kControl) || is_type(type, PieceType::kUserDefined);
}

// Added tokens behind the last ordinary one are found in texts only, never by merging; those
// before it were part of the vocabulary that was trained, as their ids show. Unused ids at the end
// fill the embedding up; one before an added token keeps its place.
std::string vocabulary_json(const Tokens& tokens) {
  size_t end = tokens.texts.size();
  while (end > 0 && !is_added(tokens.types[end - 1]) &&
         !is_type(tokens.types[end - 1], PieceType::kNormal)) {
    --end;
  }
  while (end > 0 && is_added(tokens.types[end - 1])) --end;
  std::string out;
  for (size_t i = 0; i < end; ++i) {
    if (i > 0) out += ',';
    append_quoted(out, tokens.texts[i]);
    out += ':' + std::to_string(i);
  }
  return out;
}

std::string added_json(const Tokens& tokens) {
  std::string out;
  for (size_t i = 0; i < tokens.texts.size(); ++i) {
    if (!is_added(tokens.types[i])) continue;
    if (!out.empty()) out += ',';
    out += "{\"id\":" + std::to_string(i) + ",\"content\":";
    append_quoted(out, tokens.texts[i]);
    out += R"(,"single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":)";
    out += is_type(tokens.types[i], PieceType::kControl) ? "true}" : "false}";
  }
  return out;
}

Result<std::string> merges_json(const GgufMetadata& metadata) {
  OCELLI_ASSIGN(const std::vector<std::string_view> merges, metadata.texts(kMerges));
  std::string out;
  for (size_t i = 0; i < merges.size(); ++i) {
    OCELLI_TRY(check_utf8(kMerges, i, merges[i]));
    if (i > 0) out += ',';
    append_quoted(out, merges[i]);
  }
  return out;
}

Result<Json> post_processor(const GgufMetadata& metadata, const Tokens& tokens, bool add_bos) {
  OCELLI_ASSIGN(add_bos, metadata.boolean("tokenizer.ggml.add_bos_token", add_bos));
  OCELLI_ASSIGN(const bool add_eos, metadata.boolean("tokenizer.ggml.add_eos_token", false));
  OCELLI_ASSIGN(const auto bos, special_id(metadata, "bos"));
  OCELLI_ASSIGN(const auto eos, special_id(metadata, "eos"));
  Json single = Json::array(), special = Json::object();
  const auto add = [&](int64_t id) {
    const std::string text(tokens.texts[size_t(id)]);
    single.push_back(
        Json::object({{"SpecialToken", Json::object({{"id", text}, {"type_id", 0}})}}));
    special.set(text, Json::object({{"id", text},
                                    {"ids", Json::array({Json(id)})},
                                    {"tokens", Json::array({Json(text)})}}));
  };
  if (add_bos && bos) add(*bos);
  single.push_back(Json::object({{"Sequence", Json::object({{"id", "A"}, {"type_id", 0}})}}));
  if (add_eos && eos) add(*eos);
  if (special.size() == 0) return Json();
  return Json::object({{"type", "TemplateProcessing"},
                       {"single", std::move(single)},
                       {"pair", Json::array()},
                       {"special_tokens", std::move(special)}});
}

Result<std::string> bpe_json(const GgufMetadata& metadata, std::string_view architecture) {
  OCELLI_ASSIGN(const PreTokenizer* pre, find_pre(metadata));
  OCELLI_ASSIGN(const Tokens tokens, read_tokens(metadata));
  OCELLI_ASSIGN(const std::string merges, merges_json(metadata));
  // SmolLM3 has Llama 3's words and, other than it, no token before a text.
  const bool add_bos = pre->add_bos && architecture != "smollm3";
  OCELLI_ASSIGN(const Json post, post_processor(metadata, tokens, add_bos));
  std::string out = R"({"version":"1.0","truncation":null,"padding":null,"added_tokens":[)";
  out += added_json(tokens);
  out += "],\"normalizer\":";
  out += pre->nfc ? R"({"type":"NFC"})" : "null";
  out += ",\"pre_tokenizer\":" + pre->make().dump();
  out += ",\"post_processor\":" + post.dump();
  out += R"(,"decoder":{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true,)"
         R"("use_regex":true},"model":{"type":"BPE","ignore_merges":)";
  out += pre->ignore_merges ? "true" : "false";
  out += ",\"vocab\":{" + vocabulary_json(tokens);
  return out += "},\"merges\":[" + merges + "]}}";
}

// --- SentencePiece ---

Status read_ids(const GgufMetadata& metadata, PieceModel& model) {
  const std::pair<const char*, int32_t*> ids[] = {{"unknown", &model.unk_id},
                                                  {"bos", &model.bos_id},
                                                  {"eos", &model.eos_id},
                                                  {"padding", &model.pad_id}};
  for (const auto& [name, id] : ids) {
    OCELLI_ASSIGN(const auto found, special_id(metadata, name));
    if (found) *id = int32_t(*found);
  }
  return {};
}

Result<std::string> pieces_json(const GgufMetadata& metadata, std::string_view architecture) {
  OCELLI_ASSIGN(const Tokens tokens, read_tokens(metadata));
  OCELLI_ASSIGN(const std::vector<double> scores, metadata.numbers(kScores, kMaxGgufTokens));
  const bool gemma = architecture.starts_with("gemma");
  PieceModel model;
  model.style = gemma ? PieceStyle::kGemma : PieceStyle::kLlama;
  model.order = gemma ? MergeOrder::kByIdLongestFirst : MergeOrder::kByScore;
  model.byte_fallback = true;
  for (size_t i = 0; i < tokens.texts.size(); ++i) {
    const int64_t type = tokens.types[i];
    if (type < int64_t(PieceType::kNormal) || type > int64_t(PieceType::kByte)) {
      return fail(Code::kBadInput, std::string(kTypes) + ": entry " + std::to_string(i) +
                                       " is out of range (" + std::to_string(type) +
                                       ", limit 1 to 6)");
    }
    model.pieces.push_back({std::string(tokens.texts[i]), float(scores[i]), PieceType(type)});
  }
  OCELLI_TRY(read_ids(metadata, model));
  OCELLI_ASSIGN(model.add_dummy_prefix, metadata.boolean("tokenizer.ggml.add_space_prefix", true));
  OCELLI_ASSIGN(model.add_bos, metadata.boolean("tokenizer.ggml.add_bos_token", true));
  OCELLI_ASSIGN(model.add_eos, metadata.boolean("tokenizer.ggml.add_eos_token", false));
  return tokenizer_json(model);
}

}  // namespace

Result<std::string> gguf_tokenizer_json(const GgufMetadata& metadata,
                                        std::string_view architecture) {
  const auto make = [&]() -> Result<std::string> {
    OCELLI_ASSIGN(const std::string_view model, metadata.text("tokenizer.ggml.model"));
    if (model == "gpt2") return bpe_json(metadata, architecture);
    if (model == "llama") return pieces_json(metadata, architecture);
    return fail(Code::kBadInput, "tokenizer.ggml.model \"" + base::printable(model, 60) +
                                     "\" is not supported; gpt2 and llama are");
  };
  return make().in("tokenizer");
}

Result<std::string> gguf_tokenizer_config(const GgufMetadata& metadata) {
  Json out = Json::object();
  OCELLI_ASSIGN(const auto texts, metadata.texts(kTokens));
  for (const char* name : {"bos", "eos"}) {
    OCELLI_ASSIGN(const auto id, special_id(metadata, name));
    if (!id) continue;
    OCELLI_TRY(check_utf8(kTokens, size_t(*id), texts[size_t(*id)]));
    out.set(std::string(name) + "_token", texts[size_t(*id)]);
  }
  return out.dump();
}

Result<std::vector<int64_t>> gguf_end_ids(const GgufMetadata& metadata) {
  std::vector<int64_t> out;
  for (const char* name : {"eos", "eot", "eom"}) {
    OCELLI_ASSIGN(const auto id, special_id(metadata, name));
    if (id && std::find(out.begin(), out.end(), *id) == out.end()) out.push_back(*id);
  }
  return out;
}

Result<std::optional<int64_t>> gguf_token_id(const GgufMetadata& metadata, std::string_view text) {
  OCELLI_ASSIGN(const auto texts, metadata.texts(kTokens));
  const auto found = std::find(texts.begin(), texts.end(), text);
  if (found == texts.end()) return std::optional<int64_t>();
  return std::optional<int64_t>(found - texts.begin());
}

std::optional<std::string_view> gguf_pre_tokenizer(const Json& tokenizer) {
  // What has no influence on ids, or is there by default.
  const auto plain = [](const Json& step) {
    Json out = Json::object();
    for (const auto& [key, value] : step.members())
      if (key != "trim_offsets" && !(key == "use_regex" && value == Json(true)) &&
          !(key == "invert" && value == Json(false)))
        out.set(key, value);
    return out;
  };
  const auto steps = [&](const Json* step) {
    Json::Array out;
    const Json* list = step ? step->find("pretokenizers") : nullptr;
    if (list && list->is_array()) {
      for (const Json& inner : list->items()) out.push_back(plain(inner));
    } else if (step && step->is_object()) {
      out.push_back(plain(*step));
    }
    return out;
  };
  const Json* normalizer = tokenizer.find("normalizer");
  const bool nfc = normalizer && *normalizer == Json::object({{"type", "NFC"}});
  if (!nfc && normalizer && !normalizer->is_null()) return std::nullopt;
  const Json* model = tokenizer.find("model");
  const Json* ignore = model ? model->find("ignore_merges") : nullptr;
  const bool ignores = ignore && *ignore == Json(true);
  const Json::Array wanted = steps(tokenizer.find("pre_tokenizer"));
  for (const PreTokenizer& pre : kPreTokenizers) {
    const Json made = pre.make();
    if (pre.nfc == nfc && pre.ignore_merges == ignores && steps(&made) == wanted) return pre.name;
  }
  return std::nullopt;
}

}  // namespace ocelli::formats
