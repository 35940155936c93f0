#include "train/write_top_k.h"

#include <ctime>

#include "train/data_options.h"
#include "train/teacher.h"
#include "train/top_k_file.h"

namespace ocelli::train {

using base::Code;
using base::Result;
using base::Status;

namespace {

// One row; nothing where it gives no sample.
Result<std::optional<TopK>> read_row(Teacher& teacher, const Dataset& data, int64_t row) {
  OCELLI_ASSIGN(const std::optional<Sample> sample, teacher.sample(data, row));
  if (!sample) return std::optional<TopK>();
  OCELLI_ASSIGN(TopK said, teacher.read(*sample).in(data.where(row)));
  return std::optional<TopK>(std::move(said));
}

Status check_bad(const base::Error& error, int64_t bad, int64_t limit) {
  if (error.code != Code::kBadInput) return error;
  if (bad <= limit) return {};
  return base::fail(Code::kBadInput,
                    error.what + "; too many bad rows (" + std::to_string(bad) + ", limit " +
                        std::to_string(limit) + "), correct them or pass --max-bad-rows",
                    error.where);
}

}  // namespace

Result<TopKWritten> write_top_k(const TopKInputs& inputs, const base::CancelToken& cancel) {
  const TrainOptions& o = inputs.options;
  OCELLI_ASSIGN(const DatasetOptions reading, dataset_options(o));
  OCELLI_ASSIGN(const Dataset data, Dataset::open(inputs.data, reading));
  TopKWritten out;
  out.bad = data.bad_rows();
  if (out.bad > 0) inputs.note(data.bad_rows_text());
  const text::Tokenizer& tokenizer = inputs.teacher.tokenizer();
  TeacherOptions how;
  how.top_k = std::min({o.teacher_top_k, int64_t(tokenizer.id_limit()), kMaxTopK});
  how.temperature = o.temperature;
  OCELLI_ASSIGN(how.sample, sample_options(o, int64_t(std::time(nullptr))));
  how.cache_folder = inputs.cache_folder;
  OCELLI_ASSIGN(const auto teacher, Teacher::create(inputs.teacher, how));
  OCELLI_ASSIGN(TopKWriter writer, TopKWriter::create(inputs.path, how.top_k,
                                                      {inputs.teacher.name(), o.mask, o.temperature,
                                                       vocabulary_hash(tokenizer)}));
  for (int64_t row = 0; row < data.size(); ++row) {
    OCELLI_TRY(cancel.check());
    inputs.progress(row, data.size());
    const auto key = data.content_key(row);
    if (key.ok() && writer.has(*key)) {
      ++out.repeated;
      continue;
    }
    auto said = key.ok() ? read_row(*teacher, data, row) : Result<std::optional<TopK>>(key.error());
    if (!said.ok()) {
      OCELLI_TRY(check_bad(said.error(), ++out.bad, o.max_bad_rows));
      inputs.note("left out " + said.error().message());
      continue;
    }
    if (*said) {
      OCELLI_TRY(writer.add(*key, **said));
    } else {
      ++out.dropped;
    }
  }
  if (writer.rows() == 0) {
    return base::fail(Code::kBadInput, "no trainable samples in the data; --preview shows why");
  }
  out.rows = writer.rows();
  out.tokens = writer.tokens();
  OCELLI_TRY(writer.commit());
  return out;
}

}  // namespace ocelli::train
