#include "engine/plan.h"

#include <algorithm>
#include <array>

#include "base/check.h"
#include "base/clock.h"
#include "base/memory.h"
#include "engine/dry_run.h"
#include "engine/messages.h"

namespace ocelli::engine {

using base::Result;
using tensor::Tensor;

namespace {

constexpr int64_t kPage = 4096;

// The encoding that most bytes of the matrices have.
encoding::Encoding largest_encoding(const Engine& engine) {
  std::array<size_t, encoding::kEncodings> bytes{};
  for (const formats::TensorInfo& t : engine.loaded().checkpoint.tensors()) {
    if (t.encoding && t.shape.size() > 1) bytes[size_t(*t.encoding)] += t.bytes.size();
  }
  return encoding::Encoding(std::max_element(bytes.begin(), bytes.end()) - bytes.begin());
}

int64_t whole_pages(int64_t bytes) {
  return (bytes + kPage - 1) / kPage * kPage;
}

// Multiply-adds per second of a product with many rows, and weight bytes per second of one with one
// row, measured on a matrix of the model's own encoding. A few milliseconds.
struct Speed {
  double macs = 1, bytes = 1;
};

Speed measure(Engine& engine) {
  constexpr int64_t kRows = 128, kOut = 1024, kIn = 1024, kWide = 16384;
  const auto wanted = engine.options().weights.value_or(largest_encoding(engine));
  std::vector<std::byte> memory(size_t(kWide * encoding::row_bytes(wanted, kIn)));
  const std::vector<float> row(size_t(kIn), 0.01f);
  // What is read from files only is measured on zeros.
  for (int64_t r = 0; encoding::can_encode(wanted) && r < kWide; ++r) {
    encoding::encode_row(wanted, row.data(), kIn,
                         memory.data() + r * encoding::row_bytes(wanted, kIn));
  }
  encoding::Weight w;
  models::Buffer packed;
  // Brings the first rows into the layout that the engine's weights have; returns their bytes.
  const auto use_rows = [&](int64_t rows) {
    w = {wanted, encoding::Layout::kPlain, rows, kIn, memory.data(), nullptr};
    const tensor::Backend* const backend = engine.pack_for();
    const int64_t bytes = backend ? backend->packed_bytes(w) : 0;
    if (bytes == 0) return encoding::bytes(w);
    constexpr size_t kLine = 64;
    packed.reset(static_cast<std::byte*>(std::aligned_alloc(kLine, size_t(bytes))));
    OCELLI_CHECK(packed != nullptr, "memory for some megabytes");
    backend->pack(engine.pool(), w, packed.get());
    w.layout = encoding::Layout::kPacked;
    w.data = packed.get();
    return bytes;
  };
  std::vector<float> x(size_t(kRows * kIn), 0.01f), y(size_t(kRows * kWide));
  const auto seconds = [&](int64_t rows) {
    double best = 1e9;
    for (int i = 0; i < 4; ++i) {
      tensor::LinearJob job;
      job.x = Tensor::view(x.data(), {rows, kIn});
      job.w = &w;
      job.y = Tensor::view(y.data(), {rows, w.rows});
      job.exact = engine.options().exact;
      const base::Stopwatch watch;
      engine.backend().linear(engine.pool(), std::span(&job, 1));
      best = std::min(best, watch.seconds());
    }
    return best;
  };
  Speed speed;
  use_rows(kOut);
  speed.macs = double(kRows * kOut * kIn) / seconds(kRows);
  const auto bytes = double(use_rows(kWide));
  speed.bytes = bytes / seconds(1);
  return speed;
}

// A request of pictures that exist only as sizes.
Result<Prompt> prompt_of(Engine& engine, std::span<const PictureSize> pictures,
                         const std::string& question) {
  std::vector<std::shared_ptr<const PreparedImage>> images;
  for (const PictureSize& size : pictures) {
    if (!engine.processor())
      return base::fail(base::Code::kUsage, "the model " + engine.name() + " takes no pictures");
    auto image = std::make_shared<PreparedImage>();
    image->width = size.width;
    image->height = size.height;
    image->clip = size.clip;
    image->tiles.plan = size.clip ? engine.video_processor()->plan(
                                        size.width, size.height, int64_t(size.clip->indices.size()))
                                  : engine.processor()->plan(size.width, size.height);
    images.push_back(std::move(image));
  }
  base::Json messages = base::Json::array();
  messages.push_back(user_message(question, images.size()));
  return engine.build_prompt(messages, std::move(images));
}

void count_pictures(const Engine& engine, std::span<const PictureSize> pictures,
                    const Prompt& prompt, Forecast& f) {
  for (const auto& image : prompt.images) {
    const models::TilePlan& plan = image->tiles.plan;
    const int64_t pixels = int64_t{image->width} * image->height * 3;
    const int64_t resized = int64_t{plan.resized_width} * plan.resized_height * 3;
    f.tiles += plan.tiles;
    f.pictures_held +=
        plan.tiles * (int64_t{plan.side} * plan.side * 3 +
                      engine.info().vision->tokens_per_tile * engine.info().hidden * 4);
    // The pixels, shared with the decoder and copied, and the stages of resizing.
    f.decoding = std::max(f.decoding, 2 * pixels + 2 * resized);
  }
  f.pictures = int64_t(prompt.images.size());
  for (const PictureSize& size : pictures) f.decoding += size.file_bytes;
}

}  // namespace

Result<Forecast> forecast(Engine& engine, std::span<const PictureSize> pictures,
                          const std::string& question, int64_t answer_tokens) {
  Forecast f;
  f.program = base::process_memory().now - engine.loaded().storage_bytes;
  OCELLI_ASSIGN(const Prompt prompt, prompt_of(engine, pictures, question));
  const auto total = int64_t(prompt.ids.size());
  f.picture_tokens = prompt.image_tokens();
  f.text_tokens = total - f.picture_tokens;
  f.context = engine.context();
  f.answer_tokens = std::max<int64_t>(0, std::min(answer_tokens, f.context - total));
  count_pictures(engine, pictures, prompt, f);

  OCELLI_ASSIGN(DryRun dry, DryRun::create(engine));
  for (int64_t left = f.tiles; left > 0; left -= engine.tiles_together()) {
    dry.encode_tiles(std::min(left, engine.tiles_together()));
  }
  f.vision = dry.take_work();
  const int64_t fits = std::min(total, f.context - 1);
  for (int64_t at = 0; at < fits; at += engine.options().prefill_chunk) {
    OCELLI_TRY(dry.forward(at, std::min(engine.options().prefill_chunk, fits - at)));
  }
  f.prefill = dry.take_work();
  const int64_t last = std::min(total + f.answer_tokens, f.context) - 1;
  OCELLI_TRY(dry.forward(last, 1));
  f.decode_token = dry.take_work();

  const nn::KvShape& kv = engine.info().kv;
  f.cache =
      2 * kv.layers *
      whole_pages((last + 1) * kv.kv_heads * tensor::bytes_of(engine.cache_dtype(), kv.head_dim));
  f.weights = engine.loaded().mapped_bytes + engine.loaded().storage_bytes;
  f.activations = dry.peak();
  f.kernels = kernel_bytes(engine, f.activations);

  const Speed speed = measure(engine);
  const auto work_seconds = [&](const Work& w) {
    return double(w.product_macs + w.attention_macs) / speed.macs;
  };
  f.seconds.vision = work_seconds(f.vision);
  f.seconds.prefill = work_seconds(f.prefill);
  f.seconds.decode = double(f.answer_tokens) * (double(f.decode_token.weight_bytes) / speed.bytes +
                                                double(f.decode_token.attention_macs) / speed.macs);
  return f;
}

}  // namespace ocelli::engine
