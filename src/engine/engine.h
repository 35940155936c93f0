// Engine: a loaded model with its tokenizer, template and picture processor, ready to answer.
//
// An Engine is shared; each conversation has a Session of its own (session.h). Requests of several
// threads take turns.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>

#include "base/cancel.h"
#include "engine/disk_cache.h"
#include "engine/image_cache.h"
#include "engine/prompt.h"
#include "engine/thread_choice.h"
#include "formats/model_folder.h"
#include "media/decode.h"
#include "models/adapter.h"
#include "models/loader.h"
#include "models/registry.h"
#include "tensor/backend.h"

namespace ocelli::engine {

// An adapter of the model, in a PEFT folder.
struct AdapterUse {
  std::string folder;
  float weight = 1;    // how much of its change counts
  bool force = false;  // also one that says it was made for other weights
  bool operator==(const AdapterUse&) const = default;
};
// Attached at the same time; each costs memory and time.
inline constexpr size_t kMaxAdapters = 16;

struct EngineOptions {
  int threads = 0;                            // 0: what the machine and its limits allow
  std::optional<encoding::Encoding> weights;  // another encoding than the file's
  // Weights in the machine's own layout, for programs that only run them. Without effect on exact
  // arithmetic.
  bool packed = false;
  // Of keys and values: f32, f16 or q8_0. Unset: f16, or q8_0 where `memory` is too little for
  // that.
  std::optional<tensor::DType> cache_dtype;
  int64_t context = 0;          // most tokens of a session; 0: what the model was trained with
  int64_t prefill_chunk = 512;  // tokens that go through the model together
  // Bytes of activations for tiles that go together. More than one large tile at a time only costs:
  // pages are cleared for the first use.
  int64_t vision_workspace = int64_t{64} << 20;
  int64_t image_cache = int64_t{256} << 20;  // bytes of picture embeddings kept in memory
  // A folder that keeps them for the next start, too, and how large it may grow; "": none. Not for
  // an engine whose tower or connector trains.
  std::string disk_cache;
  int64_t disk_cache_bytes = kDiskCacheBytes;
  bool exact = false;                // float32 arithmetic and cache throughout
  std::vector<AdapterUse> adapters;  // attached in this order
  // Most bytes that the process may take; 0: no limit. Fewer tiles and tokens go through the model
  // together, less is kept in memory, and keys and values get 8 bits; without a `context` of one's
  // own that gets shorter, too.
  // What does not fit even so is an error with numbers (kDoesNotFit).
  int64_t memory = 0;
  std::optional<int64_t> max_tiles;  // most tiles of a picture; unset: the model's own rule
  // Fewer tiles where a picture would take more than half of the context or of the memory that is
  // free.
  bool fit_tiles = false;
  std::optional<bool> split_images;    // cut pictures into tiles; unset: as the model says
  base::Progress* progress = nullptr;  // of loading
  media::DecodeOptions decode_options;
  // Decodes a picture file; unset: in this process. The program hands in its confined child.
  std::function<base::Result<media::Image>(std::span<const std::byte>, const media::DecodeOptions&)>
      decode;
  models::VideoSampling video_sampling;  // which frames of clips; unset: as the model says
  media::VideoLimits video_limits;
  // Reads a video file; unset: in this process. The program hands in its confined child.
  std::function<base::Status(std::span<const std::byte>, const media::FrameChooser&,
                             const media::FrameSink&, const media::VideoLimits&)>
      read_video;
};

// What of a picture's way through the model is kept.
enum class PictureStage {
  kTower,     // [positions, tower width], before the connector
  kConnector  // [tokens, D]: embeddings
};

// Seconds spent.
struct ImageTimes {
  double decode = 0, resize = 0, encode = 0;
};

class Engine {
 public:
  static base::Result<std::unique_ptr<Engine>> load(formats::ModelFolder folder,
                                                    const EngineOptions& options = {});
  ~Engine();

