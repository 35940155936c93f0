// tokenizer_config.json beside a tokenizer.model.
#include <algorithm>

#include "formats/pieces.h"

namespace ocelli::formats {
namespace {

using base::Code;
using base::fail;
using base::Json;
using base::Result;
using base::Status;

constexpr size_t kMaxAdded = size_t{1} << 17;

// A token is text, or an object with "content".
std::optional<std::string> token_text(const Json* token) {
  if (token != nullptr && token->is_object()) token = token->find("content");
  if (token == nullptr || !token->is_string() || token->as_string().empty()) return std::nullopt;
  return token->as_string();
}

int32_t id_of(const PieceModel& model, std::string_view text) {
  const auto found = std::find_if(model.pieces.begin(), model.pieces.end(),
                                  [&](const Piece& piece) { return piece.text == text; });
  return found == model.pieces.end() ? -1 : static_cast<int32_t>(found - model.pieces.begin());
}

// {"5": {"content": "<x>", "lstrip": false, ...}, ...}
Status read_added(const Json& list, PieceModel& model) {
  if (!list.is_object()) return fail(Code::kBadInput, "must be an object");
  if (list.size() > kMaxAdded) {
    return fail(Code::kBadInput, "too many tokens (" + std::to_string(list.size()) + ", limit " +
                                     std::to_string(kMaxAdded) + ")");
  }
  for (const auto& [key, token] : list.members()) {
    PieceModel::Flags flags;
    const bool number =
        !key.empty() && key.size() < 9 && key.find_first_not_of("0123456789") == std::string::npos;
    if (!number) return fail(Code::kBadInput, '"' + base::printable(key, 40) + "\" is no id");
    flags.id = std::stoi(key);
    OCELLI_ASSIGN(flags.text, token.get_string("content"));
    OCELLI_ASSIGN(flags.special, token.get_bool("special", false));
    OCELLI_ASSIGN(flags.single_word, token.get_bool("single_word", false));
    OCELLI_ASSIGN(flags.lstrip, token.get_bool("lstrip", false));
    OCELLI_ASSIGN(flags.rstrip, token.get_bool("rstrip", false));
    OCELLI_ASSIGN(flags.normalized, token.get_bool("normalized", false));
    if (flags.text.empty()) return fail(Code::kBadInput, "token " + key + " is empty");
    model.added.push_back(std::move(flags));
  }
  std::sort(model.added.begin(), model.added.end(),
            [](const auto& a, const auto& b) { return a.id < b.id; });
  return {};
}

void read_special(const Json& config, PieceModel& model) {
  for (const char* key : {"bos_token", "eos_token", "unk_token", "sep_token", "pad_token",
                          "cls_token", "mask_token"}) {
    const auto text = token_text(config.find(key));
    if (!text) continue;
    model.extra_special.push_back(*text);
    const int32_t id = id_of(model, *text);
    const std::string_view name = key;
    if (id >= 0 && name == "bos_token") model.bos_id = id;
    if (id >= 0 && name == "eos_token") model.eos_id = id;
    if (id >= 0 && name == "unk_token") model.unk_id = id;
  }
  for (const char* key : {"additional_special_tokens", "extra_special_tokens"}) {
    const Json* list = config.find(key);
    if (list == nullptr || !(list->is_array() || list->is_object())) continue;
    const size_t count = std::min(list->size(), kMaxAdded);
    for (size_t i = 0; i < count; ++i) {
      const auto text =
          token_text(list->is_array() ? &list->items()[i] : &list->members()[i].second);
      if (text) model.extra_special.push_back(*text);
    }
  }
}

}  // namespace

Status apply_tokenizer_config(const Json& config, PieceModel& model) {
  if (!config.is_object()) return fail(Code::kBadInput, "must be a JSON object");
  OCELLI_ASSIGN(const std::string name, config.get_string("tokenizer_class", ""));
  if (name == "LlamaTokenizer" || name == "LlamaTokenizerFast") {
    model.style = PieceStyle::kLlama;
    // The class does not look at the file here.
    OCELLI_ASSIGN(model.add_dummy_prefix, config.get_bool("add_prefix_space", true));
    OCELLI_ASSIGN(model.prefix_every_text, config.get_bool("legacy", false));
  } else if (name == "GemmaTokenizer" || name == "GemmaTokenizerFast") {
    model.style = PieceStyle::kGemma;
  }
  OCELLI_ASSIGN(model.add_bos, config.get_bool("add_bos_token", model.add_bos));
  OCELLI_ASSIGN(model.add_eos, config.get_bool("add_eos_token", model.add_eos));
  if (const Json* added = config.find("added_tokens_decoder"); added && !added->is_null())
    OCELLI_TRY(read_added(*added, model).in("added_tokens_decoder"));
  read_special(config, model);
  return {};
}

}  // namespace ocelli::formats
