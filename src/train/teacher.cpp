#include "train/teacher.h"

#include <algorithm>
#include <atomic>

#include "train/logit_rows.h"

namespace ocelli::train {

using base::Code;
using base::Result;
using tensor::Context;

namespace {

// Without the tokens behind trained token number `count`: nobody asks for what follows.
void cut_behind(Sample& sample, size_t count) {
  size_t seen = 0;
  for (size_t i = 1; i < sample.trained.size(); ++i) {
    seen += sample.trained[i];
    if (seen == count) return truncate(sample, int64_t(i) + 1, Truncation::kKeepStart);
  }
}

class TeacherSource : public TopKSource {
 public:
  TeacherSource(Teacher& teacher, const Dataset& data, Truncation truncation)
      : teacher_(teacher), data_(data), at_end_(truncation == Truncation::kKeepEnd) {}

  Result<TopK> of(const Example& example) override {
    auto said = ask(example);
    if (said.ok() || !said.error().where.empty()) return said;
    return std::move(said).error().in(data_.where(example.row));
  }

 private:
  Result<TopK> ask(const Example& example) {
    OCELLI_ASSIGN(std::optional<Sample> sample, teacher_.sample(data_, example.row));
    if (!sample) {
      return base::fail(Code::kBadInput,
                        "the teacher has no trained token within its context of this row; leave "
                        "the row out or choose another teacher");
    }
    const std::vector<int32_t> student = trained_ids(example.sample);
    OCELLI_ASSIGN(const size_t first, find_shared(trained_ids(*sample), student, at_end_,
                                                  teacher_.engine().tokenizer()));
    if (!at_end_) cut_behind(*sample, student.size());
    return teacher_.read(*sample, first);
  }

  Teacher& teacher_;
  const Dataset& data_;
  bool at_end_;
};

}  // namespace

// Chooses the likeliest tokens while the logits are there.
class Teacher::Reading : public Objective {
 public:
  // Ids from `limit` on are no tokens, but rows that the model has to spare.
  Reading(const TeacherOptions& options, int64_t limit, size_t first, TopK& out)
      : options_(options), limit_(limit), first_(first), out_(out) {}

  double weight(const Batch&) const override { return 1; }

  Result<StepSums> run(Context& c, const HiddenStates& h, double) const override {
    const std::vector<int32_t> next = next_tokens(h.batch.examples[0].sample);
    std::vector<int32_t> rows;
    size_t seen = 0;
    for (size_t t = 0; t < next.size(); ++t) {
      if (next[t] < 0 || seen++ < first_) continue;
      rows.push_back(int32_t(t));
      out_.tokens.push_back(next[t]);
    }
    const int64_t count = std::min(limit_, h.model.info().vocab);
    const auto k = size_t(std::min(options_.top_k, count));
    out_.k = int64_t(k);
    out_.ids.resize(rows.size() * k);
    out_.log_probs.resize(rows.size() * k);
    std::atomic<bool> finite = true;
    LogitRows logits(c, h.model, h.states);
    logits.visit(rows, false, [&](Context& inner, const LogitRows::Chunk& chunk) {
      inner.pool.parallel_for(chunk.logits.dim(0), [&](int64_t begin, int64_t end) {
        for (int64_t t = begin; t < end; ++t) {
          const float* row = chunk.logits.f32() + t * chunk.logits.row_stride();
          const size_t at = (chunk.first + size_t(t)) * k;
          const TopKRow job{{row, size_t(chunk.logits.dim(1))}, count, options_.temperature};
          if (!choose_top_k(job, std::span(out_.ids).subspan(at, k),
                            std::span(out_.log_probs).subspan(at, k))) {
            finite = false;
          }
        }
      });
    });
    if (!finite) {
      return base::fail(Code::kTraining,
                        "the teacher's logits are not finite; look at this row, or choose another "
                        "teacher");
    }
    return StepSums{};
  }

 private:
  const TeacherOptions& options_;
  int64_t limit_;
  size_t first_;
  TopK& out_;
};

Result<std::unique_ptr<Teacher>> Teacher::create(engine::Engine& engine,
                                                 const TeacherOptions& options) {
  OCELLI_ASSIGN(SampleMaker maker, SampleMaker::create(engine, options.sample));
  std::unique_ptr<Teacher> t(new Teacher(engine, options, std::move(maker)));
  FeatureOptions features;
  features.folder = options.cache_folder;
  OCELLI_ASSIGN(t->features_, Features::create(engine, features));
  OCELLI_ASSIGN(t->arena_, tensor::Arena::create());
  t->pass_.emplace(engine, t->none_, *t->features_, *t->arena_, PassOptions{});
  return t;
}

Result<std::optional<Sample>> Teacher::sample(const Dataset& data, int64_t row) {
  OCELLI_ASSIGN(std::optional<Example> example, maker_.make(data, row));
  if (!example) return std::optional<Sample>();
  return std::optional<Sample>(std::move(example->sample));
}

Result<TopK> Teacher::read(const Sample& sample, size_t first) {
  Batch batch;
  batch.examples.push_back({0, sample, {}});
  TopK out;
  const Reading reading(options_, engine_.tokenizer().id_limit(), first, out);
  OCELLI_ASSIGN(const StepSums sums, pass_->evaluate(batch, reading));
  (void)sums;
  return out;
}

SampleOptions teacher_sample_options(const SampleOptions& student, const engine::Engine& teacher) {
  SampleOptions out = student;
  const int64_t context = teacher.context();
  const bool same = student.truncation == Truncation::kKeepEnd && student.max_length > 0;
  out.max_length = same ? std::min(student.max_length, context) : 0;
  return out;
}

std::unique_ptr<TopKSource> make_teacher_source(Teacher& teacher, const Dataset& data,
                                                Truncation truncation) {
  return std::make_unique<TeacherSource>(teacher, data, truncation);
}

}  // namespace ocelli::train
