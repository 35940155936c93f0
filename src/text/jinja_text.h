// Text as Python's str sees it: characters, white space, letter case, searching. All in UTF-8, all
// in linear time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ocelli::text::jinja {

// White space of str.isspace(). leading_space: how many bytes of it the text starts with.
bool is_space(uint32_t code_point);
size_t leading_space(std::string_view text);
std::string_view strip_left(std::string_view text);
std::string_view strip_right(std::string_view text);

// The same with a set of characters to strip.
std::string_view strip_left(std::string_view text, std::string_view chars);
std::string_view strip_right(std::string_view text, std::string_view chars);

// Bytes of the identifier at the start of the text, or 0.
size_t name_length(std::string_view text);

size_t count_chars(std::string_view text);

// Byte offset of character number `index`; text.size() where there are fewer.
size_t offset_of_char(std::string_view text, size_t index);

// Byte offset of the first (last) occurrence of `what` that lies in text[from, to), or npos.
// Linear whatever the text.
size_t find_first(std::string_view text, std::string_view what, size_t from = 0,
                  size_t to = std::string_view::npos);
size_t find_last(std::string_view text, std::string_view what, size_t from = 0,
                 size_t to = std::string_view::npos);

// Full case mapping (a sharp s becomes "SS"; a sigma at the end of a word becomes the final form).
std::string to_upper(std::string_view text);
std::string to_lower(std::string_view text);
std::string to_title(std::string_view text);       // str.title()
std::string to_capitalized(std::string_view text);  // str.capitalize()
std::string to_swapped(std::string_view text);
std::string to_folded(std::string_view text);

bool is_upper(uint32_t code_point);
bool is_lower(uint32_t code_point);
bool is_cased(uint32_t code_point);
bool is_alpha(uint32_t code_point);
bool is_decimal(uint32_t code_point);
bool is_numeric(uint32_t code_point);
bool is_printable(uint32_t code_point);

// Lines without their ends (with them if `keep`), split as str.splitlines does.
std::vector<std::string_view> split_lines(std::string_view text, bool keep);

// A float in Python's literal syntax without underscores; the text must be one.
double parse_double(std::string_view text);

}  // namespace ocelli::text::jinja
