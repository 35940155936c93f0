// Videos on the command line.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "process.h"

namespace ocelli::test {
namespace {

using base::Json;
using testing::HasSubstr;

const std::string kClip = fixture("video/h264.mp4");
const std::string kPicture = fixture("media/444.jpg");

TEST(RunVideo, AClipAndAQuestion) {
  const Finished f = run({"run", "-q", "--video", kClip, "-p", "What do you see?"});
  EXPECT_EQ(f.status, 0) << f.err;
  EXPECT_NE(f.out, "");
  EXPECT_EQ(f.err, "");
}

TEST(RunVideo, ShowsTheFramesAndTheirTimes) {
  const std::string sheet = std::filesystem::temp_directory_path() /
                            ("ocelli-frames-" + std::to_string(getpid()) + ".png");
  const Finished f =
      run({"run", "-q", kClip, kPicture, "What?", "--show-prompt", "--fps", "2", "-o", sheet});
  EXPECT_EQ(f.status, 0) << f.err;
  EXPECT_THAT(f.out, HasSubstr("series of five frames from a 0:00:02 [H:MM:SS] video."));
  EXPECT_THAT(f.out, HasSubstr("frame 29 at 1.160 s, told as 00:01"));
  std::ifstream in(sheet, std::ios::binary);
  std::string head(8, ' ');
  in.read(head.data(), 8);
  EXPECT_EQ(head, "\x89PNG\r\n\x1a\n");
  std::filesystem::remove(sheet);
}

TEST(RunVideo, PlanCountsTheFramesThatAreSeen) {
  const Json one = run({"plan", "-q", "--json", kClip, "What?", "--max-frames", "1"}).json();
  const Json two = run({"plan", "-q", "--json", kClip, "What?"}).json();
  EXPECT_EQ(one.find("tiles")->as_int(), 1);
  EXPECT_EQ(two.find("tiles")->as_int(), 2);
  EXPECT_EQ(two.find("picture_tokens")->as_int(), 2 * one.find("picture_tokens")->as_int());
}

TEST(RunVideo, APlaylistIsNoVideo) {
  const std::string path =
      std::filesystem::temp_directory_path() / ("ocelli-list-" + std::to_string(getpid()) + ".mp4");
  std::ofstream(path) << "#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n";
  const Finished f = run({"run", "-q", "--video", path, "-p", "What?"});
  EXPECT_EQ(f.status, 3);
  EXPECT_EQ(f.out, "");
  EXPECT_THAT(f.err, HasSubstr("not a picture or video"));
  std::filesystem::remove(path);
}

}  // namespace
}  // namespace ocelli::test
