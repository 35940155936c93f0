// ParameterSet: what trains. Every parameter is float32 numbers with their gradient beside them,
// under the name that it has in files (Hugging Face's or PEFT's).
//
//   OCELLI_ASSIGN(ParameterSet set, ParameterSet::take_over(loaded, pool, {.vision = false}));
//   ... forward, backward: gradients are added up ...
//   optimizer.step(c, set.all(), rates);
//   set.publish(pool);
//
// In full fine-tuning the set owns the numbers and the model's weights point to them; with an
// adapter, the adapter owns them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/thread_pool.h"
#include "models/loader.h"

namespace ocelli::train {

// The three parts of a vision-language model, each frozen or trained with its own learning rate. A
// text model is kText alone.
enum class Part : uint8_t { kVision, kConnector, kText };
inline constexpr size_t kParts = 3;
std::string_view name(Part part);  // "vision", "connector", "text"
// By the name of a parameter, with or without PEFT's prefix.
Part part_of(std::string_view parameter);

// Whether weight decay applies: not to norms and biases, as Hugging Face's Trainer has it.
bool decays(std::string_view parameter);

struct Parameter {
  std::string name;
  std::vector<int64_t> shape;
  float* value = nullptr;  // [count]
  float* grad = nullptr;   // [count], added to by backward passes
  int64_t count = 0;
  Part part = Part::kText;
  bool decay = true;

  // [rows, cols] of a matrix (two dimensions, both above one); 0 x 0 of anything else.
  int64_t rows() const { return matrix() ? shape[0] : 0; }
  int64_t cols() const { return matrix() ? shape[1] : 0; }
  bool matrix() const { return shape.size() == 2 && shape[0] > 1 && shape[1] > 1; }
};

class ParameterSet {
 public:
  struct Options {
    bool vision = true, connector = true, text = true;  // which parts train
    // How the model's matrices are stored while it trains: f32 (the masters themselves), or bf16
    // (rounded from the float32 masters by publish()).
    encoding::Encoding storage = encoding::Encoding::kF32;
  };

  ParameterSet() = default;
  ParameterSet(ParameterSet&&) = default;
  ParameterSet& operator=(ParameterSet&&) = default;

  // Full fine-tuning: from now on `loaded`'s parameters of the wanted parts are this set's, which
  // must outlive every use of the model. kDoesNotFit where memory is short.
  static base::Result<ParameterSet> take_over(models::LoadedModel& loaded, base::ThreadPool& pool,
                                              const Options& options);

  // A parameter that somebody else owns (an adapter's). Its name must be new.
  base::Status add(Parameter parameter);

  const std::vector<Parameter>& all() const { return all_; }
  int64_t count() const;  // numbers in all
  int64_t count(Part part) const;
  bool trains(Part part) const { return count(part) > 0; }
  int64_t bytes() const { return bytes_; }  // of memory that the set owns

  void clear_gradients(base::ThreadPool& pool) const;
  // The parameters' numbers to where the model reads them. Nothing to do for f32 and adapters.
  void publish(base::ThreadPool& pool) const;

 private:
  struct Stored {  // a matrix kept in bf16
    size_t parameter;
    int64_t rows, cols;
    std::byte* data;
  };
  friend class TakeOver;
  std::vector<Parameter> all_;
  std::vector<Stored> stored_;
  std::vector<models::Buffer> memory_;
  std::vector<std::unique_ptr<tensor::Grad>> grads_;  // of vectors
  int64_t bytes_ = 0;
};

}  // namespace ocelli::train
