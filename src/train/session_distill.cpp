// A session whose student learns from a teacher.
#include "base/file.h"
#include "train/data_options.h"
#include "train/distill.h"
#include "train/session.h"

namespace ocelli::train {

using base::Code;
using base::Json;
using base::Status;

Status TrainSession::make_distillation() {
  const TrainOptions& o = inputs_.options;
  OCELLI_TRY(o.teacher_file.empty() ? open_teacher() : open_teacher_file());
  // A run that goes on must hear the same.
  if (from_) {
    const Json* known = from_->identity.options.find("teacher_hash");
    if (known && known->is_string() && known->as_string() != teacher_hash_) {
      return base::fail(Code::kTraining,
                        "was made with another teacher (hash " + known->as_string().substr(0, 12) +
                            ", this one's " + teacher_hash_.substr(0, 12) +
                            "); use the one that it began with, or start a new run in another "
                            "folder",
                        from_->folder);
    }
  }
  objective_ =
      make_distill({o.kd_ratio, o.temperature}, *teacher_says_, held_back_teacher_says_.get());
  return {};
}

Status TrainSession::open_teacher() {
  const TrainOptions& o = inputs_.options;
  if (!inputs_.teacher.engine) {
    return base::fail(Code::kUsage, "is not loaded", "teacher_model_name_or_path");
  }
  engine::Engine& engine = *inputs_.teacher.engine;
  OCELLI_TRY(check_same_vocabulary(engine.tokenizer(), inputs_.engine.tokenizer()));
  TeacherOptions how;
  how.top_k = std::min(o.teacher_top_k, int64_t(engine.tokenizer().id_limit()));
  how.temperature = o.temperature;
  OCELLI_ASSIGN(const SampleOptions sample, sample_options(o, now_));
  how.sample = teacher_sample_options(sample, engine);
  how.cache_folder = inputs_.cache_folder;
  OCELLI_ASSIGN(teacher_, Teacher::create(engine, how));
  teacher_hash_ = base_model_hash(engine.loaded());
  teacher_says_ = make_teacher_source(*teacher_, *data_, how.sample.truncation);
  if (held_back_data_) {
    held_back_teacher_says_ =
        make_teacher_source(*teacher_, *held_back_data_, how.sample.truncation);
  }
  return {};
}

Status TrainSession::open_teacher_file() {
  const TrainOptions& o = inputs_.options;
  const text::Tokenizer& tokenizer = inputs_.engine.tokenizer();
  OCELLI_ASSIGN(teacher_file_, TopKFile::open(o.teacher_file, tokenizer));
  const TopKFacts& facts = teacher_file_->facts();
  if (facts.temperature != o.temperature) {
    const auto text = [](double x) { return Json(x).dump(); };
    return base::fail(Code::kUsage,
                      "was written at another temperature (" + text(facts.temperature) +
                          ", this run's is " + text(o.temperature) + "); pass --temperature " +
                          text(facts.temperature) + " or write it again",
                      o.teacher_file);
  }
  if (teacher_file_->k() < o.teacher_top_k) {
    inputs_.note(o.teacher_file + " has " + std::to_string(teacher_file_->k()) +
                 " tokens in the place of each, fewer than teacher_top_k");
  }
  teacher_hash_ = teacher_file_->hash();
  const TopKFileUse use{o.teacher_top_k,
                        truncation_of(o.truncation).value_or(Truncation::kKeepStart)};
  teacher_says_ = make_file_source(*teacher_file_, *data_, tokenizer, use);
  if (held_back_data_) {
    held_back_teacher_says_ = make_file_source(*teacher_file_, *held_back_data_, tokenizer, use);
  }
  return {};
}

}  // namespace ocelli::train
