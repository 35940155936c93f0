// DryRun: a model's forward pass without arithmetic or memory, to learn what it would take.
#pragma once

#include "backend/count/counting_backend.h"
#include "engine/engine.h"

namespace ocelli::engine {

class DryRun {
 public:
  static base::Result<DryRun> create(Engine& engine);

  // `tiles` go through the tower together.
  void encode_tiles(int64_t tiles);
  // `count` tokens behind `before` others; logits of the last one.
  base::Status forward(int64_t before, int64_t count);

  // Since the last call.
  count::Work take_work();
  // Bytes of activations at the highest since the start.
  int64_t peak() const { return arena_.peak(); }

 private:
  DryRun(Engine& engine, tensor::Arena arena, nn::KvCache cache)
      : engine_(&engine), arena_(std::move(arena)), cache_(std::move(cache)) {}
  tensor::Context context() {
    return {backend_, arena_, engine_->pool(), nullptr, {}, engine_->options().exact};
  }
  Engine* engine_;
  count::CountingBackend backend_;
  tensor::Arena arena_;
  nn::KvCache cache_;
};

// Bytes that kernels keep at most beside `activations`, DryRun::peak() of what they compute.
int64_t kernel_bytes(const Engine& engine, int64_t activations);

// Bytes of activations that each further tile needs.
base::Result<int64_t> vision_bytes_per_tile(Engine& engine);

}  // namespace ocelli::engine
