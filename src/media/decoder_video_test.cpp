#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cerrno>
#include <csignal>
#include <filesystem>
#include <thread>

#include "base/clock.h"
#include "base/slower.h"
#include "media/decoder_process.h"
#include "media/video_test_support.h"

namespace ocelli::media {
namespace {

using base::Result;
using base::Status;
using testing::HasSubstr;
using Indices = std::vector<int64_t>;

FrameChooser choose(Indices indices) {
  return [indices](const VideoInfo&) { return Result<Indices>(indices); };
}

Status ignore(const VideoFrame&) {
  return {};
}

TEST(DecoderVideo, GivesWhatReadVideoGives) {
  DecoderProcess decoder;
  pid_t first = 0;
  for (const ExpectedFile& file : expected_files()) {
    SCOPED_TRACE(file.name);
    expect_frames(file, read_clip(file.name),
                  [&](auto bytes, const auto& choice, const auto& sink) {
                    return decoder.read_video(bytes, choice, sink);
                  });
    if (first == 0) first = decoder.child_pid(DecoderKind::kVideos);
  }
  EXPECT_EQ(decoder.child_pid(DecoderKind::kVideos), first) << "one child serves all";
  EXPECT_EQ(decoder.child_pid(), 0) << "pictures have another";
}

TEST(DecoderVideo, PassesErrorsOn) {
  DecoderProcess decoder;
  const auto clip = read_clip("h264.mp4");
  const std::span<const std::byte> half(clip.data(), clip.size() / 2);
  const auto mine = read_video(half, choose({0}), ignore);
  const auto theirs = decoder.read_video(half, choose({0}), ignore);
  ASSERT_FALSE(mine.ok() || theirs.ok());
  EXPECT_EQ(theirs.error().message(), mine.error().message());
  const auto late = decoder.read_video(clip, choose({60}), ignore);
  ASSERT_FALSE(late.ok());
  EXPECT_THAT(late.error().message(), HasSubstr("below 60"));
  const auto large = decoder.read_video(clip, choose({0}), ignore, {.max_bytes = 10});
  ASSERT_FALSE(large.ok());
  EXPECT_THAT(large.error().message(), HasSubstr("too large"));
  EXPECT_TRUE(decoder.read_video(clip, choose({0}), ignore).ok());
}

TEST(DecoderVideo, StopsWhenTheCallerDoes) {
  DecoderProcess decoder;
  const auto clip = read_clip("h264.mp4");
  const base::Error enough = base::fail(base::Code::kUsage, "enough");
  ASSERT_TRUE(decoder.read_video(clip, choose({0}), ignore).ok());
  const pid_t first = decoder.child_pid(DecoderKind::kVideos);
  const auto a = decoder.read_video(
      clip, [&](const VideoInfo&) { return Result<Indices>(enough); }, ignore);
  const auto b = decoder.read_video(clip, choose({1, 2, 3}),
                                    [&](const VideoFrame&) { return Status(enough); });
  for (const auto* status : {&a, &b}) {
    ASSERT_FALSE(status->ok());
    EXPECT_EQ(status->error().what, "enough");
  }
  EXPECT_TRUE(decoder.read_video(clip, choose({0}), ignore).ok());
  EXPECT_EQ(decoder.child_pid(DecoderKind::kVideos), first) << "the child is not lost";
}

TEST(DecoderVideo, AChildKilledDuringAVideoCostsOneError) {
  DecoderProcess decoder;
  const auto clip = read_clip("h264.mp4");
  ASSERT_TRUE(decoder.read_video(clip, choose({0}), ignore).ok());
  const pid_t pid = decoder.child_pid(DecoderKind::kVideos);
  int frames = 0;
  const auto status = decoder.read_video(clip, choose({1, 30, 50}), [&](const VideoFrame&) {
    if (++frames == 2) kill(pid, SIGKILL);
    return Status();
  });
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().message(),
            "the video decoder failed (it was ended by signal 9); save the video again in another "
            "format");
  EXPECT_TRUE(decoder.read_video(clip, choose({0}), ignore).ok());
}

TEST(DecoderVideo, AHangingChildMeetsItsDeadline) {
  // Room for a busy machine to do what does not hang.
  constexpr double kDeadline = base::kSlower > 1 ? 15 : 2;
  DecoderProcess decoder({.video_deadline_seconds = kDeadline});
  const auto clip = read_clip("h264.mp4");
  ASSERT_TRUE(decoder.read_video(clip, choose({0}), ignore).ok());
  const pid_t pid = decoder.child_pid(DecoderKind::kVideos);
  const base::Stopwatch watch;
  const auto status = decoder.read_video(clip, choose({1, 30, 50}), [&](const VideoFrame&) {
    kill(pid, SIGSTOP);
    return Status();
  });
  EXPECT_LT(watch.seconds(), 5 * kDeadline);
  ASSERT_FALSE(status.ok());
  EXPECT_THAT(status.error().message(), HasSubstr("the video decoder failed (it took longer than"));
  EXPECT_EQ(kill(pid, 0), -1) << "the hanging child is gone";
}

TEST(DecoderVideo, TheChildIsConfined) {
  DecoderProcess decoder;
  ASSERT_TRUE(decoder.read_video(read_clip("h264.mp4"), choose({0}), ignore).ok());
  const std::string proc = "/proc/" + std::to_string(decoder.child_pid(DecoderKind::kVideos));
  std::ifstream in(proc + "/status");
  const std::string status{std::istreambuf_iterator<char>(in), {}};
  EXPECT_THAT(status, HasSubstr("NoNewPrivs:\t1"));
  EXPECT_THAT(status, HasSubstr("Seccomp:\t2"));
  EXPECT_THAT(status, HasSubstr("Threads:\t1"));
}

}  // namespace
}  // namespace ocelli::media
