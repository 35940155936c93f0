#include "formats/gguf_split.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "base/advice.h"

namespace ocelli::formats {

using base::Code;
using base::fail;
using base::Result;
using base::Status;

namespace {

constexpr std::string_view kNumber = "split.no", kCount = "split.count",
                           kTensors = "split.tensors.count";

// "-00002-of-00003.gguf"
std::string ending(int64_t index, int64_t count) {
  char text[40];
  std::snprintf(text, sizeof text, "-%05d-of-%05d.gguf", int(index + 1), int(count));
  return text;
}

std::string shard_text(int64_t index, int64_t count) {
  return "shard " + std::to_string(index + 1) + " of " + std::to_string(count);
}

template <class T>
Result<T> advised(Result<T> result) {
  return base::with_advice(std::move(result), base::kFileAdvice);
}

// That `file` calls itself shard `index` of `count`, of the same model as `first`.
Status check_shard(const GgufFile& file, const GgufFile& first, int64_t index, int64_t count) {
  OCELLI_ASSIGN(const int64_t number, file.metadata().integer(kNumber, {0, kMaxGgufShards - 1}));
  OCELLI_ASSIGN(const int64_t of, file.metadata().integer(kCount, {1, kMaxGgufShards}));
  if (number != index || of != count) {
    return fail(Code::kBadInput, "calls itself " + shard_text(number, of) + " but is named " +
                                     shard_text(index, count) + "; download it again");
  }
  constexpr std::string_view kArchitecture = "general.architecture";
  const GgufValue* own = file.metadata().find(kArchitecture);
  const GgufValue* other = first.metadata().find(kArchitecture);
  if (own && other &&
      !std::equal(own->bytes.begin(), own->bytes.end(), other->bytes.begin(), other->bytes.end())) {
    return fail(Code::kBadInput, "this shard is of another model than the first one");
  }
  return {};
}

Status check_together(const std::vector<GgufFile>& files) {
  size_t tensors = 0;
  std::vector<std::string_view> names;
  for (const GgufFile& file : files) {
    tensors += file.tensors().size();
    for (const TensorInfo& t : file.tensors()) names.push_back(t.name);
  }
  OCELLI_ASSIGN(const int64_t expected,
                files[0].metadata().integer(
                    kTensors, {0, kMaxGgufShards * int64_t(kMaxGgufTensors)}, int64_t(tensors)));
  if (int64_t(tensors) != expected) {
    return fail(Code::kBadInput, "the shards hold " + std::to_string(tensors) +
                                     " tensors but the first one says " + std::to_string(expected) +
                                     "; a shard is of another model");
  }
  std::sort(names.begin(), names.end());
  const auto twice = std::adjacent_find(names.begin(), names.end());
  if (twice == names.end()) return {};
  return fail(Code::kBadInput, "two shards hold the tensor " + base::printable(*twice) +
                                   "; one is of another model");
}

}  // namespace

Result<std::vector<GgufFile>> open_gguf(const std::string& path) {
  std::vector<GgufFile> files;
  OCELLI_ASSIGN(GgufFile first, GgufFile::open(path));
  auto split = first.metadata().integer(kCount, {1, kMaxGgufShards}, 1);
  OCELLI_ASSIGN(const int64_t count, advised(std::move(split)).in(path));
  files.push_back(std::move(first));
  if (count == 1) return files;
  auto own = files[0].metadata().integer(kNumber, {0, kMaxGgufShards - 1});
  OCELLI_ASSIGN(const int64_t number, advised(std::move(own)).in(path));
  if (number != 0 || !path.ends_with(ending(0, count))) {
    return fail(Code::kBadInput,
                "is " + shard_text(number, count) + "; give the first one, whose name ends in " +
                    ending(0, count),
                path);
  }
  const std::string stem = path.substr(0, path.size() - ending(0, count).size());
  for (int64_t i = 1; i < count; ++i) {
    const std::string name = stem + ending(i, count);
    std::error_code ignored;
    if (!std::filesystem::exists(name, ignored)) {
      return fail(Code::kBadInput,
                  shard_text(i, count) +
                      " is missing; download it into the same "
                      "folder",
                  name);
    }
    OCELLI_ASSIGN(GgufFile file, GgufFile::open(name).in(shard_text(i, count)));
    OCELLI_TRY(advised(check_shard(file, files[0], i, count)).in(shard_text(i, count)).in(name));
    files.push_back(std::move(file));
  }
  OCELLI_TRY(advised(check_together(files)).in(path));
  return files;
}

}  // namespace ocelli::formats
