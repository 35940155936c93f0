// ocelli plan: what a request will cost, before it runs.
#include "engine/plan.h"

#include <CLI/CLI.hpp>

#include "base/memory.h"
#include "cli/command.h"
#include "cli/engine_options.h"
#include "cli/inputs.h"
#include "cli/plan_train.h"
#include "cli/report.h"
#include "cli/target.h"
#include "cli/terminal.h"
#include "media/header.h"
#include "media/video_kinds.h"

namespace ocelli::cli {
namespace {

using base::Code;
using base::Json;
using base::Result;

struct PlanFlags {
  EngineFlags engine;
  std::vector<std::string> words, sizes;
  std::optional<std::string> prompt;
  int64_t max_tokens = 512;
  bool json = false, train = false;
  TrainFlags training;
};

Result<engine::PictureSize> parse_size(const std::string& text) {
  engine::PictureSize size;
  int used = 0;
  if (std::sscanf(text.c_str(), "%dx%d%n", &size.width, &size.height, &used) == 2 &&
      size_t(used) == text.size() && size.width > 0 && size.height > 0 &&
      size.width <= media::kMaxSide && size.height <= media::kMaxSide) {
    return size;
  }
  return base::fail(Code::kUsage,
                    "\"" + base::printable(text, 40) + "\" is not a size like 1920x1080",
                    "--picture");
}

Json work_json(const engine::Work& w) {
  return Json::object({{"product_macs", w.product_macs},
                       {"attention_macs", w.attention_macs},
                       {"weight_bytes", w.weight_bytes}});
}

Json forecast_json(const engine::Forecast& f) {
  return Json::object({{"pictures", f.pictures},
                       {"tiles", f.tiles},
                       {"picture_tokens", f.picture_tokens},
                       {"text_tokens", f.text_tokens},
                       {"answer_tokens", f.answer_tokens},
                       {"context", f.context},
                       {"vision", work_json(f.vision)},
                       {"prefill", work_json(f.prefill)},
                       {"decode_token", work_json(f.decode_token)},
                       {"memory", Json::object({{"program", f.program},
                                                {"weights", f.weights},
                                                {"cache", f.cache},
                                                {"activations", f.activations},
                                                {"pictures", f.pictures_held},
                                                {"kernels", f.kernels},
                                                {"decoding", f.decoding},
                                                {"peak", f.peak()}})},
                       {"seconds", Json::object({{"vision", f.seconds.vision},
                                                 {"prefill", f.seconds.prefill},
                                                 {"decode", f.seconds.decode}})}});
}

std::string forecast_text(const engine::Forecast& f) {
  const int64_t prompt = f.picture_tokens + f.text_tokens;
  std::string out = "prompt       " + count_text(prompt) + " tokens (" +
                    count_text(f.picture_tokens) + " for " + std::to_string(f.pictures) +
                    (f.pictures == 1 ? " picture in " : " pictures in ") + std::to_string(f.tiles) +
                    (f.tiles == 1 ? " tile, " : " tiles, ") + count_text(f.text_tokens) +
                    " text)\n";
  out += "answer       up to " + count_text(f.answer_tokens) + " tokens\n";
  out += "context      " + count_text(prompt + f.answer_tokens) + " of " + count_text(f.context) +
         (prompt + f.answer_tokens > f.context ? ": DOES NOT FIT\n" : " tokens\n");
  out += "memory       " + bytes_text(f.peak()) + " at most: weights " + bytes_text(f.weights) +
         ", cache " + bytes_text(f.cache) + ", activations " + bytes_text(f.activations) +
         ", pictures " + bytes_text(f.pictures_held) + ", program " +
         bytes_text(f.program + f.kernels) + "\n";
  const int64_t available = base::system_memory().available;
  out += "available    " + bytes_text(available) +
         (f.peak() - f.program > available ? ": DOES NOT FIT\n" : "\n");
  out += "time         about " + seconds_text(f.seconds.vision + f.seconds.prefill) +
         " to the first token (pictures " + seconds_text(f.seconds.vision) + ", prompt " +
         seconds_text(f.seconds.prefill) + "), then " + seconds_text(f.seconds.decode) +
         " for the answer\n";
  return out;
}

Result<int> plan_of_config(const PlanFlags& flags, const formats::ModelFolder& folder,
                           const std::vector<engine::PictureSize>& pictures,
                           const std::vector<std::string>& videos) {
  if (!videos.empty()) {
    return base::fail(Code::kUsage,
                      "the model's folder has no weights, so that clips cannot be planned; give "
                      "--picture WIDTHxHEIGHT for each frame",
                      videos.front());
  }
  return plan_training(flags.training, folder, pictures, flags.json);
}

Result<int> plan(PlanFlags& flags) {
  OCELLI_ASSIGN(Target target, resolve_target(flags.words, flags.engine.model, flags.prompt));
  std::vector<std::string> notes;
  OCELLI_ASSIGN(target.files, expand_folders(target.files, notes));
  OCELLI_TRY(check_picture_count(target.files.size()));
  std::vector<engine::PictureSize> pictures;
  // Videos last: which of their frames are seen is the model's choice.
  std::vector<std::string> videos;
  for (const std::string& path : target.files) {
    OCELLI_ASSIGN(const Input file, Input::open(path));
    if (media::sniff_video(file.bytes()) != nullptr) {
      videos.push_back(path);
      continue;
    }
    OCELLI_ASSIGN(const media::Header header,
                  std::move(media::read_header(file.bytes(), {})).in(input_name(path)));
    pictures.push_back({header.upright_width(), header.upright_height()});
  }
  for (const std::string& text : flags.sizes) {
    OCELLI_ASSIGN(const engine::PictureSize size, parse_size(text));
    pictures.push_back(size);
  }
  flags.engine.quiet = flags.engine.quiet || flags.json;
  flags.engine.packed = !flags.train;  // as run does; train packs nothing
  // One option of this name, which training has in its table.
  if (const auto memory = flags.training.given.find("memory");
      !flags.train && memory != flags.training.given.end()) {
    flags.engine.memory = memory->second;
  }
  flags.engine.use_weights_cache = !flags.train;
  flags.training.engine = flags.engine;
  if (flags.train) {
    OCELLI_ASSIGN(const formats::ModelFolder folder, open_model(target.model, flags.engine.mmproj));
    if (!has_weights(folder)) return plan_of_config(flags, folder, pictures, videos);
  }
  OCELLI_ASSIGN(const OpenEngine open, open_engine(target.model, flags.engine));
  for (const std::string& path : videos) {
    OCELLI_ASSIGN(const Input file, Input::open(path));
    OCELLI_ASSIGN(engine::Clip clip, open.engine->plan_video(file.bytes(), input_name(path)));
    const media::VideoInfo info = clip.info;
    pictures.push_back({info.width, info.height, std::move(clip), int64_t(file.bytes().size())});
  }
  if (flags.train) return plan_training(flags.training, *open.engine, pictures, flags.json);
  OCELLI_ASSIGN(
      const engine::Forecast f,
      engine::forecast(*open.engine, pictures, target.question.value_or(""), flags.max_tokens));
  OCELLI_TRY(print(flags.json ? forecast_json(f).dump(2) + "\n" : forecast_text(f)));
  return f.picture_tokens + f.text_tokens >= f.context ? int(Code::kDoesNotFit) : 0;
}

}  // namespace

Run make_plan(CLI::App& app) {
  auto flags = std::make_shared<PlanFlags>();
  app.description(
      "Tokens, time and memory of a request, before running it.\n\n"
      "  ocelli plan ./SmolVLM2-2.2B-Instruct photo.jpg \"What is this?\"\n"
      "  ocelli plan ./SmolVLM2-2.2B-Instruct --picture 4000x3000 --picture 640x480\n"
      "  ocelli plan ./SmolVLM2-2.2B-Instruct --train --lora_r 8 --memory 8");
  app.add_option("words", flags->words, "[MODEL] [FILE...] [QUESTION]");
  app.add_option("-p,--prompt", flags->prompt, "the question")->type_name("TEXT");
  app.add_option("--picture", flags->sizes,
                 "a picture of this size that need not exist (may be given several times)")
      ->type_name("WIDTHxHEIGHT")
      ->allow_extra_args(false);
  app.add_option("-n,--max-tokens,--n-predict", flags->max_tokens,
                 "most tokens of the answer (default 512)")
      ->type_name("N")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 22));
  app.add_flag("--json", flags->json, "as one JSON object");
  app.add_flag("--train", flags->train,
               "of training instead, with the options of ocelli train; pictures are one sample's");
  flags->engine.add(app);
  app.option_defaults()->group("Training");
  app.add_option("--preset", flags->training.preset, "options of a published recipe")
      ->type_name("NAME");
  flags->training.add_table(app);
  return [flags](Session&) { return plan(*flags); };
}

}  // namespace ocelli::cli
