#include "train/preference.h"

#include <cmath>
#include <cstring>

#include "base/file.h"
#include "tensor/backend.h"
#include "train/logit_rows.h"

namespace ocelli::train {

using base::Code;
using base::Result;
using base::Status;
using tensor::Context;

namespace {

constexpr char kMagic[] = "OCLREFS1";
constexpr size_t kMagicBytes = 8, kHeader = kMagicBytes + 32 + 32;

// A sequence of a pass: which rows of the hidden states predict its trained tokens.
struct Span {
  std::vector<int32_t> rows, targets;
  double log_prob = 0;
};

std::vector<Span> spans_of(const Batch& batch) {
  std::vector<Span> out;
  int32_t first = 0;
  for (const Sample* s : sequences(batch)) {
    Span& span = out.emplace_back();
    const std::vector<int32_t> next = next_tokens(*s);
    for (size_t t = 0; t < next.size(); ++t) {
      if (next[t] < 0) continue;
      span.rows.push_back(first + int32_t(t));
      span.targets.push_back(next[t]);
    }
    first += int32_t(next.size());
  }
  return out;
}

// The log-probability of each whole answer; counts tokens into `sums`.
void score(LogitRows& logits, std::vector<Span>& spans, StepSums& sums) {
  std::vector<float> log_probs;
  for (Span& span : spans) {
    logits.visit(span.rows, false, [&](Context& c, const LogitRows::Chunk& chunk) {
      const auto wanted = std::span(span.targets).subspan(chunk.first, size_t(chunk.logits.dim(0)));
      log_probs.resize(wanted.size());
      c.backend.token_log_probs(c.pool, chunk.logits, wanted, log_probs.data());
      for (const float x : log_probs) span.log_prob += double(x);
      sums.right += count_right(c.pool, chunk.logits, wanted);
    });
    sums.tokens += int64_t(span.rows.size());
  }
}

Status check_pairs(const Batch& batch) {
  for (const Example& e : batch.examples) {
    if (!e.rejected) {
      return base::fail(Code::kBadInput,
                        "row " + std::to_string(e.row + 1) +
                            " is no preference pair; dpo needs \"chosen\" and \"rejected\"");
    }
  }
  return {};
}

class Preference : public Objective {
 public:
  Preference(const PreferenceOptions& options, const ReferenceTable& training,
             const ReferenceTable& held_back)
      : options_(options), training_(training), held_back_(held_back) {}

  double weight(const Batch& batch) const override { return double(batch.examples.size()); }

  Result<StepSums> run(Context& c, const HiddenStates& h, double scale) const override {
    OCELLI_TRY(check_pairs(h.batch));
    const ReferenceTable& table = c.tape ? training_ : held_back_;
    std::vector<Span> spans = spans_of(h.batch);
    StepSums sums;
    LogitRows logits(c, h.model, h.states);
    score(logits, spans, sums);
    for (size_t i = 0; i < h.batch.examples.size(); ++i) {
      OCELLI_ASSIGN(const ReferenceTable::Pair reference, table.of(h.batch.examples[i].row));
      Span& chosen = spans[2 * i];
      Span& rejected = spans[2 * i + 1];
      double a = chosen.log_prob - reference.chosen, b = rejected.log_prob - reference.rejected;
      double per_a = 1, per_b = 1;
      if (options_.loss_type == "ipo") {  // by the mean of an answer's tokens
        per_a = 1 / double(std::max<size_t>(1, chosen.rows.size()));
        per_b = 1 / double(std::max<size_t>(1, rejected.rows.size()));
      }
      const PairLoss pair = pair_loss(options_, a * per_a, b * per_b);
      sums.loss += pair.loss;
      sums.weight += 1;
      sums.more["rewards/chosen"] += options_.beta * a;
      sums.more["rewards/rejected"] += options_.beta * b;
      sums.more["rewards/margins"] += options_.beta * (a - b);
      sums.more["rewards/accuracies"] += a > b;
      sums.more["logps/chosen"] += chosen.log_prob;
      sums.more["logps/rejected"] += rejected.log_prob;
      if (!c.tape) continue;
      push(logits, chosen, scale * pair.da * per_a);
      push(logits, rejected, scale * pair.db * per_b);
    }
    return sums;
  }

