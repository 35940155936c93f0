#include "media/resample.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <map>
#include <thread>

#include "media/resample_rows.h"
#include "media/test_support.h"

namespace ocelli::media {
namespace {

// The formula of source_pixels() in tools/reference/make_images.py.
Image source_pixels(int width, int height) {
  Image image{width, height, {}, {}};
  image.rgb.resize(size_t(width) * size_t(height) * 3);
  uint8_t* out = image.rgb.data();
  for (uint32_t y = 0; y < uint32_t(height); ++y) {
    for (uint32_t x = 0; x < uint32_t(width); ++x) {
      for (uint32_t c = 0; c < 3; ++c) {
        uint32_t h = x * 0x9E3779B1u + y * 0x85EBCA77u + c * 0xC2B2AE3Du;
        h = (h ^ (h >> 15)) * 0x2C1B3C6Du;
        h = (h ^ (h >> 12)) * 0x297A2D39u;
        const uint32_t ramp = (x * 7 + y * 3 + c * 50) & 255;
        *out++ = uint8_t(((x / 8) ^ (y / 8)) & 1 ? h >> 24 : ramp);
      }
    }
  }
  return image;
}

const std::map<std::string, Filter> kFilters = {
    {"lanczos", Filter::kLanczos}, {"bicubic", Filter::kBicubic}, {"bilinear", Filter::kBilinear}};

std::string crop_hex(const Image& image, int x, int y) {
  std::string hex;
  for (int row = y; row < std::min(y + 2, image.height); ++row) {
    const size_t n = size_t(std::min(x + 2, image.width) - x) * 3;
    for (size_t i = 0; i < n; ++i) {
      char two[3];
      std::snprintf(two, sizeof two, "%02x", image.row(row)[size_t(x) * 3 + i]);
      hex += two;
    }
  }
  return hex;
}

// All cases of the table whose source and target have fewer (or not fewer) pixels than this.
constexpr int kSmall = 700'000;

int compare_with_pillow(bool small) {
  int compared = 0;
  Image source;  // shared by the filters of one size
  for (const auto& row : read_table("resize.tsv")) {
    if (row.size() != 9u) return -1;
    const auto number = [&](size_t i) { return std::stoi(row[i]); };
    if ((std::max(number(1) * number(2), number(3) * number(4)) < kSmall) != small) continue;
    if (source.width != number(1) || source.height != number(2)) {
      source = source_pixels(number(1), number(2));
    }
    const Image out = resize(source, number(3), number(4), kFilters.at(row[0]));
    EXPECT_EQ(crop_hex(out, number(6), number(7)), row[8])
        << row[0] << " " << row[1] << "x" << row[2];
    EXPECT_EQ(sha256_hex(out.rgb), row[5])
        << row[0] << " " << row[1] << "x" << row[2] << " -> " << row[3] << "x" << row[4];
    ++compared;
  }
  return compared;
}

TEST(Resample, GivesPillowsBytes) {
  EXPECT_GE(compare_with_pillow(true), 100);
}

TEST(Resample, GivesPillowsBytesForLargePictures) {
  EXPECT_GE(compare_with_pillow(false), 10);
}

TEST(Resample, ThreadsDoNotChangeTheResult) {
  const Image source = source_pixels(301, 203);
  const ParallelFor three_threads = [](int64_t count, const auto& body) {
    std::vector<std::thread> threads;
    for (int64_t i = 0; i < 3; ++i) {
      threads.emplace_back([&body, count, i] { body(count * i / 3, count * (i + 1) / 3); });
    }
    for (std::thread& t : threads) t.join();
  };
  EXPECT_EQ(resize(source, 128, 400, Filter::kLanczos, three_threads).rgb,
            resize(source, 128, 400, Filter::kLanczos).rgb);
}

TEST(Resample, EveryKernelBlendsAlike) {
  constexpr size_t kStride = 2500;
  const Image pixels = source_pixels(kStride, 10);  // three times as many bytes as are used
  // Negative lobes, and sums that leave 0..255 on both sides.
  const std::vector<int32_t> weights = {-(1 << 19), (1 << 22) + 5, 1 << 20,    -(1 << 21), 77,
                                        -(1 << 22), 1 << 21,       -(1 << 20), 12345};
  for (const BlendKernel& kernel : blend_kernels()) {
    for (const int count : {1, 2, 3, 4, 5, 8, 9}) {
      for (const size_t n : {size_t{1}, size_t{7}, size_t{96}, size_t{1024}, kStride}) {
        const Taps taps = {1, count, weights.data()};
        std::vector<uint8_t> out(n + 1, 0xAB);
        kernel.blend(pixels.rgb.data(), kStride, taps, 22, n, out.data());
        for (size_t i = 0; i < n; ++i) {
          int32_t sum = 1 << 21;
          for (int t = 0; t < count; ++t)
            sum += pixels.rgb[size_t(1 + t) * kStride + i] * weights[size_t(t)];
          ASSERT_EQ(out[i], std::clamp(sum >> 22, 0, 255)) << kernel.name << " " << i;
        }
        EXPECT_EQ(out[n], 0xAB) << kernel.name;
      }
    }
  }
}

TEST(Resample, TurnsRowsIntoColumns) {
  const Image pixels = source_pixels(40, 40);
  for (const size_t rows : {1, 15, 16, 33}) {
    for (const size_t columns : {1, 16, 31, 50}) {
      std::vector<uint8_t> out(columns * rows);
      transpose_bytes(pixels.rgb.data(), 120, rows, columns, out.data(), rows);
      for (size_t r = 0; r < rows; ++r) {
        for (size_t c = 0; c < columns; ++c)
          ASSERT_EQ(out[c * rows + r], pixels.rgb[r * 120 + c]) << r << " " << c;
      }
    }
  }
}

TEST(Resample, KeepsFactsAndCopiesEqualSizes) {
  Image source = source_pixels(9, 5);
  source.facts.exif_orientation = 6;
  const Image same = resize(source, 9, 5, Filter::kLanczos);
  EXPECT_EQ(same.rgb, source.rgb);
  EXPECT_EQ(resize(source, 4, 4, Filter::kBicubic).facts.exif_orientation, 6);
}

}  // namespace
}  // namespace ocelli::media
