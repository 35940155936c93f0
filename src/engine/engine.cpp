#include "engine/engine.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/clock.h"
#include "base/cpu_load.h"
#include "base/hash.h"
#include "models/config.h"
#include "models/registry.h"
#include "ops/rows.h"

namespace ocelli::engine {

using base::Code;
using base::Json;
using base::Result;
using base::Status;
using tensor::Context;
using tensor::Scratch;
using tensor::Tensor;

Engine::Engine(const EngineOptions& options, tensor::Arena arena)
    : options_(options),
      pool_(options.threads > 0 ? options.threads : base::default_threads()),
      arena_(std::move(arena)),
      image_cache_(options.image_cache) {}

Engine::~Engine() = default;

Result<std::shared_ptr<const PreparedImage>> Engine::prepare_image(std::span<const std::byte> file,
                                                                   std::string name,
                                                                   ImageTimes* times) {
  const base::Stopwatch watch;
  auto decoded = options_.decode ? options_.decode(file, options_.decode_options)
                                 : media::decode(file, options_.decode_options);
  if (times) times->decode += watch.seconds();
  if (!decoded.ok()) return std::move(decoded).error().in(name);
  return prepare_image(std::move(decoded).value(), std::move(name), times);
}

Result<std::shared_ptr<const PreparedImage>> Engine::prepare_image(media::Image image,
                                                                   std::string name,
                                                                   ImageTimes* times) {
  if (!processor_) {
    return base::fail(Code::kUsage,
                      "the model " + name_ + " takes no pictures; choose one with a vision tower",
                      name);
  }
  const base::Stopwatch watch;
  auto prepared = std::make_shared<PreparedImage>();
  OCELLI_ASSIGN(prepared->tiles, std::move(processor_->process(image, parallel_rows())).in(name));
  prepared->name = std::move(name);
  prepared->facts = image.facts;
  prepared->width = image.width;
  prepared->height = image.height;
  base::Sha256 hash;
  hash.update(processor_->fingerprint());
  hash.update(std::to_string(prepared->tiles.plan.rows) + "x" +
              std::to_string(prepared->tiles.plan.cols));
  hash.update(std::as_bytes(std::span(prepared->tiles.rgb)));
  prepared->key = hash.finish();
  if (times) times->resize += watch.seconds();
  return std::shared_ptr<const PreparedImage>(std::move(prepared));
}

PromptBuilder Engine::prompt_builder(const Json& template_arguments) const {
  const int64_t per_tile = info().vision ? info().vision->tokens_per_tile : 0;
  const Json* tools = template_arguments.find("tools");
  const auto& chosen = tool_template_ && tools && tools->size() > 0 ? tool_template_ : template_;
  PromptBuilder builder(*tokenizer_, chosen ? &*chosen : nullptr, processor_.get(), per_tile);
  builder.take_videos(video_processor_.get(), video_template_ ? &*video_template_ : nullptr);
  return builder;
}

Result<Prompt> Engine::build_prompt(const Json& messages,
                                    std::vector<std::shared_ptr<const PreparedImage>> images,
                                    const Json& template_arguments) const {
  text::RenderOptions render = render_;
  render.variables = template_arguments;
  return prompt_builder(template_arguments).build(messages, std::move(images), render);
}

Result<TaggedPrompt> Engine::tagged_prompt(const Json& messages,
                                           std::vector<std::shared_ptr<const PreparedImage>> images,
                                           const Json& template_arguments,
                                           std::optional<int64_t> now) const {
  text::RenderOptions render = render_;
  render.variables = template_arguments;
  render.now = now;
  return prompt_builder(template_arguments)
      .build_tagged(messages, std::move(images), render, stop_ids_);
}

bool Engine::template_mentions(std::string_view word) const {
  return template_source_.find(word) != std::string::npos;
}

Result<Prompt> Engine::raw_prompt(std::string_view text) const {
  return PromptBuilder(*tokenizer_, nullptr, nullptr, 0).raw(text);
}

int64_t Engine::tiles_together() const {
  return vision_bytes_per_tile_ > 0
             ? std::max<int64_t>(1, options_.vision_workspace / vision_bytes_per_tile_)
             : 1;
}

Result<std::vector<std::shared_ptr<const Embeddings>>> Engine::encode_images(
    std::span<const std::shared_ptr<const PreparedImage>> images, const base::CancelToken* cancel,
    ImageTimes* times) {
  std::vector<std::shared_ptr<const Embeddings>> out(images.size());
  struct Tile {
    size_t image;
    int64_t index;
  };
  std::vector<Tile> todo;
  std::vector<std::shared_ptr<Embeddings>> fresh(images.size());
  const std::lock_guard lock(turn_);
  const base::Stopwatch watch;
  const int64_t row = info().vision->tokens_per_tile * info().hidden;
  for (size_t i = 0; i < images.size(); ++i) {
    if (!images[i] || (out[i] = known_embeddings(*images[i]))) continue;
    const auto same =
        std::find_if(images.begin(), images.begin() + long(i),
                     [&](const auto& other) { return other && other->key == images[i]->key; });
    if (same != images.begin() + long(i)) continue;  // twice in one request: encoded once
    fresh[i] = std::make_shared<Embeddings>(size_t(images[i]->tiles.plan.tiles * row));
    for (int64_t t = 0; t < images[i]->tiles.plan.tiles; ++t) todo.push_back({i, t});
  }
  const int64_t side = info().vision->tile, plane = 3 * side * side;
  for (size_t first = 0; first < todo.size();) {
    if (cancel && cancel->requested())
      return base::fail(Code::kInterrupted, "stopped while encoding pictures");
    const size_t count = std::min(todo.size() - first, size_t(tiles_together()));
    const Scratch scratch(arena_);
    Context c = context_of_run(pool_);
    const Tensor pixels = c.output({int64_t(count), 3, side, side}, {});
    for (size_t i = 0; i < count; ++i) {
      const Tile tile = todo[first + i];
      normalize(*images[tile.image], tile.index, pixels.f32() + int64_t(i) * plane);
    }
    const Tensor y = loaded_.model->encode_tiles(c, pixels);
    for (size_t i = 0; i < count; ++i) {
      const Tile tile = todo[first + i];
      std::copy_n(y.f32() + int64_t(i) * row, row, fresh[tile.image]->data() + tile.index * row);
    }
    first += count;
  }
  for (size_t i = 0; i < images.size(); ++i) {
    if (!images[i] || out[i]) continue;
    if (fresh[i]) {
      out[i] = fresh[i];
      keep_embeddings(*images[i], out[i]);
      continue;
    }
    const auto same =
        std::find_if(images.begin(), images.begin() + long(i),
                     [&](const auto& other) { return other && other->key == images[i]->key; });
    out[i] = out[size_t(same - images.begin())];
  }
  if (times) times->encode += watch.seconds();
  return out;
}

Tensor Engine::embed(Context& c, const Prompt& prompt,
                     std::span<const std::shared_ptr<const Embeddings>> images, int64_t first,
                     int64_t count) const {
  Tensor x = loaded_.model->embed(c, std::span(prompt.ids).subspan(size_t(first), size_t(count)));
  const int64_t d = info().hidden;
  // Rows of the pictures are used in order, so each picture's part of this chunk is one range.
  std::vector<int32_t> places;
  int64_t image_first = 0;
  for (size_t i = 0; i < prompt.images.size(); ++i) {
    const int64_t rows = prompt.images[i]->tiles.plan.tiles * info().vision->tokens_per_tile;
    int64_t begin = -1;
    places.clear();
    for (int64_t t = 0; t < count; ++t) {
      const int64_t row = prompt.image_rows[size_t(first + t)];
      if (row < image_first || row >= image_first + rows) continue;
      if (begin < 0) begin = row - image_first;
      places.push_back(int32_t(t));
    }
    image_first += rows;
    if (places.empty()) continue;
    OCELLI_CHECK(images[i], "a picture that is not in the cache has been encoded");
    auto* data = const_cast<float*>(images[i]->data()) + begin * d;
    x = ops::place_rows(c, x, Tensor::view(data, {int64_t(places.size()), d}), places);
  }
  return x;
}

base::ThreadPool& Engine::pool_for(int64_t tokens) {
  // Loops over more tokens are long enough for threads that are kept waiting now and then.
  constexpr int64_t kFewTokens = 8, kShortPrompt = 64;
  if (pool_.threads() == 1 || tokens > kShortPrompt) return pool_;
  const auto crowded = [&] {
    const int64_t others = base::running_threads().value_or(1) - 1;
    return others + std::min(pool_.threads(), cpus_) > cpus_;
  };
  if (tokens > kFewTokens) return crowded() ? one_thread_ : pool_;
  if (one_token_.asks() && crowded()) one_token_.crowded();
  // A few tokens (guesses) take about as long as one.
  const bool alone = tokens == 1 ? one_token_.alone() : one_token_.usually_alone();
  return alone ? one_thread_ : pool_;
}

Status Engine::forward(const Prompt& prompt,
                       std::span<const std::shared_ptr<const Embeddings>> images, int64_t first,
                       int64_t count, nn::KvCache& cache, std::vector<float>* logits,
                       int64_t rows) {
  OCELLI_CHECK(first == cache.length(), "tokens come in order");
  OCELLI_CHECK(0 < rows && rows <= count, "logits of tokens of this pass");
  const std::lock_guard lock(turn_);
  const Scratch scratch(arena_);
  const base::Stopwatch watch;
  Context c = context_of_run(pool_for(count));
  const nn::Sequence sequence = nn::Sequence::causal(count, &cache);
  const Tensor hidden = loaded_.model->forward(c, embed(c, prompt, images, first, count), sequence);
  cache.set_length(first + count);
  if (logits) {
    const Tensor last = loaded_.model->logits(c, hidden.slice(0, count - rows, rows));
    logits->assign(last.f32(), last.f32() + last.count());
  }
  if (count == 1 && pool_.threads() > 1) one_token_.passed(watch.seconds());
  return {};
}

Result<std::vector<float>> Engine::score(const Prompt& prompt) {
  std::vector<std::shared_ptr<const Embeddings>> images;
  if (!prompt.images.empty()) {
    OCELLI_ASSIGN(images, encode_images(prompt.images));
  }
  const std::lock_guard lock(turn_);
  const Scratch scratch(arena_);
  Context c = context_of_run(pool_);
  const auto count = int64_t(prompt.ids.size());
  const nn::Sequence sequence = nn::Sequence::causal(count, nullptr);
  const Tensor hidden = loaded_.model->forward(c, embed(c, prompt, images, 0, count), sequence);
  const Tensor y = loaded_.model->logits(c, hidden);
  return std::vector<float>(y.f32(), y.f32() + y.count());
}

Result<nn::KvCache> Engine::make_cache() const {
  return nn::KvCache::create(info().kv, context_, cache_dtype());
}

}  // namespace ocelli::engine
