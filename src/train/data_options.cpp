#include "train/data_options.h"

#include <ctime>

namespace ocelli::train {

using base::Code;
using base::Json;
using base::Result;

Result<std::optional<int64_t>> time_of(const std::string& text) {
  if (text.empty()) return std::optional<int64_t>();
  for (const char* form : {"%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M"}) {
    std::tm parts{};
    const char* const end = strptime(text.c_str(), form, &parts);
    if (!end || *end != 0) continue;
    parts.tm_isdst = -1;
    const std::time_t time = std::mktime(&parts);
    if (time >= 0) return std::optional<int64_t>(int64_t(time));
  }
  return base::fail(Code::kUsage,
                    "\"" + base::printable(text, 40) +
                        "\" is no date from 1970 on; write it like 2026-11-21 or 2026-11-21 14:30",
                    "now");
}

Result<DatasetOptions> dataset_options(const TrainOptions& o) {
  DatasetOptions out;
  out.rows.format = row_format_of(o.format).value_or(RowFormat::kAuto);
  OCELLI_ASSIGN(out.rows.columns, std::move(columns_of(o.columns)).in("columns"));
  out.max_bad_rows = o.max_bad_rows;
  out.media_folder = o.media_folder;
  out.allow_outside = o.allow_outside;
  return out;
}

Result<SampleOptions> sample_options(const TrainOptions& o, int64_t begin) {
  SampleOptions out;
  out.mask = mask_of(o.mask).value_or(Mask::kAssistant);
  out.truncation = truncation_of(o.truncation).value_or(Truncation::kKeepStart);
  out.max_length = o.max_length;
  out.raw = o.raw_text;
  if (!o.chat_template_kwargs.empty()) {
    const auto parsed = Json::parse(o.chat_template_kwargs);
    if (!parsed.ok() || !parsed->is_object()) {
      return base::fail(Code::kUsage, "must be a JSON object, such as {\"enable_thinking\": false}",
                        "chat_template_kwargs");
    }
    out.arguments = *parsed;
  }
  OCELLI_ASSIGN(const std::optional<int64_t> now, time_of(o.now));
  out.now = now.value_or(begin);
  return out;
}

}  // namespace ocelli::train
