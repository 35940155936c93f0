// Clips against transformers: from the same decoded frames and times, the same frames chosen, the
// same text and the same pixels; and a whole model's logits. tools/reference/make_clips.py
#include <gtest/gtest.h>

#include "base/file.h"
#include "base/hash.h"
#include "media/video_kinds.h"
#include "models/smolvlm_video.h"
#include "parity_fixture.h"
#include "parity_pictures.h"

namespace ocelli::parity {
namespace {

using base::Json;
using base::Result;
using base::Status;

Json expected() {
  const std::string path = std::string(OCELLI_FIXTURES) + "/processor/clips.json";
  return Json::parse(base::read_file(path, 16 << 20).value()).value();
}

media::VideoInfo info_of(const Json& clip) {
  media::VideoInfo info;
  info.frames = clip.get_int("frames").value();
  info.fps = clip.get_double("fps").value();
  info.seconds = clip.get_double("seconds").value();
  if (clip.find("width")) {
    info.width = int(clip.get_int("width").value());
    info.height = int(clip.get_int("height").value());
  }
  return info;
}

models::VideoSampling wanted_of(const Json& clip) {
  models::VideoSampling wanted;
  const Json& more = *clip.find("wanted");
  if (more.find("fps")) wanted.fps = more.get_double("fps").value();
  if (more.find("num_frames")) wanted.max_frames = more.get_int("num_frames").value();
  return wanted;
}

media::Image frame_of(const Json& clip, int64_t index) {
  return formula_picture(clip.get_string("kind").value(),
                         uint32_t(clip.get_int("seed").value() + index),
                         int(clip.get_int("width").value()), int(clip.get_int("height").value()));
}

models::SmolVlmVideoProcessor processor_of(int size, int tile, int resample) {
  Json json = Json::object({{"resample", resample},
                            {"size", Json::object({{"longest_edge", size}})},
                            {"max_image_size", Json::object({{"longest_edge", tile}})},
                            {"rescale_factor", 0.00392156862745098}});
  json.set("video_sampling", Json::object({{"fps", 1},
                                           {"max_frames", 64},
                                           {"video_size", Json::object({{"longest_edge", 512}})}}));
  const Json processor = Json::object({{"image_seq_len", 1}});
  return models::SmolVlmVideoProcessor(models::SmolVlmVideoConfig::parse(json, processor).value());
}

std::string sha(std::span<const std::byte> bytes) {
  return base::sha256(bytes).hex();
}

TEST(VideoParity, TwelveClipsEqualTransformers) {
  const Json json = expected();
  EXPECT_EQ(json.find("clips")->size(), 12u);
  for (const Json& clip : json.find("clips")->items()) {
    SCOPED_TRACE(clip.get_string("kind").value() + " " + clip.find("width")->dump());
    const auto number = [&](const char* key) { return int(clip.get_int(key).value()); };
    const auto run = processor_of(number("size"), number("tile"), number("resample"));
    const media::VideoInfo info = info_of(clip);
    const std::vector<int64_t> indices = run.sample(info, wanted_of(clip)).value();
    EXPECT_EQ(indices, ints(*clip.find("indices")));
    EXPECT_EQ(run.prompt(info, indices), clip.get_string("text").value());
    std::vector<uint8_t> rgb;
    for (const int64_t index : indices) {
      const std::vector<uint8_t> frame = run.process(frame_of(clip, index), {}).value();
      rgb.insert(rgb.end(), frame.begin(), frame.end());
    }
    EXPECT_EQ(sha(std::as_bytes(std::span(rgb))), clip.get_string("frames_sha256").value());
    std::vector<float> pixels(rgb.size());
    run.normalize(rgb, pixels.data());
    EXPECT_EQ(sha(std::as_bytes(std::span(pixels))), clip.get_string("pixels_sha256").value());
  }
}

TEST(VideoParity, FramesAndTextOfManyLengthsAndRates) {
  const Json json = expected();
  const auto run = processor_of(2048, 512, 1);
  EXPECT_GE(json.find("samples")->size(), 300u);
  for (const Json& sample : json.find("samples")->items()) {
    const media::VideoInfo info = info_of(sample);
    const std::vector<int64_t> indices = run.sample(info, wanted_of(sample)).value();
    EXPECT_EQ(indices, ints(*sample.find("indices"))) << sample.dump();
    const std::string text = run.prompt(info, indices);
    EXPECT_EQ(sha(std::as_bytes(std::span(text))).substr(0, 16),
              sample.get_string("text_sha256").value())
        << sample.dump() << text;
  }
}

// An engine that is given the frames of the fixture instead of reading a file.
std::unique_ptr<engine::Engine> engine_with(const Json& clip) {
  engine::EngineOptions options;
  options.exact = true;
  options.threads = 2;
  options.read_video = [&clip](std::span<const std::byte>, const media::FrameChooser& choose,
                               const media::FrameSink& sink, const media::VideoLimits&) -> Status {
    OCELLI_ASSIGN(const std::vector<int64_t> wanted, choose(info_of(clip)));
    for (const int64_t index : wanted)
      OCELLI_TRY(sink({index, double(index) / info_of(clip).fps, frame_of(clip, index)}));
    return {};
  };
  return engine::Engine::load(formats::ModelFolder::open(folder("smolvlm2-a")).value(), options)
      .value();
}

TEST(VideoParity, LogitsEqualTransformers) {
  const Fixture f("smolvlm2-a", "clip");
  const auto engine = engine_with(f.json);
  const auto clip = engine->prepare_video({}, "clip").value();
  EXPECT_EQ(clip->clip->indices, ints(*f.json.find("indices")));
  const engine::Prompt prompt = engine->build_prompt(*f.json.find("messages"), {clip}).value();
  EXPECT_EQ(prompt.ids, unpack_ids(*f.json.find("ids")));
  compare_logits(*engine, f, f.json, prompt);
}

// A picture and a clip in one question, in their order; a clip is cached by its content.
TEST(VideoParity, PicturesAndClipsMix) {
  const Fixture f("smolvlm2-a", "clip");
  const auto engine = engine_with(f.json);
  const auto clip = engine->prepare_video({}, "clip").value();
  const auto picture =
      engine->prepare_image(formula_picture("texture", 3, 60, 40), "picture").value();
  const auto ask = [&](const char* first, const char* second) {
    return Json::parse(std::string(R"([{"role":"user","content":[{"type":")") + first +
                       R"("},{"type":")" + second +
                       R"("},{"type":"text","text":"<video> or <image>?"}]}])")
        .value();
  };
  const engine::Prompt a = engine->build_prompt(ask("image", "video"), {picture, clip}).value();
  const engine::Prompt b = engine->build_prompt(ask("video", "image"), {clip, picture}).value();
  EXPECT_EQ(a.image_tokens(), b.image_tokens());
  EXPECT_LT(a.text.find("<row_1_col_1>"), a.text.find("You are provided"));
  EXPECT_GT(b.text.find("<row_1_col_1>"), b.text.find("You are provided"));
  EXPECT_NE(a.text.find("<video> or <image>?"), std::string::npos) << "typed markers stay text";
  EXPECT_TRUE(a.text.starts_with("<|im_start|>User:<")) << "a picture comes first";
  EXPECT_TRUE(b.text.starts_with("<|im_start|>User: You")) << "a clip comes first";
  // Called an image, a clip is still a clip; a picture is never a clip.
  EXPECT_EQ(engine->build_prompt(ask("image", "image"), {picture, clip}).value().ids, a.ids);
  EXPECT_FALSE(engine->build_prompt(ask("video", "video"), {picture, clip}).ok());
  EXPECT_FALSE(engine->build_prompt(ask("image", "video"), {picture}).ok());
  const auto encoded = engine->encode_images(b.images).value();
  EXPECT_EQ(engine->encode_images(a.images).value()[1], encoded[0]) << "from the cache";
  EXPECT_EQ(encoded[0]->size(), clip->clip->indices.size() * 64 * size_t(engine->info().hidden));
}

