// Parameters changed in memory for a while: what a merged model computes, without writing it.
#pragma once

#include <memory>

#include "models/save.h"

namespace ocelli::models {

// Until it is destroyed, `loaded` computes with the float32 numbers that `edits` make of its
// parameters. The model must outlive it and have no adapters attached.
class MergedInMemory {
 public:
  // kDoesNotFit where memory is short; nothing is changed then.
  static base::Result<std::unique_ptr<MergedInMemory>> create(LoadedModel& loaded,
                                                              base::ThreadPool& pool,
                                                              const SaveOptions& edits);
  ~MergedInMemory();
  MergedInMemory(const MergedInMemory&) = delete;
  MergedInMemory& operator=(const MergedInMemory&) = delete;

 private:
  MergedInMemory() = default;
  struct Changed {
    nn::Weight* weight = nullptr;
    nn::Weight before;
    Tensor* vector = nullptr;
    Tensor vector_before;
  };
  std::vector<Changed> changed_;
  std::vector<Buffer> memory_;
};

}  // namespace ocelli::models
