// Reading checkpoints, and the folder they lie in.
#include <fcntl.h>
#include <sys/file.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <map>

#include "base/file.h"
#include "base/folders.h"
#include "formats/safetensors.h"
#include "train/checkpoint.h"
#include "train/checkpoint_names.h"

namespace ocelli::train {

using base::Code;
using base::Json;
using base::Result;
using base::Status;
namespace fs = std::filesystem;

namespace {

constexpr size_t kMaxTrainingJson = size_t{64} << 20;
constexpr size_t kMaxLockText = 512;

base::Error damaged(const std::string& file, const std::string& how) {
  return base::fail(Code::kTraining, "the checkpoint is damaged: " + how, file);
}

// training.json, with its own hash checked.
Result<Json> read_training(const std::string& path) {
  auto text = base::read_file(path, kMaxTrainingJson);
  if (!text.ok()) return damaged(path, text.error().what);
  auto json = Json::parse(*text, {.max_bytes = kMaxTrainingJson});
  if (!json.ok()) return damaged(path, json.error().what);
  const Json* hash = json->find("hash");
  const Json* training = json->find("training");
  if (!hash || !hash->is_string() || !training || !training->is_object()) {
    return damaged(path, "it is not what was written");
  }
  if (base::sha256(training->dump()).hex() != hash->as_string()) {
    return damaged(path, "it is not what was written (its hash differs)");
  }
  return *training;
}

Status check_files(const std::string& folder, const Json& training) {
  const Json* files = training.find("files");
  if (!files || !files->is_object()) return damaged(folder, "training.json lists no files");
  for (const auto& [name, about] : files->members()) {
    if (name.find('/') != std::string::npos || name == "..") {
      return damaged(folder, "training.json names a file elsewhere");
    }
    const std::string path = base::join_path(folder, name);
    const auto file = base::MappedFile::open(path);
    if (!file.ok()) return damaged(path, file.error().what);
    OCELLI_ASSIGN(const int64_t bytes, about.get_int("bytes", {0, INT64_MAX}));
    OCELLI_ASSIGN(const std::string hash, about.get_string("sha256"));
    if (int64_t(file->size()) != bytes) {
      return damaged(path, "it has " + std::to_string(file->size()) + " bytes instead of " +
                               std::to_string(bytes));
    }
    if (base::sha256(file->bytes()).hex() != hash) {
      return damaged(path, "its content is not what was written (its hash differs)");
    }
  }
  return {};
}

}  // namespace

std::vector<int64_t> checkpoint_steps(const std::string& out) {
  std::vector<int64_t> steps;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(out, error)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with(kStepPrefix)) continue;
    int64_t step = 0;
    const char* const end = name.data() + name.size();
    const auto read = std::from_chars(name.data() + kStepPrefix.size(), end, step);
    if (read.ec == std::errc() && read.ptr == end && step >= 0) steps.push_back(step);
  }
  std::sort(steps.rbegin(), steps.rend());
  return steps;
}

Result<Checkpoint> read_checkpoint(const std::string& folder) {
  Checkpoint c;
  c.folder = folder;
  const std::string path = base::join_path(folder, kTrainingFile);
  OCELLI_ASSIGN(const Json training, read_training(path));
  OCELLI_ASSIGN(const int64_t format, training.get_int("format"));
  if (format != kCheckpointFormat) {
    return base::fail(Code::kTraining,
                      "was written in format " + std::to_string(format) + "; this program knows " +
                          std::to_string(kCheckpointFormat),
                      path);
  }
  OCELLI_TRY(check_files(folder, training));
  const Json* run = training.find("run");
  const Json* state = training.find("state");
  if (!run || !state) return damaged(path, "parts are missing");
  OCELLI_ASSIGN(c.identity.base, run->get_string("base"));
  OCELLI_ASSIGN(c.identity.data, run->get_string("data"));
  if (const Json* options = run->find("options")) c.identity.options = *options;
  OCELLI_ASSIGN(c.state, TrainState::parse(*state));
  return c;
}

