#include "train/trainer.h"

namespace ocelli::train {

using base::Json;
using base::Result;

namespace {

Json window_json(const Window& w) {
  Json more = Json::object();
  for (const auto& [name, value] : w.sums.more) more.set(name, value);
  return Json::object({{"loss", w.sums.loss},
                       {"weight", w.sums.weight},
                       {"tokens", w.sums.tokens},
                       {"right", w.sums.right},
                       {"more", more},
                       {"norm", w.norm},
                       {"steps", w.steps},
                       {"all_tokens", w.all_tokens},
                       {"samples", w.samples}});
}

Result<Window> parse_window(const Json& json) {
  Window w;
  const base::IntRange natural{0, INT64_MAX};
  OCELLI_ASSIGN(w.sums.loss, json.get_double("loss"));
  OCELLI_ASSIGN(w.sums.weight, json.get_double("weight"));
  OCELLI_ASSIGN(w.sums.tokens, json.get_int("tokens", natural));
  OCELLI_ASSIGN(w.sums.right, json.get_int("right", natural));
  OCELLI_ASSIGN(w.norm, json.get_double("norm"));
  OCELLI_ASSIGN(w.steps, json.get_int("steps", natural));
  OCELLI_ASSIGN(w.all_tokens, json.get_int("all_tokens", natural));
  OCELLI_ASSIGN(w.samples, json.get_int("samples", natural));
  if (const Json* more = json.find("more"); more && more->is_object()) {
    for (const auto& [name, value] : more->members()) {
      if (value.is_number()) w.sums.more[name] = value.as_double();
    }
  }
  return w;
}

}  // namespace

Json TrainState::to_json() const {
  return Json::object({{"step", step},
                       {"micro_batches", micro_batches},
                       {"tokens", tokens},
                       {"best_loss", best_loss},
                       {"best_step", best_step},
                       {"since_best", since_best},
                       {"judged_step", judged_step},
                       {"position", position},
                       {"window", window_json(window)}});
}

Result<TrainState> TrainState::parse(const Json& json) {
  TrainState s;
  OCELLI_ASSIGN(s.step, json.get_int("step", {0, INT64_MAX}));
  OCELLI_ASSIGN(s.micro_batches, json.get_int("micro_batches", {0, INT64_MAX}));
  OCELLI_ASSIGN(s.tokens, json.get_int("tokens", {0, INT64_MAX}));
  OCELLI_ASSIGN(s.best_loss, json.get_double("best_loss"));
  OCELLI_ASSIGN(s.best_step, json.get_int("best_step", {-1, INT64_MAX}));
  OCELLI_ASSIGN(s.since_best, json.get_int("since_best", {0, INT64_MAX}));
  // Older checkpoints were never cut off before their evaluation.
  OCELLI_ASSIGN(s.judged_step, json.get_int("judged_step", {-1, INT64_MAX}, s.step));
  if (const Json* position = json.find("position")) s.position = *position;
  const Json* kept = json.find("window");
  if (!kept) return base::fail(base::Code::kBadInput, "\"window\" is missing");
  OCELLI_ASSIGN(s.window, parse_window(*kept));
  return s;
}

}  // namespace ocelli::train
