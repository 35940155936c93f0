// Engine::fit_memory: how a limit on memory is kept.
#include <algorithm>

#include "base/memory.h"
#include "engine/dry_run.h"
#include "engine/engine.h"
#include "models/registry.h"

namespace ocelli::engine {

using base::Result;
using base::Status;

namespace {

constexpr int64_t kLeastChunk = 32;      // tokens of a prompt that go together
constexpr int64_t kLeastContext = 1024;  // tokens below which a context is not cut

std::string mib(int64_t bytes) {
  return std::to_string((bytes + (1 << 20) - 1) >> 20) + " MiB";
}

// What a request takes at most beside the weights.
struct Needs {
  int64_t tiles = 0, chunk = 0, context = 0;
  int64_t vision = 0, prompt = 0;  // bytes of activations
  int64_t token = 0;               // bytes of keys and values
  int64_t pictures = 0;            // of one picture as it is held, and of what is kept of others

  int64_t workspace() const { return std::max(vision, prompt); }
  int64_t cache() const { return context * token; }
  int64_t all() const { return workspace() + cache() + pictures; }
};

}  // namespace

// First fewer tiles and shorter parts of a prompt, which cost little time; then fewer embeddings
// that are kept; then, where nobody has asked for a length, a shorter context.
Status Engine::fit_memory() {
  if (options_.memory == 0) return {};
  if (options_.memory < 0) {
    return base::fail(base::Code::kUsage, "the limit on memory must be positive");
  }
  const int64_t weights = loaded_.mapped_bytes + loaded_.storage_bytes;
  const int64_t program = base::process_memory().now - loaded_.storage_bytes + kernel_bytes(*this);
  const int64_t room = options_.memory - weights - program;
  const nn::KvShape& kv = info().kv;
  Needs n;
  n.token =
      nn::KvCache::bytes_per_token(kv, options_.exact ? tensor::DType::kF32 : options_.cache_dtype);
  n.context = context_;
  n.chunk = std::min(options_.prefill_chunk, n.context);
  int64_t held = 0;
  if (processor_ && info().vision) {
    n.tiles = std::min<int64_t>(tiles_together(), processor_->plan(4096, 4096).tiles);
    const models::VisionInfo& v = *info().vision;
    held = processor_->plan(4096, 4096).tiles *
           (3 * v.tile * v.tile + v.tokens_per_tile * info().hidden * int64_t(sizeof(float)));
  }
  const auto measure = [&]() -> Status {
    n.vision = n.prompt = 0;
    if (n.tiles > 0) {
      OCELLI_ASSIGN(DryRun dry, DryRun::create(*this));
      dry.encode_tiles(n.tiles);
      n.vision = dry.peak();
    }
    OCELLI_ASSIGN(DryRun dry, DryRun::create(*this));
    OCELLI_TRY(dry.forward(n.context - n.chunk, n.chunk));
    n.prompt = dry.peak();
    n.pictures = held + options_.image_cache;
    return {};
  };
  OCELLI_TRY(measure());
  while (n.all() > room) {
    const bool fewer_tiles = n.tiles > 1 && n.vision >= n.prompt;
    if (fewer_tiles) {
      n.tiles = (n.tiles + 1) / 2;
    } else if (n.chunk > kLeastChunk) {
      n.chunk = std::max(kLeastChunk, n.chunk / 2);
    } else if (n.tiles > 1) {
      n.tiles = (n.tiles + 1) / 2;
    } else if (options_.image_cache > 0) {
      options_.image_cache = options_.image_cache > (1 << 20) ? options_.image_cache / 2 : 0;
    } else {
      break;
    }
    OCELLI_TRY(measure());
  }
  if (n.all() > room && options_.context == 0) {
    const int64_t fits = (room - n.workspace() - n.pictures) / std::max<int64_t>(n.token, 1);
    n.context = std::clamp(fits, std::min(kLeastContext, context_), context_);
  }
  if (n.all() > room) {
    return base::fail(base::Code::kDoesNotFit,
                      "needs more memory than the limit (" + mib(options_.memory - room + n.all()) +
                          ": weights " + mib(weights) + ", program " + mib(program) +
                          ", keys and values of " + std::to_string(n.context) + " tokens " +
                          mib(n.cache()) + ", one tile or " + std::to_string(n.chunk) +
                          " tokens at a time " + mib(n.workspace()) + ", a picture " +
                          mib(n.pictures) + "; limit " + mib(options_.memory) +
                          "); try --weights q4, a shorter context (-c), or a smaller model",
                      name_);
  }
  image_cache_.set_capacity(options_.image_cache);
  options_.prefill_chunk = n.chunk;
  context_ = n.context;
  if (vision_bytes_per_tile_ > 0) {
    options_.vision_workspace = std::max<int64_t>(n.tiles, 1) * vision_bytes_per_tile_;
  }
  return {};
}

}  // namespace ocelli::engine
