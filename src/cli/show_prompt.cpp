#include "cli/show_prompt.h"

#include "base/utf8.h"

namespace ocelli::cli {

using base::Json;
using engine::PreparedImage;

namespace {

std::string shortened(std::string_view text, std::string_view marker) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    size_t run = 0;
    while (!marker.empty() && text.substr(at + run * marker.size()).starts_with(marker)) ++run;
    if (run == 0) {
      out += text[at++];
      continue;
    }
    out.append(marker);
    if (run > 1) out += "*" + std::to_string(run);
    at += run * marker.size();
  }
  return out;
}

std::vector<std::string> surprises(const PreparedImage& image) {
  std::vector<std::string> out;
  if (image.facts.had_alpha)
    out.push_back(
        "is transparent; as in the original the hidden colours show (--alpha white blends)");
  if (image.facts.sixteen_bit_grey)
    out.push_back("has grey of 16-bit or more; as in the original everything above 255 is white");
  if (image.facts.animated) out.push_back("is animated; only the first frame is seen");
  if (image.facts.damaged) out.push_back("is damaged; the decoder repaired something");
  return out;
}

std::string decimals(double value, const char* format) {
  char text[64];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

// What the clip is, and a line for each frame that the model sees.
std::string clip_text(const engine::Engine& engine, const PreparedImage& image) {
  const engine::Clip& clip = *image.clip;
  const models::TilePlan& plan = image.tiles.plan;
  std::string out = base::printable(image.name) + ": " + clip.info.container + " video (" +
                    clip.info.codec + ") " + std::to_string(image.width) + "x" +
                    std::to_string(image.height) + ", " + std::to_string(clip.info.frames) +
                    " frames in " + decimals(clip.info.seconds, "%.3f") + " s (" +
                    decimals(clip.info.fps, "%.6g") + " a second" +
                    (clip.info.steady ? "" : ", not steady") + ")";
  if (clip.info.turned != 1) out += ", turned upright";
  out += "; seen: " + std::to_string(plan.tiles) +
         (plan.tiles == 1 ? " frame of " : " frames of ") + std::to_string(plan.side) + "x" +
         std::to_string(plan.side) + ", " +
         std::to_string(plan.tiles * engine.info().vision->tokens_per_tile) + " tokens\n";
  for (size_t i = 0; i < clip.indices.size() && i < clip.seconds.size(); ++i) {
    out += "  frame " + std::to_string(clip.indices[i]) + " at " +
           decimals(clip.seconds[i], "%.3f") + " s, told as " + clip.labels[i] + "\n";
  }
  return out;
}

Json clip_json(const PreparedImage& image) {
  const engine::Clip& clip = *image.clip;
  Json frames = Json::array();
  for (size_t i = 0; i < clip.indices.size() && i < clip.seconds.size(); ++i) {
    frames.push_back(Json::object(
        {{"index", clip.indices[i]}, {"seconds", clip.seconds[i]}, {"told_as", clip.labels[i]}}));
  }
  return Json::object({{"container", clip.info.container},
                       {"codec", clip.info.codec},
                       {"frames", clip.info.frames},
                       {"fps", clip.info.fps},
                       {"seconds", clip.info.seconds},
                       {"seen", std::move(frames)}});
}

}  // namespace

std::string prompt_text(const engine::Engine& engine, const engine::Prompt& prompt) {
  const std::string_view marker =
      engine.processor() ? engine.processor()->marker() : std::string_view();
  std::string out = shortened(prompt.text, marker) + "\n---\n";
  const int64_t pictures = prompt.image_tokens();
  out += std::to_string(prompt.ids.size()) +
         " tokens: " + std::to_string(int64_t(prompt.ids.size()) - pictures) + " text, " +
         std::to_string(pictures) + " picture\n";
  for (const auto& image : prompt.images) {
    const models::TilePlan& plan = image->tiles.plan;
    if (image->clip) {
      out += clip_text(engine, *image);
      continue;
    }
    out += base::printable(image->name) + ": " + media::format_name(image->facts.format) + " " +
           std::to_string(image->width) + "x" + std::to_string(image->height);
    if (image->facts.exif_orientation != 1) {
      out += " (turned upright, EXIF orientation " + std::to_string(image->facts.exif_orientation) +
             ")";
    }
    out += ", resized to " + std::to_string(plan.resized_width) + "x" +
           std::to_string(plan.resized_height) + ", ";
    if (plan.rows > 0)
      out += std::to_string(plan.rows) + " rows x " + std::to_string(plan.cols) +
             " columns + the whole = ";
    out += std::to_string(plan.tiles) + (plan.tiles == 1 ? " tile of " : " tiles of ") +
           std::to_string(plan.side) + "x" + std::to_string(plan.side) + ", " +
           std::to_string(plan.tiles * engine.info().vision->tokens_per_tile) + " tokens\n";
    for (const std::string& surprise : surprises(*image)) {
      out += "warning: " + base::printable(image->name) + " " + surprise + "\n";
    }
  }
  return out;
}

Json prompt_json(const engine::Engine& engine, const engine::Prompt& prompt) {
  Json ids = Json::array(), images = Json::array();
  for (const int32_t id : prompt.ids) ids.push_back(id);
  for (const auto& image : prompt.images) {
    const models::TilePlan& plan = image->tiles.plan;
    Json warnings = Json::array();
    for (const std::string& surprise : surprises(*image)) warnings.push_back(surprise);
    Json picture = Json::object({{"file", base::replace_invalid_utf8(image->name)},
                                 {"format", image->clip ? std::string(image->clip->info.container)
                                                        : media::format_name(image->facts.format)},
                                 {"width", image->width},
                                 {"height", image->height},
                                 {"exif_orientation", image->facts.exif_orientation},
                                 {"resized_width", plan.resized_width},
                                 {"resized_height", plan.resized_height},
                                 {"rows", plan.rows},
                                 {"columns", plan.cols},
                                 {"tiles", plan.tiles},
                                 {"tile_side", plan.side},
                                 {"tokens", plan.tiles * engine.info().vision->tokens_per_tile},
                                 {"warnings", std::move(warnings)}});
    if (image->clip) picture.set("video", clip_json(*image));
    images.push_back(std::move(picture));
  }
  return Json::object({{"text", prompt.text},
                       {"tokens", int64_t(prompt.ids.size())},
                       {"picture_tokens", prompt.image_tokens()},
                       {"ids", std::move(ids)},
                       {"pictures", std::move(images)}});
}

}  // namespace ocelli::cli
