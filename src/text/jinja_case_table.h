// Letter case beyond one character for one (see jinja_case_table.cpp).
#pragma once

#include <cstddef>
#include <cstdint>

namespace ocelli::text::jinja {

struct SpecialCase {
  uint32_t code_point;
  uint32_t upper[3], title[3];  // ends at the first 0
};

extern const SpecialCase kSpecialCases[];
extern const size_t kSpecialCaseCount;

}  // namespace ocelli::text::jinja
