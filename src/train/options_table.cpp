// The table of training options.
#include "train/options.h"

namespace ocelli::train {
namespace {

using T = TrainOptions;
constexpr std::string_view kWhat = "What is trained", kData = "Data", kAdapter = "Adapter",
                           kSteps = "Steps", kLearning = "Learning",
                           kLoss = "Preferences and distillation",
                           kKeep = "Looking, keeping, stopping";

const OptionField kFields[] = {
    {"method", kWhat, "adapter or whole model: lora, full", &T::method, 0, 0, "lora|full"},
    {"objective", kWhat, "sft, dpo (preference pairs) or distill", &T::objective, 0, 0,
     "sft|dpo|distill"},
    {"train_vision", kWhat, "train the vision tower", &T::train_vision},
    {"train_connector", kWhat, "train the connector", &T::train_connector},
    {"train_text", kWhat, "train the text model", &T::train_text},
    {"weight_storage", kWhat, "of a full fine-tune, beside the float32 masters: f32, bf16",
     &T::weight_storage, 0, 0, "f32|bf16"},
    {"save_dtype", kWhat, "of a full model's files: f32, bf16, f16 (default: as it was read)",
     &T::save_dtype, 0, 0, "f32|bf16|f16"},
    {"from_scratch", kWhat, "begin with random numbers", &T::from_scratch},

    {"mask", kData,
     "tokens that carry loss: assistant, last, completion, all, smolvlm2-official, hf-notebook, "
     "trl-default",
     &T::mask, 0, 0, "assistant|last|completion|all|smolvlm2-official|hf-notebook|trl-default"},
    {"truncation", kData, "of long samples: keep_start, keep_end, drop", &T::truncation, 0, 0,
     "keep_start|keep_end|drop"},
    {"format", kData,
     "of rows: auto, messages, prompt-completion, preference, llava, alpaca, cauldron, text",
     &T::format, 0, 0, "auto|messages|prompt-completion|preference|llava|alpaca|cauldron|text"},
    {"media_folder", kData, "that pictures are relative to (default: the data file's)",
     &T::media_folder},
    {"allow_outside", kData, "pictures may lie outside of that folder", &T::allow_outside},
    {"shuffle", kData, "another order each epoch", &T::shuffle},
    {"raw_text", kData, "texts as they are, without the chat template", &T::raw_text},
    {"max_bad_rows", kData, "rows left out before it is an error", &T::max_bad_rows, 0, 1e9},

    {"lora_r", kAdapter, "rank", &T::lora_r, 1, 1024},
    {"lora_alpha", kAdapter, "scale: the adapter counts alpha / r", &T::lora_alpha, 0, 1e6},
    {"lora_dropout", kAdapter, "share of inputs dropped", &T::lora_dropout, 0, 0.99},
    {"target_modules", kAdapter, "modules by the end of their name, or all-linear",
     &T::target_modules},
    {"modules_to_save", kAdapter, "modules trained whole beside the adapter", &T::modules_to_save},
    {"use_rslora", kAdapter, "scale alpha / sqrt(r)", &T::use_rslora},
    {"use_dora", kAdapter, "learn magnitudes too (DoRA)", &T::use_dora},
    {"init_lora_weights", kAdapter, "kaiming or gaussian", &T::init_lora_weights, 0, 0,
     "kaiming|gaussian"},

    {"per_device_train_batch_size", kSteps, "samples that go through together", &T::batch_size, 1,
     4096},
    {"gradient_accumulation_steps", kSteps, "of such batches in a step",
     &T::gradient_accumulation_steps, 1, 65536},
    {"num_train_epochs", kSteps, "passes over the data", &T::num_train_epochs, 0.001, 1e6},
    {"max_steps", kSteps, "steps in all (0: by epochs)", &T::max_steps, 0, 1e12},
    {"max_minutes", kSteps, "end after this time, the schedule with it (0: no limit)",
     &T::max_minutes, 0, 1e6},
    {"max_length", kSteps, "most tokens of a sample; 0: the model's context", &T::max_length, 0,
     1 << 22},
    {"packing", kSteps, "several samples side by side up to max_length", &T::packing},
    {"gradient_checkpointing", kSteps, "compute layers twice to save memory",
     &T::gradient_checkpointing},
    {"seed", kSteps, "of order, dropout and first numbers", &T::seed, 0, 9e15},

    {"learning_rate", kLearning, "(0: 2e-4 for adapters, 2e-5 for whole models)", &T::learning_rate,
     0, 1e12},
    {"vision_learning_rate", kLearning, "of the vision tower (0: learning_rate)",
     &T::vision_learning_rate, 0, 1e12},
    {"connector_learning_rate", kLearning, "of the connector (0: learning_rate)",
     &T::connector_learning_rate, 0, 1e12},
    {"muon_learning_rate", kLearning, "of matrices that Muon trains (0: learning_rate)",
     &T::muon_learning_rate, 0, 1e12},
    {"lr_scheduler_type", kLearning,
     "linear, cosine, constant, constant_with_warmup, warmup_stable_decay", &T::lr_scheduler_type},
    {"warmup_ratio", kLearning, "share of the steps in which the rate goes up", &T::warmup_ratio, 0,
     1},
    {"warmup_steps", kLearning, "the same in steps", &T::warmup_steps, 0, 1e12},
    {"decay_ratio", kLearning, "of warmup_stable_decay: share in which it goes down",
     &T::decay_ratio, 0, 1},
    {"min_lr_ratio", kLearning, "the rate's lowest share", &T::min_lr_ratio, 0, 1},
    {"optim", kLearning, "adamw_torch, adamw_8bit, sgd, muon", &T::optim},
    {"adam_beta1", kLearning, "", &T::adam_beta1, 0, 0.99999},
    {"adam_beta2", kLearning, "", &T::adam_beta2, 0, 0.9999999},
    {"adam_epsilon", kLearning, "", &T::adam_epsilon, 0, 1},
    {"weight_decay", kLearning, "not of norms and biases", &T::weight_decay, 0, 10},
    {"momentum", kLearning, "of sgd", &T::momentum, 0, 0.99999},
    {"max_grad_norm", kLearning, "clip the gradient's length (0: never)", &T::max_grad_norm, 0,
     1e12},
    {"ema_decay", kLearning, "keep a moving average of the weights (0: none)", &T::ema_decay, 0,
     0.999999},

    {"beta", kLoss, "of dpo: how far from the reference", &T::beta, 0, 1e6},
    {"label_smoothing", kLoss, "of dpo: share of wrong preferences", &T::label_smoothing, 0, 0.49},
    {"loss_type", kLoss,
     "of dpo: sigmoid, robust, hinge, ipo, apo_zero, apo_down, sppo_hard, nca_pair", &T::loss_type,
     0, 0, "sigmoid|robust|hinge|ipo|apo_zero|apo_down|sppo_hard|nca_pair"},
    {"teacher_model_name_or_path", kLoss, "of distill: a model with the same vocabulary",
     &T::teacher_model_name_or_path},
    {"teacher_file", kLoss, "of distill: what such a model said earlier, by --write_top_k",
     &T::teacher_file},
    {"teacher_weights", kLoss, "convert the teacher's weights: f32, bf16, f16, q8, q4",
     &T::teacher_weights, 0, 0, "f32|bf16|f16|q8|q4"},
    {"teacher_top_k", kLoss, "tokens of the teacher's that count", &T::teacher_top_k, 1, 4096},
    {"temperature", kLoss, "of distill, of teacher and student", &T::temperature, 0.01, 100},
    {"kd_ratio", kLoss, "of distill: share of the teacher; the rest is cross-entropy", &T::kd_ratio,
     0, 1},

    {"logging_steps", kKeep, "steps between lines", &T::logging_steps, 1, 1e12},
    {"eval_steps", kKeep, "steps between evaluations (0: at the end)", &T::eval_steps, 0, 1e12},
    {"eval_split", kKeep, "share of the data held back", &T::eval_split, 0, 0.9},
    {"save_steps", kKeep, "steps between checkpoints (0: at the end)", &T::save_steps, 0, 1e12},
    {"save_total_limit", kKeep, "checkpoints kept, besides the best", &T::save_total_limit, 1, 1e6},
    {"load_best_model_at_end", kKeep, "end with the best evaluated weights",
     &T::load_best_model_at_end},
    {"early_stopping_patience", kKeep, "stop after as many evaluations without a better (0: never)",
     &T::early_stopping_patience, 0, 1e6},
    {"samples", kKeep, "predictions before and after in the report", &T::samples, 0, 100},
    {"memory", kKeep, "most memory in GiB (0: what is free)", &T::memory_gib, 0, 1e6},
};

}  // namespace

std::span<const OptionField> option_fields() {
  return kFields;
}

}  // namespace ocelli::train
