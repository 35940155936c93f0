// BatchSource: where micro-batches come from.
#pragma once

#include <optional>

#include "base/json.h"
#include "train/sample.h"

namespace ocelli::train {

class BatchSource {
 public:
  virtual ~BatchSource() = default;
  // The next micro-batch; nothing at the end of an epoch, once, after which the next one begins.
  virtual base::Result<std::optional<Batch>> next() = 0;
  // Where it stands, to go on from there in another process; small.
  virtual base::Json position() const = 0;
  // null: to the beginning.
  virtual base::Status go_to(const base::Json& position) = 0;
  // Micro-batches of an epoch.
  virtual int64_t batches() const = 0;
};

}  // namespace ocelli::train
