#include "train/predictions.h"

#include <algorithm>

#include "engine/session.h"

namespace ocelli::train {

using base::Result;
using base::Status;

namespace {

std::string words(const engine::Engine& engine, std::span<const int32_t> ids) {
  auto text = engine.tokenizer().decode(ids, true);
  return text.ok() ? std::move(text).value() : std::string();
}

// Everything before the first answer, and that answer.
void cut(const engine::Engine& engine, const Sample& s, engine::Prompt& prompt, Prediction& p) {
  const auto first = std::find(s.trained.begin(), s.trained.end(), uint8_t{1});
  const auto last = std::find(first, s.trained.end(), uint8_t{0});
  const auto begin = size_t(first - s.trained.begin()), end = size_t(last - s.trained.begin());
  prompt = s.prompt;
  prompt.ids.resize(begin);
  if (!prompt.image_rows.empty()) prompt.image_rows.resize(begin);
  p.question = words(engine, prompt.ids);
  p.expected = words(engine, std::span(s.prompt.ids).subspan(begin, end - begin));
  for (const auto& image : s.prompt.images) {
    // The last tile shows the whole picture.
    const int side = image->tiles.plan.side;
    const auto bytes = size_t(side) * size_t(side) * 3;
    if (bytes == 0 || image->tiles.rgb.size() < bytes) continue;
    media::Image small;
    small.width = small.height = side;
    small.rgb.assign(image->tiles.rgb.end() - std::ptrdiff_t(bytes), image->tiles.rgb.end());
    p.pictures.push_back(std::move(small));
  }
}

}  // namespace

Result<Predictions> Predictions::choose(const Dataset& data, SampleMaker& maker, int64_t count) {
  Predictions out;
  for (int64_t i = 0; i < data.size() && int64_t(out.prompts_.size()) < count; ++i) {
    OCELLI_ASSIGN(const std::optional<Example> example, maker.make(data, i));
    if (!example || example->sample.trained_tokens() == 0 || example->sample.trained[0]) continue;
    cut(maker.engine(), example->sample, out.prompts_.emplace_back(),
        out.predictions_.emplace_back());
  }
  return out;
}

Status Predictions::answer(engine::Engine& engine, bool after, const base::CancelToken& cancel) {
  engine.image_cache().clear();  // what trains may have changed what pictures become
  for (size_t i = 0; i < prompts_.size(); ++i) {
    OCELLI_ASSIGN(engine::Session session, engine::Session::create(engine));
    engine::GenerateOptions options;
    options.sampling.temperature = 0;
    options.max_tokens = kPredictionTokens;
    options.trim_start = true;
    options.cancel = &cancel;
    OCELLI_ASSIGN(const engine::Generated answer, session.generate(prompts_[i], options));
    (after ? predictions_[i].after : predictions_[i].before) = answer.text;
  }
  return {};
}

}  // namespace ocelli::train
