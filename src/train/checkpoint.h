// Checkpoints: states of a run on disk. A folder OUT/step-N holds
//   the weights in their final format (a PEFT or a Hugging Face folder's files)
//   state.safetensors    float32 "value/NAME" and "average/NAME" of every trained parameter, and
//   the
//                        optimizer's "optimizer/NAME/..."
//   training.json        {"hash": SHA-256 of what follows, "training": {format, step, base model,
//                        options, state, files: {name: {bytes, sha256}}}}
//
// A folder is written as step-N.tmp, every file of it is put to disk, and only then it gets its
// name: whatever has the name step-N is whole, or was damaged later, which the hashes show. A kill
// or a full disk at any moment leaves all older ones as they were.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "train/trainer.h"

namespace ocelli::train {

inline constexpr int kCheckpointFormat = 1;

// What a run is made of, besides its state.
struct RunIdentity {
  std::string base;    // hash of the base model's weights
  base::Json options;  // the recipe
  std::string data;    // fingerprint of the dataset
};

// SHA-256 of all tensors as the files have them: names, types, shapes and every byte.
std::string base_model_hash(const models::LoadedModel& loaded);

struct CheckpointParts {
  const ParameterSet& parameters;
  Optimizer& optimizer;
  std::vector<std::vector<float>>* average = nullptr;  // of the trainer; may be empty
  // Writes the weights into a folder that does not exist yet.
  std::function<base::Status(const std::string& folder)> save_weights;
};

class CheckpointKeeper : public Keeper {
 public:
  struct Options {
    std::string folder;  // OUT
    int64_t limit = 2;   // checkpoints kept, besides the best
    RunIdentity identity;
    std::function<void(const std::string&)> note = {};  // for a person
  };
  CheckpointKeeper(Options options, CheckpointParts parts)
      : options_(std::move(options)), parts_(std::move(parts)) {}

  base::Status keep(const TrainState& state, bool best) override;

 private:
  base::Status write(const TrainState& state, const std::string& folder);
  base::Status write_state(const std::string& folder);
  base::Status write_training(const TrainState& state, const std::string& folder);
  void move_away(int64_t step) const;
  void prune(const TrainState& state);
  Options options_;
  CheckpointParts parts_;
  int64_t written_ = -1;  // the step that this object has written last
};

// A checkpoint whose files are what they were.
struct Checkpoint {
  std::string folder;
  RunIdentity identity;
  TrainState state;
};

// Steps of OUT/step-N, the newest first; damaged ones too.
std::vector<int64_t> checkpoint_steps(const std::string& out);
std::string checkpoint_folder(const std::string& out, int64_t step);

// Reads and checks one. kTraining names the file that is damaged.
base::Result<Checkpoint> read_checkpoint(const std::string& folder);
// The newest of OUT that is whole. `damaged` gets a sentence for each that was passed over.
// kTraining where there is none.
base::Result<Checkpoint> newest_checkpoint(const std::string& out,
                                           std::vector<std::string>& damaged);
// The numbers of a checkpoint into parameters, optimizer and average. kTraining where they are of
// other parameters.
base::Status restore(const Checkpoint& checkpoint, const CheckpointParts& parts);

// Removes what a killed run left half written: step-N.tmp. Returns their names.
std::vector<std::string> remove_partial(const std::string& out);

// Puts what `write` makes under a name that does not exist yet in the place of `folder`: the old
// one stays until the new one is whole.
base::Status replace_folder(const std::string& folder,
                            const std::function<base::Status(const std::string&)>& write);

// One run at a time in a folder.
class RunLock {
 public:
  // Makes the folder if need be. kTraining "in use by pid 17 on HOST since ..." where another run
  // holds it.
  static base::Result<RunLock> take(const std::string& out);
  RunLock(RunLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  RunLock& operator=(RunLock&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~RunLock();

 private:
  explicit RunLock(int fd) : fd_(fd) {}
  int fd_;
};

// Bytes of one checkpoint without its weights in their final format.
int64_t state_file_bytes(const ParameterSet& parameters, const OptimizerOptions& optimizer,
                         bool average);
// kDoesNotFit where `folder`'s disk has less than `bytes` free.
base::Status check_disk(const std::string& folder, int64_t bytes);

}  // namespace ocelli::train
