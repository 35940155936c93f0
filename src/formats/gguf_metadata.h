// GgufMetadata: the keys and values of a GGUF file, as they lie in it.
//
//   OCELLI_ASSIGN(const int64_t layers, metadata.integer("llama.block_count", {1, kMaxLayers}));
//   OCELLI_ASSIGN(const auto tokens, metadata.texts("tokenizer.ggml.tokens"));
//
// Values stay in the file's bytes until they are asked for; a number may have any of the format's
// integer or float types. Errors name the key.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bounded_reader.h"
#include "base/json.h"

namespace ocelli::formats {

inline constexpr uint64_t kMaxGgufKeys = 100'000;
inline constexpr uint64_t kMaxGgufKeyBytes = 65'535;
inline constexpr uint64_t kMaxGgufTextBytes = uint64_t{16} << 20;
inline constexpr uint64_t kMaxGgufElements = uint64_t{16} << 20;        // of an array
inline constexpr uint64_t kMaxGgufMetadataBytes = uint64_t{512} << 20;  // of all keys and values

// The numbers of the format.
enum class GgufType : uint32_t {
  kU8,
  kI8,
  kU16,
  kI16,
  kU32,
  kI32,
  kF32,
  kBool,
  kText,
  kArray,
  kU64,
  kI64,
  kF64
};
inline constexpr uint32_t kGgufTypes = 13;

struct GgufValue {
  std::string_view key;
  GgufType type = GgufType::kU8;  // of the value, or of the elements
  bool array = false;
  uint64_t count = 1;                // elements
  std::span<const std::byte> bytes;  // of all elements; texts each behind a uint64 length
};

class GgufMetadata {
 public:
  // Takes `count` keys and values off `in`, whose bytes must outlive this object. Linear in the
  // bytes.
  static base::Result<GgufMetadata> read(base::BoundedReader& in, uint64_t count);

  // In the order of the file.
  const std::vector<GgufValue>& values() const { return values_; }
  const GgufValue* find(std::string_view key) const;
  bool has(std::string_view key) const { return find(key) != nullptr; }

  // Each: an error where the key is missing, has another type or lies outside the range. The forms
  // with a fallback return it for a missing key only.
  base::Result<int64_t> integer(std::string_view key, base::IntRange range) const;
  base::Result<int64_t> integer(std::string_view key, base::IntRange range, int64_t fallback) const;
  // Finite, and more than 0.
  base::Result<double> positive(std::string_view key) const;
  base::Result<double> positive(std::string_view key, double fallback) const;
  base::Result<bool> boolean(std::string_view key, bool fallback) const;
  base::Result<std::string_view> text(std::string_view key) const;
  base::Result<std::string_view> text(std::string_view key, std::string_view fallback) const;

  // Arrays. Views into the file.
  base::Result<std::vector<std::string_view>> texts(std::string_view key) const;
  base::Result<std::vector<double>> numbers(std::string_view key, uint64_t max_count) const;
  base::Result<std::vector<int64_t>> integers(std::string_view key, uint64_t max_count) const;

 private:
  base::Result<const GgufValue*> required(std::string_view key, bool array) const;

  std::vector<GgufValue> values_;
  std::vector<std::pair<uint64_t, uint32_t>> by_hash_;  // of the key, position; ascending
};

// What a value says, for a person: numbers and texts as they are, of arrays the length. Texts
// longer than 200 bytes are cut.
std::string value_text(const GgufValue& value);

// "an array of text", for messages.
std::string type_text(const GgufValue& value);

}  // namespace ocelli::formats
