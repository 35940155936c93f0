// ocelli quantize: a model in fewer bits, with a certificate of what it lost.
#include "quantize/quantize.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>

#include "cli/command.h"
#include "cli/target.h"
#include "cli/terminal.h"
#include "media/decoder_process.h"

namespace ocelli::cli {
namespace {

using base::Code;
using base::Json;
using base::Result;

struct QuantizeFlags {
  std::string word, model, mmproj, output, type = "q4", format, layout = "packed", data;
  std::vector<std::string> tensors;
  std::optional<int64_t> tokens;
  uint64_t seed = 0;
  std::optional<double> target_kl;
  bool calibrate = false;
  std::string calibration_data;
  std::optional<int64_t> calibration_tokens;
  int threads = 0;
  bool no_certificate = false, per_tensor = false, json = false, force = false, quiet = false;
};

constexpr int64_t kMostTokens = 1'000'000;

Result<quantize::Format> format_of(const QuantizeFlags& flags) {
  if (flags.format == "gguf") return quantize::Format::kGguf;
  if (flags.format == "safetensors") return quantize::Format::kSafetensors;
  return formats::is_gguf_name(flags.output) ? quantize::Format::kGguf
                                             : quantize::Format::kSafetensors;
}

Json result_json(const quantize::Quantized& out, const QuantizeFlags& flags) {
  Json files = Json::array();
  for (const std::string& file : out.files) files.push_back(file);
  Json warnings = Json::array();
  for (const std::string& warning : out.warnings) warnings.push_back(warning);
  Json mixed = Json::array();
  for (const quantize::Sensitivity& g : out.mixed.groups) {
    mixed.push_back(Json::object(
        {{"part", g.name}, {"kl", g.kl}, {"more_bytes", g.bytes}, {"raised", g.raised}}));
  }
  return Json::object({{"output", flags.output},
                       {"files", std::move(files)},
                       {"resumed", out.resumed},
                       {"stored_as_f16", out.fallbacks},
                       {"warnings", std::move(warnings)},
                       {"mixed_precision", std::move(mixed)},
                       {"calibrated_weights", out.calibrated},
                       {"certificate", out.certificate.json(true)}});
}

void tell(const quantize::Quantized& out, const QuantizeFlags& flags) {
  if (flags.quiet) return;
  for (const std::string& text : out.warnings) warn(text);
  const auto raised = std::count_if(out.mixed.groups.begin(), out.mixed.groups.end(),
                                    [](const quantize::Sensitivity& g) { return g.raised; });
  if (!out.mixed.groups.empty()) {
    char change[80];
    std::snprintf(change, sizeof change, "%.5f -> %.5f", out.mixed.kl_before, out.mixed.kl_after);
    note(std::to_string(raised) + " of " + std::to_string(out.mixed.groups.size()) +
         " parts of layers have eight bits (KL divergence on other texts " + change + ")");
  }
  if (out.calibrated > 0)
    note("the codes of " + std::to_string(out.calibrated) + " weights were chosen by calibration");
  if (out.resumed) note("went on where an earlier run was cut off");
  if (out.fallbacks > 0) {
    note(std::to_string(out.fallbacks) +
         " tensors are f16: GGUF has whole blocks of 32 columns only");
  }
}

base::Status check_tokens(const std::optional<int64_t>& tokens, const char* option) {
  if (!tokens || (*tokens >= 1 && *tokens <= kMostTokens)) return {};
  return base::fail(
      Code::kUsage,
      "must be from 1 to " + std::to_string(kMostTokens) + " (" + std::to_string(*tokens) + ")",
      option);
}

Result<int> quantize_model(QuantizeFlags& flags, const Session& session) {
  if (!flags.word.empty() && !flags.model.empty())
    return base::fail(Code::kUsage, "the model is given twice", "-m");
  OCELLI_TRY(check_tokens(flags.tokens, "--tokens"));
  OCELLI_TRY(check_tokens(flags.calibration_tokens, "--calibration-tokens"));
  if (flags.target_kl && !(*flags.target_kl > 0 && *flags.target_kl < 100))
    return base::fail(Code::kUsage, "must be above 0 and below 100", "--target-kl");
  OCELLI_ASSIGN(const quantize::Format format, format_of(flags));
  OCELLI_ASSIGN(const quantize::Recipe recipe,
                quantize::Recipe::parse(flags.type, flags.tensors, format));
  OCELLI_ASSIGN(const std::string path,
                resolve_model(flags.word.empty() ? flags.model : flags.word));
  OCELLI_ASSIGN(const formats::ModelFolder source, open_model(path, flags.mmproj));
  media::DecoderProcess decoder;
  quantize::QuantizeOptions options;
  options.replace = flags.force;
  options.certificate = !flags.no_certificate;
  options.per_tensor = flags.per_tensor;
  options.layout = flags.layout == "plain" ? encoding::Layout::kPlain : encoding::Layout::kPacked;
  options.target_kl = flags.target_kl;
  if (flags.calibrate || !flags.calibration_data.empty() || flags.calibration_tokens)
    options.calibrate = {flags.calibration_data, flags.calibration_tokens.value_or(0), flags.seed};
  options.held_out = {flags.data, flags.tokens.value_or(0), flags.seed};
  options.engine.threads = flags.threads;
  options.engine.decode = [&decoder](std::span<const std::byte> bytes,
                                     const media::DecodeOptions& how) {
    return decoder.decode(bytes, how);
  };
  options.cancel = &session.cancel;
  ProgressBar bar(!flags.quiet);
  options.progress = &bar;
  auto result = quantize::quantize(source, recipe, flags.output, options);
  bar.clear();
  if (!result.ok() && result.error().code == Code::kInterrupted && !flags.quiet)
    note("the same command goes on where this one stopped");
  OCELLI_ASSIGN(const quantize::Quantized out, std::move(result));
  tell(out, flags);
  if (flags.json) {
    OCELLI_TRY(print(result_json(out, flags).dump(2) + "\n"));
    return 0;
  }
  std::string text;
  for (const std::string& file : out.files) text += base::printable(file, 400) + "\n";
  text += quantize::certificate_text(out.certificate);
  if (flags.per_tensor) text += quantize::tensor_table(out.certificate);
  OCELLI_TRY(print(text));
  return 0;
}

}  // namespace

Run make_quantize(CLI::App& app) {
  auto flags = std::make_shared<QuantizeFlags>();
  app.description(
      "Write a model in fewer bits, and measure what it lost.\n\n"
      "  ocelli quantize ./SmolVLM2-2.2B-Instruct -o SmolVLM2-2.2B-q4\n"
      "  ocelli quantize MODEL -o model.gguf --type Q4_0\n"
      "  ocelli quantize MODEL -o mixed --type q4 --tensor down_proj=q8 --per-tensor\n"
      "  ocelli quantize MODEL -o q4 --calibrate\n"
      "  ocelli quantize MODEL -o q8 --type q8 --data my-texts.jsonl");
  app.add_option("model", flags->word, "[MODEL]");
  app.add_option("-m,--model", flags->model, "the model, for those who prefer an option");
  app.add_option("-o,--output,--outfile", flags->output, "the new folder, or a .gguf file")
      ->type_name("PATH")
      ->required();
  app.add_option("--type,--outtype", flags->type,
                 "q4, q8, q4_0, q8_0, f16, bf16 or f32; the four-bit types keep embedding, head "
                 "and everything for pictures in eight bits (default: q4)")
      ->type_name("TYPE");
  app.add_option("--tensor,--tensor-type", flags->tensors,
                 "another type for the weights whose name, or end of a name, this is; * and ? "
                 "stand for anything; may be repeated, the last counts")
      ->type_name("PATTERN=TYPE");
  app.add_option("--target-kl", flags->target_kl,
                 "give as many text weights eight bits as it takes to lose no more than this (mean "
                 "KL divergence, nats); measures each part of each layer first")
      ->type_name("X");
  app.add_flag(
      "--calibrate", flags->calibrate,
      "choose the codes of 4- and 8-bit weights by what they are multiplied with: runs the "
      "model on answers of its own first; takes longer, loses less");
  app.add_option("--calibration-data", flags->calibration_data,
                 "the same with these texts and pictures: a .txt or .jsonl file, or a folder of "
                 "pictures")
      ->type_name("PATH");
  app.add_option("--calibration-tokens", flags->calibration_tokens,
                 "how many tokens to calibrate on (default: four times those that are measured)")
      ->type_name("N");
  app.add_option("--format", flags->format,
                 "safetensors or gguf (default: what the output's name says)")
      ->type_name("FORMAT")
      ->check(CLI::IsMember({"safetensors", "gguf"}));
  app.add_option("--layout", flags->layout,
                 "q8 and q4 in a folder: packed as the machine reads them, so that a start copies "
                 "nothing, or plain rows, as training wants them (default: packed)")
      ->type_name("LAYOUT")
      ->check(CLI::IsMember({"packed", "plain"}));
  app.add_option("--mmproj", flags->mmproj, "the vision tower of a .gguf model")->type_name("FILE");
  app.add_option(
         "--data", flags->data,
         "measure on this: a .txt or .jsonl file, or a folder of pictures (default: answers "
         "that the model samples itself)")
      ->type_name("PATH");
  app.add_option("--tokens", flags->tokens,
                 "how many tokens to measure on (default: 1024, of large models down to 256)")
      ->type_name("N");
  app.add_option("--seed", flags->seed, "of the sampled answers (default: 0)")->type_name("N");
  app.add_flag("--no-certificate", flags->no_certificate, "write only, measure nothing");
  app.add_flag("--per-tensor", flags->per_tensor, "with a table of every tensor's error");
  app.add_flag("--json", flags->json, "the result as JSON");
  app.add_flag("-f,--force", flags->force, "replace what is there");
  app.add_option("-t,--threads", flags->threads, "threads (default: what the machine allows)")
      ->type_name("N");
  app.add_flag("-q,--quiet", flags->quiet, "no notes and no progress on stderr");
  return [flags](Session& session) { return quantize_model(*flags, session); };
}

}  // namespace ocelli::cli
