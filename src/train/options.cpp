#include "train/options.h"

#include <charconv>
#include <cmath>

#include "base/nearest.h"
#include "train/data_options.h"
#include "train/optimizer.h"
#include "train/schedule.h"

namespace ocelli::train {

using base::Code;
using base::Json;
using base::Result;
using base::Status;

namespace {

std::string number_text(double value) {
  const bool whole = std::fabs(value) < 1e15 && value == std::floor(value);
  return whole ? std::to_string(int64_t(value)) : Json(value).dump();
}

base::Error bad(std::string_view name, std::string what) {
  return base::fail(Code::kUsage, std::move(what), name);
}

Status set_number(const OptionField& field, double value, double& out) {
  if (!(value >= field.least && value <= field.most)) {
    return bad(field.name, "must be from " + number_text(field.least) + " to " +
                               number_text(field.most) + " (" + number_text(value) + ")");
  }
  out = value;
  return {};
}

bool among(std::string_view choices, std::string_view value) {
  while (!choices.empty()) {
    const size_t bar = choices.find('|');
    if (choices.substr(0, bar) == value) return true;
    choices = bar == std::string_view::npos ? "" : choices.substr(bar + 1);
  }
  return false;
}

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> out;
  for (size_t at = 0; at <= text.size();) {
    const size_t comma = std::min(text.find(',', at), text.size());
    if (comma > at) out.push_back(text.substr(at, comma - at));
    at = comma + 1;
  }
  return out;
}

// Sets the member of each type from a JSON value.
struct Setter {
  TrainOptions& options;
  const OptionField& field;
  const Json& value;

  Status operator()(bool TrainOptions::*member) const {
    if (!value.is_bool()) return bad(field.name, "must be true or false");
    options.*member = value.as_bool();
    return {};
  }
  Status operator()(int64_t TrainOptions::*member) const {
    if (!value.is_int()) return bad(field.name, "must be a whole number");
    double checked = 0;
    OCELLI_TRY(set_number(field, value.as_double(), checked));
    options.*member = value.as_int();
    return {};
  }
  Status operator()(double TrainOptions::*member) const {
    if (!value.is_number()) return bad(field.name, "must be a number");
    return set_number(field, value.as_double(), options.*member);
  }
  Status operator()(std::string TrainOptions::*member) const {
    if (!value.is_string()) return bad(field.name, "must be a text");
    const std::string& text = value.as_string();
    if (!field.choices.empty() && !text.empty() && !among(field.choices, text)) {
      return bad(field.name, "\"" + base::printable(text, 40) + "\" is not one of " +
                                 std::string(field.choices));
    }
    options.*member = text;
    return {};
  }
  Status operator()(std::vector<std::string> TrainOptions::*member) const {
    std::vector<std::string> list;
    if (value.is_string()) {
      list = split(value.as_string());
    } else if (value.is_array()) {
      for (const Json& item : value.items()) {
        if (!item.is_string()) return bad(field.name, "must be a list of texts");
        list.push_back(item.as_string());
      }
    } else if (!value.is_null()) {
      return bad(field.name, "must be a list of texts");
    }
    options.*member = std::move(list);
    return {};
  }
};

// Recipes may write as a table what the command line writes as a text.
Json as_text(std::string_view name, const Json& value) {
  if (!value.is_object()) return value;
  if (name == "chat_template_kwargs") return Json(value.dump());
  if (name != "columns") return value;
  std::string pairs;
  for (const auto& [ours, theirs] : value.members()) {
    if (!theirs.is_string()) return value;
    pairs += (pairs.empty() ? "" : ",") + ours + "=" + theirs.as_string();
  }
  return Json(pairs);
}

base::Error unknown(std::string_view name) {
  std::vector<std::string> names;
  for (const OptionField& f : option_fields()) names.emplace_back(f.name);
  const std::string near = base::nearest(name, names);
  return bad(name, "is no option of training; " + (near.empty() ? "ocelli train --help lists them"
                                                                : "did you mean " + near + "?"));
}

}  // namespace

