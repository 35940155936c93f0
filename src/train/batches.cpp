#include "train/batches.h"

#include <algorithm>
#include <numeric>

#include "base/rng.h"
#include "base/signals_blocked.h"

namespace ocelli::train {

using base::Code;
using base::fail;
using base::Json;
using base::Result;
using base::Status;

namespace {

constexpr uint32_t kOrderOp = 0x6f726472;  // keeps the order apart from other random numbers
constexpr int64_t kMeasured = 16;          // samples that an estimate of lengths reads

int64_t tokens_of(const Example& example) {
  return example.sample.tokens() + (example.rejected ? example.rejected->tokens() : 0);
}

Json list_json(const std::vector<int64_t>& list) {
  Json out = Json::array();
  for (const int64_t value : list) out.push_back(value);
  return out;
}

// A sample that packing keeps for a later batch.
struct Held {
  int64_t place = 0;  // in the order of the epoch
  Example example;
};

// Makes batches one after the other; used by one thread at a time.
class Worker {
 public:
  Worker(Dataset rows, SampleMaker samples, const BatchOptions& batch_options)
      : data(std::move(rows)), maker(std::move(samples)), options(batch_options) {}

  Result<std::optional<Batch>> produce();
  void go_to(const Cursor& to);
  Cursor here() const;
  int64_t estimated_batches();

  Dataset data;
  SampleMaker maker;
  BatchOptions options;
  std::vector<BadRow> listed;

 private:
  Result<std::optional<Batch>> produce_from_here();
  Result<std::optional<Held>> next_sample();
  Status refill();
  Result<Batch> pack();
  Status recall();
  void begin_epoch();
  Result<bool> next_epoch();

