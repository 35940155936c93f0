#include "text/byte_alphabet.h"

#include "base/utf8.h"

namespace ocelli::text {
namespace {

constexpr uint32_t kShifted = 256;  // letters of the bytes that are not printable start here
constexpr uint32_t kShiftedCount = 68;

constexpr bool stands_for_itself(uint32_t c) {
  return (c >= '!' && c <= '~') || (c >= 0xA1 && c <= 0xAC) || (c >= 0xAE && c <= 0xFF);
}

struct Alphabet {
  std::array<uint16_t, 256> letter{};
  std::array<uint8_t, kShiftedCount> byte{};
};

constexpr Alphabet make_alphabet() {
  Alphabet a;
  uint32_t next = 0;
  for (uint32_t b = 0; b < 256; ++b) {
    if (stands_for_itself(b)) {
      a.letter[b] = static_cast<uint16_t>(b);
    } else {
      a.letter[b] = static_cast<uint16_t>(kShifted + next);
      a.byte[next++] = static_cast<uint8_t>(b);
    }
  }
  return a;
}

constexpr Alphabet kAlphabet = make_alphabet();

}  // namespace

uint32_t letter_of_byte(uint8_t byte) {
  return kAlphabet.letter[byte];
}

int byte_of_letter(uint32_t c) {
  if (stands_for_itself(c)) return static_cast<int>(c);
  if (c >= kShifted && c < kShifted + kShiftedCount) return kAlphabet.byte[c - kShifted];
  return -1;
}

void append_letters(std::string& out, std::string_view bytes) {
  for (const char c : bytes) {
    const uint32_t letter = letter_of_byte(static_cast<uint8_t>(c));
    if (letter < 0x80) {
      out += static_cast<char>(letter);
    } else {  // at most U+0143: two bytes
      out += static_cast<char>(0xC0 | letter >> 6);
      out += static_cast<char>(0x80 | (letter & 63));
    }
  }
}

std::optional<std::string> bytes_of_letters(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    const base::Utf8Char c = base::next_utf8(text, at);
    const int byte = c.valid ? byte_of_letter(c.code_point) : -1;
    if (byte < 0) return std::nullopt;
    out += static_cast<char>(byte);
    at += c.bytes;
  }
  return out;
}

}  // namespace ocelli::text
