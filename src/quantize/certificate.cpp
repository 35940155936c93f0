#include "quantize/certificate.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <mutex>

#include "formats/gguf.h"
#include "formats/quantization_config.h"
#include "metrics/logits.h"
#include "models/adapter_modules.h"
#include "models/config.h"

namespace ocelli::quantize {

using base::Code;
using base::fail;
using base::Json;
using base::Result;
using base::Status;

namespace {

Json interval_json(const metrics::Interval& i) {
  return Json::array({i.low, i.high});
}

template <class... Args>
std::string line(const char* format, Args... args) {
  char text[512];
  std::snprintf(text, sizeof text, format, args...);
  return text;
}

std::string size_text(int64_t bytes) {
  return line("%.1f MiB", double(bytes) / double(1 << 20));
}

// Sums over one text.
struct TextScores {
  metrics::Group kl, same, change;
};

class Measurer {
 public:
  Measurer(engine::Engine& reference, engine::Engine& result, Certificate& out)
      : reference_(reference), result_(result), out_(out) {}

  Status features(const HeldOut& sample) {
    if (sample.prompt.images.empty()) return {};
    OCELLI_ASSIGN(const auto a, reference_.encode_images(sample.prompt.images));
    OCELLI_ASSIGN(const auto b, result_.encode_images(sample.prompt.images));
    for (size_t i = 0; i < a.size(); ++i) features_.add(*a[i], *b[i]);
    return {};
  }

  Status add(const HeldOut& sample) {
    OCELLI_TRY(features(sample));
    const auto vocab = size_t(reference_.info().vocab);
    OCELLI_ASSIGN(const std::vector<float> a, reference_.score(sample.prompt));
    OCELLI_ASSIGN(const std::vector<float> b, result_.score(sample.prompt));
    TextScores scores;
    for (size_t t = 1; t < sample.scored.size(); ++t) {
      if (!sample.scored[t]) continue;
      const auto p = std::span(a).subspan((t - 1) * vocab, vocab);
      const auto q = std::span(b).subspan((t - 1) * vocab, vocab);
      const metrics::RowComparison c = metrics::compare_rows(p, q);
      const auto token = size_t(sample.prompt.ids[t]);
      const double before = metrics::log_probability(p, token);
      const double after = metrics::log_probability(q, token);
      if (!std::isfinite(c.kl) || !std::isfinite(before) || !std::isfinite(after)) {
        return fail(Code::kBadInput,
                    "the quantized model computes numbers that are not finite; use more bits");
      }
      kls_.push_back(c.kl);
      log_p_ += before;
      log_q_ += after;
      scores.kl.sum += c.kl;
      scores.same.sum += c.same_top;
      scores.change.sum += before - after;
      for (metrics::Group* g : {&scores.kl, &scores.same, &scores.change}) g->weight += 1;
    }
    kl_.push_back(scores.kl);
    same_.push_back(scores.same);
    change_.push_back(scores.change);
    return {};
  }

  void finish() {
    out_.tokens = int64_t(kls_.size());
    out_.texts = int64_t(kl_.size());
    out_.mean_kl = metrics::grouped_interval(kl_);
    out_.same_top = metrics::grouped_interval(same_);
    out_.log_loss_change = metrics::grouped_interval(change_);
    out_.perplexity_reference = metrics::perplexity(log_p_, kls_.size());
    out_.perplexity = metrics::perplexity(log_q_, kls_.size());
    out_.kl = metrics::summarize(std::move(kls_));
    out_.feature_error = features_.relative();
  }

