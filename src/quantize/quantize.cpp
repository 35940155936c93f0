#include "quantize/quantize.h"

#include <algorithm>
#include <filesystem>

#include "base/file.h"
#include "base/hash.h"
#include "formats/quantization_config.h"
#include "models/config.h"
#include "models/save.h"
#include "quantize/calibration.h"
#include "quantize/gguf_metadata.h"
#include "quantize/output.h"

namespace ocelli::quantize {

using base::Code;
using base::fail;
using base::Json;
using base::Result;
using base::Status;
using encoding::Encoding;

namespace {

namespace fs = std::filesystem;

constexpr unsigned kMode = 0644;
constexpr size_t kMaxCopiedFile = size_t{256} << 20;
constexpr char kCertificateFile[] = "certificate.json";
constexpr char kCertificateKey[] = "ocelli.certificate";
constexpr size_t kCertificateRoom = 4096;  // bytes of its text in a GGUF file
constexpr uint32_t kGgufQuantization = 2;  // general.quantization_version
constexpr uint64_t kVersion = 2;           // of what is written; part of the identity

bool is_coded(Encoding e) {
  return e != Encoding::kF32 && e != Encoding::kF16 && e != Encoding::kBF16;
}

// llama.cpp's number for what most weights are stored as.
uint32_t file_type(Encoding e) {
  const std::pair<std::string_view, uint32_t> known[] = {
      {"f32", 0}, {"f16", 1}, {"q4_0", 2}, {"q8_0", 7}, {"bf16", 32}};
  for (const auto& [name, id] : known)
    if (encoding::name(e) == name) return id;
  return 0;
}

// The encoding that most of these numbers have.
Encoding usual(const std::vector<OutTensor>& tensors) {
  std::map<Encoding, int64_t> numbers;
  for (const OutTensor& t : tensors) numbers[t.encoding] += t.rows * t.cols;
  const auto most = std::max_element(numbers.begin(), numbers.end(),
                                     [](auto& a, auto& b) { return a.second < b.second; });
  return most == numbers.end() ? Encoding::kF32 : most->first;
}

class Run {
 public:
  Run(const formats::ModelFolder& source, const Recipe& recipe, const std::string& output,
      const QuantizeOptions& options)
      : source_(source),
        recipe_(recipe),
        output_(output),
        options_(options),
        pool_(options.engine.threads > 0 ? options.engine.threads : base::default_threads()) {
    while (output_.size() > 1 && output_.back() == '/') output_.pop_back();
  }

  Result<Quantized> run() {
    OCELLI_TRY(check_output());
    OCELLI_TRY(load());
    if (options_.target_kl) OCELLI_TRY(mix());
    if (options_.calibrate) OCELLI_TRY(round_by_calibration());
    OCELLI_TRY(gguf() ? plan_gguf_files() : plan_folder());
    OCELLI_ASSIGN(base::ResumableFolder work, base::ResumableFolder::open(output_, identity()));
    out_.resumed = work.resumed();
    out_.certificate.recipe = recipe_.text();
    out_.certificate.format = gguf() ? "GGUF" : "safetensors";
    if (!calibrated_.weights.empty())
      out_.certificate.recipe += ", codes for " + calibrated_.description;
    base::PartOfProgress writing(progress(), before_writing_, options_.certificate ? 0.6 : 1);
    OCELLI_TRY(
        write_files(files_, work, loaded_, pool_,
                    {&writing, options_.cancel, options_.checkpoint_bytes, options_.piece_bytes}));
    if (!gguf()) OCELLI_TRY(write_side_files(work));
    if (options_.certificate) OCELLI_TRY(certify(work));
    OCELLI_TRY(put_into_place(work));
    return std::move(out_);
  }

 private:
  bool gguf() const { return recipe_.format() == Format::kGguf; }
  // One file beside another instead of a folder.
  bool single() const { return gguf() && formats::is_gguf_name(output_); }
  base::Progress& progress() { return options_.progress ? *options_.progress : no_progress_; }

  std::string text_file() const {
    return single() ? fs::path(output_).filename().string() : stem() + ".gguf";
  }
  std::string projector_file() const { return "mmproj-" + text_file(); }
  std::string stem() const {
    if (single()) return fs::path(output_).stem().string();
    std::string name = source_.name();
    for (char& c : name) c = c == '/' || c == ' ' ? '-' : c;
    std::string type = recipe_.preset();
    for (char& c : type) c = c >= 'a' && c <= 'z' ? char(c - 'a' + 'A') : c;
    return name + "-" + type;
  }
  std::string beside(const std::string& name) const {
    const fs::path parent = fs::path(output_).parent_path();
    return (parent / name).string();
  }

