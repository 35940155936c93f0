#include "media/hevc_size.h"

namespace ocelli::media {
namespace {

// Bits from the highest down, without the 3 that follows two zero bytes (emulation prevention).
class Bits {
 public:
  explicit Bits(std::span<const uint8_t> bytes) : bytes_(bytes) {}

  uint32_t take(int count) {
    uint32_t value = 0;
    for (; count > 0; --count) value = value << 1 | bit();
    return value;
  }
  void skip(int count) {
    for (; count > 0; --count) bit();
  }
  // Exponential-Golomb.
  uint32_t number() {
    int zeros = 0;
    while (!over_ && bit() == 0) ++zeros;
    if (zeros > 31) over_ = true;
    return over_ ? 0 : (1u << zeros) - 1 + take(zeros);
  }
  bool over() const { return over_; }

 private:
  uint32_t bit() {
    if (left_ == 0) {
      if (zeros_ >= 2 && at_ < bytes_.size() && bytes_[at_] == 3) {
        ++at_;
        zeros_ = 0;
      }
      if (at_ >= bytes_.size()) {
        over_ = true;
        return 0;
      }
      byte_ = bytes_[at_++];
      zeros_ = byte_ == 0 ? zeros_ + 1 : 0;
      left_ = 8;
    }
    return byte_ >> --left_ & 1u;
  }

  std::span<const uint8_t> bytes_;
  size_t at_ = 0;
  uint32_t byte_ = 0;
  int left_ = 0, zeros_ = 0;
  bool over_ = false;
};

void skip_profile(Bits& in, uint32_t more_layers) {
  constexpr int kProfileBits = 88, kLevelBits = 8;
  in.skip(kProfileBits + kLevelBits);
  uint32_t present = 0;
  for (uint32_t i = 0; i < more_layers; ++i) present = present << 2 | in.take(2);
  if (more_layers > 0) in.skip(int(2 * (8 - more_layers)));
  for (uint32_t i = more_layers; i > 0; --i) {
    const uint32_t flags = present >> (2 * (i - 1)) & 3;
    in.skip(((flags & 2) != 0 ? kProfileBits : 0) + ((flags & 1) != 0 ? kLevelBits : 0));
  }
}

}  // namespace

std::optional<HevcSize> hevc_size(std::span<const uint8_t> unit) {
  constexpr uint32_t kSequenceParameters = 33;
  if (unit.size() < 2 || (unit[0] >> 1 & 63u) != kSequenceParameters) return std::nullopt;
  Bits in(unit.subspan(2));
  in.skip(4);  // video parameter set
  const uint32_t more_layers = in.take(3);
  in.skip(1);
  skip_profile(in, more_layers);
  in.number();  // id
  if (in.number() == 3) in.skip(1);
  const uint32_t width = in.number(), height = in.number();
  if (in.over()) return HevcSize{UINT32_MAX, UINT32_MAX};
  return HevcSize{width, height};
}

}  // namespace ocelli::media
