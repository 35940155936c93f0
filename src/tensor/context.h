// Context: what every op and layer is given first. A null tape is the only difference between
// running and training.
#pragma once

#include <functional>
#include <initializer_list>
#include <vector>

#include "base/cancel.h"
#include "base/thread_pool.h"
#include "encoding/weight.h"
#include "tensor/arena.h"
#include "tensor/tensor.h"

namespace ocelli::tensor {

class Backend;
struct Context;

// The steps of the backward pass in forward order; run from the back.
using Tape = std::vector<std::function<void(Context&)>>;

// Which random numbers an op draws: a counter-based generator is keyed by these, so that dropout
// repeats when a block is computed a second time.
struct RngKey {
  uint64_t seed = 0;
  uint32_t step = 0, layer = 0, op = 0;
};

// Is told the input of each product with a weight, x [T, K].
using ProductObserver = std::function<void(const encoding::Weight&, const Tensor& x)>;

// Gradients that have been read for the last time, for others of the same size: a backward pass
// then holds a few of them instead of one for each result of the forward pass.
class SpareGradients {
 public:
  void add(const Grad& grad) { spare_.push_back(grad); }
  // Null where there is none of `count` numbers.
  float* take(int64_t count);

 private:
  std::vector<Grad> spare_;
};

struct Context {
  Backend& backend;
  Arena& arena;
  base::ThreadPool& pool;
  Tape* tape = nullptr;
  RngKey rng = {};
  bool exact = false;  // float32 arithmetic throughout, whatever the encoding of the weights
  // Set while a block is computed again for its gradient: where its memory in the arena begins.
  // What is taken from there on is given back, so gradients of older tensors must have been taken
  // before.
  const void* block_begin = nullptr;
  // Set, without a tape, for the first pass of such a block: dropout drops what it will drop then.
  bool drops = false;
  // With a tape: of each block of layers only the input is kept, and what it computed is computed
  // again for its gradient.
  bool recompute = false;
  // While a backward pass runs: the gradients it is done with.
  SpareGradients* spare = nullptr;
  // Once it is requested, products and attention are not computed any more, nor steps of the tape:
  // the pass ends soon, with results of the right shapes and the wrong numbers, which whoever began
  // it throws away. May be null.
  const base::CancelToken* cancel = nullptr;
  // What calibration measures; products are not fused then. May be null.
  const ProductObserver* observer = nullptr;
  bool cancelled() const { return cancel && cancel->requested(); }

  // Memory for the result of an op, not cleared. A gradient flows to it if a tape is there and any
  // input has one.
  Tensor output(std::initializer_list<int64_t> shape, std::initializer_list<Tensor> inputs);
};

// Where the gradient of `t` is gathered: its first number, laid out with t's own strides. Taken
// from the arena and cleared on first use. Requires t.grad, and inside a block that is computed
// again that t is of the block or that its gradient has been used before.
float* grad_of(Context& c, const Tensor& t);
// The op that made t has read its gradient: nobody asks for it any more.
void drop_gradient(Context& c, const Tensor& t);

// Zero in `count` numbers of the arena; nothing in one that only counts.
void clear(Context& c, float* numbers, int64_t count);

// Runs the tape from the back and empties it. Gradients of results must have been set before.
void run_backward(Context& c);

}  // namespace ocelli::tensor
