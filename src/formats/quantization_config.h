// The "quantization_config" of our own folders: which tensors of the safetensors files hold encoded
// rows instead of plain numbers, and the shapes of the matrices that they are.
//
//   "quantization_config": {"quant_method": "ocelli", "version": 1,
//     "weights": {"model.norm.weight": {"encoding": "q4", "shape": [1536, 576]}, ...}}
//
// Such a tensor is stored as U8 [rows, bytes of a row]; rows is the first number of its shape, and
// the others multiply to the columns. One with "layout": "strips-16x4" is U8 [bytes], packed as
// encoding/strips.h has it; the version is 2 where there are any. docs/formats.md has the rows of
// each encoding.
#pragma once

#include <map>

#include "base/json.h"
#include "encoding/strips.h"

namespace ocelli::formats {

inline constexpr char kQuantizationKey[] = "quantization_config";
inline constexpr char kQuantMethod[] = "ocelli";
inline constexpr int64_t kQuantVersion = 2;                   // the newest that is read
inline constexpr int64_t kMaxEncodedSide = int64_t{1} << 31;  // rows, or columns

struct EncodedTensor {
  encoding::Encoding encoding = encoding::Encoding::kF32;
  std::vector<int64_t> shape;  // of the matrix; two to four dimensions
  encoding::Layout layout = encoding::Layout::kPlain;
  int64_t rows() const { return shape[0]; }
  int64_t cols() const {
    int64_t n = 1;
    for (size_t i = 1; i < shape.size(); ++i) n *= shape[i];
    return n;
  }
  // Of the U8 tensor that holds it.
  std::vector<int64_t> stored_shape() const;
};
using EncodedTensors = std::map<std::string, EncodedTensor, std::less<>>;

base::Json quantization_config(const EncodedTensors& tensors);

// Of a whole config.json: none where it has no quantization_config or that of another method.
// Everything is checked: version, encodings, layouts, dimensions within the limit.
base::Result<EncodedTensors> read_quantization_config(const base::Json& config);

// A config.json without it.
base::Json without_quantization_config(const base::Json& config);

}  // namespace ocelli::formats
