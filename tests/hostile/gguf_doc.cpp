#include "gguf_doc.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "bytes.h"

namespace ocelli::hostile {
namespace {

constexpr uint32_t kU32 = 4, kF32 = 6, kText = 8, kArray = 9;
constexpr size_t kAlignment = 32;

class Reader {
 public:
  explicit Reader(const std::string& bytes) : bytes_(bytes) {}
  template <class T>
  T number() {
    T n;
    std::memcpy(&n, bytes_.data() + at_, sizeof n);
    at_ += sizeof n;
    return n;
  }
  std::string text() {
    const auto length = number<uint64_t>();
    at_ += length;
    return bytes_.substr(at_ - length, length);
  }
  void skip_value(uint32_t type) {
    constexpr size_t kSizes[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
    if (type == kText) {
      text();
    } else if (type == kArray) {
      const auto inner = number<uint32_t>();
      for (auto left = number<uint64_t>(); left > 0; --left) skip_value(inner);
    } else {
      at_ += kSizes[type];
    }
  }
  size_t at() const { return at_; }
  void align() { at_ = (at_ + kAlignment - 1) / kAlignment * kAlignment; }

 private:
  const std::string& bytes_;
  size_t at_ = 0;
};

}  // namespace

std::string gguf_text(std::string_view text) {
  return le64(text.size()) + std::string(text);
}

std::string gguf_texts(const std::vector<std::string>& texts) {
  std::string out = le32(kText) + le64(texts.size());
  for (const std::string& text : texts) out += gguf_text(text);
  return out;
}

std::string f32(float x) {
  uint32_t bits = 0;
  std::memcpy(&bits, &x, sizeof bits);
  return le32(bits);
}

GgufDoc GgufDoc::read(const std::string& name) {
  const std::string bytes = read_fixture("gguf/" + name);
  Reader in(bytes);
  GgufDoc doc;
  in.number<uint32_t>();
  doc.version = in.number<uint32_t>();
  const auto tensors = in.number<uint64_t>(), keys = in.number<uint64_t>();
  for (uint64_t i = 0; i < keys; ++i) {
    Key key;
    key.key = in.text();
    key.type = in.number<uint32_t>();
    const size_t begin = in.at();
    in.skip_value(key.type);
    key.bytes = bytes.substr(begin, in.at() - begin);
    doc.keys.push_back(std::move(key));
  }
  for (uint64_t i = 0; i < tensors; ++i) {
    Tensor tensor;
    tensor.name = in.text();
    tensor.dims.resize(in.number<uint32_t>());
    for (uint64_t& n : tensor.dims) n = in.number<uint64_t>();
    tensor.type = in.number<uint32_t>();
    tensor.offset = in.number<uint64_t>();
    doc.tensors.push_back(std::move(tensor));
  }
  in.align();
  doc.data = bytes.substr(in.at());
  return doc;
}

std::string GgufDoc::file() const {
  std::string out = magic + le32(version) + le64(tensor_count.value_or(tensors.size())) +
                    le64(key_count.value_or(keys.size()));
  for (const Key& k : keys) out += gguf_text(k.key) + le32(k.type) + k.bytes;
  for (const Tensor& t : tensors) {
    out += gguf_text(t.name) + le32(uint32_t(t.dims.size()));
    for (const uint64_t n : t.dims) out += le64(n);
    out += le32(t.type) + le64(t.offset);
  }
  out.resize((out.size() + kAlignment - 1) / kAlignment * kAlignment);
  return out + data;
}

GgufDoc::Key& GgufDoc::key(std::string_view name) {
  const auto found =
      std::find_if(keys.begin(), keys.end(), [&](const Key& k) { return k.key == name; });
  if (found != keys.end()) return *found;
  ADD_FAILURE() << "no key " << name;
  return keys.front();
}

GgufDoc::Tensor& GgufDoc::tensor(std::string_view name) {
  const auto found =
      std::find_if(tensors.begin(), tensors.end(), [&](const Tensor& t) { return t.name == name; });
  if (found != tensors.end()) return *found;
  ADD_FAILURE() << "no tensor " << name;
  return tensors.front();
}

void GgufDoc::erase_key(std::string_view name) {
  EXPECT_GT(std::erase_if(keys, [&](const Key& k) { return k.key == name; }), 0u) << name;
}

void GgufDoc::set_u32(std::string_view name, uint32_t n) {
  key(name) = {std::string(name), kU32, le32(n)};
}
void GgufDoc::set_f32(std::string_view name, float x) {
  key(name) = {std::string(name), kF32, f32(x)};
}
void GgufDoc::set_text(std::string_view name, std::string_view text) {
  key(name) = {std::string(name), kText, gguf_text(text)};
}
void GgufDoc::add_text(std::string_view name, std::string_view text) {
  keys.push_back({std::string(name), kText, gguf_text(text)});
}

}  // namespace ocelli::hostile
