// The byte alphabet of GPT-2: each of the 256 bytes is written as one printable character, so that
// a vocabulary of byte strings can be kept as JSON text.
//
// '!'..'~', U+00A1..U+00AC and U+00AE..U+00FF stand for themselves; the other 68 bytes, in order,
// are U+0100..U+0143. A space is written U+0120.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ocelli::text {

// The letter that stands for a byte.
uint32_t letter_of_byte(uint8_t byte);

// The byte a letter stands for, or -1.
int byte_of_letter(uint32_t code_point);

// Appends `bytes` written in the alphabet.
void append_letters(std::string& out, std::string_view bytes);

// The bytes that a text stands for; nothing if any of its characters is not in the alphabet.
std::optional<std::string> bytes_of_letters(std::string_view text);

}  // namespace ocelli::text
