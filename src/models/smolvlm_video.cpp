#include "models/smolvlm_video.h"

#include <algorithm>
#include <cmath>

#include "media/limits.h"
#include "models/config.h"

namespace ocelli::models {

using base::Code;
using base::fail;
using base::Json;
using base::Result;

namespace {

constexpr int kMaxFrameSize = 4096;  // MAX_IMAGE_SIZE of the original
constexpr double kMaxFps = 1000;
constexpr double kSkipSeconds = 1;  // at both ends of long clips

std::string two_digits(int64_t n) {
  const std::string text = std::to_string(n);
  return text.size() < 2 ? "0" + text : text;
}

// numpy.unique(numpy.linspace(first, last, count, dtype=int))
std::vector<int64_t> spread(int64_t first, int64_t last, int64_t count) {
  std::vector<int64_t> out;
  const auto delta = double(last - first);
  const double step = count > 1 ? delta / double(count - 1) : 0;
  for (int64_t i = 0; i < count; ++i) {
    const double at = i > 0 && i == count - 1 ? double(last) : double(i) * step + double(first);
    out.push_back(int64_t(std::floor(at)));
  }
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

struct Minutes {
  int64_t minutes, seconds;
};

// second // 60 and second % 60 of Python's floats.
Minutes minutes_of(double second) {
  const double rest = std::fmod(second, 60.0);
  const double quotient = (second - rest) / 60.0;
  double whole = std::floor(quotient);
  if (quotient - whole > 0.5) whole += 1;
  return {int64_t(whole), int64_t(rest)};
}

}  // namespace

std::string number_words(int64_t n) {
  constexpr std::string_view kSmall[] = {"zero",    "one",     "two",       "three",    "four",
                                         "five",    "six",     "seven",     "eight",    "nine",
                                         "ten",     "eleven",  "twelve",    "thirteen", "fourteen",
                                         "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"};
  constexpr std::string_view kTens[] = {"",      "",      "twenty",  "thirty", "forty",
                                        "fifty", "sixty", "seventy", "eighty", "ninety"};
  OCELLI_CHECK(n >= 0 && n < 100, "a number of frames has two digits");
  if (n < 20) return std::string(kSmall[n]);
  std::string out(kTens[n / 10]);
  if (n % 10 != 0) out.append("-").append(kSmall[n % 10]);
  return out;
}

std::string duration_text(double seconds) {
  const auto whole = int64_t(seconds);
  const int64_t days = whole / 86400, rest = whole % 86400;
  std::string out;
  if (days > 0) out = std::to_string(days) + (days == 1 ? " day, " : " days, ");
  return out + std::to_string(rest / 3600) + ":" + two_digits(rest / 60 % 60) + ":" +
         two_digits(rest % 60);
}

Result<SmolVlmVideoConfig> SmolVlmVideoConfig::parse(const Json& video, const Json& processor) {
  Json frame = video;
  const Json* sampling = video.find("video_sampling");
  const bool sampled = sampling && !sampling->is_null();
  if (sampled && !sampling->is_object()) return bad_config("video_sampling must be an object");
  const Json* size = video.find("size");
  if (sampled && (!size || size->is_null())) {
    const Json* video_size = sampling->find("video_size");
    if (video_size) frame.set("size", *video_size);
  }
  SmolVlmVideoConfig c;
  OCELLI_ASSIGN(c.frame, SmolVlmProcessorConfig::parse(frame, processor));
  if (!sampled) return c;
  OCELLI_ASSIGN(c.fps, sampling->get_double("fps", 1));
  if (!(c.fps > 0) || c.fps > kMaxFps) {
    return bad_config("video_sampling.fps must be above 0 and at most " +
                      std::to_string(int(kMaxFps)) + " (" + Json(c.fps).dump() + ")");
  }
  OCELLI_ASSIGN(
      c.max_frames,
      std::move(sampling->get_int("max_frames", {1, int64_t(media::kMaxSampledFrames)}, 64))
          .in("video_sampling"));
  return c;
}

SmolVlmVideoProcessor::SmolVlmVideoProcessor(const SmolVlmVideoConfig& config) : config_(config) {
  // rescale_and_normalize of the torchvision backend: rescaling is put into mean and deviation.
  const auto scale = float(1.0 / config.frame.rescale);
  for (size_t channel = 0; channel < 3; ++channel) {
    const float mean = config.frame.mean[channel] * scale;
    const float stddev = config.frame.stddev[channel] * scale;
    for (size_t byte = 0; byte < 256; ++byte)
      normalized_[channel][byte] = (float(byte) - mean) / stddev;
  }
}

// sample_frames
Result<std::vector<int64_t>> SmolVlmVideoProcessor::sample(const media::VideoInfo& info,
                                                           const VideoSampling& wanted) const {
  const double fps = wanted.fps.value_or(config_.fps);
  const int64_t most = wanted.max_frames.value_or(config_.max_frames);
  if (!(fps > 0) || fps > kMaxFps) {
    return fail(Code::kUsage, "frames a second must be above 0 and at most " +
                                  std::to_string(int(kMaxFps)) + " (" + Json(fps).dump() + ")");
  }
  if (most < 1 || most > int64_t(media::kMaxSampledFrames)) {
    return fail(Code::kUsage, "the most frames must be from 1 to " +
                                  std::to_string(media::kMaxSampledFrames) + " (" +
                                  std::to_string(most) + ")");
  }
  // Python's round() takes halves to even, as rint does.
  const auto estimated = int64_t(std::rint(fps * info.seconds));
  const int64_t count = std::max<int64_t>(1, std::min(estimated, most));
  const int64_t end = info.frames - 1;
  int64_t first = 0, last = end;
  if (info.seconds - 2 * kSkipSeconds > double(most) * fps) {
    first = int64_t(kSkipSeconds * info.fps);
    last = std::min(int64_t(double(info.frames) - kSkipSeconds * info.fps), end);
  }
  if (first >= last) {
    first = 0;
    last = end;
  }
  return spread(first, last, count);
}

// get_resize_output_image_size
TilePlan SmolVlmVideoProcessor::plan(int width, int height, int64_t frames) const {
  const int edge = std::min(kMaxFrameSize, config_.frame.longest_edge);
  const double aspect = double(width) / double(height);
  TilePlan out{0, 0, edge, edge, frames, side()};
  int& shorter = width >= height ? out.resized_height : out.resized_width;
  shorter = int(width >= height ? edge / aspect : edge * aspect);
  shorter = std::max(shorter + shorter % 2, 1);
  return out;
}

// resize of the original: to the longest edge, then squashed to a square.
Result<std::vector<uint8_t>> SmolVlmVideoProcessor::process(
    const media::Image& frame, const media::ParallelFor& parallel) const {
  if (frame.width < 1 || frame.height < 1 || frame.width > media::kMaxSide ||
      frame.height > media::kMaxSide ||
      frame.rgb.size() != frame.row_bytes() * size_t(frame.height)) {
    return fail(Code::kBadInput, "a frame of " + std::to_string(frame.width) + " x " +
                                     std::to_string(frame.height) +
                                     " pixels is not possible (limit " +
                                     std::to_string(media::kMaxSide) + " a side)");
  }
  const TilePlan size = plan(frame.width, frame.height, 1);
  const auto resized = [&](const media::Image& image, int w, int h) {
    return media::resize(image, w, h, config_.frame.filter, parallel, media::Arithmetic::kTorch);
  };
  return resized(resized(frame, size.resized_width, size.resized_height), side(), side()).rgb;
}

void SmolVlmVideoProcessor::normalize(std::span<const uint8_t> rgb, float* out) const {
  const auto plane = size_t(side()) * size_t(side());
  for (size_t frame = 0; frame + plane * 3 <= rgb.size(); frame += plane * 3) {
    for (size_t channel = 0; channel < 3; ++channel, out += plane) {
      for (size_t i = 0; i < plane; ++i)
        out[i] = normalized_[channel][rgb[frame + i * 3 + channel]];
    }
  }
}

// replace_video_token. A frame's time is its number divided by the rate, also where the file says
// otherwise.
std::string SmolVlmVideoProcessor::prompt(const media::VideoInfo& info,
                                          std::span<const int64_t> indices) const {
  std::string view = "<fake_token_around_image><global-img>";
  for (int64_t i = 0; i < config_.frame.tokens_per_tile; ++i) view += "<image>";
  view += "<fake_token_around_image>";
  std::string out = "You are provided the following series of " +
                    number_words(int64_t(indices.size())) + " frames from a " +
                    duration_text(info.seconds) + " [H:MM:SS] video.\n";
  for (const int64_t index : indices) out += "\nFrame from " + time_label(info, index) + ":" + view;
  return out + "\n\n";
}

std::string SmolVlmVideoProcessor::time_label(const media::VideoInfo& info, int64_t index) const {
  const Minutes time = minutes_of(double(index) / info.fps);
  return two_digits(time.minutes) + ":" + two_digits(time.seconds);
}

// DEFAULT_CHAT_TEMPLATE of the original, which it takes whenever a message has a clip.
std::string_view SmolVlmVideoProcessor::chat_template() const {
  return "<|im_start|>{% for message in messages %}{{message['role'] | capitalize}}"
         "{% if message['content'][0]['type'] == 'image' %}{{':'}}{% else %}{{': '}}{% endif %}"
         "{% for line in message['content'] %}{% if line['type'] == 'text' %}{{line['text']}}"
         "{% elif line['type'] == 'image' %}{{ '<image>' }}"
         "{% elif line['type'] == 'video' %}{{ '<video>' }}{% endif %}{% endfor %}"
         "<end_of_utterance>\n{% endfor %}"
         "{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}";
}

std::string SmolVlmVideoProcessor::fingerprint() const {
  std::string text = "smolvlm video " + std::to_string(config_.frame.longest_edge) + ' ' +
                     std::to_string(config_.frame.tile) + ' ' +
                     std::to_string(int(config_.frame.filter));
  for (const auto& channel : normalized_) {
    for (const size_t byte : {0, 127, 255}) text += ' ' + std::to_string(channel[byte]);
  }
  return text;
}

}  // namespace ocelli::models
