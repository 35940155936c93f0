// Certificate: what a quantized model lost, measured, never assumed.
#pragma once

#include "formats/model_folder.h"
#include "metrics/summary.h"
#include "models/loader.h"
#include "quantize/held_out.h"

namespace ocelli::quantize {

// How one stored tensor differs from the source's.
struct TensorError {
  std::string name;
  std::string encoding;
  std::vector<int64_t> shape;
  int64_t bytes = 0;
  double error = 0;  // |difference| / |source|, Euclidean
};

struct Certificate {
  std::string recipe, format;
  // What it was measured on, and with which arithmetic.
  std::string data;
  std::string reference = "float32 arithmetic with the source's weights";
  std::string measured = "the written files as they run";
  int64_t texts = 0, pictures = 0, tokens = 0;

  // Of the next token, in nats, the reference's probabilities first.
  metrics::Summary kl;
  metrics::Interval mean_kl;  // 95 percent, texts drawn with replacement
  metrics::Interval same_top;  // share of tokens with the same most probable one
  double perplexity_reference = 0, perplexity = 0;
  metrics::Interval log_loss_change;  // per token, paired
  double feature_error = 0;           // of picture embeddings, relative; 0 without pictures

  int64_t parameters = 0;
  int64_t source_bytes = 0, bytes = 0;  // of the weights
  double bits_per_weight() const { return parameters ? 8.0 * double(bytes) / double(parameters) : 0; }

  std::vector<TensorError> tensors;  // on request

  base::Json json(bool with_tensors) const;
};

// For a person, several lines.
std::string certificate_text(const Certificate& certificate);
std::string tensor_table(const Certificate& certificate);

// What a model says of itself that was written here: "recipe", and "certificate" as json() above;
// null of other models. Foreign text: print it with care.
base::Result<base::Json> stored_certificate(const formats::ModelFolder& folder);
// "KL divergence 0.02486 nats, same top token 97.34 %, perplexity 1.7733 -> 1.8237"; "" where there
// is no certificate, or none with numbers.
std::string loss_text(const base::Json& stored);

// Fills in what is measured. `reference` computes in float32; both must have the same vocabulary.
// Errors: ids that the two tokenizers see differently; logits that are not finite.
base::Status measure(engine::Engine& reference, engine::Engine& result, const HeldOutSet& data,
                     base::Progress* progress, const base::CancelToken* cancel,
                     Certificate& certificate);

// The table of `certificate.tensors`, from two models with plain weights.
base::Status compare_weights(models::LoadedModel& source, models::LoadedModel& result,
                             base::ThreadPool& pool, base::Progress* progress,
                             Certificate& certificate);

}  // namespace ocelli::quantize
