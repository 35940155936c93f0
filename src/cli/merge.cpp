// ocelli merge: a model with adapters as a model of its own, checked.
#include "models/merge.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>

#include "cli/command.h"
#include "cli/engine_options.h"
#include "cli/report.h"
#include "cli/target.h"
#include "cli/terminal.h"
#include "metrics/logits.h"

namespace ocelli::cli {
namespace {

using base::Code;
using base::Json;
using base::Result;
using base::Status;
using encoding::Encoding;

// Logits in float32 differ by rounding alone; deep models by more than small ones.
constexpr double kAgree = 1e-3;
constexpr int kSide = 96;  // of the picture that is looked at

struct MergeFlags {
  EngineFlags engine;
  std::string word, output, dtype;
  bool no_check = false, json = false;
};

// Logits of every token of every prompt.
using Logits = std::vector<std::vector<float>>;

media::Image test_picture() {
  media::Image image;
  image.width = image.height = kSide;
  for (int y = 0; y < kSide; ++y) {
    for (int x = 0; x < kSide; ++x) {
      const bool inside = (x - 40) * (x - 40) + (y - 52) * (y - 52) < 500;
      const uint8_t rgb[] = {uint8_t(inside ? 220 : 2 * x), uint8_t(2 * y),
                             uint8_t(inside ? 30 : 90)};
      image.rgb.insert(image.rgb.end(), rgb, rgb + 3);
    }
  }
  return image;
}

Json message(const std::string& text, bool picture) {
  Json parts = Json::array();
  if (picture) parts.push_back(Json::object({{"type", "image"}}));
  parts.push_back(Json::object({{"type", "text"}, {"text", text}}));
  return Json::array({Json::object({{"role", "user"}, {"content", std::move(parts)}})});
}

Result<std::vector<engine::Prompt>> test_prompts(engine::Engine& engine) {
  std::vector<engine::Prompt> out;
  for (const char* text : {"What is the capital of France?", "Count to ten: one, two, three,"}) {
    if (engine.has_template()) {
      OCELLI_ASSIGN(engine::Prompt prompt, question_prompt(engine, "", text, {}, nullptr));
      out.push_back(std::move(prompt));
    } else {
      OCELLI_ASSIGN(engine::Prompt prompt, engine.raw_prompt(text));
      out.push_back(std::move(prompt));
    }
  }
  if (!engine.processor() || !engine.has_template()) return out;
  OCELLI_ASSIGN(const auto image, engine.prepare_image(test_picture(), "test picture"));
  OCELLI_ASSIGN(engine::Prompt prompt,
                engine.build_prompt(message("What is in the picture?", true), {image}));
  out.push_back(std::move(prompt));
  return out;
}

Result<Logits> score(engine::Engine& engine, std::span<const engine::Prompt> prompts) {
  engine.image_cache().clear();
  Logits out;
  for (const engine::Prompt& prompt : prompts) {
    OCELLI_ASSIGN(std::vector<float> logits, engine.score(prompt));
    out.push_back(std::move(logits));
  }
  return out;
}

// How far two sets of logits are apart.
struct Distance {
  double largest = 0;  // difference of a logit, in standard deviations of its row
  double kl = 0;       // mean KL divergence of the next token, nats
  double same = 0;     // share of tokens with the same best next one
};

Distance distance(const Logits& reference, const Logits& other, size_t vocab) {
  Distance d;
  size_t rows = 0, same = 0;
  for (size_t p = 0; p < reference.size(); ++p) {
    for (size_t at = 0; at + vocab <= reference[p].size(); at += vocab, ++rows) {
      const metrics::RowComparison row =
          metrics::compare_rows(std::span(reference[p]).subspan(at, vocab),
                                std::span(other[p]).subspan(at, vocab));
      d.largest = std::max(d.largest, row.spread);
      d.kl += row.kl;
      same += row.same_top;
    }
  }
  d.kl /= double(std::max<size_t>(1, rows));
  d.same = double(same) / double(std::max<size_t>(1, rows));
  return d;
}

Json distance_json(const std::string& name, const Distance& d) {
  return Json::object(
      {{"name", name}, {"largest", d.largest}, {"kl", d.kl}, {"same_best", d.same}});
}

std::string distance_text(const Json& row) {
  char text[160];
  std::snprintf(text, sizeof text,
                "  %-34s largest %8.1e of the spread   KL %8.1e   same best %5.1f%%\n",
                row.find("name")->as_string().c_str(), row.find("largest")->as_double(),
                row.find("kl")->as_double(), 100 * row.find("same_best")->as_double());
  return text;
}

// What the checks compare.
struct Scores {
  Logits base, runtime, reference;  // reference: float32 weights, merged in memory; may be empty
  std::vector<engine::Prompt> prompts;
};

Result<Scores> score_before(engine::Engine& engine, std::span<const engine::AdapterUse> uses,
                            const models::SaveOptions& edits) {
  Scores s;
  OCELLI_ASSIGN(s.prompts, test_prompts(engine));
  OCELLI_ASSIGN(s.base, score(engine, s.prompts));
  OCELLI_TRY(engine.set_adapters(uses));
  OCELLI_ASSIGN(s.runtime, score(engine, s.prompts));
  OCELLI_TRY(engine.set_adapters({}));
  const auto merged = models::MergedInMemory::create(engine.mutable_loaded(), engine.pool(), edits);
  if (merged.ok()) {
    OCELLI_ASSIGN(s.reference, score(engine, s.prompts));
  } else {
    warn(merged.error().what + "; the check compares with the adapter at run time alone");
  }
  return s;
}

Result<Json> compare(const Scores& s, engine::Engine& merged, const std::string& stored) {
  OCELLI_ASSIGN(const Logits written, score(merged, s.prompts));
  const auto vocab = size_t(merged.info().vocab);
  const Logits& reference = s.reference.empty() ? s.runtime : s.reference;
  const Distance runtime = distance(reference, s.runtime, vocab);
  const Distance file = distance(reference, written, vocab);
  const Distance base = distance(reference, s.base, vocab);
  Json rows = Json::array({distance_json("adapter at run time", runtime),
                           distance_json("merged model, " + stored, file),
                           distance_json("model without the adapter", base)});
  if (!(runtime.largest <= kAgree) || (stored == "f32" && !(file.largest <= kAgree))) {
    return base::fail(Code::kInternal,
                      "the merged model and the adapter at run time do not agree (" +
                          std::to_string(std::max(runtime.largest, file.largest)) +
                          " of the spread, limit " + std::to_string(kAgree) +
                          "); do not use the result, and report it");
  }
  if (stored != "f32" && file.kl > 0.25 * base.kl) {
    warn("rounding to " + stored +
         " loses much of what the adapter has learned; merge with --dtype f32");
  }
  return rows;
}

// How the largest part of the weights is stored.
std::string stored_type(const models::LoadedModel& loaded, const MergeFlags& flags) {
  if (!flags.dtype.empty()) return flags.dtype;
  int64_t f32 = 0, f16 = 0, all = 0;
  for (const formats::TensorInfo& t : loaded.checkpoint.tensors()) {
    all += int64_t(t.bytes.size());
    if (t.encoding == Encoding::kF32) f32 += int64_t(t.bytes.size());
    if (t.encoding == Encoding::kF16) f16 += int64_t(t.bytes.size());
  }
  return 2 * f32 > all ? "f32" : 2 * f16 > all ? "f16" : "bf16";
}

Result<std::optional<Encoding>> parse_dtype(const std::string& name) {
  if (name.empty()) return std::optional<Encoding>();
  const auto encoding = encoding::from_name(name);
  if (encoding == Encoding::kF32 || encoding == Encoding::kF16 || encoding == Encoding::kBF16)
    return encoding;
  return base::fail(
      Code::kUsage,
      encoding ? "merging into " + name +
                     " would round away most of an adapter, whose changes are smaller than a step "
                     "of the codes; merge into bf16 and run it with --weights " +
                     name
               : "\"" + base::printable(name, 40) + "\" is no type; f32, bf16 and f16 are",
      "--dtype");
}

Status add_edits(engine::Engine& engine, std::span<const engine::AdapterUse> uses,
                 std::vector<std::unique_ptr<models::Adapter>>& adapters,
                 models::SaveOptions& edits, bool quiet) {
  for (const engine::AdapterUse& use : uses) {
    OCELLI_ASSIGN(auto adapter,
                  models::Adapter::open(use.folder, engine.mutable_loaded(), engine.pool(),
                                        {.force = use.force, .trainable = false}));
    OCELLI_TRY(adapter->add_edits(use.weight, edits).in(use.folder));
    if (!quiet)
      for (const std::string& text : adapter->warnings()) warn(use.folder + ": " + text);
    adapters.push_back(std::move(adapter));
  }
  return {};
}

void note_quantized(const models::LoadedModel& loaded, const MergeFlags& flags) {
  for (const formats::TensorInfo& t : loaded.checkpoint.tensors()) {
    if (!t.encoding || encoding::block_cols(*t.encoding) == 1) continue;
    if (!flags.engine.quiet)
      note("the model's weights are " + std::string(encoding::name(*t.encoding)) +
           "; the merged ones are written as " + stored_type(loaded, flags) +
           ", so that nothing of the adapter is lost");
    return;
  }
}

Result<int> merge(MergeFlags& flags) {
  OCELLI_ASSIGN(const std::optional<Encoding> dtype, parse_dtype(flags.dtype));
  OCELLI_ASSIGN(const std::vector<engine::AdapterUse> uses, flags.engine.adapter_uses());
  if (uses.empty()) return base::fail(Code::kUsage, "no adapter is given; add --adapter DIR");
  if (!flags.engine.weights.empty())
    return base::fail(Code::kUsage, "is for running; merge has --dtype", "--weights");
  OCELLI_ASSIGN(const std::string path,
                resolve_model(flags.word.empty() ? flags.engine.model : flags.word));
  OCELLI_ASSIGN(const formats::ModelFolder source, open_model(path, flags.engine.mmproj));
  EngineFlags plain = flags.engine;
  plain.adapters.clear();
  plain.scaled_adapters.clear();
  plain.exact = plain.no_split = true;
  Json rows = Json::array();
  Scores scores;
  std::string stored;
  {
    OCELLI_ASSIGN(const OpenEngine open, open_engine(path, plain));
    models::SaveOptions options;
    options.dtype = dtype;
    std::vector<std::unique_ptr<models::Adapter>> adapters;
    OCELLI_TRY(add_edits(*open.engine, uses, adapters, options, flags.engine.quiet));
    stored = stored_type(open.engine->loaded(), flags);
    note_quantized(open.engine->loaded(), flags);
    if (!flags.no_check) {
      OCELLI_ASSIGN(scores, score_before(*open.engine, uses, options));
    }
    ProgressBar bar(!flags.engine.quiet);
    options.progress = &bar;
    OCELLI_TRY(models::save_model(open.engine->mutable_loaded(), source, open.engine->pool(),
                                  flags.output, options));
  }
  if (!flags.no_check) {
    plain.quiet = true;
    plain.mmproj.clear();
    OCELLI_ASSIGN(const OpenEngine open, open_engine(flags.output, plain));
    OCELLI_ASSIGN(rows, compare(scores, *open.engine, stored));
  }
  if (flags.json) {
    OCELLI_TRY(
        print(Json::object({{"output", flags.output}, {"dtype", stored}, {"check", rows}}).dump(2) +
              "\n"));
    return 0;
  }
  std::string text = base::printable(flags.output, 400) + "\n";
  if (!flags.no_check) text += "logits against float32 weights merged in memory:\n";
  for (const Json& row : rows.items()) text += distance_text(row);
  OCELLI_TRY(print(text));
  return 0;
}

}  // namespace

Run make_merge(CLI::App& app) {
  auto flags = std::make_shared<MergeFlags>();
  app.description(
      "Write a model with adapters as a model of its own, and check that it computes the same.\n\n"
      "  ocelli merge ./SmolVLM2-256M-Video-Instruct --adapter my-adapter -o merged\n"
      "  ocelli merge MODEL --adapter style=0.5 --adapter task -o merged --dtype f32");
  app.add_option("model", flags->word, "[MODEL]");
  app.add_option("-o,--output", flags->output, "the new folder")->type_name("DIR")->required();
  app.add_option("--dtype", flags->dtype, "f32, bf16 or f16 (default: as the model has it)")
      ->type_name("TYPE");
  app.add_flag("--no-check", flags->no_check, "do not compare logits afterwards");
  app.add_flag("--json", flags->json, "the comparison as JSON");
  flags->engine.add(app);
  return [flags](Session&) { return merge(*flags); };
}

}  // namespace ocelli::cli
