#include "media/video.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <map>

#include "media/ffmpeg.h"
#include "media/test_support.h"
#include "media/video_kinds.h"
#include "media/video_test_support.h"

namespace ocelli::media {
namespace {

TEST(Video, FramesAreThoseOfTheFfmpegProgram) {
  const auto files = expected_files();
  ASSERT_GE(files.size(), 28u);
  for (const ExpectedFile& file : files) {
    SCOPED_TRACE(file.name);
    expect_frames(file, read_clip(file.name), [](auto bytes, const auto& choose, const auto& sink) {
      return read_video(bytes, choose, sink);
    });
  }
}

// Each frame alone: the way there from the nearest clean start gives the same pixels.
TEST(Video, EveryFrameAloneIsTheSame) {
  for (const ExpectedFile& file : expected_files()) {
    SCOPED_TRACE(file.name);
    const auto clip = read_clip(file.name);
    const size_t step = file.frames > 1000 ? 7 : 3;
    for (size_t i = file.wanted.size() - 1; i < file.wanted.size(); i -= step) {
      ExpectedFile one = file;
      one.wanted = {file.wanted[i]};
      expect_frames(one, clip, [](auto bytes, const auto& choose, const auto& sink) {
        return read_video(bytes, choose, sink);
      });
    }
  }
}

std::string error_of(std::span<const std::byte> bytes, const VideoLimits& limits = {},
                     std::vector<int64_t> wanted = {0}) {
  const auto status = read_video(
      bytes, [&](const VideoInfo&) { return base::Result<std::vector<int64_t>>(wanted); },
      [](const VideoFrame&) { return base::Status(); }, limits);
  return status.ok() ? "" : status.error().message();
}

TEST(Video, LimitsAreNamed) {
  const auto clip = read_clip("h264.mp4");
  EXPECT_EQ(error_of(clip), "");
  EXPECT_NE(error_of(clip, {.max_bytes = 1000}).find("too large ("), std::string::npos);
  EXPECT_NE(error_of(clip, {.max_seconds = 2}).find("too long (2 s or more, limit 2)"),
            std::string::npos);
  EXPECT_NE(error_of(clip, {.max_frames = 59}).find("too many frames (limit 59)"),
            std::string::npos);
  EXPECT_EQ(error_of(clip, {.max_frames = 60}), "");
  EXPECT_NE(error_of(clip, {.max_pixels = 96 * 64 - 1}).find("96 x 64 pixels, limit 6143"),
            std::string::npos);
  EXPECT_NE(error_of(clip, {.max_work_seconds = -1}).find("too long to decode"), std::string::npos);
}

// A file whose later frames are larger than its header says is held to the same limit.
TEST(Video, FramesThatGrowAreHeldToTheLimit) {
  const auto clip = read_clip("sizes_change.mkv");
  EXPECT_EQ(error_of(clip, {}, {0, 29}), "");
  std::vector<int64_t> seen;
  const auto status = read_video(
      clip,
      [](const VideoInfo&) {
        return base::Result<std::vector<int64_t>>({0, 9, 25});
      },
      [&](const VideoFrame& frame) {
        seen.push_back(frame.index);
        EXPECT_LE(frame.image.width * frame.image.height, 96 * 64);
        return base::Status();
      },
      {.max_pixels = 96 * 64});
  EXPECT_TRUE(status.ok());
  EXPECT_EQ(seen, (std::vector<int64_t>{0, 9, 25}));
}

TEST(Video, ChoicesAreChecked) {
  const auto clip = read_clip("h264.mp4");
  EXPECT_NE(error_of(clip, {}, {}).find("from 1 to 64 frames"), std::string::npos);
  EXPECT_NE(error_of(clip, {}, std::vector<int64_t>(65, 0)).find("65 wanted"), std::string::npos);
  EXPECT_NE(error_of(clip, {}, {60}).find("below 60 (60)"), std::string::npos);
  EXPECT_NE(error_of(clip, {}, {-1}).find("(-1)"), std::string::npos);
  EXPECT_NE(error_of(clip, {}, {3, 3}).find("in order"), std::string::npos);
  EXPECT_NE(error_of(clip, {}, {4, 3}).find("in order"), std::string::npos);
}

TEST(Video, ErrorsOfTheCallerAreReturned) {
  const auto clip = read_clip("h264.mp4");
  const auto stop = base::fail(base::Code::kUsage, "enough");
  int frames = 0;
  const auto choose = [](const VideoInfo&) {
    return base::Result<std::vector<int64_t>>({1, 2, 3});
  };
  const auto status = read_video(clip, choose, [&](const VideoFrame&) {
    return ++frames == 2 ? base::Status(stop) : base::Status();
  });
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().what, "enough");
  EXPECT_EQ(frames, 2);
  const auto refused = read_video(
      clip, [&](const VideoInfo&) { return base::Result<std::vector<int64_t>>(stop); },
      [](const VideoFrame&) { return base::Status(); });
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().what, "enough");
}

TEST(Video, OnlyContainersAndCodecsOfTheTable) {
  const auto bytes_of = [](std::string_view text) {
    const auto* data = reinterpret_cast<const std::byte*>(text.data());
    return std::vector<std::byte>(data, data + text.size());
  };
  for (const std::string_view text :
       {std::string_view("#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n"),
        std::string_view("ffconcat version 1.0\nfile /etc/passwd\n"), std::string_view("G"),
        std::string_view("<?xml version=\"1.0\"?><MPD></MPD>"), std::string_view("GIF89a"),
        std::string_view("\x89PNG\r\n\x1a\n"),
        std::string_view("\0\0\0\x18"
                         "ftypheic",
                         12)}) {
    EXPECT_EQ(sniff_video(bytes_of(text)), nullptr) << text;
    EXPECT_NE(error_of(bytes_of(text)).find("no video file of a kind"), std::string::npos) << text;
  }
  EXPECT_EQ(error_of({}), "the video file is empty; save it again");
  EXPECT_EQ(find_video_codec("jpeg2000"), nullptr);
  EXPECT_EQ(find_video_codec("png"), nullptr);
  EXPECT_EQ(find_video_codec("gif"), nullptr);
}

