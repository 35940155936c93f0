#include "cli/plan_train.h"

#include "base/memory.h"
#include "cli/terminal.h"
#include "train/forecast.h"

namespace ocelli::cli {

using base::Code;
using base::Json;
using base::Result;

namespace {

Json forecast_json(const train::TrainForecast& f, const train::StepShape& shape, int64_t limit) {
  return Json::object({{"trainable_parameters", f.trainable},
                       {"samples", shape.samples},
                       {"tokens", shape.tokens},
                       {"tiles", shape.tiles},
                       {"memory", Json::object({{"program", f.program},
                                                {"parameters", f.parameters},
                                                {"optimizer", f.optimizer},
                                                {"average", f.average},
                                                {"activations", f.activations},
                                                {"pictures", f.pictures},
                                                {"teacher", f.teacher},
                                                {"peak", f.peak()},
                                                {"limit", limit}})},
                       {"macs", f.macs},
                       {"teacher_macs", f.teacher_macs},
                       {"seconds_per_step", f.step_seconds}});
}

std::string forecast_text(const train::TrainForecast& f, const train::StepShape& shape,
                          const train::TrainOptions& o, int64_t limit) {
  std::string out = "trainable    " + count_text(f.trainable) + " parameters\n";
  out += "step         " + std::to_string(o.gradient_accumulation_steps) + " x " +
         std::to_string(shape.samples) + (shape.samples == 1 ? " sample" : " samples") + " of " +
         count_text(shape.tokens) + " tokens";
  if (shape.tiles > 0) out += " with " + std::to_string(shape.tiles) + " tiles";
  out += ", about " + seconds_text(f.step_seconds) + "\n";
  out += "memory       " + bytes_text(f.peak()) + " at most: activations " +
         bytes_text(f.activations) + ", parameters " + bytes_text(f.parameters) + ", optimizer " +
         bytes_text(f.optimizer);
  if (f.average > 0) out += ", average " + bytes_text(f.average);
  if (f.pictures > 0) out += ", pictures " + bytes_text(f.pictures);
  if (f.teacher > 0) out += ", teacher " + bytes_text(f.teacher);
  out += ", program and weights " + bytes_text(f.program) + "\n";
  out += "limit        " + bytes_text(limit) + (f.peak() > limit ? ": DOES NOT FIT\n" : "\n");
  return out;
}

}  // namespace

Result<int> plan_training(const TrainFlags& flags, engine::Engine& engine,
                          const std::vector<engine::PictureSize>& pictures, bool json) {
  train::TrainOptions o;
  OCELLI_TRY(merge_options(flags, "", o));
  OCELLI_ASSIGN(const OpenTeacher teacher, open_teacher(o, flags.engine));
  train::StepShape shape;
  shape.teacher = teacher.load;
  shape.samples = (o.packing ? 1 : o.batch_size) * (o.objective == "dpo" ? 2 : 1);
  shape.tokens = o.max_length > 0 ? o.max_length : engine.context();
  for (const engine::PictureSize& size : pictures) {
    if (engine.processor()) shape.tiles += engine.processor()->plan(size.width, size.height).tiles;
  }
  if (engine.info().vision) {
    shape.tokens = std::max(shape.tokens, shape.tiles * engine.info().vision->tokens_per_tile);
  }
  const int64_t limit = o.memory_gib > 0
                            ? int64_t(o.memory_gib * double(int64_t{1} << 30))
                            : base::system_memory().available + base::process_memory().now;
  OCELLI_ASSIGN(const train::TrainForecast f, train::forecast_training(engine, o, shape));
  OCELLI_TRY(print(json ? forecast_json(f, shape, limit).dump(2) + "\n"
                        : forecast_text(f, shape, o, limit)));
  if (f.peak() <= limit) return 0;
  OCELLI_ASSIGN(const auto settings, train::settings_that_fit(engine, o, shape, limit));
  if (!json) {
    std::string text = "would fit    ";
    if (settings) {
      for (const std::string& s : *settings) text += s + " ";
    } else {
      text += "nothing with this model; choose a smaller one";
    }
    OCELLI_TRY(print(text + "\n"));
  }
  return int(Code::kDoesNotFit);
}

}  // namespace ocelli::cli
