// Writing checkpoints.
#include "train/checkpoint.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>

#include "base/atomic_folder.h"
#include "base/file.h"
#include "base/folders.h"
#include "formats/safetensors_writer.h"
#include "train/checkpoint_names.h"

namespace ocelli::train {

using base::Code;
using base::Json;
using base::Result;
using base::Status;
namespace fs = std::filesystem;

namespace {

constexpr size_t kHashPiece = size_t{16} << 20;

std::string partial_name(const std::string& folder) {
  return folder + std::string(kPartialEnding);
}

Json identity_json(const RunIdentity& identity) {
  return Json::object(
      {{"base", identity.base}, {"data", identity.data}, {"options", identity.options}});
}

// Name, size and hash of every file of a checkpoint.
Result<Json> list_files(const std::string& folder) {
  Json files = Json::object();
  std::error_code error;
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    names.push_back(entry.path().filename().string());
  }
  if (error) return base::errno_error(error.value(), "list", folder);
  std::erase(names, kTrainingFile);
  std::sort(names.begin(), names.end());
  for (const std::string& name : names) {
    OCELLI_ASSIGN(const base::MappedFile file,
                  base::MappedFile::open(base::join_path(folder, name)));
    files.set(name, Json::object({{"bytes", int64_t(file.size())},
                                  {"sha256", base::sha256(file.bytes()).hex()}}));
  }
  return files;
}

}  // namespace

std::string base_model_hash(const models::LoadedModel& loaded) {
  const formats::Checkpoint& checkpoint = loaded.checkpoint;
  base::Sha256 hash;
  for (const formats::TensorInfo& t : checkpoint.tensors()) {
    for (const std::string& text : {t.name, t.dtype, formats::shape_text(t.shape)}) {
      hash.update_u64(text.size());
      hash.update(text);
    }
    hash.update_u64(t.bytes.size());
    for (size_t at = 0; at < t.bytes.size(); at += kHashPiece) {
      const auto piece = t.bytes.subspan(at, std::min(kHashPiece, t.bytes.size() - at));
      hash.update(piece);
      // Else files that were converted while loading would count as memory once more.
      if (t.bytes.size() > kHashPiece) checkpoint.release(piece);
    }
  }
  return hash.finish().hex();
}

std::string checkpoint_folder(const std::string& out, int64_t step) {
  return base::join_path(out, std::string(kStepPrefix) + std::to_string(step));
}

Status CheckpointKeeper::write_state(const std::string& folder) {
  struct Piece {
    formats::TensorSpec spec;
    std::span<const std::byte> bytes;
  };
  std::vector<Piece> pieces;
  const auto& all = parts_.parameters.all();
  for (size_t i = 0; i < all.size(); ++i) {
    const Parameter& p = all[i];
    const auto add = [&](const char* what, const float* numbers) {
      pieces.push_back({{what + p.name, encoding::Encoding::kF32, p.shape},
                        std::as_bytes(std::span(numbers, size_t(p.count)))});
    };
    add("value/", p.value);
    if (parts_.average && !parts_.average->empty()) add("average/", (*parts_.average)[i].data());
  }
  for (const StateTensor& s : parts_.optimizer.state()) {
    formats::TensorSpec spec;
    spec.name = "optimizer/" + s.name;
    spec.shape = {int64_t(s.bytes.size()) / (s.bytes8 ? 1 : 4)};
    if (s.bytes8) {
      spec.dtype = "U8";
      spec.bytes = s.bytes.size();
    }
    pieces.push_back({std::move(spec), s.bytes});
  }
  std::vector<formats::TensorSpec> specs;
  for (const Piece& piece : pieces) specs.push_back(piece.spec);
  OCELLI_ASSIGN(auto out, formats::SafetensorsWriter::create(
                              base::join_path(folder, kStateFile), specs,
                              {{"steps", std::to_string(parts_.optimizer.steps())}}, 0600));
  for (const Piece& piece : pieces) OCELLI_TRY(out.write(piece.bytes));
  return out.commit();
}

