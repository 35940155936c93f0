// Codes of a stored row chosen one by one, its scales kept: for rounding that makes up in later
// columns for what earlier ones lost.
#pragma once

#include "encoding/encoding.h"

namespace ocelli::encoding {

// q8, q4, q8_0 and q4_0.
bool can_recode(Encoding encoding);

// Gives `column` of a row that encode_row() wrote the code whose value is nearest to x, ties to
// either; returns that value. A NaN is stored as 0.
float recode(Encoding encoding, std::byte* row, int64_t column, float x);

}  // namespace ocelli::encoding
