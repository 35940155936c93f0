// What the encodings of 4 bits lose on trained weights: those of the built-in model.
#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "formats/safetensors.h"

namespace ocelli {
namespace {

using encoding::Encoding;

double squared_error(Encoding e, const std::vector<float>& row) {
  const auto cols = int64_t(row.size());
  std::vector<std::byte> stored(size_t(encoding::row_bytes(e, cols)));
  std::vector<float> back(row.size());
  encoding::encode_row(e, row.data(), cols, stored.data());
  encoding::decode_row(e, stored.data(), 0, cols, back.data());
  double sum = 0;
  for (size_t i = 0; i < row.size(); ++i) sum += std::pow(double(row[i]) - back[i], 2);
  return sum;
}

TEST(QuantizedWeights, Q4LosesNoMoreThanQ40) {
  const auto file =
      formats::SafetensorsFile::open(OCELLI_SOURCE_DIR "/assets/ocelli-tiny/model.safetensors");
  ASSERT_TRUE(file.ok()) << file.error().message();
  double ours = 0, theirs = 0, size_ours = 0, size_theirs = 0;
  size_t matrices = 0;
  for (const formats::TensorInfo& t : file->tensors()) {
    if (t.shape.size() < 2 || t.name.find("position") != t.name.npos) continue;
    const int64_t rows = t.shape[0];
    int64_t cols = 1;
    for (size_t i = 1; i < t.shape.size(); ++i) cols *= t.shape[i];
    std::vector<float> row(static_cast<size_t>(cols));
    double q4 = 0, q40 = 0;
    for (int64_t r = 0; r < rows; ++r) {
      const std::byte* const from = t.bytes.data() + r * encoding::row_bytes(*t.encoding, cols);
      encoding::decode_row(*t.encoding, from, 0, cols, row.data());
      q4 += squared_error(Encoding::kQ4, row);
      q40 += squared_error(Encoding::kQ40, row);
    }
    EXPECT_LE(q4, q40) << t.name << ": " << q4 / q40;
    ours += q4;
    theirs += q40;
    size_ours += double(rows * encoding::row_bytes(Encoding::kQ4, cols));
    size_theirs += double(rows * encoding::row_bytes(Encoding::kQ40, cols));
    ++matrices;
  }
  EXPECT_GT(matrices, 20u);
  EXPECT_LE(ours, 0.97 * theirs);
  EXPECT_LE(size_ours, size_theirs);
  std::printf("%zu matrices: squared error of q4 is %.3f of that of q4_0, its size %.3f\n",
              matrices, ours / theirs, size_ours / size_theirs);
}

}  // namespace
}  // namespace ocelli