  Status check_output() const {
    if (output_.empty()) return fail(Code::kUsage, "name a folder or file", "--output");
    std::error_code error;
    if (!source_.path().empty() && fs::equivalent(source_.path(), output_, error))
      return fail(Code::kUsage, "is the model itself; name another place", output_);
    if (!gguf() && formats::is_gguf_name(output_))
      return fail(Code::kUsage, "is the name of a GGUF file; ask for --format gguf", output_);
    if (options_.replace) return {};
    const bool there = single() ? fs::exists(fs::symlink_status(output_, error)) ||
                                      fs::exists(beside(projector_file()), error)
                                : !base::is_free_for_folder(output_);
    if (!there) return {};
    return fail(Code::kUsage, "is there already; name another place, or replace it with --force",
                output_);
  }

  Status load() {
    OCELLI_ASSIGN(texts_, read_texts(source_));
    if (!texts_.config.is_object())
      return fail(Code::kBadInput, "config.json is missing", source_.name());
    OCELLI_ASSIGN(formats::Checkpoint weights, source_.weights());
    OCELLI_ASSIGN(loaded_, models::load_model(texts_.config, std::move(weights), pool_));
    map_.emplace(*loaded_.model);
    OCELLI_ASSIGN(choices_, recipe_.choose(*map_));
    bool coded = false;
    for (const Choice& c : choices_) {
      const auto* stored = loaded_.checkpoint.find(c.parameter.name);
      if (stored) out_.certificate.source_bytes += int64_t(stored->bytes.size());
      coded = coded || (c.parameter.weight && is_coded(c.parameter.weight->encoding));
      out_.certificate.parameters += c.parameter.count();
    }
    if (coded)
      out_.warnings.push_back(
          "the source is quantized itself; what it lost before is not measured");
    return {};
  }

  // Seeds of texts that choose the precision; the certificate's are others.
  static constexpr uint64_t kOtherSeeds = 1'000'000;
  static constexpr int64_t kMixTokens = 256;
  static constexpr uint64_t kCalibrationSeeds = 2'000'000;
  static constexpr size_t kCalibrationRounds = 256;
  static constexpr int64_t kCalibrationShare = 4;  // tokens for each that the certificate has

  engine::EngineOptions engine_options(bool exact) const {
    engine::EngineOptions how = options_.engine;
    how.weights.reset();
    how.adapters.clear();
    how.split_images = false;  // one tile a picture: the tower sees no difference
    how.exact = exact;
    how.packed = !exact;  // as `ocelli run` has them
    return how;
  }

  Status mix() {
    OCELLI_ASSIGN(const auto reference, engine::Engine::load(source_, engine_options(true)));
    OCELLI_ASSIGN(const Encoding eight, parse_type("q8", recipe_.format()));
    base::PartOfProgress measuring(progress(), 0, 0.2);
    before_writing_ = 0.2;
    SensitivityOptions how;
    how.target_kl = *options_.target_kl;
    how.held_out = options_.held_out;
    how.held_out.data.clear();
    how.held_out.seed += kOtherSeeds;
    how.held_out.tokens = kMixTokens;
    if (options_.held_out.tokens > 0)
      how.held_out.tokens = std::min(kMixTokens, options_.held_out.tokens);
    how.held_out.progress = &measuring;
    how.held_out.cancel = options_.cancel;
    OCELLI_ASSIGN(out_.mixed, find_mixed_precision(*reference, choices_, eight, how));
    std::vector<std::string> names;
    for (const Sensitivity& g : out_.mixed.groups)
      if (g.raised) names.insert(names.end(), g.weights.begin(), g.weights.end());
    recipe_.raise(std::move(names), eight,
                  "for a KL divergence of " + Json(*options_.target_kl).dump());
    OCELLI_ASSIGN(choices_, recipe_.choose(*map_));
    return {};
  }

  Status round_by_calibration() {
    OCELLI_ASSIGN(const auto reference, engine::Engine::load(source_, engine_options(true)));
    base::PartOfProgress rounding(progress(), before_writing_, 0.5);
    before_writing_ = 0.5;
    CalibrationOptions how;
    how.data = *options_.calibrate;
    how.data.seed += kCalibrationSeeds;
    how.data.rounds = kCalibrationRounds;
    if (how.data.tokens <= 0)
      how.data.tokens = kCalibrationShare * default_tokens(out_.certificate.parameters);
    how.data.progress = &rounding;
    how.data.cancel = options_.cancel;
    OCELLI_ASSIGN(calibrated_, calibrate(*reference, choices_, how));
    out_.calibrated = int64_t(calibrated_.weights.size());
    if (!how.data.data.empty() && how.data.data == options_.held_out.data) {
      out_.warnings.push_back(
          "what is lost is measured on the data that the codes were chosen for, "
          "so other data may lose more; give --data something else");
    }
    return {};
  }
  void use_made_rows(OutTensor& t) const {
    const auto found = calibrated_.weights.find(t.parameter.name);
    if (found != calibrated_.weights.end() && found->second.encoding == t.encoding)
      t.made = found->second.bytes;
  }

