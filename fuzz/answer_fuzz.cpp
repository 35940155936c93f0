// Answers: whatever a model writes, taking it apart ends, gives no more than went in, and does not
// depend on how the text was cut. The first byte chooses the format, the second the cuts.
#include "base/check.h"
#include "engine/answer_parser.h"

using ocelli::engine::AnswerFormat;
using ocelli::engine::AnswerParser;
using ocelli::engine::AnswerPart;
using ocelli::engine::ParsedAnswer;

namespace {

void add(std::vector<AnswerPart> parts, ParsedAnswer& all) {
  for (AnswerPart& part : parts) {
    if (part.kind == AnswerPart::Kind::kText) all.text += part.text;
    if (part.kind == AnswerPart::Kind::kThinking) all.thinking += part.text;
    if (part.kind == AnswerPart::Kind::kCall) all.calls.push_back(std::move(part.call));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const AnswerFormat format{(data[0] & 1) != 0, (data[0] & 2) != 0, (data[0] & 4) != 0,
                            (data[0] & 8) != 0};
  const std::string_view text(reinterpret_cast<const char*>(data) + 2, size - 2);
  const ParsedAnswer whole = ocelli::engine::parse_answer(format, text);
  OCELLI_CHECK(whole.text.size() + whole.thinking.size() <= text.size(), "text is not made up");
  AnswerParser parser(format);
  ParsedAnswer parts;
  const size_t step = 1 + data[1] % 16;
  for (size_t at = 0; at < text.size(); at += step) add(parser.push(text.substr(at, step)), parts);
  add(parser.finish(), parts);
  OCELLI_CHECK(
      parts.text == whole.text && parts.thinking == whole.thinking && parts.calls == whole.calls,
      "cuts make no difference");
  return 0;
}