 private:
  engine::Engine &reference_, &result_;
  Certificate& out_;
  std::vector<double> kls_;
  std::vector<metrics::Group> kl_, same_, change_;
  double log_p_ = 0, log_q_ = 0;
  metrics::ErrorSum features_;
};

// Texts become the same ids, and ids the same texts, in both.
Status check_tokenizers(const engine::Engine& a, const engine::Engine& b, const HeldOut& sample) {
  OCELLI_ASSIGN(const std::string text, a.tokenizer().decode(sample.prompt.ids));
  OCELLI_ASSIGN(const std::string other, b.tokenizer().decode(sample.prompt.ids));
  OCELLI_ASSIGN(const auto ids, a.tokenizer().encode(text));
  OCELLI_ASSIGN(const auto others, b.tokenizer().encode(text));
  if (text == other && ids == others) return {};
  return fail(Code::kInternal,
              "the tokenizer of the written files gives other ids than the source's; do not use "
              "them, and report it");
}

void decode(const models::ParameterRef& p, int64_t r, std::span<float> row) {
  if (p.vector) {
    std::copy_n(p.vector->f32() + r * int64_t(row.size()), row.size(), row.data());
  } else {
    encoding::decode_row(p.weight->encoding, p.weight->row(r), 0, p.weight->cols, row.data());
  }
}

}  // namespace

Status measure(engine::Engine& reference, engine::Engine& result, const HeldOutSet& data,
               base::Progress* progress, const base::CancelToken* cancel, Certificate& out) {
  if (reference.info().vocab != result.info().vocab)
    return fail(Code::kInternal, "the written files have another vocabulary; report it");
  Measurer measurer(reference, result, out);
  for (size_t i = 0; i < data.samples.size(); ++i) {
    if (progress) progress->update(double(i) / double(data.samples.size()), "measuring the loss");
    if (cancel) OCELLI_TRY(cancel->check());
    OCELLI_TRY(check_tokenizers(reference, result, data.samples[i]));
    OCELLI_TRY(measurer.add(data.samples[i]));
  }
  out.data = data.description;
  out.pictures = data.pictures;
  measurer.finish();
  return {};
}

Status compare_weights(models::LoadedModel& source, models::LoadedModel& result,
                       base::ThreadPool& pool, base::Progress* progress, Certificate& out) {
  const models::ModelMap before(*source.model), after(*result.model);
  out.tensors.clear();
  for (size_t i = 0; i < before.parameters().size(); ++i) {
    const models::ParameterRef& a = before.parameters()[i];
    if (a.tied_head) continue;
    const int at = after.parameter(a.name);
    if (at < 0 || after.parameters()[size_t(at)].shape != a.shape)
      return fail(Code::kInternal, "the written files lack " + a.name + "; report it");
    const models::ParameterRef& b = after.parameters()[size_t(at)];
    const int64_t rows = a.shape.size() > 1 ? a.shape[0] : 1, cols = a.count() / rows;
    metrics::ErrorSum error;
    // Rows in blocks, so that the sum does not depend on the number of threads.
    constexpr int64_t kTogether = 256;
    for (int64_t first = 0; first < rows; first += kTogether) {
      const int64_t count = std::min(kTogether, rows - first);
      std::vector<float> x(size_t(count * cols)), y(x.size());
      pool.parallel_for(
          count,
          [&](int64_t begin, int64_t end) {
            for (int64_t r = begin; r < end; ++r) {
              decode(a, first + r, std::span(x).subspan(size_t(r * cols), size_t(cols)));
              decode(b, first + r, std::span(y).subspan(size_t(r * cols), size_t(cols)));
            }
          },
          16);
      error.add(x, y);
    }
    const auto* stored = result.checkpoint.find(a.name);
    out.tensors.push_back({a.name, std::string(b.weight ? encoding::name(b.weight->encoding) : "f32"),
                           a.shape, stored ? int64_t(stored->bytes.size()) : 0, error.relative()});
    if (progress)
      progress->update(double(i + 1) / double(before.parameters().size()), "comparing weights");
  }
  return {};
}

Json Certificate::json(bool with_tensors) const {
  Json out = Json::object({{"recipe", recipe},
                           {"format", format},
                           {"data", data},
                           {"reference", reference},
                           {"measured", measured},
                           {"texts", texts},
                           {"pictures", pictures},
                           {"tokens", tokens},
                           {"kl_mean", kl.mean},
                           {"kl_mean_95", interval_json(mean_kl)},
                           {"kl_median", kl.median},
                           {"kl_p99", kl.p99},
                           {"kl_max", kl.max},
                           {"same_top", same_top.mean},
                           {"same_top_95", interval_json(same_top)},
                           {"perplexity_reference", perplexity_reference},
                           {"perplexity", perplexity},
                           {"log_loss_change", log_loss_change.mean},
                           {"log_loss_change_95", interval_json(log_loss_change)}});
  if (pictures > 0) out.set("picture_feature_error", feature_error);
  out.set("parameters", parameters).set("source_bytes", source_bytes).set("bytes", bytes);
  out.set("bits_per_weight", bits_per_weight());
  out.set("method", "KL(reference || written) in nats per token; intervals of 95 percent by "
                    "bootstrap over texts, 2000 resamples, seed 0");
  if (!with_tensors || tensors.empty()) return out;
  Json list = Json::array();
  for (const TensorError& t : tensors) {
    Json shape = Json::array();
    for (const int64_t n : t.shape) shape.push_back(n);
    list.push_back(Json::object({{"name", t.name},
                                 {"encoding", t.encoding},
                                 {"shape", std::move(shape)},
                                 {"bytes", t.bytes},
                                 {"relative_error", t.error}}));
  }
  return out.set("tensors", std::move(list));
}

Result<Json> stored_certificate(const formats::ModelFolder& folder) {
  constexpr const char* kKeys[] = {"recipe", "certificate"};
  Json out = Json::object();
  if (folder.is_gguf()) {
    OCELLI_ASSIGN(const formats::GgufFile file, formats::GgufFile::open(folder.path()));
    for (const char* key : kKeys) {
      const auto text = file.metadata().text("ocelli." + std::string(key), "");
      if (!text.ok() || text->empty()) continue;
      auto json = Json::parse(*text);
      out.set(key, json.ok() ? std::move(*json) : Json(*text));
    }
  } else {
    OCELLI_ASSIGN(const auto text, folder.text("config.json", models::kMaxConfigBytes));
    OCELLI_ASSIGN(const Json config, Json::parse(text.value_or("{}")).in("config.json"));
    const Json* part = config.find(formats::kQuantizationKey);
    for (const char* key : kKeys)
      if (const Json* value = part ? part->find(key) : nullptr) out.set(key, *value);
  }
  return out.size() > 0 ? out : Json();
}

std::string loss_text(const Json& stored) {
  const Json* c = stored.find("certificate");
  std::vector<double> numbers;
  for (const char* key : {"kl_mean", "same_top", "perplexity_reference", "perplexity"}) {
    const Json* number = c ? c->find(key) : nullptr;
    if (!number || !number->is_number()) return "";
    numbers.push_back(number->as_double());
  }
  return line("KL divergence %.5f nats, same top token %.2f %%, perplexity %.4f -> %.4f", numbers[0],
              100 * numbers[1], numbers[2], numbers[3]);
}

std::string certificate_text(const Certificate& c) {
  std::string out;
  out += line("recipe            %s (%s)\n", c.recipe.c_str(), c.format.c_str());
  out += line("size              %s -> %s (%.1f %%), %.2f bits per weight\n",
              size_text(c.source_bytes).c_str(), size_text(c.bytes).c_str(),
              100.0 * double(c.bytes) / double(std::max<int64_t>(1, c.source_bytes)),
              c.bits_per_weight());
  if (c.tokens == 0) return out;
  out += line("KL divergence     mean %.5f [%.5f, %.5f]  median %.5f  p99 %.5f  max %.5f nats\n",
              c.kl.mean, c.mean_kl.low, c.mean_kl.high, c.kl.median, c.kl.p99, c.kl.max);
  out += line("same top token    %.2f %% [%.2f, %.2f]\n", 100 * c.same_top.mean,
              100 * c.same_top.low, 100 * c.same_top.high);
  out += line("perplexity        %.4f -> %.4f (%+.2f %% [%+.2f, %+.2f])\n", c.perplexity_reference,
              c.perplexity, 100 * std::expm1(c.log_loss_change.mean),
              100 * std::expm1(c.log_loss_change.low), 100 * std::expm1(c.log_loss_change.high));
  if (c.pictures > 0)
    out += line("picture features  %.3f %% relative error\n", 100 * c.feature_error);
  out += line("measured on       %lld tokens of %lld texts, %lld pictures: ",
              static_cast<long long>(c.tokens), static_cast<long long>(c.texts),
              static_cast<long long>(c.pictures));
  out += c.data + "\n";
  out += "against           " + c.reference + "; intervals of 95 % by bootstrap over texts\n";
  return out;
}

std::string tensor_table(const Certificate& c) {
  std::string out = "relative error of each tensor, largest first\n";
  std::vector<TensorError> sorted = c.tensors;
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const TensorError& a, const TensorError& b) { return a.error > b.error; });
  for (const TensorError& t : sorted) {
    out += line("  %-64s %-6s %9.5f %%  %10lld bytes\n", base::printable(t.name, 64).c_str(),
                t.encoding.c_str(), 100 * t.error, static_cast<long long>(t.bytes));
  }
  return out;
}

}  // namespace ocelli::quantize