  const models::ModelInfo& info() const { return loaded_.model->info(); }
  const models::LoadedModel& loaded() const { return loaded_; }
  const text::Tokenizer& tokenizer() const { return *tokenizer_; }
  const models::ImageProcessor* processor() const { return processor_.get(); }
  // Null where the model takes no clips.
  const models::VideoProcessor* video_processor() const { return video_processor_.get(); }
  const EngineOptions& options() const { return options_; }
  const std::string& name() const { return name_; }
  const std::string& config_text() const { return config_text_; }  // config.json
  tensor::Backend& backend() const { return *backend_; }
  int threads() const { return pool_.threads(); }
  // Of keys and values.
  tensor::DType cache_dtype() const {
    if (options_.exact) return tensor::DType::kF32;
    return options_.cache_dtype.value_or(tensor::DType::kF16);
  }
  int64_t context() const { return context_; }
  const std::vector<int32_t>& stop_ids() const { return stop_ids_; }
  bool has_template() const { return template_.has_value(); }
  // The Jinja source of the chat template, and behind it of the one with tools where there is one;
  // "" where there is none.
  const std::string& template_source() const { return template_source_; }
  // Whether a word stands in the chat template's source: "tools", "enable_thinking".
  bool template_mentions(std::string_view word) const;
  double load_seconds() const { return load_seconds_; }
  // What a person may want to know about the files, in sentences.
  const std::vector<std::string>& warnings() const { return warnings_; }
  ImageCache& image_cache() { return image_cache_; }
  // Null where the options name no folder for it.
  const DiskCache* disk_cache() const { return disk_cache_ ? &*disk_cache_ : nullptr; }
  // The name on disk of what this model makes of a picture: a hash of the weights' fingerprint and
  // encoding, config, adapters of the tower and the connector, arithmetic, program, preprocessing
  // and pixels.
  base::Digest256 picture_key(const PreparedImage& image, PictureStage stage, bool exact) const;

  // From now on the model computes with these adapters and no others; the model itself is not
  // loaded anew, nor is an adapter that was in use before. After an error all is as it was. An
  // answer that is being generated goes on with the new ones; sessions notice and read their
  // prompts again.
  base::Status set_adapters(std::span<const AdapterUse> adapters);
  const std::vector<AdapterUse>& adapters() const { return adapters_; }
  // Another number for every set of adapters since loading.
  uint64_t adapters_version() const { return adapters_version_; }

  // Decodes and cuts a picture. `name` is for messages.
  base::Result<std::shared_ptr<const PreparedImage>> prepare_image(std::span<const std::byte> file,
                                                                   std::string name,
                                                                   ImageTimes* times = nullptr);
  base::Result<std::shared_ptr<const PreparedImage>> prepare_image(media::Image image,
                                                                   std::string name,
                                                                   ImageTimes* times = nullptr);

  // The same for a clip: its frames are read one by one and kept as the model sees them.
  base::Result<std::shared_ptr<const PreparedImage>> prepare_video(std::span<const std::byte> file,
                                                                   std::string name,
                                                                   ImageTimes* times = nullptr);
  // A picture or a clip, by its first bytes.
  base::Result<std::shared_ptr<const PreparedImage>> prepare_file(std::span<const std::byte> file,
                                                                  std::string name,
                                                                  ImageTimes* times = nullptr);
  // What a clip is and which of its frames the model would see, without their pixels.
  base::Result<Clip> plan_video(std::span<const std::byte> file, const std::string& name);

  base::Result<Prompt> build_prompt(const base::Json& messages,
                                    std::vector<std::shared_ptr<const PreparedImage>> images,
                                    const base::Json& template_arguments = {}) const;
  base::Result<Prompt> raw_prompt(std::string_view text) const;
  // A whole conversation with who said which token, for training. `now`: what templates take for
  // the time (RenderOptions::now), so that a run that goes on tomorrow sees the same.
  base::Result<TaggedPrompt> tagged_prompt(const base::Json& messages,
                                           std::vector<std::shared_ptr<const PreparedImage>> images,
                                           const base::Json& template_arguments = {},
                                           std::optional<int64_t> now = {}) const;

  // The embeddings of each picture, from the cache or by one pass of all missing tiles together.
  base::Result<std::vector<std::shared_ptr<const Embeddings>>> encode_images(
      std::span<const std::shared_ptr<const PreparedImage>> images,
      const base::CancelToken* cancel = nullptr, ImageTimes* times = nullptr);

  // Tile `index` of a picture or clip as the tower takes it: float32 [3, side, side].
  void normalize(const PreparedImage& image, int64_t index, float* out) const;

  // One forward pass of tokens [first, first + count) of `prompt` (an answer's tokens may follow
  // the prompt's own) behind what `cache` holds; leaves the logits of the last `rows` in `logits`
  // if not null, [rows, V].
  base::Status forward(const Prompt& prompt,
                       std::span<const std::shared_ptr<const Embeddings>> images, int64_t first,
                       int64_t count, nn::KvCache& cache, std::vector<float>* logits,
                       int64_t rows = 1);
  // Logits of every token of the prompt, [T, V], without a cache: what tests and scores need.
  base::Result<std::vector<float>> score(const Prompt& prompt);

