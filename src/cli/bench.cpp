// ocelli bench: how fast this model is here.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>

#include "base/atomic_folder.h"
#include "base/clock.h"
#include "base/folders.h"
#include "base/memory.h"
#include "base/rng.h"
#include "cli/command.h"
#include "cli/engine_options.h"
#include "cli/report.h"
#include "cli/target.h"
#include "cli/terminal.h"
#include "engine/messages.h"
#include "engine/session.h"
#include "media/encode.h"

namespace ocelli::cli {
namespace {

using base::Code;
using base::Json;
using base::Result;

struct BenchFlags {
  EngineFlags engine;
  std::string word;
  int64_t prefill = 512, decode = 32, depth = 0;
  int width = 1024, height = 768, repeat = 3;
  bool json = false, no_picture = false;
};

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t n = values.size();
  return n == 0 ? 0 : n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

// Coloured noise: every tile is work, nothing compresses away.
media::Image noise_picture(int width, int height, uint64_t seed) {
  media::Image image;
  image.width = width;
  image.height = height;
  image.rgb.resize(size_t(width) * size_t(height) * 3);
  base::Rng rng(seed);
  for (uint8_t& byte : image.rgb) byte = uint8_t(rng.next_u32() >> 24);
  return image;
}

using Picture = std::shared_ptr<const engine::PreparedImage>;

// Seconds from a prepared picture and a question to the first token of the answer.
Result<double> first_token(engine::Engine& engine, engine::Session& session, const Picture& image,
                           std::string_view question, engine::ImageTimes& times) {
  const base::Stopwatch watch;
  const Json messages = Json::array({engine::user_message(question, 1)});
  OCELLI_ASSIGN(const engine::Prompt prompt, engine.build_prompt(messages, {image}));
  engine::GenerateOptions options;
  options.max_tokens = 1;
  OCELLI_ASSIGN(const engine::Generated out, session.generate(prompt, options));
  times.encode += out.images.encode;
  return watch.seconds();
}

// One picture, three questions: the first, from the file; another one in the same chat, which has
// the picture in its cache of keys and values; and one after a new start of the program, from the
// file again, which finds what the tower said on disk. `engine` has a cache on disk, empty.
Result<Json> bench_picture(engine::Engine& engine, const BenchFlags& flags, Session& session) {
  std::vector<double> decode, resize, encode, first, second, again;
  int64_t tiles = 0;
  for (int i = 0; i < flags.repeat; ++i) {
    OCELLI_TRY(session.cancel.check());
    OCELLI_ASSIGN(const auto file,
                  media::encode_png(noise_picture(flags.width, flags.height, uint64_t(i))));
    engine::ImageTimes times, unused;
    OCELLI_ASSIGN(engine::Session chat, engine::Session::create(engine));
    OCELLI_ASSIGN(const Picture image, engine.prepare_image(file, "noise", &times));
    OCELLI_ASSIGN(const double one,
                  first_token(engine, chat, image, "What is in the picture?", times));
    OCELLI_ASSIGN(const double two,
                  first_token(engine, chat, image, "Which colours does it have?", unused));
    tiles = image->tiles.plan.tiles;
    decode.push_back(times.decode);
    resize.push_back(times.resize);
    encode.push_back(times.encode);
    first.push_back(times.decode + times.resize + one);
    second.push_back(two);
    if (!engine.disk_cache()) continue;
    engine.image_cache().clear();
    engine::ImageTimes once_more;
    OCELLI_ASSIGN(engine::Session fresh, engine::Session::create(engine));
    OCELLI_ASSIGN(const Picture same, engine.prepare_image(file, "noise", &once_more));
    OCELLI_ASSIGN(const double three,
                  first_token(engine, fresh, same, "Who took the picture?", once_more));
    again.push_back(once_more.decode + once_more.resize + three);
  }
  Json out = Json::object({{"width", flags.width},
                           {"height", flags.height},
                           {"tiles", tiles},
                           {"decode_seconds", median(decode)},
                           {"resize_seconds", median(resize)},
                           {"encode_seconds", median(encode)},
                           {"encode_seconds_per_tile", median(encode) / double(tiles)},
                           {"first_question_seconds", median(first)},
                           {"second_question_seconds", median(second)}});
  if (engine.disk_cache()) out.set("next_start_question_seconds", median(again));
  return out;
}

// Random tokens: what they say makes no difference to the time.
engine::Prompt random_prompt(const engine::Engine& engine, int64_t tokens) {
  engine::Prompt prompt;
  base::Rng rng(1);
  const auto image = engine.info().vision ? engine.info().vision->image_token_id : -1;
  while (int64_t(prompt.ids.size()) < tokens) {
    const auto id = int32_t(rng.next_u32() % uint32_t(engine.info().vocab));
    if (id != image) prompt.ids.push_back(id);
  }
  prompt.image_rows.assign(prompt.ids.size(), -1);
  return prompt;
}

Result<Json> bench_text(engine::Engine& engine, const BenchFlags& flags, Session& session) {
  std::vector<double> prefill, decode, drafted;
  const engine::Prompt prompt =
      random_prompt(engine, flags.depth + flags.prefill + 2 * flags.decode);
  for (int i = -1; i < flags.repeat; ++i) {
    OCELLI_TRY(session.cancel.check());
    OCELLI_ASSIGN(nn::KvCache cache, engine.make_cache());
    std::vector<float> logits;
    const auto run = [&](int64_t first, int64_t count, int64_t step,
                         int64_t rows = 1) -> Result<double> {
      const base::Stopwatch watch;
      for (int64_t at = first; at < first + count; at += step) {
        const int64_t here = std::min(step, first + count - at);
        OCELLI_TRY(engine.forward(prompt, {}, at, here, cache, &logits, std::min(rows, here)));
      }
      return watch.seconds();
    };
    const int64_t chunk = engine.options().prefill_chunk;
    if (i < 0) {  // the first prompt reads the weights into the process
      OCELLI_ASSIGN(const double ignored, run(0, flags.prefill, chunk));
      (void)ignored;
      continue;
    }
    OCELLI_ASSIGN(const double ignored, run(0, flags.depth, chunk));
    (void)ignored;
    OCELLI_ASSIGN(const double prefill_seconds, run(flags.depth, flags.prefill, chunk));
    const int64_t first = flags.depth + flags.prefill, together = 1 + engine::kDraftedTokens;
    OCELLI_ASSIGN(const double decode_seconds, run(first, flags.decode, 1));
    // The tokens are known here: as if every guess were right.
    OCELLI_ASSIGN(const double drafted_seconds,
                  run(first + flags.decode, flags.decode, together, together));
    drafted.push_back(double(flags.decode) / drafted_seconds);
    prefill.push_back(double(flags.prefill) / prefill_seconds);
    decode.push_back(double(flags.decode) / decode_seconds);
  }
  return Json::object({{"depth", flags.depth},
                       {"prefill_tokens", flags.prefill},
                       {"prefill_tokens_per_second", median(prefill)},
                       {"decode_tokens", flags.decode},
                       {"decode_tokens_per_second", median(decode)},
                       {"copied_tokens_per_second", median(drafted)}});
}

std::string as_text(const Json& json, const std::string& indent = "") {
  std::string out;
  for (const auto& [key, value] : json.members()) {
    if (value.is_object()) {
      out += indent + key + "\n" + as_text(value, indent + "  ");
      continue;
    }
    std::string text = value.is_string() ? value.as_string() : value.dump();
    if (key.ends_with("seconds") || key.ends_with("per_tile"))
      text = seconds_text(value.as_double());
    if (key.ends_with("bytes")) text = bytes_text(value.as_int());
    if (key.ends_with("per_second")) {
      char number[32];
      std::snprintf(number, sizeof number, "%.1f", value.as_double());
      text = number;
    }
    out += label_text(indent + key, 32) + base::printable(text) + "\n";
  }
  return out;
}

Result<int> bench(BenchFlags& flags, Session& session) {
  OCELLI_ASSIGN(const std::string path,
                resolve_model(flags.word.empty() ? flags.engine.model : flags.word));
  flags.engine.packed = true;
  flags.engine.use_weights_cache = true;
  // A cache of its own, which goes with it: pictures of an earlier run would not be encoded.
  std::optional<base::AtomicFolder> cache;
  if (flags.engine.keeps_pictures()) {
    OCELLI_ASSIGN(const std::string folder, base::cache_dir());
    OCELLI_ASSIGN(cache, base::AtomicFolder::create(base::join_path(folder, "bench")));
    flags.engine.cache_folder = cache->file("pictures");
  }
  OCELLI_ASSIGN(const OpenEngine open, open_engine(path, flags.engine));
  engine::Engine& engine = *open.engine;
  const int64_t tokens = flags.depth + flags.prefill + 2 * flags.decode;
  if (tokens > engine.context()) {
    return base::fail(Code::kDoesNotFit, "the measurement takes " + std::to_string(tokens) +
                                             " tokens (limit " + std::to_string(engine.context()) +
                                             "); ask for fewer");
  }
  Json out = Json::object({{"model", engine.name()},
                           {"kernels", engine.backend().name()},
                           {"threads", engine.threads()},
                           {"load_seconds", engine.load_seconds()}});
  if (engine.processor() && !flags.no_picture) {
    OCELLI_ASSIGN(Json picture, bench_picture(engine, flags, session));
    out.set("picture", std::move(picture));
  }
  OCELLI_ASSIGN(Json text, bench_text(engine, flags, session));
  out.set("text", std::move(text));
  out.set("peak_memory_bytes", base::process_memory().peak);
  OCELLI_TRY(print(flags.json ? out.dump(2) + "\n" : as_text(out)));
  return 0;
}

}  // namespace

Run make_bench(CLI::App& app) {
  auto flags = std::make_shared<BenchFlags>();
  app.description(
      "Time and memory of loading, pictures, prompt and answer (medians). A first prompt is not\n"
      "counted: it reads the weights into the process.\n\n"
      "  ocelli bench ./SmolVLM2-256M-Video-Instruct --json");
  app.add_option("model", flags->word, "[MODEL]");
  app.add_option("--n-prompt", flags->prefill, "tokens of the prefill (default 512)")
      ->type_name("N")
      ->check(CLI::Range(1, 1 << 20));
  app.add_option(
         "--n-gen", flags->decode,
         "tokens decoded one by one, and again as if every guess ahead were right (default 32)")
      ->type_name("N")
      ->check(CLI::Range(1, 1 << 20));
  app.add_option("--depth", flags->depth, "tokens in the cache before (default 0)")
      ->type_name("N")
      ->check(CLI::Range(0, 1 << 20));
  app.add_option("--width", flags->width, "of the picture (default 1024)")
      ->type_name("N")
      ->check(CLI::Range(1, 4096));
  app.add_option("--height", flags->height, "of the picture (default 768)")
      ->type_name("N")
      ->check(CLI::Range(1, 4096));
  app.add_option("-r,--repeat", flags->repeat, "measurements of each kind (default 3)")
      ->type_name("N")
      ->check(CLI::Range(1, 100));
  app.add_flag("--no-picture", flags->no_picture, "text only");
  app.add_flag("--json", flags->json, "as one JSON object");
  flags->engine.add(app);
  flags->engine.add_cache(app);
  flags->engine.add_memory(app);
  return [flags](Session& session) { return bench(*flags, session); };
}

}  // namespace ocelli::cli
