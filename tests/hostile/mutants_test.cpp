// Rows G03, G21, S14 and I05 in numbers that would take too long one process each: the readers
// themselves, in this process. A sanitizer build sees what goes wrong unnoticed.
#include <gtest/gtest.h>

#include "bytes.h"
#include "formats/gguf.h"
#include "formats/safetensors.h"
#include "media/decode.h"

namespace ocelli::hostile {
namespace {

constexpr int kMutants = 10'000;

std::span<const std::byte> as_bytes(const std::string& text) {
  return std::as_bytes(std::span(text));
}

// A few bytes of the header changed, moved or gone.
std::string mutant(std::string bytes, size_t header, uint64_t seed) {
  uint64_t state = seed * 0x9E3779B97F4A7C15ull + 1;
  const auto next = [&](size_t limit) {
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    return size_t((state >> 33) % limit);
  };
  for (size_t changes = 1 + next(3); changes > 0; --changes) {
    const size_t at = next(header);
    switch (next(5)) {
      case 0:
        bytes[at] = char(next(256));
        break;
      case 1:
        bytes[at] = char(bytes[at] ^ (1 << next(8)));
        break;
      case 2:
        bytes.erase(at, 1 + next(8));
        break;
      case 3:
        bytes.insert(at, bytes.substr(next(header), 1 + next(16)));
        break;
      default:  // a number of 8 bytes at one of its ends
        bytes.replace(at, 8,
                      le64(next(2)   ? UINT64_MAX - next(3)
                           : next(2) ? uint64_t{1} << 63
                                     : next(9)));
    }
  }
  return bytes;
}

// Every tensor lies inside of the file.
template <class File>
void expect_inside(const File& file, const std::string& bytes) {
  const auto* begin = reinterpret_cast<const std::byte*>(bytes.data());
  for (const formats::TensorInfo& t : file.tensors()) {
    if (t.bytes.empty()) continue;
    ASSERT_GE(t.bytes.data(), begin);
    ASSERT_LE(t.bytes.data() + t.bytes.size(), begin + bytes.size());
  }
}

template <class File>
void expect_no_harm(const std::string& good, size_t header, const char* name) {
  int refused = 0;
  for (int i = 0; i < kMutants; ++i) {
    const std::string bytes = mutant(good, header, uint64_t(i));
    const auto file = File::parse(as_bytes(bytes));
    if (!file.ok()) {
      ++refused;
      ASSERT_FALSE(file.error().what.empty());
      ASSERT_EQ(file.error().code, base::Code::kBadInput) << file.error().message();
      continue;
    }
    expect_inside(*file, bytes);
  }
  std::printf("%d changed headers of %s: %d refused, %d read\n", kMutants, name, refused,
              kMutants - refused);
  EXPECT_GT(refused, kMutants / 10);
  EXPECT_LT(refused, kMutants);
}

TEST(Mutants, OfGgufHeaders) {
  const std::string good = read_fixture("gguf/mixed.gguf");
  expect_no_harm<formats::GgufFile>(good, 15'000, "GGUF");
}

TEST(Mutants, OfSafetensorsHeaders) {
  const std::string good = read_fixture("models/smollm2/model.safetensors");
  // Only the header and what the first tensors need: the copies would take longer than the parsing.
  const std::string header =
      R"({"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},"__metadata__":{"format":"pt"},)"
      R"("b":{"dtype":"BF16","shape":[4],"data_offsets":[24,32]},"c":{"dtype":"I64","shape":[],"data_offsets":[32,40]}})";
  ASSERT_TRUE(formats::SafetensorsFile::parse(as_bytes(good)).ok());
  const std::string small = le64(header.size()) + header + std::string(40, '\0');
  ASSERT_TRUE(formats::SafetensorsFile::parse(as_bytes(small)).ok());
  expect_no_harm<formats::SafetensorsFile>(small, 8 + header.size(), "safetensors");
}

TEST(Cut, GgufAt200Points) {
  const std::string good = read_fixture("gguf/mixed.gguf");
  ASSERT_TRUE(formats::GgufFile::parse(as_bytes(good)).ok());
  for (size_t i = 0; i < 200; ++i) {
    const std::string bytes = good.substr(0, good.size() * i / 200);
    const auto file = formats::GgufFile::parse(as_bytes(bytes));
    ASSERT_FALSE(file.ok()) << i;
    EXPECT_EQ(file.error().code, base::Code::kBadInput) << i;
  }
}

// Refused, or the whole picture because what is missing holds none of it.
TEST(Cut, PicturesAt100PointsEach) {
  int refused = 0, whole = 0;
  for (const char* name :
       {"420.jpg", "rgb8.png", "lossy.webp", "plain.gif", "palette8.bmp", "rgb_raw.tiff"}) {
    const std::string good = read_fixture(std::string("media/") + name);
    const auto picture = media::decode(as_bytes(good));
    ASSERT_TRUE(picture.ok()) << name;
    for (size_t i = 0; i < 100; ++i) {
      const std::string bytes = good.substr(0, good.size() * i / 100);
      const auto cut = media::decode(as_bytes(bytes));
      if (!cut.ok()) {
        ++refused;
        EXPECT_EQ(cut.error().code, base::Code::kBadInput) << name << i;
        continue;
      }
      ++whole;
      EXPECT_EQ(cut->rgb, picture->rgb) << name << " cut at " << i << " percent is another picture";
    }
  }
  std::printf("600 cut pictures: %d refused, %d whole\n", refused, whole);
}

}  // namespace
}  // namespace ocelli::hostile
