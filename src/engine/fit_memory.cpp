// Engine::fit_memory: how a limit on memory is kept.
#include <algorithm>
#include <limits>

#include "base/memory.h"
#include "engine/dry_run.h"
#include "engine/engine.h"

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
  int64_t held = 0, kept = 0;      // of one picture, and of the embeddings of others

  int64_t workspace() const { return std::max(vision, prompt); }
  int64_t cache() const { return context * token; }
  int64_t pictures() const { return held + kept; }
  int64_t all() const { return workspace() + cache() + pictures(); }
  std::string text() const {
    return "keys and values of " + std::to_string(context) + " tokens " + mib(cache()) +
           ", one tile or " + std::to_string(chunk) + " tokens at a time " + mib(workspace()) +
           ", a picture " + mib(pictures());
  }
};

}  // namespace

// First fewer tiles and shorter parts of a prompt, which cost little time; then fewer embeddings
// that are kept; then keys and values in 8 bits, where nobody has asked for others; then, where
// nobody has asked for a length, a shorter context.
Status Engine::fit_memory() {
  if (options_.memory == 0) return {};
  if (options_.memory < 0) {
    return base::fail(base::Code::kUsage, "the limit on memory must be positive");
  }
  const int64_t weights = loaded_.mapped_bytes + loaded_.storage_bytes;
  const int64_t program = base::process_memory().now - loaded_.storage_bytes +
                          kernel_bytes(*this, std::numeric_limits<int64_t>::max());
  const int64_t room = options_.memory - weights - program;
  const nn::KvShape& kv = info().kv;
  Needs n;
  n.token = nn::KvCache::bytes_per_token(kv, cache_dtype());
  n.context = context_;
  n.chunk = std::min(options_.prefill_chunk, n.context);
  n.kept = options_.image_cache;
  if (processor_ && info().vision) {
    const models::VisionInfo& v = *info().vision;
    const int64_t most = processor_->plan(4096, 4096).tiles;
    n.tiles = std::min(tiles_together(), most);
    n.held =
        most * (3 * v.tile * v.tile + v.tokens_per_tile * info().hidden * int64_t(sizeof(float)));
  }
  const auto measure = [&]() -> Status {
    OCELLI_ASSIGN(DryRun vision, DryRun::create(*this));
    if (n.tiles > 0) vision.encode_tiles(n.tiles);
    OCELLI_ASSIGN(DryRun prompt, DryRun::create(*this));
    OCELLI_TRY(prompt.forward(n.context - n.chunk, n.chunk));
    n.vision = vision.peak();
    n.prompt = prompt.peak();
    return {};
  };
  OCELLI_TRY(measure());
  while (n.all() > room && (n.tiles > 1 || n.chunk > kLeastChunk)) {
    if (n.tiles > 1 && (n.vision >= n.prompt || n.chunk <= kLeastChunk)) {
      n.tiles = (n.tiles + 1) / 2;
    } else {
      n.chunk = std::max(kLeastChunk, n.chunk / 2);
    }
    OCELLI_TRY(measure());
  }
  n.kept = std::clamp<int64_t>(n.kept - (n.all() - room), 0, n.kept);
  const bool may_have_8_bits =
      !options_.exact && !options_.cache_dtype && nn::KvCache::holds_q8_0(kv);
  if (n.all() > room && may_have_8_bits) {
    options_.cache_dtype = tensor::DType::kQ80;
    n.token = nn::KvCache::bytes_per_token(kv, cache_dtype());
  }
  if (n.all() > room && options_.context == 0) {
    const int64_t fits = (room - n.workspace() - n.pictures()) / std::max<int64_t>(n.token, 1);
    n.context = std::clamp(fits, std::min(kLeastContext, context_), context_);
  }
  if (n.all() > room) {
    return base::fail(base::Code::kDoesNotFit,
                      "needs more memory than the limit (" + mib(options_.memory - room + n.all()) +
                          ": weights " + mib(weights) + ", program " + mib(program) + ", " +
                          n.text() + "; limit " + mib(options_.memory) +
                          "); try --weights q4, a shorter context (-c), or a smaller model",
                      name_);
  }
  options_.image_cache = n.kept;
  image_cache_.set_capacity(n.kept);
  options_.prefill_chunk = n.chunk;
  context_ = n.context;
  if (vision_bytes_per_tile_ > 0) {
    options_.vision_workspace = std::max<int64_t>(n.tiles, 1) * vision_bytes_per_tile_;
  }
  return {};
}

}  // namespace ocelli::engine
