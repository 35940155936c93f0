// A file of what a teacher said of a dataset's rows (top_k.h), so that it need not be in memory,
// nor be asked again, while a student learns. A safetensors file:
//
//   rows       U8  [R, 32]  SHA-256 of each row (Dataset::content_key)
//   begins     I64 [R + 1]  tokens of row r are begins[r] .. begins[r + 1]
//   tokens     I32 [T]      its trained tokens
//   ids        I32 [T, K]   the likeliest tokens, the likeliest first
//   log_probs  F32 [T, K]   of the whole vocabulary, at the temperature
//
// with metadata format "ocelli-top-k-1", model, mask, temperature, vocabulary (a hash of the
// teacher's tokens) and sha256 (of the tensors' bytes in this order).
#pragma once

#include <string>
#include <unordered_map>

#include "formats/safetensors.h"
#include "train/sample_maker.h"
#include "train/top_k.h"

namespace ocelli::train {

inline constexpr int64_t kMaxTopK = 4096;

struct TopKFacts {
  std::string model, mask;  // for messages
  double temperature = 1;
  base::Digest256 vocabulary;
};

// Writes a file. Tokens go to disk as they come, 8 (K + 1) bytes or less each; memory is 40 bytes a
// row. Until commit() the old file, if any, stays, and nothing of the new one has a name.
class TopKWriter {
 public:
  static base::Result<TopKWriter> create(const std::string& path, int64_t k, TopKFacts facts);

  bool has(const base::Digest256& row) const { return known_.contains(row); }
  // A row that it does not have yet. Requires top.k == k.
  base::Status add(const base::Digest256& row, const TopK& top);
  base::Status commit();

  int64_t rows() const { return int64_t(rows_.size()); }
  int64_t tokens() const { return begins_.back(); }

 private:
  // Bytes in a file without a name.
  class Spool {
   public:
    static base::Result<Spool> create(const std::string& beside);
    Spool(Spool&& other) noexcept : fd_(std::exchange(other.fd_, -1)), path_(other.path_) {}
    Spool& operator=(Spool&& other) noexcept {
      std::swap(fd_, other.fd_);
      std::swap(path_, other.path_);
      return *this;
    }
    ~Spool();
    base::Status write(std::span<const std::byte> bytes);
    // All of it from the beginning, in pieces.
    template <class Use>
    base::Status read(const Use& use);

   private:
    Spool(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}
    int fd_;
    std::string path_;  // for messages
  };
  TopKWriter(std::string path, int64_t k, TopKFacts facts, std::vector<Spool> spools)
      : path_(std::move(path)), k_(k), facts_(std::move(facts)), spools_(std::move(spools)) {}
  base::Result<std::string> hash();

  std::string path_;
  int64_t k_;
  TopKFacts facts_;
  std::vector<Spool> spools_;  // tokens, ids, log_probs
  std::vector<base::Digest256> rows_;
  std::unordered_map<base::Digest256, size_t> known_;
  std::vector<int64_t> begins_ = {0};
};

class TopKFile {
 public:
  // Reads the file once and checks form, hash and every number (kBadInput), and that it speaks of
  // the student's tokens (kUsage).
  static base::Result<TopKFile> open(const std::string& path, const text::Tokenizer& student);

  const TopKFacts& facts() const { return facts_; }
  const std::string& path() const { return path_; }
  int64_t k() const { return k_; }
  int64_t rows() const { return int64_t(rows_.size()); }
  int64_t tokens() const { return tokens_; }
  // Of the tensors, as 64 digits.
  const std::string& hash() const { return hash_; }
  // The first `k` <= k() of each token of a row. Nothing where the row is not there.
  std::optional<TopK> find(const base::Digest256& row, int64_t k) const;

 private:
  base::Status read_facts();
  base::Status read_rows();
  base::Status check_numbers(int32_t vocabulary) const;
  base::Error bad(const std::string& what) const;

  formats::SafetensorsFile file_;
  std::string path_, hash_;
  TopKFacts facts_;
  int64_t k_ = 0, tokens_ = 0;
  std::span<const std::byte> token_bytes_, id_bytes_, log_prob_bytes_;
  std::unordered_map<base::Digest256, std::pair<int64_t, int64_t>> rows_;  // tokens [begin, end)
};

struct TopKFileUse {
  int64_t k = 32;                                  // the file may have fewer
  Truncation truncation = Truncation::kKeepStart;  // of the student's samples
};
// What is given must outlive the source.
std::unique_ptr<TopKSource> make_file_source(const TopKFile& file, const Dataset& data,
                                             const text::Tokenizer& tokenizer,
                                             const TopKFileUse& use);

}  // namespace ocelli::train
