#include "train/data_options.h"

namespace ocelli::train {

DatasetOptions dataset_options(const TrainOptions& o) {
  DatasetOptions out;
  out.rows.format = row_format_of(o.format).value_or(RowFormat::kAuto);
  out.max_bad_rows = o.max_bad_rows;
  out.media_folder = o.media_folder;
  out.allow_outside = o.allow_outside;
  return out;
}

SampleOptions sample_options(const TrainOptions& o, std::optional<int64_t> now) {
  SampleOptions out;
  out.mask = mask_of(o.mask).value_or(Mask::kAssistant);
  out.truncation = truncation_of(o.truncation).value_or(Truncation::kKeepStart);
  out.max_length = o.max_length;
  out.raw = o.raw_text;
  out.now = now;
  return out;
}

}  // namespace ocelli::train
