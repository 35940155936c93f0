// Clips: reading them, choosing their frames, and keeping what the model sees of them.
#include <algorithm>
#include <new>

#include "base/clock.h"
#include "base/hash.h"
#include "engine/engine.h"
#include "media/video_kinds.h"

namespace ocelli::engine {

using base::Code;
using base::Result;
using base::Status;
using Image = std::shared_ptr<const PreparedImage>;

media::ParallelFor Engine::parallel_rows() {
  return [this](int64_t count, const std::function<void(int64_t, int64_t)>& body) {
    pool_.parallel_for(
        count, [&](int64_t begin, int64_t end) { body(begin, end); },
        std::max<int64_t>(1, count / 64));
  };
}

void Engine::normalize(const PreparedImage& image, int64_t index, float* out) const {
  if (!image.clip) return processor_->normalize(image.tiles, index, 1, out);
  const auto bytes = size_t(video_processor_->side()) * size_t(video_processor_->side()) * 3;
  const std::span<const uint8_t> all(image.tiles.rgb);
  video_processor_->normalize(all.subspan(size_t(index) * bytes, bytes), out);
}

Status Engine::read_video(std::span<const std::byte> file, const media::FrameChooser& choose,
                          const media::FrameSink& sink) const {
  return options_.read_video ? options_.read_video(file, choose, sink, options_.video_limits)
                             : media::read_video(file, choose, sink, options_.video_limits);
}

Status Engine::check_takes_videos(const std::string& name) const {
  if (video_processor_) return {};
  return base::fail(
      Code::kUsage,
      "the model " + name_ + " takes no videos; choose one that was trained with them", name);
}

Result<std::vector<int64_t>> Engine::choose_frames(const media::VideoInfo& info, Clip& clip) const {
  clip.info = info;
  return video_processor_->sample(info, options_.video_sampling);
}

void Engine::tell_times(Clip& clip) const {
  for (const int64_t index : clip.indices)
    clip.labels.push_back(video_processor_->time_label(clip.info, index));
  clip.prompt = video_processor_->prompt(clip.info, clip.indices);
}

Result<Image> Engine::prepare_video(std::span<const std::byte> file, std::string name,
                                    ImageTimes* times) {
  OCELLI_TRY(check_takes_videos(name));
  auto prepared = std::make_shared<PreparedImage>();
  prepared->clip.emplace();
  Clip& clip = *prepared->clip;
  models::Tiles& tiles = prepared->tiles;
  const base::Stopwatch watch;
  double resize = 0;
  const auto choose = [&](const media::VideoInfo& info) { return choose_frames(info, clip); };
  const auto keep = [&](const media::VideoFrame& frame) -> Status {
    const base::Stopwatch own;
    OCELLI_ASSIGN(const std::vector<uint8_t> rgb,
                  video_processor_->process(frame.image, parallel_rows()));
    tiles.rgb.insert(tiles.rgb.end(), rgb.begin(), rgb.end());
    clip.indices.push_back(frame.index);
    clip.seconds.push_back(frame.seconds);
    resize += own.seconds();
    return {};
  };
  OCELLI_TRY(std::move(read_video(file, choose, keep)).in(name));
  tiles.plan =
      video_processor_->plan(clip.info.width, clip.info.height, int64_t(clip.indices.size()));
  tell_times(clip);
  prepared->name = std::move(name);
  prepared->width = clip.info.width;
  prepared->height = clip.info.height;
  prepared->facts.exif_orientation = clip.info.turned;
  base::Sha256 hash;
  hash.update(video_processor_->fingerprint());
  hash.update(std::to_string(tiles.plan.tiles));
  hash.update(std::as_bytes(std::span(tiles.rgb)));
  prepared->key = hash.finish();
  if (times) {
    times->resize += resize;
    times->decode += watch.seconds() - resize;
  }
  return Image(std::move(prepared));
}

Result<Image> Engine::prepare_file(std::span<const std::byte> file, std::string name,
                                   ImageTimes* times) {
  return media::sniff_video(file) != nullptr ? prepare_video(file, std::move(name), times)
                                             : prepare_image(file, std::move(name), times);
}

Result<Clip> Engine::plan_video(std::span<const std::byte> file, const std::string& name) {
  OCELLI_TRY(check_takes_videos(name));
  Clip clip;
  const auto enough = base::fail(Code::kInterrupted, "");
  const auto choose = [&](const media::VideoInfo& info) -> Result<std::vector<int64_t>> {
    OCELLI_ASSIGN(clip.indices, choose_frames(info, clip));
    return enough;
  };
  Status status = read_video(file, choose, [](const media::VideoFrame&) { return Status(); });
  if (clip.indices.empty()) return std::move(status).error().in(name);
  tell_times(clip);
  return clip;
}

}  // namespace ocelli::engine
