#include "cli/plan_train.h"

#include "backend/cpu/cpu_backend.h"
#include "base/folders.h"
#include "base/memory.h"
#include "cli/terminal.h"
#include "models/config.h"
#include "models/registry.h"
#include "models/shapes.h"
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

Result<Json> read_json(const formats::ModelFolder& folder, const std::string& name) {
  OCELLI_ASSIGN(const auto text, folder.text(name, models::kMaxConfigBytes));
  if (!text) return Json();
  return std::move(Json::parse(*text, {.max_bytes = models::kMaxConfigBytes})).in(name);
}

// Null for a model without pictures, and where nothing says how they are cut.
Result<std::unique_ptr<models::ImageProcessor>> read_processor(const formats::ModelFolder& folder,
                                                               const Json& config) {
  OCELLI_ASSIGN(const models::Family* family, models::find_family(config));
  OCELLI_ASSIGN(const Json preprocessor, read_json(folder, "preprocessor_config.json"));
  if (!family->make_processor || preprocessor.is_null()) {
    return std::unique_ptr<models::ImageProcessor>();
  }
  OCELLI_ASSIGN(const Json processor, read_json(folder, "processor_config.json"));
  return family->make_processor(preprocessor, processor);
}

// What plans are made of.
struct Planned {
  train::ForecastModel model;
  const models::ImageProcessor* processor;  // may be null
  int64_t context;
};

Result<int> show_plan(const TrainFlags& flags, const train::TrainOptions& o, const Planned& planned,
                      const std::vector<engine::PictureSize>& pictures, bool json) {
  const models::ModelInfo& info = planned.model.info();
  OCELLI_ASSIGN(const OpenTeacher teacher, open_teacher(o, flags.engine));
  train::StepShape shape;
  shape.teacher = teacher.load;
  shape.samples = (o.packing ? 1 : o.batch_size) * (o.objective == "dpo" ? 2 : 1);
  shape.tokens = o.max_length > 0 ? o.max_length : planned.context;
  for (const engine::PictureSize& size : pictures) {
    if (planned.processor) shape.tiles += planned.processor->plan(size.width, size.height).tiles;
  }
  if (info.vision) {
    shape.tokens = std::max(shape.tokens, shape.tiles * info.vision->tokens_per_tile);
  }
  const int64_t limit = o.memory_gib > 0
                            ? int64_t(o.memory_gib * double(int64_t{1} << 30))
                            : base::system_memory().available + base::process_memory().now;
  OCELLI_ASSIGN(const train::TrainForecast f, train::forecast_training(planned.model, o, shape));
  OCELLI_TRY(print(json ? forecast_json(f, shape, limit).dump(2) + "\n"
                        : forecast_text(f, shape, o, limit)));
  if (f.peak() <= limit) return 0;
  if (!json) {
    OCELLI_ASSIGN(const auto settings, train::settings_that_fit(planned.model, o, shape, limit));
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

}  // namespace

Result<int> plan_training(const TrainFlags& flags, engine::Engine& engine,
                          const std::vector<engine::PictureSize>& pictures, bool json) {
  train::TrainOptions o;
  OCELLI_TRY(merge_options(flags, "", o));
  return show_plan(flags, o, {engine, engine.processor(), engine.context()}, pictures, json);
}

bool has_weights(const formats::ModelFolder& folder) {
  return folder.is_gguf() || folder.path().empty() || folder.has("model.safetensors") ||
         folder.has("model.safetensors.index.json");
}

Result<int> plan_training(const TrainFlags& flags, const formats::ModelFolder& folder,
                          const std::vector<engine::PictureSize>& pictures, bool json) {
  train::TrainOptions o;
  OCELLI_TRY(merge_options(flags, "", o));
  OCELLI_ASSIGN(const engine::EngineOptions options, flags.engine.options());
  OCELLI_ASSIGN(const Json config, std::move(read_json(folder, "config.json")).in(folder.path()));
  const encoding::Encoding weights = options.weights.value_or(models::published_encoding(config));
  OCELLI_ASSIGN(models::LoadedModel shapes, std::move(models::shape_model(config, weights))
                                                .in(base::join_path(folder.path(), "config.json")));
  OCELLI_ASSIGN(const auto processor, std::move(read_processor(folder, config)).in(folder.path()));
  if (!pictures.empty() && shapes.model->info().vision && !processor) {
    return base::fail(Code::kBadInput,
                      "preprocessor_config.json is missing; it says how pictures are cut",
                      folder.path());
  }
  if (!flags.engine.quiet) {
    note("the folder has no weights; they are taken to be " + std::string(encoding::name(weights)) +
         " (--weights says otherwise)");
  }
  base::ThreadPool pool(options.threads > 0 ? options.threads : base::default_threads());
  OCELLI_ASSIGN(const auto backend, cpu::make_cpu_backend());
  const int64_t context = options.context > 0 ? options.context : shapes.model->info().context;
  return show_plan(flags, o,
                   {train::ForecastModel(shapes, pool, *backend), processor.get(), context},
                   pictures, json);
}

}  // namespace ocelli::cli
