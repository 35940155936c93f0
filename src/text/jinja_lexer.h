// Splits a Jinja template into tokens as Jinja2 does with trim_blocks and lstrip_blocks on:
// the white space around tags is already gone from the data tokens.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "text/jinja_limits.h"

namespace ocelli::text::jinja {

enum class Tok : uint8_t {
  kData, kBlockBegin, kBlockEnd, kVariableBegin, kVariableEnd, kName, kString, kInteger, kFloat,
  kAdd, kSub, kMul, kDiv, kFloorDiv, kMod, kPow, kTilde, kLBracket, kRBracket, kLParen, kRParen,
  kLBrace, kRBrace, kEq, kNe, kGt, kGe, kLt, kLe, kAssign, kDot, kColon, kPipe, kComma, kSemicolon,
  kEof
};

struct Token {
  Tok type = Tok::kEof;
  uint32_t at = 0;   // byte offset in the source
  std::string text;  // of data, names and strings (already unescaped)
  int64_t integer = 0;
  double real = 0;
};

// "\r\n" and "\r" become "\n", and one newline at the end is dropped.
std::string normalize_source(std::string_view source);

// `source` must be normalized, UTF-8 and within kMaxSourceBytes. The last token is kEof.
Result<std::vector<Token>> tokenize(const std::string& source);

// "LINE:COLUMN" (from 1, columns in characters) of a byte offset.
std::string place_of(std::string_view source, size_t at);

// How a token is named in errors.
std::string describe(const Token& token);

}  // namespace ocelli::text::jinja