  // Of the weights that all this began with.
  std::string fingerprint() const {
    for (const auto& [key, value] : loaded_.checkpoint.metadata())
      if (key == "source_fingerprint") return value;
    return loaded_.checkpoint.fingerprint().hex();
  }

  Status plan_folder() {
    std::vector<OutTensor> tensors = plan_tensors(choices_, loaded_.checkpoint, options_.layout);
    for (OutTensor& t : tensors) use_made_rows(t);
    OCELLI_ASSIGN(files_,
                  plan_safetensors(std::move(tensors), options_.shard_bytes, fingerprint()));
    return {};
  }

  Status plan_gguf_files() {
    OCELLI_ASSIGN(GgufParts parts, gguf_metadata(texts_, *map_));
    out_.warnings.insert(out_.warnings.end(), parts.warnings.begin(), parts.warnings.end());
    std::vector<OutTensor> text, projector;
    for (OutTensor& t : plan_tensors(choices_, loaded_.checkpoint)) {
      const std::string name = formats::gguf_name(t.name);
      if (name.empty())
        return fail(Code::kUsage, t.name + " has no name in GGUF; write safetensors");
      t.name = name;
      // A convolution and learned positions are read as numbers by llama.cpp.
      if (name.starts_with("v.patch_embd") || name.starts_with("v.position_embd"))
        t.encoding = Encoding::kF32;
      use_made_rows(t);
      out_.fallbacks += t.fallback && t.encoding == Encoding::kF16;
      if (parts.q_heads && name.starts_with("blk.") && name.ends_with("attn_q.weight"))
        t.interleaved_heads = parts.q_heads;
      if (parts.k_heads && name.starts_with("blk.") && name.ends_with("attn_k.weight"))
        t.interleaved_heads = parts.k_heads;
      (formats::is_projector_name(name) ? projector : text).push_back(std::move(t));
    }
    const auto add = [&](formats::GgufHeader& header, const std::string& name,
                         std::vector<OutTensor> tensors) -> Status {
      header.u32("general.file_type", file_type(usual(tensors)));
      header.u32("general.quantization_version", kGgufQuantization);
      header.text("ocelli.recipe", recipe_.text());
      if (options_.certificate) header.reserved(kCertificateKey, kCertificateRoom);
      OCELLI_ASSIGN(OutFile file, plan_gguf(name, header, std::move(tensors)));
      files_.push_back(std::move(file));
      return {};
    };
    OCELLI_TRY(add(parts.text, text_file(), std::move(text)));
    if (!parts.has_projector) return {};
    return add(parts.projector, projector_file(), std::move(projector));
  }

  // Of what is being written: another source, recipe or version writes something else.
  std::string identity() {
    base::Sha256 hash;
    hash.update_u64(kVersion);
    hash.update(loaded_.checkpoint.fingerprint().hex());
    for (const OutFile& f : files_) {
      for (const std::string& text : {f.name, f.header}) {
        hash.update_u64(text.size());
        hash.update(text);
      }
      for (const OutTensor& t : f.tensors)
        if (t.made) hash.update(std::as_bytes(std::span(*t.made)));
      out_.certificate.bytes += tensor_bytes(f);
    }
    return hash.finish().hex();
  }
  static int64_t tensor_bytes(const OutFile& f) {
    int64_t bytes = 0;
    for (const OutTensor& t : f.tensors) bytes += int64_t(t.bytes());
    return bytes;
  }

  Status write_config(base::ResumableFolder& work, const Json& certificate) {
    formats::EncodedTensors encoded;
    for (const OutFile& f : files_) {
      for (const OutTensor& t : f.tensors)
        if (is_coded(t.encoding)) encoded[t.name] = {t.encoding, t.shape, t.layout};
    }
    Json config = formats::without_quantization_config(texts_.config);
    Json part = formats::quantization_config(encoded);
    part.set("recipe", recipe_.text());
    if (!certificate.is_null()) part.set("certificate", certificate);
    if (!encoded.empty()) config.set(formats::kQuantizationKey, std::move(part));
    return base::write_file_atomically(work.path_of("config.json"), config.dump(2) + "\n", kMode);
  }
  Status write_side_files(base::ResumableFolder& work) {
    for (const char* name : models::side_files()) {
      OCELLI_ASSIGN(const std::optional<std::string> text, source_.text(name, kMaxCopiedFile));
      if (text) OCELLI_TRY(base::write_file_atomically(work.path_of(name), *text, kMode));
    }
    if (files_.size() > 1) {
      OCELLI_TRY(base::write_file_atomically(work.path_of("model.safetensors.index.json"),
                                             safetensors_index(files_).dump(2) + "\n", kMode));
    }
    return write_config(work, {});
  }

