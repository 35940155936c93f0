#include "encoding/recode.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "encoding/forms.h"

namespace ocelli::encoding {
namespace {

// The nearest whole number of steps to x; 0 where a step is nothing.
int steps_of(float x, float step, int least, int most) {
  const float steps = x / step;
  if (step == 0 || std::isnan(steps)) return std::clamp(0, least, most);
  return int(std::lrint(std::clamp(steps, float(least), float(most))));
}

// Four bits of a block of 32: columns 0..15 in the lower halves of its bytes.
void put_nibble(uint8_t* codes, int64_t column, int code) {
  uint8_t& byte = codes[column % 16];
  byte = column < 16 ? uint8_t((byte & 0xf0) | code) : uint8_t((byte & 0x0f) | code << 4);
}

}  // namespace

bool can_recode(Encoding e) {
  return e == Encoding::kQ8 || e == Encoding::kQ4 || e == Encoding::kQ80 || e == Encoding::kQ40;
}

float recode(Encoding encoding, std::byte* row, int64_t column, float x) {
  auto* const bytes = reinterpret_cast<uint8_t*>(row);
  const int64_t block = column / kBlock, within = column % kBlock;
  switch (encoding) {
    case Encoding::kQ8: {
      const float scale = row_scale(row);
      const int code = steps_of(x, scale, -127, 127);
      reinterpret_cast<int8_t*>(bytes + sizeof(float))[column] = int8_t(code);
      return scale * float(code);
    }
    case Encoding::kQ4: {
      const Q4Block q = q4_block(row, block);
      const float step = row_scale(row) * float(q.scale);
      const int code = steps_of(x, step, -8 + q.zero, 7 + q.zero);
      put_nibble(const_cast<uint8_t*>(q.codes), within, code + 8 - q.zero);
      return row_scale(row) * float(q.scale * code);
    }
    case Encoding::kQ80: {
      uint8_t* const at = bytes + block * kQ80Form.bytes;
      const int code = steps_of(x, f16_at(at), -127, 127);
      reinterpret_cast<int8_t*>(at + sizeof(uint16_t))[within] = int8_t(code);
      return f16_at(at) * float(code);
    }
    case Encoding::kQ40: {
      uint8_t* const at = bytes + block * kQ40Form.bytes;
      const int code = steps_of(x, f16_at(at), -8, 7);
      put_nibble(at + sizeof(uint16_t), within, code + 8);
      return f16_at(at) * float(code);
    }
    default:
      OCELLI_CHECK(false, "recode: an encoding with codes of its own");
  }
  return 0;
}

}  // namespace ocelli::encoding