  Cursor cursor_;
  std::deque<Held> held_;
  bool recalled_ = true;  // held_ agrees with cursor_.held
  std::vector<uint32_t> order_;
  int64_t order_epoch_ = -1;
  bool any_ = false;  // a sample has been made in this epoch
};

void Worker::go_to(const Cursor& to) {
  cursor_ = to;
  maker.set_counts(to.counts);
  held_.clear();
  recalled_ = to.held.empty();
  any_ = to.position > 0;
}

Cursor Worker::here() const {
  if (!recalled_) return cursor_;
  Cursor out = cursor_;
  out.held.clear();
  for (const Held& held : held_) out.held.push_back(held.place);
  out.counts = maker.counts();
  return out;
}

void Worker::begin_epoch() {
  if (order_epoch_ == cursor_.epoch) return;
  order_epoch_ = cursor_.epoch;
  if (options.shuffle) {
    order_ = epoch_order(data.size(), options.seed, cursor_.epoch);
  } else {
    order_.resize(size_t(data.size()));
    std::iota(order_.begin(), order_.end(), 0u);
  }
}

// The samples that an interrupted run held, made again.
Status Worker::recall() {
  if (recalled_) return {};
  begin_epoch();
  const SampleCounts counts = maker.counts();
  for (const int64_t place : cursor_.held) {
    if (place < 0 || place >= cursor_.position || place >= data.size())
      return fail(Code::kTraining, "the place in the dataset is not one of it; start anew");
    OCELLI_ASSIGN(auto made, maker.make(data, order_[size_t(place)]));
    if (!made)
      return fail(Code::kTraining, "a row gives no sample any more; the dataset has changed");
    held_.push_back({place, std::move(*made)});
  }
  maker.set_counts(counts);
  recalled_ = true;
  return {};
}

// The next sample of the epoch; nullopt at its end.
Result<std::optional<Held>> Worker::next_sample() {
  begin_epoch();
  while (cursor_.position < data.size()) {
    OCELLI_TRY(options.cancel.check());
    const int64_t place = cursor_.position;
    auto made = maker.make(data, order_[size_t(place)]);
    if (!made.ok() && made.error().code != Code::kBadInput) return std::move(made).error();
    ++cursor_.position;
    if (!made.ok()) {
      const base::Error& error = made.error();
      ++cursor_.bad;
      if (listed.size() < kBadRowsListed) listed.push_back({error.where, error.what});
      if (cursor_.bad <= options.max_bad_rows) continue;
      return fail(Code::kBadInput,
                  error.what + "; too many bad rows (" + std::to_string(cursor_.bad) + ", limit " +
                      std::to_string(options.max_bad_rows) +
                      "), correct them or pass --max-bad-rows",
                  error.where);
    }
    if (!*made) continue;
    any_ = true;
    return std::optional<Held>({place, std::move(**made)});
  }
  return std::optional<Held>();
}

// False behind the last epoch.
Result<bool> Worker::next_epoch() {
  if (options.epochs > 0 && cursor_.epoch >= options.epochs) return false;
  if (cursor_.position < data.size()) return true;
  if (!any_) {
    const SampleCounts& c = maker.counts();
    std::string why = "no trainable token in any row (" + std::to_string(c.untrained) +
                      " without one, " + std::to_string(c.too_long) + " too long, " +
                      std::to_string(cursor_.bad) + " bad)";
    why += "; look at samples with --preview, and at --mask and max_length";
    if (!listed.empty()) why += ": " + listed.front().reason;
    return fail(Code::kBadInput, why, data.where(0));
  }
  ++cursor_.epoch;
  cursor_.position = 0;
  any_ = false;
  return options.epochs == 0 || cursor_.epoch < options.epochs;
}

Status Worker::refill() {
  while (int64_t(held_.size()) < kPackingLookahead) {
    OCELLI_ASSIGN(auto next, next_sample());
    if (!next) return {};
    held_.push_back(std::move(*next));
  }
  return {};
}

// The oldest sample and, in order, those that still fit.
Result<Batch> Worker::pack() {
  Batch batch;
  int64_t room = options.max_tokens;
  OCELLI_TRY(refill());
  for (size_t i = 0; i < held_.size();) {
    const int64_t tokens = tokens_of(held_[i].example);
    if (!batch.examples.empty() && tokens > room) {
      ++i;
      continue;
    }
    room -= tokens;
    batch.examples.push_back(std::move(held_[i].example));
    held_.erase(held_.begin() + long(i));
    if (room <= 0) break;
    OCELLI_TRY(refill());
  }
  return batch;
}

Result<std::optional<Batch>> Worker::produce_from_here() {
  OCELLI_TRY(recall());
  while (true) {
    if (held_.empty()) {
      OCELLI_ASSIGN(const bool more, next_epoch());
      if (!more) return std::optional<Batch>();
    }
    Batch batch;
    if (options.max_tokens > 0) {
      OCELLI_ASSIGN(batch, pack());
    } else {
      while (int64_t(batch.examples.size()) < options.batch_size) {
        OCELLI_ASSIGN(auto next, next_sample());
        if (!next) break;
        batch.examples.push_back(std::move(next->example));
      }
      if (options.drop_last && int64_t(batch.examples.size()) < options.batch_size)
        batch.examples.clear();
    }
    if (!batch.examples.empty()) return std::optional<Batch>(std::move(batch));
  }
}

Result<std::optional<Batch>> Worker::produce() {
  const Cursor before = here();
  auto batch = produce_from_here();
  if (!batch.ok()) go_to(before);
  return batch;
}

int64_t Worker::estimated_batches() {
  if (options.max_tokens <= 0) {
    const int64_t n = data.size(), b = options.batch_size;
    return options.drop_last ? n / b : (n + b - 1) / b;
  }
  Worker measuring(data, maker, options);
  measuring.options.max_bad_rows = kMeasured;
  int64_t samples = 0, tokens = 0;
  while (samples < kMeasured) {
    const auto next = measuring.next_sample();
    if (!next.ok() || !*next) break;
    tokens += tokens_of((*next)->example);
    ++samples;
  }
  if (samples == 0) return data.size();
  const double all = double(tokens) / double(samples) * double(data.size());
  return std::max<int64_t>(1, int64_t(all / double(options.max_tokens) + 0.999));
}

}  // namespace

Json Cursor::json() const {
  return Json::object({{"epoch", epoch},
                       {"position", position},
                       {"held", list_json(held)},
                       {"made", counts.made},
                       {"truncated", counts.truncated},
                       {"too_long", counts.too_long},
                       {"untrained", counts.untrained},
                       {"bad", bad}});
}

Result<Cursor> Cursor::from_json(const Json& json) {
  const auto number = [&](const char* key) { return json.get_int(key, {.min = 0}); };
  Cursor out;
  OCELLI_ASSIGN(out.epoch, number("epoch"));
  OCELLI_ASSIGN(out.position, number("position"));
  OCELLI_ASSIGN(out.counts.made, number("made"));
  OCELLI_ASSIGN(out.counts.truncated, number("truncated"));
  OCELLI_ASSIGN(out.counts.too_long, number("too_long"));
  OCELLI_ASSIGN(out.counts.untrained, number("untrained"));
  OCELLI_ASSIGN(out.bad, number("bad"));
  const Json* held = json.find("held");
  if (!held || !held->is_array() || int64_t(held->size()) > kPackingLookahead)
    return fail(Code::kTraining, "\"held\" must be a list of places; the state is damaged");
  for (const Json& place : held->items()) {
    if (!place.is_int())
      return fail(Code::kTraining, "\"held\" must be a list of places; the state is damaged");
    out.held.push_back(place.as_int());
  }
  return out;
}

struct BatchStream::State {
  struct Step {
    Result<std::optional<Batch>> batch;
    Cursor after;
    std::vector<BadRow> listed;
  };

