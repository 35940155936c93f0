#include "train/stream_source.h"

namespace ocelli::train {

using base::Json;
using base::Result;
using base::Status;

Result<std::optional<Batch>> StreamSource::next() {
  if (pending_) {
    std::optional<Batch> batch = std::move(pending_);
    pending_.reset();
    return batch;
  }
  const Cursor before = stream_.cursor();
  OCELLI_ASSIGN(std::optional<Batch> batch, stream_.next());
  if (!batch || stream_.cursor().epoch == epoch_) return batch;
  epoch_ = stream_.cursor().epoch;
  before_ = before;
  pending_ = std::move(batch);
  return std::optional<Batch>();
}

Json StreamSource::position() const {
  return Json::object({{"cursor", (pending_ ? before_ : stream_.cursor()).json()},
                       {"epoch", epoch_},
                       {"told", pending_.has_value()}});
}

Status StreamSource::go_to(const Json& position) {
  pending_.reset();
  epoch_ = 0;
  if (position.is_null()) {
    stream_.seek({});
    return {};
  }
  const Json* cursor = position.find("cursor");
  if (!cursor) return base::fail(base::Code::kTraining, "the data's position is missing");
  OCELLI_ASSIGN(const Cursor at, Cursor::from_json(*cursor));
  OCELLI_ASSIGN(const int64_t epoch, position.get_int("epoch", {0, INT64_MAX}));
  stream_.seek(at);
  epoch_ = epoch;
  // Where the end of the epoch has been told already, `epoch` is the next one's number.
  return {};
}

Status EpochSource::go_to(const Json&) {
  if (stream_.cursor() != Cursor()) stream_.seek({});
  return {};
}

Result<std::optional<Batch>> EpochSource::next() {
  OCELLI_ASSIGN(std::optional<Batch> batch, stream_.next());
  if (!batch) stream_.seek({});
  return batch;
}

}  // namespace ocelli::train
