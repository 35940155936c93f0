// A GGUF file taken apart, to be put together wrongly. It reads good files only.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ocelli::hostile {

struct GgufDoc {
  struct Key {
    std::string key;
    uint32_t type = 0;
    std::string bytes;
  };
  struct Tensor {
    std::string name;
    std::vector<uint64_t> dims;
    uint32_t type = 0;
    uint64_t offset = 0;
  };

  // A file of tests/fixtures/gguf.
  static GgufDoc read(const std::string& name);
  std::string file() const;

  Key& key(std::string_view name);  // which must be there
  Tensor& tensor(std::string_view name);
  void erase_key(std::string_view name);
  void set_u32(std::string_view name, uint32_t n);
  void set_f32(std::string_view name, float x);
  void set_text(std::string_view name, std::string_view text);
  void add_text(std::string_view name, std::string_view text);

  std::string magic{"GGUF"};
  uint32_t version = 3;
  std::optional<uint64_t> tensor_count, key_count;  // other than there are
  std::vector<Key> keys;
  std::vector<Tensor> tensors;
  std::string data;
};

std::string gguf_text(std::string_view text);
// The bytes of an array of texts.
std::string gguf_texts(const std::vector<std::string>& texts);
std::string f32(float x);

}  // namespace ocelli::hostile
