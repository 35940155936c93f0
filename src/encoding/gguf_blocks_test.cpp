// GGUF's types against the numbers that its own package reads from random and extreme blocks
// (tools/reference/make_gguf_blocks.py).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "base/bounded_reader.h"
#include "base/file.h"
#include "encoding/test_support.h"

namespace ocelli::encoding {
namespace {

struct Record {
  std::vector<std::byte> bytes;
  std::vector<float> numbers;
};

template <class T>
std::vector<T> take(base::BoundedReader& in, size_t count) {
  std::vector<T> out(count);
  const auto bytes = in.read_array("numbers", count, sizeof(T));
  EXPECT_TRUE(bytes.ok());
  if (bytes.ok()) std::memcpy(out.data(), bytes->data(), bytes->size());
  return out;
}

std::map<std::string, Record> records() {
  const auto file = base::read_file(OCELLI_FIXTURES "/gguf/blocks.bin", size_t{1} << 20);
  EXPECT_TRUE(file.ok());
  std::map<std::string, Record> out;
  base::BoundedReader in(std::as_bytes(std::span(*file)));
  while (!in.at_end()) {
    const std::string name(in.read_string("name", 16)->data(), 16);
    const uint32_t columns = *in.read<uint32_t>("columns"), bytes = *in.read<uint32_t>("bytes");
    Record& record = out[name.c_str()];
    record.bytes = take<std::byte>(in, bytes);
    record.numbers = take<float>(in, columns);
  }
  return out;
}

TEST(GgufBlocks, EveryTypeBitForBit) {
  const auto all = records();
  size_t seen = 0;
  for (const Encoding e : kAllEncodings) {
    if (block_cols(e) == 1 || e == Encoding::kQ8 || e == Encoding::kQ4) continue;
    const auto found = all.find(std::string(name(e)));
    ASSERT_NE(found, all.end()) << name(e);
    const auto& [bytes, numbers] = found->second;
    const auto cols = int64_t(numbers.size());
    ASSERT_EQ(row_bytes(e, cols), int64_t(bytes.size())) << name(e);
    std::vector<float> got(numbers.size());
    decode_row(e, bytes.data(), 0, cols, got.data());
    for (size_t i = 0; i < got.size(); ++i) {
      ASSERT_EQ(std::bit_cast<uint32_t>(got[i]), std::bit_cast<uint32_t>(numbers[i]))
          << name(e) << ' ' << i << ": " << got[i] << " for " << numbers[i];
    }
    ++seen;
  }
  EXPECT_EQ(seen, 11u);
}

// From every block of 32, as many columns as one likes.
TEST(GgufBlocks, PartsOfARow) {
  for (const auto& [name, record] : records()) {
    const auto e = from_name(name);
    if (!e) continue;
    const auto cols = int64_t(record.numbers.size());
    for (int64_t first = 0; first < cols; first += 32 * 7) {
      for (const int64_t count : {int64_t{1}, int64_t{31}, int64_t{32}, int64_t{50}}) {
        const int64_t here = std::min(count, cols - first);
        std::vector<float> out(size_t(here) + 1, 12345);
        decode_row(*e, record.bytes.data(), first, here, out.data());
        EXPECT_EQ(out.back(), 12345) << "written past the end";
        EXPECT_EQ(std::memcmp(out.data(), &record.numbers[size_t(first)], size_t(here) * 4), 0)
            << name << " from " << first;
      }
    }
  }
}

TEST(GgufBlocks, Q40IsWrittenAsTheReferenceDoes) {
  const auto all = records();
  const Record& record = all.at("encode q4_0");
  std::vector<std::byte> row(record.bytes.size());
  const auto cols = int64_t(record.numbers.size());
  ASSERT_EQ(row_bytes(Encoding::kQ40, cols), int64_t(row.size()));
  encode_row(Encoding::kQ40, record.numbers.data(), cols, row.data());
  for (size_t i = 0; i < row.size(); ++i) {
    ASSERT_EQ(int(row[i]), int(record.bytes[i])) << "byte " << i % 18 << " of block " << i / 18;
  }
}

TEST(GgufBlocks, MostAreReadFromFilesOnly) {
  size_t written = 0;
  for (const Encoding e : kAllEncodings) written += can_encode(e);
  EXPECT_EQ(written, 7u);
  const float one = 1;
  std::byte block[256];
  EXPECT_DEATH(encode_row(Encoding::kQ6K, &one, 1, block), "files only");
}

}  // namespace
}  // namespace ocelli::encoding
