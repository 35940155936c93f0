// BatchStream: a dataset in the order of training, as micro-batches.
//
// The order is a function of (seed, epoch) alone; what has been read is a Cursor, so that a run
// that goes on sees exactly the batches that it would have seen. Reading ahead changes nothing.
#pragma once

#include <cstdint>
#include <deque>
#include <future>
#include <optional>
#include <vector>

#include "train/sample_maker.h"

namespace ocelli::train {

// What is behind the batches handed out so far.
struct Cursor {
  int64_t epoch = 0;
  int64_t position = 0;         // rows of the epoch that have been read
  std::vector<int64_t> held{};  // of those, what packing keeps for later batches: their places
  SampleCounts counts{};        // and what became of all rows so far
  int64_t bad = 0;

  base::Json json() const;
  static base::Result<Cursor> from_json(const base::Json& json);
  bool operator==(const Cursor& other) const { return json() == other.json(); }
};

struct BatchOptions {
  int64_t batch_size = 1;  // samples of a micro-batch (pairs count once)
  int64_t max_tokens = 0;  // above 0: packing. As many samples as fit, batch_size does not count
  bool shuffle = true;
  uint64_t seed = 0;
  int64_t epochs = 0;      // 0: on and on
  bool drop_last = false;  // leave out an epoch's last micro-batch where it is not full
  bool prefetch = true;    // make the next batch on another thread meanwhile
  int64_t max_bad_rows =
      100;  // rows that fail when they are made (a broken picture), then an error
  base::CancelToken cancel{};  // looked at before each sample; kInterrupted
};

inline constexpr int64_t kPackingLookahead = 16;  // samples that packing holds, at most

class BatchStream {
 public:
  // `maker` is taken over. The engine of it must outlive the stream.
  static base::Result<BatchStream> create(Dataset data, SampleMaker maker, BatchOptions options);
  BatchStream(BatchStream&&) noexcept;
  BatchStream& operator=(BatchStream&&) noexcept;
  ~BatchStream();

  // nullopt at the end of the last epoch. A batch never spans two epochs. After an error the stream
  // stands where it stood.
  base::Result<std::optional<Batch>> next();
  // Behind the batches that next() has given.
  const Cursor& cursor() const;
  void seek(const Cursor& cursor);

  // Micro-batches of an epoch: an upper bound without packing (rows may be dropped); with packing
  // an estimate from the first samples.
  int64_t size() const;
  const Dataset& data() const;
  // Rows that failed so far, the first of them in words.
  const std::vector<BadRow>& bad_rows_listed() const;

 private:
  struct State;
  explicit BatchStream(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// The order of an epoch: numbers 0..count-1.
std::vector<uint32_t> epoch_order(int64_t count, uint64_t seed, int64_t epoch);

}  // namespace ocelli::train