TEST(VideoParity, FilesAreToldApartByTheirBytes) {
  const Fixture f("smolvlm2-a", "clip");
  const auto engine = engine_with(f.json);
  const std::string name = std::string(OCELLI_FIXTURES) + "/video/h264.mp4";
  const base::MappedFile file = base::MappedFile::open(name).value();
  EXPECT_TRUE(engine->prepare_file(file.bytes(), name).value()->clip.has_value());
  const std::string png = std::string(OCELLI_FIXTURES) + "/media/filters.png";
  const base::MappedFile other = base::MappedFile::open(png).value();
  EXPECT_FALSE(engine->prepare_file(other.bytes(), png).value()->clip.has_value());
  const engine::Clip plan = engine->plan_video(file.bytes(), name).value();
  EXPECT_EQ(plan.indices, ints(*f.json.find("indices")));
  EXPECT_EQ(plan.labels.size(), plan.indices.size());
}

TEST(VideoParity, ModelsWithoutClipsSaySo) {
  const auto engine = load("smolvlm1", false);
  const auto refused = engine->prepare_video({}, "clip.mp4");
  ASSERT_FALSE(refused.ok());
  EXPECT_NE(refused.error().message().find("takes no videos"), std::string::npos);
}

}  // namespace
}  // namespace ocelli::parity
