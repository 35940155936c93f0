// Optimizers: one rule for each parameter, that turns its gradient into a step. The arithmetic is
// float32 and PyTorch's (bitsandbytes' for 8-bit states), number by number, so that the number of
// threads makes no difference.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "tensor/context.h"
#include "train/parameters.h"

namespace ocelli::train {

enum class OptimizerKind : uint8_t {
  kAdamW,      // "adamw_torch"
  kAdamW8bit,  // "adamw_8bit": states in 8 bits, blocks of 256; small tensors stay float32
  kSgd,        // "sgd"
  kMuon,       // "muon": for matrices inside layers; AdamW for everything else
};
base::Result<OptimizerKind> parse_optimizer(std::string_view name);  // HF's spellings too
std::string_view name(OptimizerKind kind);

struct OptimizerOptions {
  OptimizerKind kind = OptimizerKind::kAdamW;
  double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;
  double weight_decay = 0;
  double momentum = 0;  // of SGD
  bool nesterov = false;
  double muon_momentum = 0.95;
  int muon_iterations = 5;  // of Newton and Schulz
};

// What a rule needs to know of one step.
struct Update {
  double rate = 0;     // the parameter's learning rate
  double decay = 0;    // weight decay, 0 where it does not apply
  float scale = 1;     // the gradient is multiplied with it first (clipping)
  int64_t number = 1;  // of the step, from 1
};

// A piece of an optimizer's memory, for checkpoints: bytes in place.
struct StateTensor {
  std::string name;     // of the parameter, "/" and what it is
  bool bytes8 = false;  // 8-bit codes; otherwise float32
  std::span<std::byte> bytes;
};

class UpdateRule {
 public:
  virtual ~UpdateRule() = default;
  // Adds the step to p.value. The gradient stays as it is.
  virtual void update(tensor::Context& c, const Parameter& p, const Update& u) = 0;
  virtual void state(const std::string& prefix, std::vector<StateTensor>& out) = 0;
};

class Optimizer {
 public:
  // `parameters` must outlive the optimizer. kDoesNotFit where memory is short.
  static base::Result<Optimizer> create(const OptimizerOptions& options,
                                        std::span<const Parameter> parameters);

  // One step. `rates`: the learning rate of each parameter; `scale`: see Update.
  void step(tensor::Context& c, std::span<const double> rates, float scale);

  int64_t steps() const { return steps_; }
  void set_steps(int64_t steps) { steps_ = steps; }
  std::vector<StateTensor> state();

  // Bytes of memory that the states of a parameter with these numbers take.
  static int64_t state_bytes(const OptimizerOptions& options, const Parameter& parameter);

 private:
  OptimizerOptions options_;
  std::span<const Parameter> parameters_;
  std::vector<std::unique_ptr<UpdateRule>> rules_;
  int64_t steps_ = 0;
};

// The length of all gradients together, as torch.nn.utils.clip_grad_norm_ computes it; not finite
// where a gradient is not.
double gradient_norm(base::ThreadPool& pool, std::span<const Parameter> parameters);
// What gradients are multiplied with so that their length is at most `most` (0: no limit).
float clip_factor(double norm, double most);

}  // namespace ocelli::train
