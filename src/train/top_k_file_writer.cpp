// Writing files of what a teacher said.
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "base/file.h"
#include "formats/safetensors_writer.h"
#include "train/top_k_file.h"

namespace ocelli::train {

using base::Digest256;
using base::Result;
using base::Status;

namespace {

constexpr size_t kPiece = size_t{1} << 20;  // bytes copied at once

std::span<const std::byte> bytes_of(const auto& list) {
  return std::as_bytes(std::span(list));
}

formats::TensorSpec spec_of(std::string name, std::string dtype, std::vector<int64_t> shape,
                            uint64_t number_bytes) {
  formats::TensorSpec spec;
  spec.name = std::move(name);
  spec.dtype = std::move(dtype);
  spec.bytes = number_bytes;
  for (const int64_t n : shape) spec.bytes *= uint64_t(n);
  spec.shape = std::move(shape);
  return spec;
}

}  // namespace

// The name is gone at once, so that whatever happens nothing is left behind.
Result<TopKWriter::Spool> TopKWriter::Spool::create(const std::string& beside) {
  std::string name = beside + ".XXXXXX";
  const int fd = mkostemp(name.data(), O_CLOEXEC);
  if (fd < 0) return base::errno_error(errno, "create", beside);
  unlink(name.c_str());
  return Spool(fd, beside);
}

TopKWriter::Spool::~Spool() {
  if (fd_ >= 0) close(fd_);
}

Status TopKWriter::Spool::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t put = ::write(fd_, bytes.data(), bytes.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return base::errno_error(errno, "write", path_);
    bytes = bytes.subspan(size_t(put));
  }
  return {};
}

template <class Use>
Status TopKWriter::Spool::read(const Use& use) {
  std::vector<std::byte> piece(kPiece);
  for (off_t at = 0;;) {
    const ssize_t got = pread(fd_, piece.data(), piece.size(), at);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return base::errno_error(errno, "read", path_);
    if (got == 0) return {};
    OCELLI_TRY(use(std::span<const std::byte>(piece.data(), size_t(got))));
    at += got;
  }
}

Result<TopKWriter> TopKWriter::create(const std::string& path, int64_t k, TopKFacts facts) {
  OCELLI_CHECK(k > 0 && k <= kMaxTopK, "a number of tokens that a file may hold");
  std::vector<Spool> spools;
  for (int i = 0; i < 3; ++i) {
    OCELLI_ASSIGN(Spool spool, Spool::create(path));
    spools.push_back(std::move(spool));
  }
  return TopKWriter(path, k, std::move(facts), std::move(spools));
}

Status TopKWriter::add(const Digest256& row, const TopK& top) {
  OCELLI_CHECK(top.k == k_ && !has(row), "a new row with as many tokens as all");
  OCELLI_TRY(spools_[0].write(bytes_of(top.tokens)));
  OCELLI_TRY(spools_[1].write(bytes_of(top.ids)));
  OCELLI_TRY(spools_[2].write(bytes_of(top.log_probs)));
  known_.emplace(row, rows_.size());
  rows_.push_back(row);
  begins_.push_back(begins_.back() + top.count());
  return {};
}

Result<std::string> TopKWriter::hash() {
  base::Sha256 hash;
  hash.update(bytes_of(rows_));
  hash.update(bytes_of(begins_));
  for (Spool& spool : spools_) {
    OCELLI_TRY(spool.read([&](std::span<const std::byte> bytes) -> Status {
      hash.update(bytes);
      return {};
    }));
  }
  return hash.finish().hex();
}

Status TopKWriter::commit() {
  OCELLI_ASSIGN(const std::string sum, hash());
  const int64_t n = tokens();
  const std::vector<formats::TensorSpec> specs = {
      spec_of("rows", "U8", {rows(), 32}, 1), spec_of("begins", "I64", {rows() + 1}, 8),
      spec_of("tokens", "I32", {n}, 4), spec_of("ids", "I32", {n, k_}, 4),
      spec_of("log_probs", "F32", {n, k_}, 4)};
  OCELLI_ASSIGN(auto out, formats::SafetensorsWriter::create(
                              path_, specs,
                              {{"format", "ocelli-top-k-1"},
                               {"model", facts_.model},
                               {"mask", facts_.mask},
                               {"temperature", base::Json(facts_.temperature).dump()},
                               {"vocabulary", facts_.vocabulary.hex()},
                               {"sha256", sum}},
                              0600));
  OCELLI_TRY(out.write(bytes_of(rows_)));
  OCELLI_TRY(out.write(bytes_of(begins_)));
  for (Spool& spool : spools_) {
    OCELLI_TRY(spool.read([&](std::span<const std::byte> bytes) { return out.write(bytes); }));
  }
  return out.commit();
}

}  // namespace ocelli::train
