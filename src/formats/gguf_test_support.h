// GGUF files put together by hand, right or wrong.
#pragma once

#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace ocelli::formats {

template <class T>
std::string raw(T value) {
  std::string bytes(sizeof value, '\0');
  std::memcpy(bytes.data(), &value, sizeof value);
  return bytes;
}

inline std::string gguf_text(std::string_view text) {
  return raw(uint64_t(text.size())) + std::string(text);
}

// The numbers of value types.
enum : uint32_t {
  kTagU8 = 0,
  kTagU16 = 2,
  kTagI32 = 5,
  kTagU32 = 4,
  kTagF32 = 6,
  kTagBool = 7,
  kTagText = 8,
  kTagArray = 9,
  kTagU64 = 10
};

class GgufBytes {
 public:
  uint32_t version = 3;
  uint32_t alignment = 32;  // that the data gets; the key is yours to write

  // The bytes of a value behind its key and type.
  GgufBytes& value(std::string_view key, uint32_t type, const std::string& bytes) {
    keys_ += gguf_text(key) + raw(type) + bytes;
    ++key_count;
    return *this;
  }
  GgufBytes& u32(std::string_view key, uint32_t n) { return value(key, kTagU32, raw(n)); }
  GgufBytes& f32(std::string_view key, float n) { return value(key, kTagF32, raw(n)); }
  GgufBytes& flag(std::string_view key, bool on) { return value(key, kTagBool, raw(uint8_t(on))); }
  GgufBytes& text(std::string_view key, std::string_view text) {
    return value(key, kTagText, gguf_text(text));
  }
  GgufBytes& texts(std::string_view key, const std::vector<std::string>& list) {
    std::string bytes = raw(uint32_t{kTagText}) + raw(uint64_t(list.size()));
    for (const std::string& item : list) bytes += gguf_text(item);
    return value(key, kTagArray, bytes);
  }
  template <class T>
  GgufBytes& array(std::string_view key, uint32_t type, const std::vector<T>& list) {
    std::string bytes = raw(type) + raw(uint64_t(list.size()));
    for (const T& item : list) bytes += raw(item);
    return value(key, kTagArray, bytes);
  }

  // A description as it stands; `dims` fastest first.
  GgufBytes& entry(std::string_view name, const std::vector<uint64_t>& dims, uint32_t type,
                   uint64_t offset) {
    tensors_ += gguf_text(name) + raw(uint32_t(dims.size()));
    for (const uint64_t n : dims) tensors_ += raw(n);
    tensors_ += raw(type) + raw(offset);
    ++tensor_count;
    return *this;
  }
  // A tensor with its bytes.
  GgufBytes& tensor(std::string_view name, const std::vector<uint64_t>& dims, uint32_t type,
                    const std::string& bytes) {
    entry(name, dims, type, data_.size());
    data_ += bytes;
    data_.resize((data_.size() + alignment - 1) / alignment * alignment);
    return *this;
  }
  GgufBytes& data(const std::string& bytes) {
    data_ += bytes;
    return *this;
  }

  std::string header() const {
    return "GGUF" + raw(version) + raw(tensor_count) + raw(key_count) + keys_ + tensors_;
  }
  std::string file() const {
    std::string out = header();
    out.resize((out.size() + alignment - 1) / alignment * alignment);
    return out + data_;
  }

  uint64_t tensor_count = 0, key_count = 0;  // as the header says; set them to lie

 private:
  std::string keys_, tensors_, data_;
};

}  // namespace ocelli::formats
