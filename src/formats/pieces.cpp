#include "formats/pieces.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <unordered_map>

#include "base/base64.h"
#include "formats/piece_merges.h"

namespace ocelli::formats {
namespace {

using base::Code;
using base::fail;
using base::Json;
using base::Result;
using base::Status;

constexpr std::string_view kSpace = "\xE2\x96\x81";  // U+2581

std::string quoted(std::string_view text) {
  return Json(text).dump();
}

Json replace(std::string_view from, std::string_view to) {
  return Json::object(
      {{"type", "Replace"}, {"pattern", Json::object({{"String", from}})}, {"content", to}});
}

Json sequence(const char* list, Json items) {
  return Json::object({{"type", "Sequence"}, {list, std::move(items)}});
}

Json normalizer(const PieceModel& model) {
  const Json spaces = replace(" ", kSpace);
  Json steps = Json::array();
  switch (model.style) {
    case PieceStyle::kLlama:
      return {};
    case PieceStyle::kGemma:
      return spaces;
    case PieceStyle::kPhi3:
      steps.push_back(Json::object({{"type", "Prepend"}, {"prepend", kSpace}}));
      break;
    case PieceStyle::kGeneric:
      if (model.precompiled_charsmap.empty()) break;
      const auto bytes = std::as_bytes(std::span(model.precompiled_charsmap));
      steps.push_back(Json::object(
          {{"type", "Precompiled"}, {"precompiled_charsmap", base::encode_base64(bytes)}}));
  }
  steps.push_back(spaces);
  return sequence("normalizers", std::move(steps));
}

Json pre_tokenizer(const PieceModel& model) {
  if (model.style == PieceStyle::kLlama) {
    const char* prefix = model.prefix_every_text ? "always" : "first";
    return Json::object({{"type", "Metaspace"},
                         {"replacement", kSpace},
                         {"prepend_scheme", model.add_dummy_prefix ? prefix : "never"},
                         {"split", false}});
  }
  if (model.style != PieceStyle::kGemma) return {};
  return Json::object({{"type", "Split"},
                       {"pattern", Json::object({{"String", " "}})},
                       {"behavior", "MergedWithPrevious"},
                       {"invert", false}});
}

bool falls_back_to_bytes(const PieceModel& model) {
  return model.style != PieceStyle::kGeneric || model.byte_fallback;
}

Json decoder(const PieceModel& model) {
  Json steps = Json::array();
  steps.push_back(replace(kSpace, " "));
  if (falls_back_to_bytes(model)) {
    steps.push_back(Json::object({{"type", "ByteFallback"}}));
    steps.push_back(Json::object({{"type", "Fuse"}}));
  }
  const bool prefix = model.style == PieceStyle::kPhi3 ||
                      (model.style == PieceStyle::kLlama && model.add_dummy_prefix);
  if (prefix) {
    steps.push_back(Json::object({{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}}));
  }
  return sequence("decoders", std::move(steps));
}

// bos and eos around a raw text.
Result<Json> post_processor(const PieceModel& model) {
  Json single = Json::array();
  Json specials = Json::object();
  const auto add = [&](bool wanted, int32_t id, std::string_view name) -> Status {
    if (!wanted || id < 0) return {};
    if (static_cast<size_t>(id) >= model.pieces.size()) {
      return fail(Code::kBadInput, std::string(name) + " is out of range (" + std::to_string(id) +
                                       ", limit " + std::to_string(model.pieces.size()) + ")");
    }
    const std::string& text = model.pieces[static_cast<size_t>(id)].text;
    single.push_back(
        Json::object({{"SpecialToken", Json::object({{"id", text}, {"type_id", 0}})}}));
    specials.set(text, Json::object({{"id", text},
                                     {"ids", Json::array().push_back(int64_t{id})},
                                     {"tokens", Json::array().push_back(text)}}));
    return {};
  };
  OCELLI_TRY(add(model.add_bos, model.bos_id, "bos_id"));
  single.push_back(Json::object({{"Sequence", Json::object({{"id", "A"}, {"type_id", 0}})}}));
  OCELLI_TRY(add(model.add_eos, model.eos_id, "eos_id"));
  return Json::object({{"type", "TemplateProcessing"},
                       {"single", std::move(single)},
                       {"special_tokens", std::move(specials)}});
}

// The names that the classes of transformers know without being told.
std::vector<std::string> special_names(const PieceModel& model) {
  switch (model.style) {
    case PieceStyle::kLlama:
    case PieceStyle::kPhi3:
      return {"<unk>", "<s>", "</s>"};
    case PieceStyle::kGemma:
      return {"<unk>", "<bos>", "<eos>", "<pad>", "<mask>"};
    case PieceStyle::kGeneric:
      break;
  }
  std::vector<std::string> names;
  for (const int32_t id : {model.unk_id, model.bos_id, model.eos_id}) {
    if (id >= 0 && static_cast<size_t>(id) < model.pieces.size())
      names.push_back(model.pieces[static_cast<size_t>(id)].text);
  }
  return names;
}

using Flags = PieceModel::Flags;

// By id: control and user-defined pieces, named tokens, and what the configuration adds.
std::map<int32_t, Flags> added_tokens(const PieceModel& model) {
  std::unordered_map<std::string_view, int32_t> ids;
  std::map<int32_t, Flags> tokens;
  ids.reserve(model.pieces.size());
  for (size_t i = 0; i < model.pieces.size(); ++i) {
    const Piece& piece = model.pieces[i];
    const auto id = static_cast<int32_t>(i);
    ids.emplace(piece.text, id);
    if (piece.type != PieceType::kControl && piece.type != PieceType::kUserDefined) continue;
    tokens[id] = {.id = id, .text = piece.text, .special = piece.type == PieceType::kControl};
  }
  auto next = static_cast<int32_t>(model.pieces.size());
  for (const Flags& flags : model.added) {
    const auto found = ids.find(flags.text);
    const int32_t id = found == ids.end() ? flags.id : found->second;
    if (found == ids.end()) ids.emplace(flags.text, id);
    next = std::max(next, id + 1);
    const bool special = flags.special || tokens[id].special;
    tokens[id] = flags;
    tokens[id].id = id;
    tokens[id].special = special;
  }
  const auto make_special = [&](const std::string& text, bool may_add) {
    auto found = ids.find(text);
    if (found == ids.end()) {
      if (!may_add) return;
      found = ids.emplace(text, next++).first;
    }
    Flags& flags = tokens[found->second];
    flags.id = found->second;
    flags.text = text;
    flags.special = true;
  };
  for (const std::string& text : special_names(model)) make_special(text, false);
  for (const std::string& text : model.extra_special) make_special(text, true);
  return tokens;
}

Json added_token_json(const Flags& flags) {
  return Json::object({{"id", int64_t{flags.id}},
                       {"content", flags.text},
                       {"single_word", flags.single_word},
                       {"lstrip", flags.lstrip},
                       {"rstrip", flags.rstrip},
                       {"normalized", flags.normalized},
                       {"special", flags.special}});
}

// GemmaTokenizer looks runs of spaces up as U+2581; GGUF files have them as spaces.
std::vector<Piece> respelled(const std::vector<Piece>& pieces) {
  std::vector<Piece> out = pieces;
  for (Piece& piece : out) {
    if (piece.text.find_first_not_of(' ') != piece.text.npos) continue;
    const size_t spaces = piece.text.size();
    piece.text.clear();
    for (size_t i = 0; i < spaces; ++i) piece.text += kSpace;
  }
  return out;
}

Status check(const PieceModel& model) {
  constexpr std::string_view kKinds[] = {"", "Unigram", "BPE", "Word", "Char"};
  if (model.kind != PieceKind::kBpe) {
    return fail(Code::kBadInput, "a SentencePiece model of kind " +
                                     std::string(kKinds[static_cast<size_t>(model.kind)]) +
                                     " is not supported; BPE is");
  }
  if (model.treat_whitespace_as_suffix)
    return fail(Code::kBadInput, "treat_whitespace_as_suffix is not supported");
  if (model.pieces.size() > kMaxPieces) {
    return fail(Code::kBadInput, "too many pieces (" + std::to_string(model.pieces.size()) +
                                     ", limit " + std::to_string(kMaxPieces) + ")");
  }
  const auto nan = std::find_if(model.pieces.begin(), model.pieces.end(),
                                [](const Piece& piece) { return std::isnan(piece.score); });
  if (nan != model.pieces.end()) {
    return fail(Code::kBadInput, "has a score that is no number",
                "piece " + std::to_string(nan - model.pieces.begin()));
  }
  return {};
}

}  // namespace

// Written as text: as a tree of Json values 600,000 merges would take 200 MB.
Result<std::string> tokenizer_json(const PieceModel& given) {
  OCELLI_TRY(check(given));
  PieceModel gemma;
  if (given.style == PieceStyle::kGemma) {
    gemma = given;
    gemma.pieces = respelled(given.pieces);
  }
  const PieceModel& model = given.style == PieceStyle::kGemma ? gemma : given;
  OCELLI_ASSIGN(const auto merges, piece_merges(model.pieces, model.order));
  OCELLI_ASSIGN(const Json after, post_processor(model));

  Json added = Json::array();
  for (const auto& [id, flags] : added_tokens(model)) added.push_back(added_token_json(flags));
  const bool has_unknown =
      model.unk_id >= 0 && static_cast<size_t>(model.unk_id) < model.pieces.size() &&
      (model.style == PieceStyle::kGemma || model.style == PieceStyle::kGeneric);

  std::string out = R"({"version":"1.0","truncation":null,"padding":null,"added_tokens":)";
  out += added.dump();
  out += R"(,"normalizer":)" + normalizer(model).dump();
  out += R"(,"pre_tokenizer":)" + pre_tokenizer(model).dump();
  out += R"(,"post_processor":)" + after.dump();
  out += R"(,"decoder":)" + decoder(model).dump();
  out += R"(,"model":{"type":"BPE","dropout":null,"unk_token":)";
  out += has_unknown ? quoted(model.pieces[static_cast<size_t>(model.unk_id)].text) : "null";
  out += R"(,"continuing_subword_prefix":null,"end_of_word_suffix":null,"fuse_unk":true)";
  out += R"(,"byte_fallback":)";
  out += falls_back_to_bytes(model) ? "true" : "false";
  out += R"(,"ignore_merges":false,"vocab":{)";
  std::vector<std::string> names;
  names.reserve(model.pieces.size());
  for (const Piece& piece : model.pieces) {
    if (!names.empty()) out += ',';
    names.push_back(quoted(piece.text));
    out += names.back() + ':' + std::to_string(names.size() - 1);
  }
  out += R"(},"merges":[)";
  for (const PieceMerge& merge : merges) {
    out += &merge == merges.data() ? "[" : ",[";
    out += names[static_cast<size_t>(merge.left)];
    out += ',';
    out += names[static_cast<size_t>(merge.right)];
    out += ']';
    if (out.size() > kMaxPieceJsonBytes) {
      return fail(Code::kBadInput, "the merges of the pieces are too long together (limit " +
                                       std::to_string(kMaxPieceJsonBytes) +
                                       " bytes as tokenizer.json)");
    }
  }
  out += "]}}";
  return out;
}

}  // namespace ocelli::formats
