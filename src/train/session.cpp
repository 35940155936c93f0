#include "train/session.h"

#include <algorithm>
#include <cmath>
#include <ctime>

#include "base/file.h"
#include "base/folders.h"
#include "base/memory.h"
#include "train/data_options.h"
#include "train/preview.h"
#include "train/resume.h"

namespace ocelli::train {

using base::Code;
using base::Json;
using base::Result;
using base::Status;

namespace {

constexpr int64_t kLookedAt = 32;  // samples whose masks are checked before the first step

}  // namespace

// Writes the log, and hands on what happens.
class TrainSession::Recorder : public Observer {
 public:
  Recorder(MetricsLog& log, Observer* next) : log_(log), next_(next) {}

  Status on_log(const LogLine& line) override {
    const Window& w = line.window;
    const double seconds = std::max(1e-9, line.seconds);
    Metrics m{line.step, line.epoch, {}};
    m.values = {{"train/loss", w.sums.mean_loss()},
                {"train/learning_rate", line.rate},
                {"train/grad_norm", w.norm},
                {"train/token_accuracy",
                 w.sums.tokens > 0 ? double(w.sums.right) / double(w.sums.tokens) : 0},
                {"train/tokens_per_second", double(w.all_tokens) / seconds},
                {"train/samples_per_second", double(w.samples) / seconds}};
    for (const auto& [name, sum] : w.sums.more) {
      m.values.push_back({"train/" + name, w.sums.weight > 0 ? sum / w.sums.weight : 0});
    }
    OCELLI_TRY(log_.add(m));
    return next_ ? next_->on_log(line) : Status();
  }

  Status on_evaluation(int64_t step, double epoch, const StepSums& sums, bool best) override {
    Metrics m{step, epoch, {{"eval/loss", sums.mean_loss()}}};
    if (sums.tokens > 0) {
      m.values.push_back({"eval/token_accuracy", double(sums.right) / double(sums.tokens)});
    }
    for (const auto& [name, sum] : sums.more) {
      m.values.push_back({"eval/" + name, sums.weight > 0 ? sum / sums.weight : 0});
    }
    OCELLI_TRY(log_.add(m));
    return next_ ? next_->on_evaluation(step, epoch, sums, best) : Status();
  }

  void on_micro_batch(const LogLine& line) override {
    if (next_) next_->on_micro_batch(line);
  }

