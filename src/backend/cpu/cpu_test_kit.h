// What the tests of this room share: every instruction set that can run here, random tensors, and
// comparison with the reference within stated bounds.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "backend/cpu/cpu_backend.h"
#include "backend/cpu/cpu_backend_impl.h"
#include "backend/cpu/emulated/emulated.h"
#include "backend/reference/reference_backend.h"
#include "encoding/test_support.h"

namespace ocelli::cpu::test {

inline constexpr double kRounding = 1.0 / (1 << 24);  // of float32

// A set as it is run here: by the CPU, or emulated through SIMDe.
struct RunnableSet {
  const Kernels* kernels = nullptr;
  bool emulated = false;
};

inline std::vector<RunnableSet> runnable_sets() {
  std::vector<RunnableSet> sets;
  for (const InstructionSetInfo& info : instruction_sets()) {
    if (const Kernels* const native = native_kernels(info.set)) sets.push_back({native, false});
  }
  for (const Kernels* const table : emulated_kernels()) sets.push_back({table, true});
  return sets;
}

inline std::string set_name(const testing::TestParamInfo<RunnableSet>& info) {
  std::string name = info.param.kernels->name;
  for (char& c : name) c = c == '-' ? '_' : c;
  return name + (info.param.emulated ? "_emulated" : "");
}

// Repeatable numbers.
class Random {
 public:
  explicit Random(uint64_t seed = 1) : state_(seed * 0x9e3779b97f4a7c15u + 1) {}
  uint32_t bits() {
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    return uint32_t(state_ >> 32);
  }
  int64_t below(int64_t n) { return int64_t(bits() % uint64_t(n)); }
  float number() { return float(int32_t(bits())) / 2147483648.0f; }  // in [-1, 1)
  std::vector<float> numbers(int64_t count) {
    std::vector<float> v(static_cast<size_t>(count));
    for (float& x : v) x = number();
    return v;
  }

 private:
  uint64_t state_;
};

// A [rows, width] matrix whose rows are further apart than they are wide; the gaps hold a mark that
// nobody may change.
class Matrix {
 public:
  static constexpr float kMark = 12345.0f;
  Matrix(int64_t rows, int64_t width, int64_t gap = 0)
      : numbers_(size_t(rows * (width + gap)), kMark), rows_(rows), width_(width), gap_(gap) {}
  Matrix(int64_t rows, int64_t width, int64_t gap, Random& random) : Matrix(rows, width, gap) {
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t i = 0; i < width; ++i) at(r, i) = random.number();
    }
  }
  float& at(int64_t r, int64_t i) { return numbers_[size_t(r * (width_ + gap_) + i)]; }
  float at(int64_t r, int64_t i) const { return numbers_[size_t(r * (width_ + gap_) + i)]; }
  int64_t rows() const { return rows_; }
  int64_t width() const { return width_; }
  Tensor tensor() {
    Tensor t = Tensor::view(numbers_.data(), {rows_, width_});
    t.stride[0] = width_ + gap_;
    return t;
  }
  bool gaps_untouched() const {
    for (int64_t r = 0; r < rows_; ++r) {
      for (int64_t i = width_; i < width_ + gap_; ++i) {
        if (at(r, i) != kMark) return false;
      }
    }
    return true;
  }
  bool same_bits(const Matrix& other) const {
    return numbers_.size() == other.numbers_.size() &&
           std::memcmp(numbers_.data(), other.numbers_.data(), numbers_.size() * sizeof(float)) ==
               0;
  }

 private:
  std::vector<float> numbers_;
  int64_t rows_, width_, gap_;
};

// x rounded to bfloat16.
inline float bf16(float x) {
  uint16_t half;
  float back;
  encoding::encode_row(Encoding::kBF16, &x, 1, reinterpret_cast<std::byte*>(&half));
  encoding::decode_row(Encoding::kBF16, reinterpret_cast<const std::byte*>(&half), 0, 1, &back);
  return back;
}

// |got - want| <= bound(row, column) everywhere.
template <class Bound>
void expect_near(const Matrix& got, const Matrix& want, Bound bound, const std::string& what) {
  ASSERT_EQ(got.rows(), want.rows());
  ASSERT_EQ(got.width(), want.width());
  EXPECT_TRUE(got.gaps_untouched()) << what;
  for (int64_t r = 0; r < got.rows(); ++r) {
    for (int64_t i = 0; i < got.width(); ++i) {
      const double error = std::fabs(double(got.at(r, i)) - double(want.at(r, i)));
      ASSERT_LE(error, bound(r, i)) << what << ", row " << r << ", column " << i << ": "
                                    << got.at(r, i) << " for " << want.at(r, i);
    }
  }
}

// A weight and its memory.
struct StoredWeight {
  std::vector<std::byte> memory;
  Weight weight;

  StoredWeight(Encoding encoding, int64_t rows, int64_t cols, const std::vector<float>& numbers) {
    const int64_t row = encoding::row_bytes(encoding, cols);
    memory.resize(size_t(rows * row));
    for (int64_t r = 0; r < rows; ++r) {
      encoding::store_row(encoding, &numbers[size_t(r * cols)], cols, &memory[size_t(r * row)]);
    }
    weight.encoding = encoding;
    weight.rows = rows;
    weight.cols = cols;
    weight.data = memory.data();
  }
  StoredWeight(const StoredWeight&) = delete;
  StoredWeight& operator=(const StoredWeight&) = delete;
};

// A plain weight and the same packed.
struct Both {
  StoredWeight plain;
  std::vector<std::byte> memory;
  Weight packed;

  Both(tensor::Backend& backend, ThreadPool& pool, Encoding e, int64_t rows, int64_t cols,
       Random& random)
      : plain(e, rows, cols, random.numbers(rows * cols)), packed(plain.weight) {
    constexpr size_t kAlign = 64;
    memory.assign(size_t(backend.packed_bytes(plain.weight)) + 2 * kAlign, std::byte{0xA5});
    std::byte* const at = memory.data() + (kAlign - uintptr_t(memory.data()) % kAlign);
    backend.pack(pool, plain.weight, at);
    EXPECT_EQ(at[backend.packed_bytes(plain.weight)], std::byte{0xA5}) << "written past the end";
    packed.layout = encoding::Layout::kPacked;
    packed.data = at;
  }
};

inline constexpr auto& kEncodings = encoding::kAllEncodings;

class SetTest : public testing::TestWithParam<RunnableSet> {
 protected:
  CpuBackend backend{*GetParam().kernels};
  reference::ReferenceBackend reference;
  ThreadPool pool{2};
  // Emulation is a hundred times slower: it runs every second of many cases.
  bool skips(size_t i) const { return GetParam().emulated && i % 2 == 1; }
};

}  // namespace ocelli::cpu::test