  Result<formats::ModelFolder> written(const base::ResumableFolder& work) const {
    if (!gguf()) return formats::ModelFolder::open(work.path_of("."));
    return formats::ModelFolder::open(work.path_of(files_[0].name),
                                      files_.size() > 1 ? work.path_of(files_[1].name) : "none");
  }

  Status certify(base::ResumableFolder& work) {
    Certificate& c = out_.certificate;
    OCELLI_ASSIGN(const formats::ModelFolder result_folder, written(work));
    {
      OCELLI_ASSIGN(const auto reference, engine::Engine::load(source_, engine_options(true)));
      OCELLI_ASSIGN(const auto result, engine::Engine::load(result_folder, engine_options(false)));
      base::PartOfProgress collecting(progress(), 0.6, 0.75), measuring(progress(), 0.75, 0.95);
      HeldOutOptions held_out = options_.held_out;
      held_out.progress = &collecting;
      held_out.cancel = options_.cancel;
      OCELLI_ASSIGN(const HeldOutSet data, collect_held_out(*reference, held_out));
      OCELLI_TRY(measure(*reference, *result, data, &measuring, options_.cancel, c));
    }
    if (options_.per_tensor) {
      base::PartOfProgress comparing(progress(), 0.95, 1);
      OCELLI_ASSIGN(formats::Checkpoint weights, result_folder.weights());
      const auto text = result_folder.text("config.json", models::kMaxConfigBytes);
      OCELLI_ASSIGN(const std::optional<std::string> config_text, text);
      OCELLI_ASSIGN(const Json config, Json::parse(config_text.value_or("")));
      OCELLI_ASSIGN(models::LoadedModel result,
                    models::load_model(config, std::move(weights), pool_));
      OCELLI_TRY(compare_weights(loaded_, result, pool_, &comparing, c));
    }
    return store_certificate(work);
  }

  Status store_certificate(base::ResumableFolder& work) {
    const Json summary = out_.certificate.json(false);
    OCELLI_TRY(base::write_file_atomically(work.path_of(kCertificateFile),
                                           out_.certificate.json(true).dump(2) + "\n", kMode));
    if (!gguf()) return write_config(work, summary);
    const std::string text = summary.dump();
    for (const OutFile& f : files_) {
      const auto [at, room] = f.reserved.at(kCertificateKey);
      if (text.size() > room)
        return fail(Code::kInternal, "the certificate is too long; report it");
      OCELLI_ASSIGN(base::ResumableFile file, work.file(f.name));
      OCELLI_TRY(file.patch(at, std::as_bytes(std::span(text))));
      OCELLI_TRY(file.finish());
    }
    return {};
  }

  Status put_into_place(base::ResumableFolder& work) {
    for (const OutFile& f : files_)
      out_.files.push_back(single() ? beside(f.name) : output_ + "/" + f.name);
    if (!single()) return work.commit(options_.replace);
    // The text model last: it is what a person opens.
    if (options_.certificate) {
      OCELLI_TRY(work.commit_file(kCertificateFile, beside(stem() + "." + kCertificateFile)));
    }
    for (size_t i = files_.size(); i-- > 0;)
      OCELLI_TRY(work.commit_file(files_[i].name, beside(files_[i].name)));
    work.discard();
    return {};
  }

  const formats::ModelFolder& source_;
  Recipe recipe_;
  std::string output_;
  const QuantizeOptions& options_;
  base::ThreadPool pool_;
  base::NoProgress no_progress_;
  ModelTexts texts_;
  models::LoadedModel loaded_;
  std::optional<models::ModelMap> map_;
  std::vector<Choice> choices_;
  Calibrated calibrated_;
  double before_writing_ = 0;  // the part of the whole that is done then
  std::vector<OutFile> files_;
  Quantized out_;
};

}  // namespace

Result<Quantized> quantize(const formats::ModelFolder& source, const Recipe& recipe,
                           const std::string& output, const QuantizeOptions& options) {
  return Run(source, recipe, output, options).run();
}

}  // namespace ocelli::quantize
