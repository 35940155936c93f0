#include "engine/dry_run.h"

#include <algorithm>

#include "backend/cpu/cpu_backend.h"

namespace ocelli::engine {

using base::Result;
using base::Status;
using tensor::Context;
using tensor::Scratch;
using tensor::Tensor;

Result<DryRun> DryRun::create(Engine& engine) {
  OCELLI_ASSIGN(tensor::Arena arena, tensor::Arena::create());
  arena.count_only();
  OCELLI_ASSIGN(nn::KvCache cache, engine.make_cache());
  return DryRun(engine, std::move(arena), std::move(cache));
}

void DryRun::encode_tiles(int64_t tiles) {
  const Scratch scratch(arena_);
  Context c = context();
  const int64_t side = engine_->info().vision->tile;
  engine_->model().encode_tiles(c, c.output({tiles, 3, side, side}, {}));
}

Status DryRun::forward(int64_t before, int64_t count) {
  if (before + count > cache_.capacity()) {
    return base::fail(base::Code::kDoesNotFit, "more tokens than the context holds (" +
                                                   std::to_string(before + count) + ", limit " +
                                                   std::to_string(cache_.capacity()) + ")");
  }
  const Scratch scratch(arena_);
  Context c = context();
  cache_.set_length(before);
  const nn::Sequence sequence = nn::Sequence::causal(count, &cache_);
  const std::vector<int32_t> ids(size_t(count), 0);
  const Tensor hidden = engine_->model().forward(c, engine_->model().embed(c, ids), sequence);
  engine_->model().logits(c, hidden.slice(0, count - 1, 1));
  return {};
}

count::Work DryRun::take_work() {
  const count::Work work = backend_.work();
  backend_.reset();
  return work;
}

Result<int64_t> vision_bytes_per_tile(Engine& engine) {
  OCELLI_ASSIGN(DryRun one, DryRun::create(engine));
  OCELLI_ASSIGN(DryRun two, DryRun::create(engine));
  one.encode_tiles(1);
  two.encode_tiles(2);
  return two.peak() - one.peak();
}

int64_t kernel_bytes(const Engine& engine, int64_t activations) {
  int64_t largest = 0;  // numbers
  for (const formats::TensorInfo& t : engine.loaded().checkpoint.tensors()) {
    int64_t count = 1;
    for (const int64_t n : t.shape) count *= n;
    largest = std::max(largest, count);
  }
  // A panel is never larger than the matrix it comes from, nor 8 bits than the numbers themselves.
  const cpu::Workspace most = cpu::workspace();
  const auto bytes = largest * int64_t(sizeof(float));
  return engine.threads() * std::min(most.thread, bytes) + std::min(most.call, activations);
}

}  // namespace ocelli::engine