Status CheckpointKeeper::write_training(const TrainState& state, const std::string& folder) {
  OCELLI_ASSIGN(Json files, list_files(folder));
  const Json training = Json::object({{"format", kCheckpointFormat},
                                      {"run", identity_json(options_.identity)},
                                      {"state", state.to_json()},
                                      {"files", std::move(files)}});
  const Json whole =
      Json::object({{"hash", base::sha256(training.dump()).hex()}, {"training", training}});
  OCELLI_TRY(base::write_file_atomically(base::join_path(folder, kTrainingFile),
                                         whole.dump(1) + "\n", 0644));
  return base::sync_folder(folder);
}

Status CheckpointKeeper::write(const TrainState& state, const std::string& folder) {
  OCELLI_TRY(parts_.save_weights(folder));
  OCELLI_TRY(base::make_folders(folder));
  OCELLI_TRY(write_state(folder));
  return write_training(state, folder);
}

Status CheckpointKeeper::keep(const TrainState& state, bool best) {
  const std::string folder = checkpoint_folder(options_.folder, state.step);
  const std::string partial = partial_name(folder);
  if (written_ == state.step) return write_training(state, folder);  // judged once more
  OCELLI_TRY(base::remove_folder(partial));
  if (const Status written = write(state, partial); !written.ok()) {
    // Nothing of it stays; the older ones are as they were.
    (void)base::remove_folder(partial);
    return written;
  }
  // One of this name is damaged or of a run that was given up: this one went on from an older.
  move_away(state.step);
  if (rename(partial.c_str(), folder.c_str()) != 0) {
    const int number = errno;
    (void)base::remove_folder(partial);
    return base::errno_error(number, "rename", folder);
  }
  OCELLI_TRY(base::sync_folder(options_.folder));
  written_ = state.step;
  prune(state);
  if (options_.note) {
    options_.note("kept " + folder + (best ? ", the best so far" : ""));
  }
  return {};
}

// What goes loses its name first, so that a kill leaves no half of it behind under a name that
// means "whole".
void CheckpointKeeper::move_away(int64_t step) const {
  const std::string folder = checkpoint_folder(options_.folder, step);
  const std::string aside = partial_name(folder + "-old");
  (void)base::remove_folder(aside);
  if (rename(folder.c_str(), aside.c_str()) == 0) (void)base::remove_folder(aside);
}

// Older ones beyond the limit go, but never the one just written or the best; newer ones are of a
// run that was given up.
void CheckpointKeeper::prune(const TrainState& state) {
  int64_t kept = 0;
  for (const int64_t step : checkpoint_steps(options_.folder)) {
    if (step == state.best_step || step == state.step) {
      kept += step == state.step;
    } else if (step > state.step || ++kept > std::max<int64_t>(1, options_.limit)) {
      move_away(step);
    }
  }
  (void)remove_partial(options_.folder);
}

Status replace_folder(const std::string& folder,
                      const std::function<Status(const std::string&)>& write) {
  const std::string fresh = partial_name(folder), old = partial_name(folder + "-old");
  OCELLI_TRY(base::remove_folder(fresh));
  OCELLI_TRY(write(fresh));
  OCELLI_TRY(base::sync_folder(fresh));
  OCELLI_TRY(base::remove_folder(old));
  if (rename(folder.c_str(), old.c_str()) != 0 && errno != ENOENT) {
    return base::errno_error(errno, "rename", folder);
  }
  if (rename(fresh.c_str(), folder.c_str()) != 0) {
    return base::errno_error(errno, "rename", folder);
  }
  (void)base::remove_folder(old);
  return base::sync_folder(fs::path(folder).parent_path().string());
}

std::vector<std::string> remove_partial(const std::string& out) {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(out, error)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(kStepPrefix) && name.ends_with(kPartialEnding)) names.push_back(name);
  }
  for (const std::string& name : names) (void)base::remove_folder(base::join_path(out, name));
  return names;
}

int64_t state_file_bytes(const ParameterSet& parameters, const OptimizerOptions& optimizer,
                         bool average) {
  int64_t bytes = 0;
  for (const Parameter& p : parameters.all()) {
    bytes += p.count * 4 * (average ? 2 : 1) + Optimizer::state_bytes(optimizer, p);
  }
  return bytes;
}

}  // namespace ocelli::train
