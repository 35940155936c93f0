// What tests of videos share: the clips and what the ffmpeg program makes of them.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "media/test_support.h"
#include "media/video.h"

namespace ocelli::media {

inline std::vector<std::byte> read_clip(const std::string& name) {
  std::ifstream in(OCELLI_FIXTURES "/video/" + name, std::ios::binary);
  std::vector<char> chars{std::istreambuf_iterator<char>(in), {}};
  const auto* data = reinterpret_cast<const std::byte*>(chars.data());
  return {data, data + chars.size()};
}

struct ExpectedFrame {
  int64_t index;
  double seconds;
  int width, height;
  std::string sha256;  // its beginning, of the RGB bytes
};

struct ExpectedFile {
  std::string name;
  int64_t frames;
  double fps, seconds;
  std::vector<ExpectedFrame> wanted;
};

inline std::vector<ExpectedFile> expected_files() {
  std::vector<ExpectedFile> out;
  for (const auto& row : read_table("../video/files.tsv")) {
    const auto number = [&](size_t i) { return std::strtod(row.at(i).c_str(), nullptr); };
    if (out.empty() || out.back().name != row.at(0))
      out.push_back({row.at(0), int64_t(number(1)), number(2), number(3), {}});
    out.back().wanted.push_back(
        {int64_t(number(4)), number(5), int(number(6)), int(number(7)), row.at(8)});
  }
  return out;
}

// Reads the file's wanted frames through `read` and compares everything.
template <class Read>
void expect_frames(const ExpectedFile& file, std::span<const std::byte> clip, Read read) {
  size_t next = 0;
  const base::Status status = read(
      clip,
      [&](const VideoInfo& info) {
        EXPECT_EQ(info.frames, file.frames);
        EXPECT_NEAR(info.fps, file.fps, 1e-12 * file.fps);
        EXPECT_NEAR(info.seconds, file.seconds, 1e-12 * file.seconds);
        std::vector<int64_t> indices;
        for (const ExpectedFrame& frame : file.wanted) indices.push_back(frame.index);
        return base::Result<std::vector<int64_t>>(indices);
      },
      [&](const VideoFrame& frame) {
        if (next == file.wanted.size()) return base::Status();
        const ExpectedFrame& expected = file.wanted[next++];
        EXPECT_EQ(frame.index, expected.index);
        EXPECT_NEAR(frame.seconds, expected.seconds, 1e-9) << frame.index;
        EXPECT_EQ(frame.image.width, expected.width) << frame.index;
        EXPECT_EQ(frame.image.height, expected.height) << frame.index;
        EXPECT_EQ(sha256_hex(frame.image.rgb).substr(0, 16), expected.sha256) << frame.index;
        return base::Status();
      });
  EXPECT_TRUE(status.ok()) << status.error().message();
  EXPECT_EQ(next, file.wanted.size());
}

}  // namespace ocelli::media
