#include "train/forecast.h"

#include <algorithm>

#include "backend/count/counting_backend.h"
#include "base/clock.h"
#include "base/memory.h"
#include "models/adapter.h"
#include "ops/rows.h"
#include "train/logit_rows.h"
#include "train/session.h"

namespace ocelli::train {

using base::Code;
using base::Result;
using base::Status;
using tensor::Context;
using tensor::Tensor;

namespace {

// Gradients that are there but have no memory: for a step that is only counted.
class Flags : public nn::ParameterVisitor {
 public:
  Flags(const TrainOptions& options, bool on) : options_(options), on_(on) {}
  void matrix(const std::string& name, nn::Weight& w, int64_t rows, int64_t cols) override {
    if (!wanted(name)) return;
    add(name, {rows, cols});
    if (on_) encodings_.push_back(w.encoding);
    // What trains is f32 or bf16 in the run itself.
    if (on_ && w.encoding != encoding::Encoding::kBF16) w.encoding = encoding::Encoding::kF32;
    w.grad = on_ ? reinterpret_cast<float*>(alignof(float)) : nullptr;
  }
  void vector(const std::string& name, Tensor& t, std::initializer_list<int64_t> shape) override {
    if (!wanted(name)) return;
    add(name, shape);
    t.grad = on_ ? &grad_ : nullptr;
  }
  const std::vector<Parameter>& parameters() const { return parameters_; }
  const std::vector<encoding::Encoding>& encodings() const { return encodings_; }

 private:
  bool wanted(const std::string& name) const {
    const Part part = part_of(name);
    return part == Part::kVision      ? options_.train_vision
           : part == Part::kConnector ? options_.train_connector
                                      : options_.train_text;
  }
  void add(const std::string& name, std::initializer_list<int64_t> shape) {
    Parameter p;
    p.name = name;
    p.shape = shape;
    p.count = 1;
    for (const int64_t n : shape) p.count *= n;
    p.part = part_of(name);
    parameters_.push_back(std::move(p));
  }
  const TrainOptions& options_;
  bool on_;
  std::vector<Parameter> parameters_;
  std::vector<encoding::Encoding> encodings_;
  tensor::Grad grad_{reinterpret_cast<float*>(alignof(float)), 0};
};

// Puts the encodings back that Flags has changed.
class Restore : public nn::ParameterVisitor {
 public:
  Restore(const TrainOptions& options, const std::vector<encoding::Encoding>& encodings)
      : flags_(options, false), encodings_(encodings) {}
  void matrix(const std::string& name, nn::Weight& w, int64_t rows, int64_t cols) override {
    if (w.grad) w.encoding = encodings_[next_++];
    flags_.matrix(name, w, rows, cols);
  }
  void vector(const std::string& name, Tensor& t, std::initializer_list<int64_t> shape) override {
    flags_.vector(name, t, shape);
  }

 private:
  Flags flags_;
  const std::vector<encoding::Encoding>& encodings_;
  size_t next_ = 0;
};

struct Counted {
  int64_t peak = 0;
  count::Work work;
  int64_t frozen_macs = 0;  // beside `work`: of a tower that does not train
};

int64_t macs(const count::Work& work) {
  return work.product_macs + work.attention_macs;
}

// A copy of the pictures' side in 8 bits (Features).
class PackedPictures : public nn::ParameterVisitor {
 public:
  explicit PackedPictures(const tensor::Backend& backend) : backend_(backend) {}
  void matrix(const std::string& name, nn::Weight& w, int64_t rows, int64_t cols) override {
    if (part_of(name) == Part::kText) return;
    nn::Weight q8;
    q8.encoding = encoding::Encoding::kQ8;
    q8.rows = rows;
    q8.cols = cols;
    bytes_ += backend_.packed_bytes(q8);
  }
  void vector(const std::string&, Tensor&, std::initializer_list<int64_t>) override {}
  int64_t bytes() const { return bytes_; }