 private:
  // The gradient of factor * log_prob.
  static void push(LogitRows& logits, const Span& span, double factor) {
    const std::vector<float> factors(span.rows.size(), float(factor));
    logits.visit(span.rows, true, [&](Context& c, const LogitRows::Chunk& chunk) {
      if (!chunk.dlogits) return;
      const auto wanted = std::span(span.targets).subspan(chunk.first, size_t(chunk.logits.dim(0)));
      c.backend.token_log_probs_grad(c.pool, chunk.logits, wanted, factors.data(), chunk.dlogits);
    });
  }

  PreferenceOptions options_;
  const ReferenceTable& training_;
  const ReferenceTable& held_back_;
};

}  // namespace

// Puts what the model thinks into the table.
class ReferenceTable::Fill : public Objective {
 public:
  explicit Fill(ReferenceTable& table) : table_(table) {}
  double weight(const Batch&) const override { return 1; }
  Result<StepSums> run(Context& c, const HiddenStates& h, double) const override {
    OCELLI_TRY(check_pairs(h.batch));
    std::vector<Span> spans = spans_of(h.batch);
    StepSums sums;
    LogitRows logits(c, h.model, h.states);
    score(logits, spans, sums);
    for (size_t i = 0; i < h.batch.examples.size(); ++i) {
      const auto row = size_t(h.batch.examples[i].row);
      OCELLI_CHECK(2 * row + 1 < table_.numbers_.size(), "a row of the dataset");
      table_.numbers_[2 * row] = spans[2 * i].log_prob;
      table_.numbers_[2 * row + 1] = spans[2 * i + 1].log_prob;
    }
    return sums;
  }

 private:
  ReferenceTable& table_;
};

ReferenceTable ReferenceTable::open(std::string path, const base::Digest256& key, int64_t rows) {
  ReferenceTable t;
  t.path_ = std::move(path);
  t.key_ = key;
  t.numbers_.assign(size_t(rows) * 2, std::nan(""));
  const size_t bytes = t.numbers_.size() * sizeof(double);
  const auto text = base::read_file(t.path_, kHeader + bytes);
  if (!text.ok() || text->size() != kHeader + bytes) return t;
  const auto all = std::as_bytes(std::span(*text));
  const base::Digest256 digest = base::sha256(all.subspan(kHeader));
  if (std::memcmp(all.data(), kMagic, kMagicBytes) != 0 ||
      std::memcmp(all.data() + kMagicBytes, key.bytes.data(), 32) != 0 ||
      std::memcmp(all.data() + kMagicBytes + 32, digest.bytes.data(), 32) != 0) {
    return t;
  }
  std::memcpy(t.numbers_.data(), all.data() + kHeader, bytes);
  t.complete_ = true;
  return t;
}

Status ReferenceTable::fill(ModelPass& pass, BatchSource& source, const base::CancelToken& cancel) {
  const Fill objective(*this);
  for (;;) {
    OCELLI_TRY(cancel.check());
    OCELLI_ASSIGN(const std::optional<Batch> batch, source.next());
    if (!batch) break;
    OCELLI_ASSIGN(const StepSums sums, pass.evaluate(*batch, objective));
    (void)sums;
  }
  complete_ = true;
  const auto data = std::as_bytes(std::span(numbers_));
  const base::Digest256 digest = base::sha256(data);
  OCELLI_ASSIGN(base::AtomicWriter out, base::AtomicWriter::create(path_, 0600));
  OCELLI_TRY(out.write(std::string_view(kMagic, kMagicBytes)));
  OCELLI_TRY(out.write(std::as_bytes(std::span(key_.bytes))));
  OCELLI_TRY(out.write(std::as_bytes(std::span(digest.bytes))));
  OCELLI_TRY(out.write(data));
  return out.commit();
}

Result<ReferenceTable::Pair> ReferenceTable::of(int64_t row) const {
  const auto at = size_t(row) * 2;
  if (at + 1 >= numbers_.size() || std::isnan(numbers_[at])) {
    return base::fail(Code::kTraining, "nothing is known of row " + std::to_string(row + 1) +
                                           " from the reference; the data has changed");
  }
  return Pair{numbers_[at], numbers_[at + 1]};
}

std::unique_ptr<Objective> make_preference(const PreferenceOptions& options,
                                           const ReferenceTable& training,
                                           const ReferenceTable& held_back) {
  return std::make_unique<Preference>(options, training, held_back);
}

}  // namespace ocelli::train
