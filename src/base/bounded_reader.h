// BoundedReader: takes numbers, strings and spans off the front of a block of bytes from outside.
// Every length is compared with what is left before it is used, so no count in a file can make the
// program read past the end or allocate more than the file could fill.
//
//   BoundedReader in(file.bytes());
//   OCELLI_ASSIGN(const auto count, in.read<uint32_t>("tensor count"));
//   OCELLI_ASSIGN(const auto name, in.read_string("tensor name", length));
#pragma once

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

#include "base/result.h"

namespace ocelli::base {

// The sum or product, or nothing where the type cannot hold it.
template <std::integral T>
constexpr std::optional<T> checked_add(T a, std::type_identity_t<T> b) {
  T sum{};
  if (__builtin_add_overflow(a, b, &sum)) return std::nullopt;
  return sum;
}

template <std::integral T>
constexpr std::optional<T> checked_mul(T a, std::type_identity_t<T> b) {
  T product{};
  if (__builtin_mul_overflow(a, b, &product)) return std::nullopt;
  return product;
}

// The product of all numbers (1 of none), e.g. the elements of a shape from a file.
template <std::integral T>
constexpr std::optional<T> checked_product(std::span<const T> factors) {
  // A zero makes the product 0 whatever else would overflow.
  for (const T factor : factors) {
    if (factor == 0) return T{0};
  }
  std::optional<T> product = T{1};
  for (const T factor : factors) {
    if (product) product = checked_mul(*product, factor);
  }
  return product;
}

class BoundedReader {
 public:
  // `bytes` must outlive the reader and every span or string_view taken from it. `start` is the
  // offset of bytes[0] in the file, for errors.
  explicit BoundedReader(std::span<const std::byte> bytes, uint64_t start = 0)
      : bytes_(bytes), start_(start) {}

  uint64_t offset() const { return start_ + at_; }  // in the file
  size_t remaining() const { return bytes_.size() - at_; }
  bool at_end() const { return remaining() == 0; }

  // The next `count` bytes, not copied. `what` is named in the error.
  Result<std::span<const std::byte>> read_bytes(std::string_view what, uint64_t count) {
    if (count > remaining()) return too_short(what, std::to_string(count) + " bytes");
    const auto taken = bytes_.subspan(at_, size_t(count));
    at_ += size_t(count);
    return taken;
  }

  // The next number, little-endian.
  template <class T>
  requires(std::is_arithmetic_v<T> &&
           !std::same_as<T, bool>) Result<T> read(std::string_view what) {
    static_assert(std::endian::native == std::endian::little);
    OCELLI_ASSIGN(const auto raw, read_bytes(what, sizeof(T)));
    T value;
    std::memcpy(&value, raw.data(), sizeof(T));
    return value;
  }

  // A count or length that must lie within [min, max].
  template <std::integral T>
  Result<T> read_within(std::string_view what, T min, T max) {
    const uint64_t begin = offset();
    OCELLI_ASSIGN(const T value, read<T>(what));
    if (value < min || value > max) {
      return fail(Code::kBadInput, std::string(what) + " at byte " + std::to_string(begin) +
                                       " is out of range (" + std::to_string(value) + ", limit " +
                                       std::to_string(min) + " to " + std::to_string(max) + ")");
    }
    return value;
  }

  // The next `length` bytes as text, not copied and not checked to be UTF-8.
  Result<std::string_view> read_string(std::string_view what, uint64_t length) {
    OCELLI_ASSIGN(const auto raw, read_bytes(what, length));
    return std::string_view(reinterpret_cast<const char*>(raw.data()), raw.size());
  }

  // The next `count` elements of `size` bytes each.
  Result<std::span<const std::byte>> read_array(std::string_view what, uint64_t count,
                                                uint64_t size) {
    const auto bytes = checked_mul(count, size);
    if (!bytes) {
      return too_short(what, std::to_string(count) + " times " + std::to_string(size) + " bytes");
    }
    return read_bytes(what, *bytes);
  }

  Status skip(std::string_view what, uint64_t count) {
    OCELLI_TRY(read_bytes(what, count));
    return {};
  }

  // Skips to the next multiple of `alignment` (of the offset in the file).
  Status align(std::string_view what, uint64_t alignment) {
    OCELLI_CHECK(alignment > 0, "an alignment is positive");
    const uint64_t over = offset() % alignment;
    return over == 0 ? Status() : skip(what, alignment - over);
  }

 private:
  Error too_short(std::string_view what, const std::string& needed) const {
    return fail(Code::kBadInput, "expected " + needed + " of " + std::string(what) + " at byte " +
                                     std::to_string(offset()) + ", file has " +
                                     std::to_string(remaining()) +
                                     " left; it may be an incomplete download");
  }

  std::span<const std::byte> bytes_;
  uint64_t start_;
  size_t at_ = 0;
};

}  // namespace ocelli::base