  base::Result<nn::KvCache> make_cache() const;
  // How many tiles go through the tower together.
  int64_t tiles_together() const;

  base::ThreadPool& pool() { return pool_; }
  const models::Model& model() const { return *loaded_.model; }
  // For whoever trains it or attaches adapters; no request may run meanwhile.
  models::LoadedModel& mutable_loaded() { return loaded_; }
  // From now on every pass tells it of its products; an empty one ends that.
  void observe_products(tensor::ProductObserver observer) { observer_ = std::move(observer); }
  // The backend whose layout the weights have; null where they are plain rows.
  const tensor::Backend* pack_for() const {
    const bool pack = options_.packed && !options_.exact;
    return pack ? backend_.get() : nullptr;
  }

 private:
  Engine(const EngineOptions& options, tensor::Arena arena);
  PromptBuilder prompt_builder(const base::Json& template_arguments) const;
  // Which threads a pass of so many tokens goes on.
  base::ThreadPool& pool_for(int64_t tokens);
  tensor::Context context_of_run(base::ThreadPool& pool) {
    tensor::Context c{*backend_, arena_, pool, nullptr, {}, options_.exact};
    c.observer = observer_ ? &observer_ : nullptr;
    return c;
  }
  // An opened adapter, from `opened_` or its folder.
  base::Result<models::Adapter*> open_adapter(const AdapterUse& use);
  base::Status attach(std::span<const AdapterUse> adapters);
  ImageKey cache_key(const PreparedImage& image) const;
  std::shared_ptr<const Embeddings> known_embeddings(const PreparedImage& image);
  void keep_embeddings(const PreparedImage& image, std::shared_ptr<const Embeddings> value);
  base::Status load_text(const formats::ModelFolder& folder);
  base::Status load_processor(const formats::ModelFolder& folder, const base::Json& config);
  base::Status load_video_processor(const formats::ModelFolder& folder,
                                    const models::Family& family, const base::Json& preprocessor,
                                    const base::Json& processor);
  base::Status read_video(std::span<const std::byte> file, const media::FrameChooser& choose,
                          const media::FrameSink& sink) const;
  base::Result<std::vector<int64_t>> choose_frames(const media::VideoInfo& info, Clip& clip) const;
  void tell_times(Clip& clip) const;
  base::Status check_takes_videos(const std::string& name) const;
  media::ParallelFor parallel_rows();
  base::Status check_picture_tokens() const;
  base::Status limit_tiles();
  base::Status fit_memory();
  tensor::Tensor embed(tensor::Context& c, const Prompt& prompt,
                       std::span<const std::shared_ptr<const Embeddings>> images, int64_t first,
                       int64_t count) const;

  EngineOptions options_;
  std::string name_;
  base::ThreadPool pool_, one_thread_{1};
  int cpus_ = base::default_threads();  // asked once: it reads files
  std::unique_ptr<tensor::Backend> backend_;
  tensor::Arena arena_;
  tensor::ProductObserver observer_;
  models::LoadedModel loaded_;
  // With their folders: the one used last first, attached or not.
  std::vector<std::pair<std::unique_ptr<models::Adapter>, std::string>> opened_;
  std::vector<AdapterUse> adapters_;
  std::atomic<uint64_t> adapters_version_ = 0;
  std::optional<base::Digest256> pictures_identity_;  // of adapters of the tower and the connector
  std::optional<text::Tokenizer> tokenizer_;          // always there once loaded
  std::optional<text::ChatTemplate> template_;
  std::optional<text::ChatTemplate> tool_template_;  // where there is another one with tools
  std::string template_source_;                      // of both
  text::RenderOptions render_;                       // special tokens for the template
  std::unique_ptr<models::ImageProcessor> processor_;
  std::unique_ptr<models::VideoProcessor> video_processor_;
  std::optional<text::ChatTemplate> video_template_;  // of messages with a clip
  ImageCache image_cache_;
  std::optional<DiskCache> disk_cache_;
  std::string config_text_;  // config.json
  mutable std::once_flag picture_model_once_;
  mutable base::Digest256 picture_model_;  // of the weights, for picture_key(); made when asked for
  std::vector<int32_t> stop_ids_;
  int64_t context_ = 0;
  int64_t vision_bytes_per_tile_ = 0;  // of activations
  double load_seconds_ = 0;
  std::vector<std::string> warnings_;
  ThreadChoice one_token_;
  std::mutex turn_;  // one forward pass at a time: they share the arena and the pool
};

}  // namespace ocelli::engine
