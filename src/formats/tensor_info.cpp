#include "formats/tensor_info.h"

#include <algorithm>

namespace ocelli::formats {

std::string shape_text(std::span<const int64_t> shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i) text += (i ? ", " : "") + std::to_string(shape[i]);
  return text + "]";
}

std::optional<size_t> nearest_name(std::span<const TensorInfo> tensors, std::string_view name) {
  std::optional<size_t> nearest;
  size_t most = name.size() / 2;
  for (size_t i = 0; i < tensors.size(); ++i) {
    const std::string_view other = tensors[i].name;
    const size_t limit = std::min(name.size(), other.size());
    size_t front = 0, back = 0;
    while (front < limit && name[front] == other[front]) ++front;
    while (front + back < limit && name[name.size() - 1 - back] == other[other.size() - 1 - back]) {
      ++back;
    }
    if (front + back > most) {
      most = front + back;
      nearest = i;
    }
  }
  return nearest;
}

}  // namespace ocelli::formats