 private:
  MetricsLog& log_;
  Observer* next_;
};

TrainSession::TrainSession(SessionInputs inputs) : inputs_(std::move(inputs)) {}

TrainSession::~TrainSession() {
  if (adapter_ && adapter_->attached()) adapter_->detach();
}

Result<std::unique_ptr<TrainSession>> TrainSession::create(SessionInputs inputs) {
  OCELLI_TRY(check_options(inputs.options));
  std::unique_ptr<TrainSession> s(new TrainSession(std::move(inputs)));
  s->base_hash_ = base_model_hash(s->inputs_.engine.loaded());
  OCELLI_TRY(s->open_folder());
  OCELLI_TRY(s->open_data());
  OCELLI_TRY(s->check_budget());
  OCELLI_TRY(s->make_parameters());
  OCELLI_TRY(s->make_trainer());
  OCELLI_TRY(s->restore_state());
  OCELLI_TRY(s->write_recipe());
  return s;
}

Status TrainSession::open_folder() {
  OCELLI_ASSIGN(lock_, RunLock::take(inputs_.out));
  for (const std::string& name : remove_partial(inputs_.out)) {
    inputs_.note("removed " + base::join_path(inputs_.out, name) +
                 ", which an interrupted run had not finished");
  }
  now_ = int64_t(std::time(nullptr));
  if (!inputs_.resume && inputs_.resume_from.empty()) {
    if (checkpoint_steps(inputs_.out).empty()) return {};
    return base::fail(Code::kUsage,
                      "holds a run already; --resume goes on with it, or choose another folder",
                      inputs_.out);
  }
  std::vector<std::string> damaged;
  if (!inputs_.resume_from.empty()) {
    auto one = read_checkpoint(inputs_.resume_from);
    if (!one.ok()) {
      auto other = newest_checkpoint(inputs_.out, damaged);
      base::Error error = std::move(one).error();
      if (other.ok()) error.what += "; " + other->folder + " is whole: --resume takes it";
      return error;
    }
    from_ = std::move(one).value();
  } else {
    OCELLI_ASSIGN(from_, newest_checkpoint(inputs_.out, damaged));
    for (const std::string& sentence : damaged) inputs_.note(sentence);
    if (!damaged.empty()) inputs_.note("going on from " + from_->folder + " instead");
  }
  if (from_->identity.base != base_hash_) {
    return base::fail(Code::kTraining,
                      "was made from another base model (hash " +
                          from_->identity.base.substr(0, 12) + ", this one's " +
                          base_hash_.substr(0, 12) + "); use the model that it began with",
                      from_->folder);
  }
  OCELLI_TRY(check_resumed(from_->identity.options, recipe(), inputs_.note).in(from_->folder));
  OCELLI_ASSIGN(now_, from_->identity.options.get_int("now", {0, INT64_MAX}, now_));
  return {};
}

Result<SampleMaker> TrainSession::sample_maker() const {
  OCELLI_ASSIGN(SampleOptions sample, sample_options(inputs_.options, now_));
  return SampleMaker::create(inputs_.engine, std::move(sample));
}

Result<BatchStream> TrainSession::stream(const Dataset& data, bool training) const {
  const TrainOptions& o = inputs_.options;
  OCELLI_ASSIGN(SampleMaker maker, sample_maker());
  BatchOptions batch;
  batch.batch_size = o.batch_size;
  batch.max_tokens = o.packing ? (o.max_length > 0 ? o.max_length : inputs_.engine.context()) : 0;
  batch.shuffle = training && o.shuffle;
  batch.seed = uint64_t(o.seed);
  batch.epochs = training ? 0 : 1;
  batch.max_bad_rows = o.max_bad_rows;
  batch.cancel = inputs_.cancel;
  return BatchStream::create(data, std::move(maker), batch);
}

Status TrainSession::open_data() {
  const TrainOptions& o = inputs_.options;
  OCELLI_ASSIGN(DatasetOptions options, dataset_options(o));
  options.cancel = &inputs_.cancel;
  OCELLI_ASSIGN(data_, Dataset::open(inputs_.data, options));
  facts_.bad_rows = data_->bad_rows();
  if (facts_.bad_rows > 0) inputs_.note(data_->bad_rows_text());
  if (!inputs_.eval_data.empty()) {
    OCELLI_ASSIGN(held_back_data_, Dataset::open(inputs_.eval_data, options));
  } else if (o.eval_split > 0) {
    auto [train, held_back] = data_->split(o.eval_split, uint64_t(o.seed));
    data_ = std::move(train);
    held_back_data_ = std::move(held_back);
  }
  if (held_back_data_ && held_back_data_->size() > 0) {
    OCELLI_ASSIGN(BatchStream held_back, stream(*held_back_data_, false));
    held_back_ = std::make_unique<EpochSource>(std::move(held_back));
    facts_.held_back_rows = held_back_data_->size();
  }
  if (from_ && from_->identity.data != data_->fingerprint().hex()) {
    return base::fail(Code::kTraining,
                      "the data is not what the run began with; use the same files, or start a new "
                      "run in another folder");
  }
  OCELLI_ASSIGN(BatchStream all, stream(*data_, true));
  OCELLI_TRY(look_at_samples());
  facts_.rows = data_->size();
  source_ = std::make_unique<StreamSource>(std::move(all));
  facts_.batches = source_->batches();
  return {};
}

// Are the masks what somebody can want? And how large are samples?
Status TrainSession::look_at_samples() {
  const TrainOptions& o = inputs_.options;
  OCELLI_ASSIGN(BatchStream first, stream(*data_, false));
  MaskCounts counts;
  shape_ = {o.packing ? 1 : o.batch_size, 1, 0, inputs_.teacher};
  const auto measure = [&](const Sample& s) {
    int64_t tiles = 0;
    for (const auto& image : s.prompt.images) tiles += image->tiles.plan.tiles;
    shape_.tokens = std::max(shape_.tokens, s.tokens());
    shape_.tiles = std::max(shape_.tiles, tiles);
  };
  while (counts.samples < kLookedAt) {
    OCELLI_ASSIGN(const std::optional<Batch> batch, first.next());
    if (!batch) break;
    for (const Example& e : batch->examples) {
      counts.add(e);
      measure(e.sample);
      if (e.rejected) measure(*e.rejected);
    }
  }
  if (o.objective == "dpo") shape_.samples *= 2;
  if (o.packing && o.max_length > 0) shape_.tokens = o.max_length;
  return check_trained(counts, mask_of(o.mask).value_or(Mask::kAssistant));
}

Status TrainSession::check_budget() {
  const double wanted = inputs_.options.memory_gib;
  const int64_t now = base::process_memory().now;
  const int64_t limit = wanted > 0 ? int64_t(wanted * double(int64_t{1} << 30))
                                   : base::system_memory().available + now;
  return check_memory(inputs_.engine, inputs_.options, shape_, limit);
}

Status TrainSession::make_objective() {
  const TrainOptions& o = inputs_.options;
  if (o.objective == "distill") return make_distillation();
  if (o.objective != "dpo") {
    objective_ = make_sft();
    return {};
  }
  const auto table = [&](const Dataset& data, const char* name) {
    base::Sha256 key;
    key.update(base_hash_);
    key.update(data.fingerprint().hex());
    key.update(o.mask + "/" + o.truncation + "/" + std::to_string(o.max_length));
    return ReferenceTable::open(base::join_path(inputs_.out, name), key.finish(), data.size());
  };
  reference_ = table(*data_, "reference.bin");
  if (held_back_data_) held_back_reference_ = table(*held_back_data_, "reference-eval.bin");
  objective_ =
      make_preference({o.loss_type, o.beta, o.label_smoothing}, reference_, held_back_reference_);
  return {};
}

// What the model thought before training. A new adapter changes nothing yet; one that was restored
// is taken off meanwhile.
Status TrainSession::fill_references(const base::CancelToken& cancel) {
  if (inputs_.options.objective != "dpo") return {};
  const bool missing =
      !reference_.complete() || (held_back_data_ && !held_back_reference_.complete());
  if (!missing) return {};
  if (from_ && !adapter_) {
    return base::fail(Code::kTraining,
                      "the reference's log-probabilities are missing or damaged; start again in "
                      "another folder",
                      inputs_.out);
  }
  inputs_.note("computing the log-probabilities of the reference");
  if (adapter_) adapter_->detach();
  const auto fill = [&](const Dataset& data, ReferenceTable& table) -> Status {
    if (table.complete()) return {};
    OCELLI_ASSIGN(BatchStream all, stream(data, false));
    EpochSource source(std::move(all));
    return table.fill(*pass_, source, cancel);
  };
  Status filled = fill(*data_, reference_);
  if (filled.ok() && held_back_data_) filled = fill(*held_back_data_, held_back_reference_);
  if (adapter_) {
    OCELLI_TRY(adapter_->attach());
    adapter_->refresh(inputs_.engine.pool());
  }
  return filled;
}

Status TrainSession::make_trainer() {
  const TrainOptions& o = inputs_.options;
  engine::Engine& engine = inputs_.engine;
  FeatureOptions features;
  features.folder = inputs_.cache_folder;
  features.connector_trains = parameters_.trains(Part::kConnector);
  features.in_8_bits = o.frozen_vision == "q8" && !parameters_.trains(Part::kVision);
  OCELLI_ASSIGN(features_, Features::create(engine, features));
  OCELLI_ASSIGN(arena_, tensor::Arena::create());
  pass_ =
      std::make_unique<ModelPass>(engine, parameters_, *features_, *arena_,
                                  PassOptions{o.gradient_checkpointing, true, uint64_t(o.seed)});
  OCELLI_TRY(make_objective());
  OCELLI_ASSIGN(optimizer_, Optimizer::create(optimizer_options(o), parameters_.all()));
  // The log and the keeper come once the state is known.
  TrainerParts parts{engine, parameters_, *optimizer_, *objective_, *pass_, *source_};
  parts.held_back = held_back_.get();
  if (adapter_) {
    parts.changed = [this] { adapter_->refresh(inputs_.engine.pool()); };
  }
  OCELLI_TRY(check_disk(inputs_.out, bytes_to_write()));
  OCELLI_ASSIGN(Trainer trainer, Trainer::create(o, parts));
  trainer_.emplace(std::move(trainer));
  facts_.steps = trainer_->total_steps();
  return {};
}

// What the run may need on the disk: as many checkpoints as are kept, the best, and one being
// written, each with the weights in their final format, and the weights once more at the end.
int64_t TrainSession::bytes_to_write() const {
  const TrainOptions& o = inputs_.options;
  const models::LoadedModel& loaded = inputs_.engine.loaded();
  int64_t weights = 4 * parameters_.count();  // of an adapter, which is float32
  if (!adapter_) {
    weights = o.save_dtype.empty()    ? loaded.checkpoint.total_bytes()
              : o.save_dtype == "f32" ? 4 * loaded.parameters
                                      : 2 * loaded.parameters;
  }
  const int64_t one =
      weights + state_file_bytes(parameters_, optimizer_options(o), o.ema_decay > 0);
  const int64_t kept = std::max<int64_t>(1, o.save_total_limit) + 2;
  const auto there = int64_t(checkpoint_steps(inputs_.out).size());  // of a run that goes on
  return std::max<int64_t>(1, kept - there) * one + weights;
}

CheckpointParts TrainSession::checkpoint_parts() {
  return {parameters_, *optimizer_, &trainer_->average(),
          [this](const std::string& folder) { return save_weights(folder); }};
}

Status TrainSession::restore_state() {
  if (from_) {
    OCELLI_TRY(restore(*from_, checkpoint_parts()));
    optimizer_->set_steps(from_->state.step);
    trainer_->state() = from_->state;
    facts_.resumed_step = from_->state.step;
    parameters_.publish(inputs_.engine.pool());
    if (adapter_) adapter_->refresh(inputs_.engine.pool());
  }
  OCELLI_ASSIGN(metrics_, MetricsLog::open(inputs_.out, facts_.resumed_step));
  CheckpointKeeper::Options keep;
  keep.folder = inputs_.out;
  keep.limit = inputs_.options.save_total_limit;
  keep.identity = {base_hash_, recipe(), data_->fingerprint().hex()};
  keep.note = inputs_.note;
  keeper_ = std::make_unique<CheckpointKeeper>(std::move(keep), checkpoint_parts());
  return {};
}

Json TrainSession::recipe() const {
  Json options = Json::object();
  for (const OptionField& f : option_fields()) {
    options.set(std::string(f.name), option_json(inputs_.options, f));
  }
  Json data = Json::array(), eval_data = Json::array();
  for (const std::string& path : inputs_.data) data.push_back(path);
  for (const std::string& path : inputs_.eval_data) eval_data.push_back(path);
  return Json::object({{"model", inputs_.source.path()},
                       {"data", data},
                       {"eval_data", eval_data},
                       {"now", now_},
                       {"teacher_hash", teacher_hash_},
                       {"engine", inputs_.engine_options},
                       {"options", options}});
}

Status TrainSession::write_recipe() const {
  return base::write_file_atomically(base::join_path(inputs_.out, "recipe.json"),
                                     recipe().dump(1) + "\n", 0644);
}

Result<SessionResult> TrainSession::run(const base::CancelToken& cancel, Observer* observer) {
  OCELLI_TRY(fill_references(cancel));
  OCELLI_TRY(choose_predictions(cancel));
  recorder_ = std::make_unique<Recorder>(*metrics_, observer);
  trainer_->watch(recorder_.get(), keeper_.get());
  SessionResult result;
  OCELLI_ASSIGN(result.end, trainer_->run(cancel));
  result.steps = trainer_->state().step;
  if (result.end == EndReason::kInterrupted) return result;
  OCELLI_ASSIGN(result.weights, finish());
  OCELLI_TRY(write_report(cancel));
  return result;
}

// The weights that the run ends with: the best, the average, or the last.
Result<std::string> TrainSession::finish() {
  const TrainState state = trainer_->state();
  base::ThreadPool& pool = inputs_.engine.pool();
  if (inputs_.options.load_best_model_at_end && state.best_step >= 0 &&
      state.best_step != state.step) {
    OCELLI_ASSIGN(const Checkpoint best,
                  read_checkpoint(checkpoint_folder(inputs_.out, state.best_step)));
    OCELLI_TRY(restore(best, checkpoint_parts()));
    inputs_.note("took the weights of step " + std::to_string(state.best_step) +
                 ", which had the lowest loss");
  }
  for (size_t i = 0; i < trainer_->average().size(); ++i) {
    const Parameter& p = parameters_.all()[i];
    std::copy_n(trainer_->average()[i].data(), p.count, p.value);
  }
  parameters_.publish(pool);
  if (adapter_) adapter_->refresh(pool);
  const std::string folder = base::join_path(inputs_.out, adapter_ ? "adapter" : "model");
  OCELLI_TRY(replace_folder(folder, [&](const std::string& to) { return save_weights(to); }));
  return folder;
}

}  // namespace ocelli::train
