// An input is a tokenizer.model. What is read becomes a tokenizer.json under every style and order
// of merges, which must be one that the tokenizer takes or refuses with a sentence; what it takes
// gives texts back.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "formats/pieces.h"
#include "text/detokenizer.h"
#include "text/tokenizer.h"

namespace {

using ocelli::formats::MergeOrder;
using ocelli::formats::PieceModel;
using ocelli::formats::PieceStyle;
using ocelli::text::Detokenizer;
using ocelli::text::Tokenizer;

constexpr std::string_view kSample =
    " a  ab \n\n<s>\xE2\x96\x81 \xC3\xA9\xC2\xBD e\xCC\x81 \xE4\xB8\x80\xF0\x9F\x98\x80 aaaa<0x41>";

void check(const Tokenizer& tokenizer) {
  const std::vector<size_t> literal_at{9};
  for (const bool flag : {false, true}) {
    const auto ids = tokenizer.encode(
        kSample, {.parse_special = flag, .add_special = flag, .literal_at = literal_at});
    if (!ids.ok()) continue;
    for (const bool skip : {false, true}) {
      const auto whole = tokenizer.decode(*ids, skip);
      OCELLI_CHECK(whole.ok(), "ids of encode() decode");
      Detokenizer stream(tokenizer, skip);
      std::string text;
      for (const int32_t id : *ids) stream.push(id, text);
      stream.finish(text);
      OCELLI_CHECK(text == *whole, "streamed text is the decoded text");
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  auto model = ocelli::formats::parse_sentencepiece(std::as_bytes(std::span(data, size)));
  if (!model.ok()) return 0;
  constexpr std::pair<PieceStyle, MergeOrder> kForms[] = {
      {PieceStyle::kGeneric, MergeOrder::kById},
      {PieceStyle::kLlama, MergeOrder::kByScore},
      {PieceStyle::kGemma, MergeOrder::kByIdLongestFirst},
      {PieceStyle::kPhi3, MergeOrder::kById}};
  for (const auto& [style, order] : kForms) {
    model->style = style;
    model->order = order;
    model->add_bos = style == PieceStyle::kLlama;
    const auto json = ocelli::formats::tokenizer_json(*model);
    if (!json.ok()) continue;
    const auto tokenizer = Tokenizer::parse(*json);
    if (tokenizer.ok()) check(*tokenizer);
  }
  return 0;
}