 private:
  const tensor::Backend& backend_;
  int64_t bytes_ = 0;
};

bool frozen_in_8_bits(const ForecastModel& m, const TrainOptions& o) {
  return m.info().vision && !o.train_vision && o.frozen_vision == "q8";
}

// How many tiles go through a frozen tower together, as Engine::tiles_together().
Result<int64_t> tiles_together(const ForecastModel& m) {
  OCELLI_ASSIGN(tensor::Arena arena, tensor::Arena::create());
  arena.count_only();
  count::CountingBackend backend;
  Context c{backend, arena, m.pool};
  const int64_t side = m.info().vision->tile;
  int64_t peaks[2];
  for (const int64_t tiles : {1, 2}) {
    const tensor::Scratch scratch(arena);
    m.loaded.model->encode_tiles(c, c.output({tiles, 3, side, side}, {}));
    peaks[tiles - 1] = arena.peak();
  }
  return std::max<int64_t>(1, m.vision_workspace / std::max<int64_t>(1, peaks[1] - peaks[0]));
}

// One micro-batch forward and backward.
Result<Counted> run_step(const ForecastModel& m, const TrainOptions& o, const StepShape& shape,
                         bool vision, bool connector) {
  OCELLI_ASSIGN(tensor::Arena arena, tensor::Arena::create());
  arena.count_only();
  count::CountingBackend backend;
  tensor::Tape tape;
  Context c{backend, arena, m.pool, &tape};
  c.exact = true;
  c.recompute = o.gradient_checkpointing;
  const models::Model& model = *m.loaded.model;
  count::Work frozen;
  int64_t frozen_macs = 0;
  const int64_t tokens = shape.samples * shape.tokens, tiles = shape.samples * shape.tiles;
  const std::vector<int64_t> lengths(size_t(shape.samples), shape.tokens);
  Tensor x = model.embed(c, std::vector<int32_t>(size_t(tokens), 0));
  if (tiles > 0 && m.info().vision) {
    const models::VisionInfo& v = *m.info().vision;
    Context plain{backend, arena, m.pool};
    if (!vision) {  // for the cache, before the step
      const tensor::Scratch scratch(arena);
      OCELLI_ASSIGN(const int64_t most, tiles_together(m));
      const int64_t together = std::min(tiles, most);
      model.encode_tower(plain, plain.output({together, 3, v.tile, v.tile}, {}));
      frozen = backend.work();
      frozen_macs = macs(frozen) / together * tiles;
    }
    const int64_t rows = tiles * v.tokens_per_tile;
    const Tensor seen = vision ? model.encode_tiles(c, c.output({tiles, 3, v.tile, v.tile}, {}))
                        : connector ? model.connect(c, c.output({rows, v.tower_width}, {}))
                                    : c.output({rows, m.info().hidden}, {});
    std::vector<int32_t> places;
    for (int32_t i = 0; i < std::min(rows, tokens); ++i) places.push_back(i);
    x = ops::place_rows(c, x, seen.slice(0, 0, int64_t(places.size())), places);
  }
  const Tensor hidden = model.forward(c, x, nn::Sequence::packed(lengths));
  std::vector<int32_t> rows(static_cast<size_t>(tokens));
  for (size_t i = 0; i < rows.size(); ++i) rows[i] = int32_t(i);
  LogitRows(c, model, hidden).visit(rows, true, [](Context&, const LogitRows::Chunk&) {});
  tensor::run_backward(c);
  return Counted{arena.peak(), backend.work() - frozen, frozen_macs};
}

// The teacher reads one sample at a time, forward only. Its pictures may be cut finer.
Counted count_teacher(const ForecastModel& student, const StepShape& shape, tensor::Arena& arena) {
  engine::Engine& engine = *shape.teacher.engine;
  arena.count_only();
  count::CountingBackend backend;
  Context c{backend, arena, engine.pool()};
  c.exact = true;
  const models::Model& model = engine.model();
  int64_t tokens = shape.tokens;
  if (shape.tiles > 0 && engine.info().vision && student.info().vision) {
    const models::VisionInfo &theirs = *engine.info().vision, &ours = *student.info().vision;
    const int64_t finer = std::max<int64_t>(
        1, (ours.tile * ours.tile + theirs.tile * theirs.tile - 1) / (theirs.tile * theirs.tile));
    const int64_t tiles = shape.tiles * finer;
    tokens +=
        std::max<int64_t>(0, tiles * theirs.tokens_per_tile - shape.tiles * ours.tokens_per_tile);
    const tensor::Scratch scratch(arena);
    const int64_t together = std::min(tiles, engine.tiles_together());
    model.encode_tiles(c, c.output({together, 3, theirs.tile, theirs.tile}, {}));
  }
  const Tensor x = model.embed(c, std::vector<int32_t>(size_t(tokens), 0));
  const int64_t lengths[] = {tokens};
  const Tensor hidden = model.forward(c, x, nn::Sequence::packed(lengths));
  std::vector<int32_t> rows(static_cast<size_t>(tokens));
  for (size_t i = 0; i < rows.size(); ++i) rows[i] = int32_t(i);
  LogitRows(c, model, hidden).visit(rows, false, [](Context&, const LogitRows::Chunk&) {});
  return Counted{arena.peak(), backend.work(), 0};
}

// What the teacher says of a micro-batch: ids and log-probabilities, and a copy of them.
int64_t top_k_bytes(const TrainOptions& o, const StepShape& shape) {
  if (o.objective != "distill") return 0;
  return 2 * shape.samples * shape.tokens * o.teacher_top_k * int64_t(2 * sizeof(float));
}

Status add_teacher(const ForecastModel& student, const TrainOptions& o, const StepShape& shape,
                   TrainForecast& f) {
  f.teacher = top_k_bytes(o, shape);
  if (!shape.teacher.engine) return {};
  const models::LoadedModel& loaded = shape.teacher.engine->loaded();
  OCELLI_ASSIGN(tensor::Arena arena, tensor::Arena::create());
  const Counted counted = count_teacher(student, shape, arena);
  // All of its weights will be in memory; a part of them is in `program` already.
  f.program -= shape.teacher.resident;
  f.teacher +=
      std::max(loaded.storage_bytes + loaded.mapped_bytes, shape.teacher.resident) + counted.peak;
  f.teacher_macs = shape.samples * macs(counted.work);
  return {};
}

// The same for any number and length of samples: beyond these, what further ones take is what the
// last one took, and activations grow with the length. (Attention within a sample with its square.)
Result<Counted> count_step(const ForecastModel& m, const TrainOptions& o, const StepShape& shape,
                           bool vision, bool connector) {
  constexpr int64_t kMostSamples = 2, kMostTokens = 1 << 15;
  if (shape.tokens > kMostTokens) {
    StepShape shorter = shape;
    shorter.tokens = kMostTokens;
    OCELLI_ASSIGN(Counted c, count_step(m, o, shorter, vision, connector));
    const double times = double(shape.tokens) / double(kMostTokens);
    c.peak = int64_t(double(c.peak) * times);
    c.work.product_macs = int64_t(double(c.work.product_macs) * times);
    c.work.attention_macs = int64_t(double(c.work.attention_macs) * times * times);
    return c;
  }
  if (shape.samples <= kMostSamples) return run_step(m, o, shape, vision, connector);
  StepShape one = shape, two = shape;
  one.samples = 1;
  two.samples = 2;
  OCELLI_ASSIGN(const Counted a, run_step(m, o, one, vision, connector));
  OCELLI_ASSIGN(Counted b, run_step(m, o, two, vision, connector));
  const int64_t more = shape.samples - 2;
  b.peak += more * (b.peak - a.peak);
  b.work.product_macs += more * (b.work.product_macs - a.work.product_macs);
  b.work.attention_macs += more * (b.work.attention_macs - a.work.attention_macs);
  b.frozen_macs += more * (b.frozen_macs - a.frozen_macs);
  return b;
}

// Multiply-adds of a second of a product, the best of three.
double measure_product(const ForecastModel& m, const tensor::LinearJob& job) {
  double best = 1e9;
  for (int i = 0; i < 3; ++i) {
    const base::Stopwatch watch;
    m.backend.linear(m.pool, {&job, 1});
    best = std::min(best, watch.seconds());
  }
  return double(job.x.rows() * job.w->rows * job.w->cols) / best;
}

// The same with weights in 8 bits, packed, of a tower's size.
double measure_packed_speed(const ForecastModel& m) {
  constexpr int64_t kRows = 512, kOut = 1024, kIn = 1024;
  encoding::Weight plain;
  plain.encoding = encoding::Encoding::kQ8;
  plain.rows = kOut;
  plain.cols = kIn;
  const std::vector<std::byte> rows(size_t(encoding::bytes(plain)));
  plain.data = rows.data();
  constexpr size_t kLine = 64;
  std::vector<std::byte> memory(size_t(m.backend.packed_bytes(plain)) + kLine);
  encoding::Weight w = plain;
  if (memory.size() > kLine) {
    const size_t past = reinterpret_cast<uintptr_t>(memory.data()) % kLine;
    std::byte* const aligned = memory.data() + (kLine - past);
    m.backend.pack(m.pool, plain, aligned);
    w.layout = encoding::Layout::kPacked;
    w.data = aligned;
  }
  std::vector<float> in(size_t(kRows * kIn), 0.01f), out(size_t(kRows * kOut));
  return measure_product(
      m, {Tensor::view(in.data(), {kRows, kIn}), &w, Tensor::view(out.data(), {kRows, kOut})});
}

// Multiply-adds of a second, in float32, of products as long as a step's.
double measure_speed(const ForecastModel& m) {
  constexpr int64_t kRows = 256, kOut = 1024, kIn = 1024;
  std::vector<float> matrix(size_t(kOut * kIn), 0.01f), in(size_t(kRows * kIn), 0.01f);
  std::vector<float> out(size_t(kRows * kOut), 0.01f), gradient(size_t(kRows * kIn));
  encoding::Weight w;
  w.rows = kOut;
  w.cols = kIn;
  w.data = reinterpret_cast<const std::byte*>(matrix.data());
  const Tensor x = Tensor::view(in.data(), {kRows, kIn}),
               y = Tensor::view(out.data(), {kRows, kOut});
  double best = 1e9;
  for (int i = 0; i < 3; ++i) {
    const base::Stopwatch watch;
    tensor::LinearJob job{x, &w, y};
    job.exact = true;
    m.backend.linear(m.pool, {&job, 1});
    m.backend.linear_grad_input(m.pool, y, w, Tensor::view(gradient.data(), {kRows, kIn}));
    best = std::min(best, watch.seconds());
  }
  return 2.0 * double(kRows * kOut * kIn) / best;
}

void count_parameters(const TrainOptions& o, const std::vector<Parameter>& parameters,
                      TrainForecast& f) {
  for (const Parameter& p : parameters) {
    f.trainable += p.count;
    f.parameters += 8 * p.count;
    if (o.method == "full" && o.weight_storage == "bf16") f.parameters += 2 * p.count;
    f.optimizer += Optimizer::state_bytes(optimizer_options(o), p);
    if (o.ema_decay > 0) f.average += 4 * p.count;
  }
}

}  // namespace

Result<TrainForecast> forecast_training(const ForecastModel& m, const TrainOptions& o,
                                        const StepShape& shape) {
  TrainForecast f;
  f.program = base::process_memory().now + m.unread;
  Counted counted;
  if (o.method == "lora") {
    OCELLI_ASSIGN(const models::AdapterConfig config, adapter_config(o, ""));
    OCELLI_ASSIGN(const auto adapter,
                  models::Adapter::create(config, m.loaded, m.pool, uint64_t(o.seed)));
    std::vector<Parameter> parameters;
    bool parts[kParts] = {};
    for (const models::AdapterTensor& t : adapter->tensors()) {
      Parameter p;
      p.name = t.name;
      p.shape = t.shape;
      p.count = t.count;
      parts[size_t(part_of(t.name))] = true;
      parameters.push_back(std::move(p));
    }
    count_parameters(o, parameters, f);
    OCELLI_TRY(adapter->attach());
    auto one =
        count_step(m, o, shape, parts[size_t(Part::kVision)], parts[size_t(Part::kConnector)]);
    adapter->detach();
    OCELLI_ASSIGN(counted, std::move(one));
  } else {
    Flags flags(o, true);
    m.loaded.model->visit(flags);
    count_parameters(o, flags.parameters(), f);
    auto one = count_step(m, o, shape, o.train_vision, o.train_connector);
    Restore restore(o, flags.encodings());
    m.loaded.model->visit(restore);
    OCELLI_ASSIGN(counted, std::move(one));
  }
  f.activations = counted.peak;
  f.macs = macs(counted.work) + counted.frozen_macs;
  if (m.info().vision) {
    const int64_t side = m.info().vision->tile;
    f.pictures = shape.samples * shape.tiles * o.gradient_accumulation_steps * side * side * 3;
  }
  OCELLI_TRY(add_teacher(m, o, shape, f));
  const double speed = measure_speed(m);
  double seconds = double(f.macs + f.teacher_macs) / speed;
  if (frozen_in_8_bits(m, o)) {
    PackedPictures packed(m.backend);
    m.loaded.model->visit(packed);
    f.program += packed.bytes();
    const auto frozen = double(counted.frozen_macs);
    seconds += frozen / measure_packed_speed(m) - frozen / speed;
  }
  f.step_seconds = double(o.gradient_accumulation_steps) * seconds;
  return f;
}

Result<std::optional<std::vector<std::string>>> settings_that_fit(const ForecastModel& model,
                                                                  const TrainOptions& options,
                                                                  const StepShape& shape,
                                                                  int64_t bytes) {
  TrainOptions o = options;
  StepShape s = shape;
  std::vector<std::string> changes;
  const auto fits = [&]() -> Result<bool> {
    OCELLI_ASSIGN(const TrainForecast f, forecast_training(model, o, s));
    return f.peak() <= bytes;
  };
  const auto change = [&](const std::string& name, const std::string& value) {
    changes.push_back("--" + name + " " + value);
    (void)set_option_text(o, name, value);
  };
  for (int stage = 0; stage < 6; ++stage) {
    if (stage == 0 && !o.gradient_checkpointing) {
      o.gradient_checkpointing = true;
      changes.push_back("--gradient_checkpointing");
    } else if (stage == 1 && o.batch_size > 1) {
      change("gradient_accumulation_steps",
             std::to_string(o.gradient_accumulation_steps * o.batch_size));
      change("per_device_train_batch_size", "1");
      s.samples = 1;
    } else if (stage == 2 && (o.optim == "adamw_torch" || o.optim == "muon")) {
      change("optim", "adamw_8bit");
    } else if (stage == 3 && o.method == "full") {
      change("method", "lora");
    } else if (stage == 4 && s.tokens > 256 && s.tiles == 0) {
      s.tokens = std::max<int64_t>(256, s.tokens / 4);
      change("max_length", std::to_string(s.tokens));
    } else if (stage == 5 && o.lora_r > 4) {
      change("lora_r", "4");
    } else {
      continue;
    }
    OCELLI_ASSIGN(const bool enough, fits());
    if (enough) return std::optional(changes);
  }
  return std::optional<std::vector<std::string>>();
}

Status check_memory(const ForecastModel& model, const TrainOptions& options, const StepShape& shape,
                    int64_t bytes) {
  OCELLI_ASSIGN(const TrainForecast f, forecast_training(model, options, shape));
  if (f.peak() <= bytes) return {};
  const auto mib = [](int64_t n) { return std::to_string((n + (1 << 20) - 1) >> 20) + " MiB"; };
  OCELLI_ASSIGN(const auto settings, settings_that_fit(model, options, shape, bytes));
  std::string proposal = "no settings of this model fit; choose a smaller model";
  if (settings) {
    proposal.clear();
    for (const std::string& s : *settings) proposal += (proposal.empty() ? "try " : " ") + s;
  }
  return base::fail(Code::kDoesNotFit, "not enough memory for training (" + mib(f.peak()) +
                                           ": activations " + mib(f.activations) + ", parameters " +
                                           mib(f.parameters) + ", optimizer " + mib(f.optimizer) +
                                           (f.teacher > 0 ? ", teacher " + mib(f.teacher) : "") +
                                           ", program and weights " + mib(f.program) + "; limit " +
                                           mib(bytes) + "); " + proposal);
}

}  // namespace ocelli::train
