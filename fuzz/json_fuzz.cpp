// JSON: whatever the bytes are, parse() ends with a value or a sentence, and a value that was read
// is written so that it reads back equal.
#include "base/json.h"
#include "base/utf8.h"

using ocelli::base::Json;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto parsed = Json::parse(text, {.max_bytes = 1 << 20, .max_depth = 64});
  if (!parsed.ok()) {
    const std::string message = parsed.error().message();
    OCELLI_CHECK(!message.empty() && message.size() < 6000, "an error is a short sentence");
    OCELLI_CHECK(ocelli::base::is_valid_utf8(message), "an error can be printed");
    return 0;
  }
  for (const int indent : {-1, 0, 2}) {
    const std::string written = parsed->dump(indent);
    const auto again = Json::parse(written, {.max_bytes = SIZE_MAX, .max_depth = 64});
    OCELLI_CHECK(again.ok(), "what we write we read");
    OCELLI_CHECK(*again == *parsed, "a value survives being written");
    OCELLI_CHECK(again->dump(indent) == written, "writing is stable");
  }
  if (!parsed->is_object()) return 0;
  for (const Json::Member& member : parsed->members()) {
    OCELLI_CHECK(parsed->find(member.first) == &member.second, "a key finds its own member");
    (void)parsed->get_int(member.first, {.min = 0, .max = 100}, 5);
    (void)parsed->get_string(member.first);
  }
  return 0;
}
