// Any bytes as a chat template, rendered over a fixed conversation: it may fail, but with an Error,
// in bounded time and memory.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "text/chat_template.h"

namespace {

using ocelli::base::Json;

Json conversation() {
  static const Json kMessages = *Json::parse(
      R"([{"role":"system","content":"Be <brief>."},)"
      R"({"role":"user","content":[{"type":"image"},{"type":"text","text":"na\u00efve \u4f60 \ud83d\ude42"}]},)"
      R"({"role":"assistant","content":"Yes, it's \"fine\".\n","n":[1,2.5,null,true,{"a":{}}]}])");
  return kMessages;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view source(reinterpret_cast<const char*>(data), size);
  const auto chat = ocelli::text::ChatTemplate::parse(source);
  if (!chat.ok()) return 0;
  ocelli::text::RenderOptions options;
  options.add_generation_prompt = true;
  options.tools = conversation();
  options.bos_token = "<s>";
  options.now = 1767355200;
  const auto rendered = chat->render(conversation(), options);
  if (rendered.ok()) {
    for (const auto& span : rendered->generation) {
      if (span.begin > span.end) __builtin_trap();
    }
  }
  return 0;
}