// JPEG 2000 inside MP4, whose decoder once could be made to write past its memory.
TEST(Video, OtherCodecsAreNamed) {
  auto clip = read_clip("mjpeg.mov");
  const std::string_view tag = "jpeg", other = "mjp2";
  auto* at =
      std::search(reinterpret_cast<char*>(clip.data()),
                  reinterpret_cast<char*>(clip.data() + clip.size()), tag.begin(), tag.end());
  ASSERT_NE(at, reinterpret_cast<char*>(clip.data() + clip.size()));
  std::memcpy(at, other.data(), other.size());
  EXPECT_NE(error_of(clip).find("unsupported: video codec jpeg2000"), std::string::npos);
}

// The unit of time of an MP4's tracks, in ticks a second.
std::vector<std::byte> with_timescale(std::vector<std::byte> clip, uint32_t ticks) {
  const std::string_view name = "mdhd";
  const auto at =
      std::string_view(reinterpret_cast<const char*>(clip.data()), clip.size()).find(name);
  EXPECT_NE(at, std::string_view::npos);
  for (size_t i = 0; i < 4; ++i) clip[at + 16 + i] = std::byte(ticks >> (24 - 8 * i) & 255);
  return clip;
}

TEST(Video, LyingTimesEndWell) {
  const auto hour = read_clip("hour.mp4");
  EXPECT_NE(error_of(with_timescale(hour, 1000)).find("the video is too long ("),
            std::string::npos);
  for (const uint32_t ticks : {0u, 1u, 2u, 0x7fffffffu, 0x80000000u, 0xffffffffu}) {
    const std::string error = error_of(with_timescale(read_clip("h264.mp4"), ticks));
    if (error.empty()) continue;
    EXPECT_NE(error.find("video"), std::string::npos) << ticks << ": " << error;
  }
}

// A file with sound alone, or with nothing that is shown.
TEST(Video, NoVideoInTheFile) {
  auto clip = read_clip("h264.mp4");
  const std::string_view kind("\0\0\0\0vide", 8), sound("\0\0\0\0soun", 8);  // of its hdlr box
  auto* begin = reinterpret_cast<char*>(clip.data());
  auto* at = std::search(begin, begin + clip.size(), kind.begin(), kind.end());
  ASSERT_NE(at, begin + clip.size());
  std::memcpy(at, sound.data(), sound.size());
  EXPECT_NE(error_of(clip).find("no video stream"), std::string::npos) << error_of(clip);
}

TEST(Video, AnythingCutAnywhereEndsWell) {
  for (const char* name : {"h264.mp4", "faststart_2997.mp4", "vp9_60.webm", "mpeg4.avi", "mpeg2.ts",
                           "flv1.flv", "fragments.mp4"}) {
    const auto clip = read_clip(name);
    for (int i = 0; i < 40; ++i) {
      const std::string error = error_of(std::span(clip).first(clip.size() * size_t(i) / 40));
      if (error.empty()) continue;
      EXPECT_NE(error.find("video"), std::string::npos) << name << " " << i << ": " << error;
    }
  }
}

TEST(Video, CleanStarts) {
  const auto check = [](KeyFrames keys, std::vector<int> packet, int nal_length) {
    std::vector<std::byte> bytes;
    for (const int b : packet) bytes.push_back(std::byte(b));
    return starts_clean(keys, bytes, nal_length);
  };
  EXPECT_TRUE(check(KeyFrames::kMarked, {}, 0));
  EXPECT_TRUE(check(KeyFrames::kH264, {0, 0, 0, 1, 6, 0, 0, 0, 2, 0x65, 1}, 4));   // SEI, IDR
  EXPECT_FALSE(check(KeyFrames::kH264, {0, 0, 0, 1, 6, 0, 0, 0, 2, 0x41, 1}, 4));  // SEI, P
  EXPECT_FALSE(check(KeyFrames::kH264, {255, 255, 255, 255, 6, 0, 0, 0, 2, 0x65}, 4));
  EXPECT_FALSE(check(KeyFrames::kH264, {0, 0, 0, 1}, 4));
  EXPECT_FALSE(check(KeyFrames::kH264, {}, 4));
  EXPECT_TRUE(check(KeyFrames::kH264, {0, 0, 0, 1, 9, 16, 0, 0, 1, 0x65}, 0));
  EXPECT_FALSE(check(KeyFrames::kH264, {0, 0, 0, 1, 9, 16, 0, 0, 1, 0x41}, 0));
  EXPECT_FALSE(check(KeyFrames::kH264, {0, 0, 1}, 0));
  EXPECT_TRUE(check(KeyFrames::kHevc, {0, 0, 1, 21 << 1, 1}, 0));  // CRA
  EXPECT_FALSE(check(KeyFrames::kHevc, {0, 0, 1, 1 << 1, 1}, 0));
}

TEST(Video, LibrariesAreThere) {
  const auto api = ffmpeg();
  ASSERT_TRUE(api.ok()) << api.error().message();
  EXPECT_EQ(*api, *ffmpeg());
}

}  // namespace
}  // namespace ocelli::media