Result<Checkpoint> newest_checkpoint(const std::string& out, std::vector<std::string>& passed) {
  for (const int64_t step : checkpoint_steps(out)) {
    auto read = read_checkpoint(checkpoint_folder(out, step));
    if (read.ok()) return read;
    passed.push_back(read.error().message());
  }
  return base::fail(Code::kTraining,
                    passed.empty() ? "holds no checkpoint to go on from; start without --resume"
                                   : "holds no checkpoint that is whole (" + passed.front() +
                                         "); start again in another folder",
                    out);
}

Status restore(const Checkpoint& checkpoint, const CheckpointParts& parts) {
  const std::string path = base::join_path(checkpoint.folder, kStateFile);
  OCELLI_ASSIGN(const auto file, formats::SafetensorsFile::open(path));
  size_t used = 0;
  const auto read = [&](const std::string& name, std::span<std::byte> to) -> Status {
    const formats::TensorInfo* t = file.find(name);
    if (!t || t->bytes.size() != to.size()) {
      return base::fail(Code::kTraining,
                        (t ? "has another number of values of " : "holds nothing of ") + name +
                            "; it is of another run: use the same model and options",
                        path);
    }
    std::memcpy(to.data(), t->bytes.data(), to.size());
    ++used;
    return {};
  };
  const auto& all = parts.parameters.all();
  for (size_t i = 0; i < all.size(); ++i) {
    const auto count = size_t(all[i].count);
    OCELLI_TRY(
        read("value/" + all[i].name, std::as_writable_bytes(std::span(all[i].value, count))));
    if (parts.average && !parts.average->empty()) {
      OCELLI_TRY(
          read("average/" + all[i].name, std::as_writable_bytes(std::span((*parts.average)[i]))));
    }
  }
  for (const StateTensor& s : parts.optimizer.state()) {
    OCELLI_TRY(read("optimizer/" + s.name, s.bytes));
  }
  if (used != file.tensors().size()) {
    return base::fail(Code::kTraining,
                      "holds parameters that do not train now; use the options it was made with",
                      path);
  }
  parts.optimizer.set_steps(checkpoint.state.step);
  return {};
}

Result<RunLock> RunLock::take(const std::string& out) {
  OCELLI_TRY(base::make_folders(out));
  const std::string path = base::join_path(out, "lock");
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
  if (fd < 0) return base::errno_error(errno, "open", path);
  RunLock lock(fd);
  if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    char text[kMaxLockText] = {};
    const ssize_t got = pread(fd, text, sizeof text - 1, 0);
    return base::fail(
        Code::kTraining,
        "is in use by " +
            base::printable(std::string_view(text, size_t(std::max<ssize_t>(0, got)))) +
            "; wait for it or choose another folder",
        out);
  }
  char host[256] = "?", since[32] = "";
  gethostname(host, sizeof host - 1);
  const time_t now = time(nullptr);
  tm parts{};
  if (gmtime_r(&now, &parts)) strftime(since, sizeof since, "%Y-%m-%d %H:%M:%S UTC", &parts);
  const std::string text = "pid " + std::to_string(getpid()) + " on " + host + " since " + since;
  // The text is for people; the lock holds without it.
  if (ftruncate(fd, 0) != 0 || pwrite(fd, text.data(), text.size(), 0) < 0) return lock;
  return lock;
}

RunLock::~RunLock() {
  if (fd_ >= 0) close(fd_);
}

Status check_disk(const std::string& folder, int64_t bytes) {
  struct statvfs about {};
  if (statvfs(folder.c_str(), &about) != 0) return {};
  const int64_t free = int64_t(about.f_bavail) * int64_t(about.f_frsize);
  if (free >= bytes) return {};
  return base::fail(Code::kDoesNotFit,
                    "not enough space on the disk for the checkpoints (" +
                        std::to_string(bytes >> 20) + " MiB, free " + std::to_string(free >> 20) +
                        " MiB); lower save_total_limit, choose optim adamw_8bit or another disk",
                    folder);
}

}  // namespace ocelli::train