std::string_view OptionField::type() const {
  constexpr std::string_view kTypes[] = {"", "N", "NUMBER", "TEXT", "TEXT,..."};
  return kTypes[member.index()];
}

const OptionField* find_option(std::string_view name) {
  // Recipes of earlier versions.
  if (name == "teacher") name = "teacher_model_name_or_path";
  if (name == "distill_weight") name = "kd_ratio";
  for (const OptionField& f : option_fields()) {
    if (f.name == name) return &f;
  }
  return nullptr;
}

Status set_option(TrainOptions& options, std::string_view name, const Json& value) {
  const OptionField* field = find_option(name);
  if (!field) return unknown(name);
  const Json plain = as_text(name, value);
  return std::visit(Setter{options, *field, plain}, field->member);
}

Status set_option_text(TrainOptions& options, std::string_view name, const std::string& text) {
  const OptionField* field = find_option(name);
  if (!field) return unknown(name);
  if (field->member.index() >= 3) return set_option(options, name, Json(text));
  if (field->member.index() == 0) {
    const bool yes = text == "true" || text == "1" || text == "yes";
    const bool no = text == "false" || text == "0" || text == "no";
    if (!yes && !no) return bad(name, "must be true or false");
    return set_option(options, name, Json(yes));
  }
  int64_t whole = 0;
  double number = 0;
  const char* const end = text.data() + text.size();
  if (const auto r = std::from_chars(text.data(), end, whole); r.ec == std::errc() && r.ptr == end)
    return set_option(options, name, Json(whole));
  if (const auto r = std::from_chars(text.data(), end, number); r.ec == std::errc() && r.ptr == end)
    return set_option(options, name, Json(number));
  return bad(name, "\"" + base::printable(text, 40) + "\" is no number");
}

Json option_json(const TrainOptions& options, const OptionField& field) {
  return std::visit(
      [&](auto member) -> Json {
        using T = std::decay_t<decltype(options.*member)>;
        if constexpr (std::is_same_v<T, std::vector<std::string>>) {
          Json list = Json::array();
          for (const std::string& item : options.*member) list.push_back(item);
          return list;
        } else {
          return Json(options.*member);
        }
      },
      field.member);
}

double base_learning_rate(const TrainOptions& options) {
  if (options.learning_rate > 0) return options.learning_rate;
  if (options.objective == "dpo") return options.method == "lora" ? 1e-5 : 1e-6;
  return options.method == "lora" ? 2e-4 : 2e-5;
}

Status check_options(const TrainOptions& o) {
  if (const auto kind = parse_schedule(o.lr_scheduler_type); !kind.ok()) return kind.error();
  if (const auto kind = parse_optimizer(o.optim); !kind.ok()) return kind.error();
  if (!o.train_vision && !o.train_connector && !o.train_text) {
    return bad("train_text", "nothing would be trained; leave a part on");
  }
  if (o.frozen_vision != "f32" && o.train_vision) {
    return bad("frozen_vision", "is for a vision tower that does not train (" + o.frozen_vision +
                                    "); leave one of it and train_vision out");
  }
  if (o.from_scratch && o.method != "full") {
    return bad("from_scratch", "needs method full: an adapter on random weights learns nothing");
  }
  const bool teacher = !o.teacher_model_name_or_path.empty(), file = !o.teacher_file.empty();
  if (o.objective == "distill" && teacher == file) {
    return bad("teacher_model_name_or_path",
               teacher ? "and teacher_file exclude each other; leave one out"
                       : "is missing; distill needs a model, or as --teacher_file what one has "
                         "written with --write_top_k");
  }
  if (o.objective != "distill" && (teacher || file)) {
    return bad(teacher ? "teacher_model_name_or_path" : "teacher_file",
               "counts only with --objective distill (" + o.objective + "); add or remove one");
  }
  if (o.load_best_model_at_end && o.eval_split <= 0) {
    return bad("eval_split", "is 0, so that there is no best model; hold back 0.05, say");
  }
  if (const auto data = dataset_options(o); !data.ok()) return data.error();
  if (const auto samples = sample_options(o, 0); !samples.ok()) return samples.error();
  return {};
}

}  // namespace ocelli::train