  explicit State(Worker made) : worker(std::move(made)) {}
  ~State() { settle(); }

  Step step() {
    auto batch = worker.produce();
    return {std::move(batch), worker.here(), worker.listed};
  }
  // No thread is at work afterwards.
  void settle() {
    if (ahead.valid()) ahead.wait();
    ahead = {};
  }

  Worker worker;
  std::future<Step> ahead;
  Cursor given;
  std::vector<BadRow> listed;
  int64_t size = 0;
};

BatchStream::BatchStream(std::unique_ptr<State> state) : state_(std::move(state)) {}
BatchStream::BatchStream(BatchStream&&) noexcept = default;
BatchStream& BatchStream::operator=(BatchStream&&) noexcept = default;
BatchStream::~BatchStream() = default;

Result<BatchStream> BatchStream::create(Dataset data, SampleMaker maker, BatchOptions options) {
  if (options.batch_size < 1) {
    return fail(Code::kUsage, "the batch size must be 1 or more (" +
                                  std::to_string(options.batch_size) + "); choose another");
  }
  if (options.max_tokens < 0)
    return fail(Code::kUsage, "the tokens of a packed batch must be 1 or more; choose another");
  if (data.size() == 0) return fail(Code::kBadInput, "there are no rows; give a file with some");
  if (options.max_tokens > 0) maker.limit_length(options.max_tokens);
  auto state = std::make_unique<State>(Worker(std::move(data), std::move(maker), options));
  state->size = state->worker.estimated_batches();
  return BatchStream(std::move(state));
}

Result<std::optional<Batch>> BatchStream::next() {
  State& s = *state_;
  State::Step step = s.ahead.valid() ? s.ahead.get() : s.step();
  s.listed = std::move(step.listed);
  if (!step.batch.ok()) return std::move(step.batch).error();
  s.given = std::move(step.after);
  if (s.worker.options.prefetch && *step.batch) {
    const base::SignalsBlocked blocked;
    s.ahead = std::async(std::launch::async, [&s] { return s.step(); });
  }
  return std::move(step.batch);
}

const Cursor& BatchStream::cursor() const {
  return state_->given;
}

void BatchStream::seek(const Cursor& cursor) {
  state_->settle();
  state_->worker.go_to(cursor);
  state_->given = cursor;
}

int64_t BatchStream::size() const {
  return state_->size;
}

const Dataset& BatchStream::data() const {
  return state_->worker.data;
}

const std::vector<BadRow>& BatchStream::bad_rows_listed() const {
  return state_->listed;
}

// Fisher and Yates' shuffle.
std::vector<uint32_t> epoch_order(int64_t count, uint64_t seed, int64_t epoch) {
  std::vector<uint32_t> order(static_cast<size_t>(count));
  std::iota(order.begin(), order.end(), 0u);
  const base::Rng rng(seed, uint32_t(epoch), 0, kOrderOp);
  for (size_t i = order.size(); i > 1; --i) {
    // Of 2^32 numbers, times i, the upper half: off by i / 2^32 at most, the same everywhere.
    const auto j = size_t(uint64_t(rng.u32_at(i)) * i >> 32);
    std::swap(order[i - 1], order[j]);
  }
  return order;
}

}  // namespace ocelli::train
