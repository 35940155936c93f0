// StreamSource: a BatchStream as the trainer's source, which wants to be told where epochs end.
#pragma once

#include "train/batch_source.h"
#include "train/batches.h"

namespace ocelli::train {

class StreamSource : public BatchSource {
 public:
  // The stream's epochs must be 0 (on and on).
  explicit StreamSource(BatchStream stream) : stream_(std::move(stream)) {}

  base::Result<std::optional<Batch>> next() override;
  base::Json position() const override;
  base::Status go_to(const base::Json& position) override;
  int64_t batches() const override { return stream_.size(); }

  const BatchStream& stream() const { return stream_; }

 private:
  BatchStream stream_;
  std::optional<Batch> pending_;  // the first of the next epoch, read to see that this one is over
  Cursor before_;                 // where the stream stood before it
  int64_t epoch_ = 0;             // that batches are given from
};

// All batches of a small dataset in the same order each time, for evaluations.
class EpochSource : public BatchSource {
 public:
  // The stream's epochs must be 1.
  explicit EpochSource(BatchStream stream) : stream_(std::move(stream)) {}
  base::Result<std::optional<Batch>> next() override;
  base::Json position() const override { return {}; }
  // To the beginning.
  base::Status go_to(const base::Json&) override;
  int64_t batches() const override { return stream_.size(); }

 private:
  BatchStream stream_;
};

}  // namespace ocelli::train
