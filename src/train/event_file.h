// EventFile: scalars for TensorBoard, which reads them while training goes on.
//
// The format (tensorflow/core/lib/io/record_writer.h, util/event.proto): records of
//   u64 length | u32 masked crc32c of the length | bytes | u32 masked crc32c of the bytes
// each holding one Event message. The first says "brain.Event:2"; the second, where training goes
// on after a step, that older events after it are void.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <utility>

#include "base/result.h"

namespace ocelli::train {

// CRC-32C (Castagnoli) of bytes, as TensorFlow masks it: rotated right by 15, plus a constant.
uint32_t masked_crc32c(std::string_view bytes);

class EventFile {
 public:
  // A new file events.out.tfevents.<seconds>.ocelli.<pid>.<resumed_step> in `folder`, which is made
  // if need be. `resumed_step`: the last step done before, 0 at the start.
  static base::Result<EventFile> create(const std::string& folder, int64_t resumed_step);

  EventFile(EventFile&& other) noexcept { *this = std::move(other); }
  EventFile& operator=(EventFile&& other) noexcept;
  ~EventFile();

  // One event with a value for each tag ("train/loss"), written at once.
  base::Status add(int64_t step, std::span<const std::pair<std::string, double>> values);

 private:
  EventFile() = default;
  base::Status write(std::string_view event);

  std::string path_;
  int fd_ = -1;
};

}  // namespace ocelli::train
