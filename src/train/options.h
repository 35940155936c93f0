// TrainOptions: everything that a training run depends on besides model and data, under the names
// of Hugging Face's TrainingArguments, TRL and PEFT. One table describes them: the command line,
// recipes and the saved recipe.json are made from it.
#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/json.h"

namespace ocelli::train {

struct TrainOptions {
  // What is trained.
  std::string method = "lora";    // "lora", "full"
  std::string objective = "sft";  // "sft", "dpo", "distill"
  bool train_vision = false, train_connector = true, train_text = true;
  std::string frozen_vision = "f32";   // products of a tower that does not train: "f32", "q8"
  std::string weight_storage = "f32";  // of a full fine-tune: "f32", "bf16"
  std::string save_dtype;              // of a full model's files: "f32", "bf16"; "": as it was read
  bool from_scratch = false;           // begin with random numbers instead of the model's own

  // Data.
  std::string mask = "assistant";  // which tokens carry loss
  std::string truncation = "keep_start";
  std::string format = "auto";       // of rows
  std::string columns;               // "OURS=THEIRS,..."
  std::string chat_template_kwargs;  // a JSON object, for every row; a row's own win
  std::string now;                   // what templates take for the time; "": when the run begins
  std::string media_folder;
  bool allow_outside = false, shuffle = true, raw_text = false;
  int64_t max_bad_rows = 100;

  // Adapters.
  int64_t lora_r = 16;
  double lora_alpha = 32, lora_dropout = 0.05;
  std::vector<std::string> target_modules = {"all-linear"};
  std::vector<std::string> modules_to_save;
  bool use_rslora = false, use_dora = false;
  std::string init_lora_weights = "kaiming";  // "kaiming", "gaussian"

  // Steps.
  int64_t batch_size = 1;  // samples of a micro-batch
  int64_t gradient_accumulation_steps = 8;
  double num_train_epochs = 3;
  int64_t max_steps = 0;      // 0: by epochs
  double max_minutes = 0;     // 0: no limit; the schedule then follows the clock
  int64_t max_length = 1024;  // tokens of a sample
  bool packing = false;
  bool gradient_checkpointing = false;
  int64_t seed = 42;

  // Learning.
  double learning_rate = 0;            // 0: 2e-4 for adapters, 2e-5 for whole models
  double vision_learning_rate = 0;     // 0: learning_rate
  double connector_learning_rate = 0;  // 0: learning_rate
  double muon_learning_rate = 0;       // 0: learning_rate
  std::string lr_scheduler_type = "linear";
  double warmup_ratio = 0;
  int64_t warmup_steps = 0;
  double decay_ratio = 0.2;  // of warmup_stable_decay
  double min_lr_ratio = 0;
  std::string optim = "adamw_torch";
  double adam_beta1 = 0.9, adam_beta2 = 0.999, adam_epsilon = 1e-8;
  double weight_decay = 0, momentum = 0;
  double max_grad_norm = 1;
  double ema_decay = 0;  // 0: no moving average of the weights

  // Preferences and distillation.
  double beta = 0.1, label_smoothing = 0;
  std::string loss_type = "sigmoid";
  std::string teacher_model_name_or_path;  // reads along, or
  std::string teacher_file;                // has read before: a file of write_top_k.h
  std::string teacher_weights;             // encoding of the teacher's; "": as stored
  int64_t teacher_top_k = 32;
  double temperature = 1;
  double kd_ratio = 0.5;  // share of the teacher in the loss; the rest is cross-entropy

  // Looking, keeping, stopping.
  int64_t logging_steps = 10;
  int64_t eval_steps = 0;  // 0: at the end of the run only
  double eval_split = 0;   // share of the data held back
  int64_t save_steps = 500;
  int64_t save_total_limit = 2;
  bool load_best_model_at_end = false;
  int64_t early_stopping_patience = 0;  // evaluations without a better one; 0: never
  int64_t samples = 3;                  // predictions in the report
  double memory_gib = 0;                // most memory; 0: what is free
};

// One line of the table.
struct OptionField {
  using Member =
      std::variant<bool TrainOptions::*, int64_t TrainOptions::*, double TrainOptions::*,
                   std::string TrainOptions::*, std::vector<std::string> TrainOptions::*>;
  std::string_view name, group, help;
  Member member;
  double least = 0, most = 1e18;  // of numbers
  std::string_view choices = {};  // of a text: "a|b|c"; empty: any
  std::string_view type() const;  // "N", "NUMBER", "TEXT", "TEXT..." or "" (a switch)
};
std::span<const OptionField> option_fields();
// Null where there is none of this name.
const OptionField* find_option(std::string_view name);

// Sets one option from a recipe's value or from the command line's text. Names the option in errors
// (kUsage); a list may be given as text with commas.
base::Status set_option(TrainOptions& options, std::string_view name, const base::Json& value);
base::Status set_option_text(TrainOptions& options, std::string_view name, const std::string& text);
base::Json option_json(const TrainOptions& options, const OptionField& field);

// What one option asks of another.
base::Status check_options(const TrainOptions& options);
double base_learning_rate(const TrainOptions& options);

}  // namespace ocelli::train
