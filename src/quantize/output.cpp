#include "quantize/output.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cmath>
#include <cstdio>

#include "formats/safetensors_writer.h"

namespace ocelli::quantize {

using base::Code;
using base::fail;
using base::Json;
using base::ResumableFile;
using base::Result;
using base::Status;
using encoding::Encoding;

namespace {

constexpr int64_t kPieceBytes = int64_t{8} << 20;  // written at a time

bool is_plain(Encoding e) {
  return e == Encoding::kF32 || e == Encoding::kF16 || e == Encoding::kBF16;
}

// The numbers of stored row `r`.
void read_row(const OutTensor& t, int64_t r, std::span<float> row) {
  const int64_t from =
      t.interleaved_heads ? formats::interleaved_row(r, t.rows, t.interleaved_heads) : r;
  if (t.parameter.vector) {
    std::copy_n(t.parameter.vector->f32() + from * t.cols, t.cols, row.data());
    return;
  }
  const nn::Weight& w = *t.parameter.weight;
  encoding::decode_row(w.encoding, w.row(from), 0, t.cols, row.data());
}

bool all_finite(std::span<const float> row) {
  int beyond = 0;
  for (const float x : row) beyond |= !std::isfinite(x);
  return !beyond;
}

// One tensor behind another in a file that may hold some already.
class FileWriter {
 public:
  FileWriter(ResumableFile& file, const models::LoadedModel& source, base::ThreadPool& pool,
             const WriteOptions& options)
      : file_(file), source_(source), pool_(pool), options_(options) {}

  Status header(std::string_view text) {
    if (file_.written() >= text.size()) return {};
    if (file_.written() > 0) return damaged();
    return file_.write(std::as_bytes(std::span(text)));
  }

  Status tensor(const OutTensor& t, uint64_t begin) {
    if (begin + t.bytes() <= file_.written()) return {};
    OCELLI_TRY(pad(begin));
    const int64_t stride = encoding::row_bytes(t.encoding, t.cols);
    const int64_t together = std::clamp<int64_t>(kPieceBytes / stride, 1, t.rows);
    std::vector<std::byte> piece(size_t(together * stride));
    const auto there = int64_t(file_.written() - begin);  // of a run that was cut off
    if (there % stride != 0) return damaged();
    for (int64_t first = there / stride; first < t.rows; first += together) {
      if (options_.cancel) OCELLI_TRY(options_.cancel->check());
      const int64_t rows = std::min(together, t.rows - first);
      if (!encode_rows(t, first, rows, pool_, piece.data())) {
        return fail(Code::kBadInput, "holds numbers that " +
                                         std::string(encoding::name(t.encoding)) +
                                         " cannot store; give it another type (--tensor " +
                                         base::printable(t.parameter.name, 100) + "=bf16)",
                    base::printable(t.parameter.name, 100));
      }
      OCELLI_TRY(file_.write({piece.data(), size_t(rows * stride)}));
      release(t, first, rows);
      if (options_.progress) options_.progress->update(progress(), "writing weights");
    }
    if (file_.written() - file_.done() >= options_.checkpoint_bytes) return file_.checkpoint();
    return {};
  }

  // The rest as zeros.
  Status pad(uint64_t offset) {
    const std::vector<std::byte> zeros(4096);
    while (file_.written() < offset) {
      const size_t n = size_t(std::min<uint64_t>(zeros.size(), offset - file_.written()));
      OCELLI_TRY(file_.write({zeros.data(), n}));
    }
    return {};
  }

  uint64_t before = 0, all = 1;  // bytes of the files before this one, and of all

 private:
  base::Error damaged() const {
    return fail(Code::kBadInput,
                "what an earlier run left is damaged; remove its folder and begin anew",
                file_.path());
  }
  // Pages of the source that were only read would otherwise count as ours.
  void release(const OutTensor& t, int64_t first, int64_t rows) const {
    const auto* stored = source_.checkpoint.find(t.parameter.name);
    if (!stored || stored->bytes.size() % size_t(t.rows) != 0) return;
    const size_t row = stored->bytes.size() / size_t(t.rows);
    source_.checkpoint.release(stored->bytes.subspan(size_t(first) * row, size_t(rows) * row));
  }
  double progress() const { return double(before + file_.written()) / double(all); }

  ResumableFile& file_;
  const models::LoadedModel& source_;
  base::ThreadPool& pool_;
  const WriteOptions& options_;
};

}  // namespace

bool encode_rows(const OutTensor& t, int64_t first, int64_t count, base::ThreadPool& pool,
                 std::byte* out) {
  const int64_t stride = encoding::row_bytes(t.encoding, t.cols);
  const nn::Weight* w = t.parameter.weight;
  const bool copies = w && w->encoding == t.encoding && !is_plain(t.encoding);
  std::atomic<bool> good = true;
  pool.parallel_for(
      count,
      [&](int64_t begin, int64_t end) {
        std::vector<float> row(size_t(t.cols)), back(size_t(t.cols));
        for (int64_t r = begin; r < end; ++r) {
          std::byte* to = out + r * stride;
          if (copies) {  // blocks stay as they are: the file means the same numbers
            const int64_t from = t.interleaved_heads
                                     ? formats::interleaved_row(first + r, t.rows,
                                                                t.interleaved_heads)
                                     : first + r;
            std::copy_n(w->row(from), stride, to);
            continue;
          }
          read_row(t, first + r, row);
          encoding::encode_row(t.encoding, row.data(), t.cols, to);
          // A NaN may become a code, a large number an infinite scale: both ends must be finite.
          encoding::decode_row(t.encoding, to, 0, t.cols, back.data());
          if (!all_finite(row) || !all_finite(back)) good = false;
        }
      },
      16);
  return good;
}

std::vector<OutTensor> plan_tensors(const std::vector<Choice>& choices,
                                    const formats::Checkpoint& weights) {
  std::vector<OutTensor> out;
  for (const Choice& c : choices) {
    OutTensor t;
    t.name = c.parameter.name;
    t.encoding = c.encoding;
    t.fallback = c.fallback;
    const formats::TensorInfo* stored = weights.find(t.name);
    t.shape = stored ? stored->shape : c.parameter.shape;
    t.parameter = c.parameter;
    t.rows = c.parameter.shape.size() > 1 ? c.parameter.shape[0] : 1;
    t.cols = c.parameter.count() / t.rows;
    out.push_back(std::move(t));
  }
  return out;
}

Result<std::vector<OutFile>> plan_safetensors(std::vector<OutTensor> tensors, uint64_t max_bytes,
                                              const std::string& fingerprint) {
  // What is read as numbers comes first, so that it stays aligned behind rows of odd lengths.
  std::stable_partition(tensors.begin(), tensors.end(),
                        [](const OutTensor& t) { return t.encoding == Encoding::kF32; });
  std::stable_partition(tensors.begin(), tensors.end(),
                        [](const OutTensor& t) { return is_plain(t.encoding); });
  std::vector<OutFile> files;
  for (OutTensor& t : tensors) {
    if (files.empty() || files.back().bytes + t.bytes() > max_bytes) files.emplace_back();
    files.back().bytes += t.bytes();
    files.back().tensors.push_back(std::move(t));
  }
  for (size_t i = 0; i < files.size(); ++i) {
    OutFile& f = files[i];
    char name[64];
    std::snprintf(name, sizeof name, "model-%05zu-of-%05zu.safetensors", i + 1, files.size());
    f.name = files.size() == 1 ? "model.safetensors" : name;
    std::vector<formats::TensorSpec> specs;
    for (const OutTensor& t : f.tensors) {
      if (is_plain(t.encoding)) {
        specs.push_back({t.name, t.encoding, t.shape});
      } else {
        const int64_t row_bytes = encoding::row_bytes(t.encoding, t.cols);
        specs.push_back({t.name, Encoding::kF32, {t.rows, row_bytes}, "U8", t.bytes()});
      }
    }
    OCELLI_ASSIGN(f.header, formats::safetensors_header(
                                specs, {{"format", "pt"}, {"source_fingerprint", fingerprint}}));
    f.bytes = f.header.size();
    for (const OutTensor& t : f.tensors) {
      f.begins.push_back(f.bytes);
      f.bytes += t.bytes();
    }
  }
  return files;
}

Json safetensors_index(const std::vector<OutFile>& files) {
  Json map = Json::object();
  int64_t total = 0;
  for (const OutFile& f : files) {
    for (const OutTensor& t : f.tensors) {
      map.set(t.name, f.name);
      total += int64_t(t.bytes());
    }
  }
  return Json::object({{"metadata", Json::object({{"total_size", total}})},
                       {"weight_map", std::move(map)}});
}

Result<OutFile> plan_gguf(std::string name, const formats::GgufHeader& header,
                          std::vector<OutTensor> tensors) {
  std::vector<formats::GgufTensor> specs;
  for (const OutTensor& t : tensors) specs.push_back({t.name, t.encoding, t.shape});
  OCELLI_ASSIGN(formats::GgufLayout layout, header.finish(specs));
  OutFile out;
  out.name = std::move(name);
  out.header = std::move(layout.header);
  out.tensors = std::move(tensors);
  out.begins = std::move(layout.begins);
  out.bytes = layout.bytes;
  out.reserved = std::move(layout.reserved);
  return out;
}

Status write_files(const std::vector<OutFile>& files, base::ResumableFolder& folder,
                   const models::LoadedModel& source, base::ThreadPool& pool,
                   const WriteOptions& options) {
  uint64_t all = 1, before = 0;
  for (const OutFile& f : files) all += f.bytes;
  for (const OutFile& f : files) {
    OCELLI_ASSIGN(ResumableFile file, folder.file(f.name));
    FileWriter writer(file, source, pool, options);
    writer.before = before;
    writer.all = all;
    OCELLI_TRY(writer.header(f.header));
    for (size_t i = 0; i < f.tensors.size(); ++i) {
      const Status done = writer.tensor(f.tensors[i], f.begins[i]);
      if (!done.ok()) {
        if (done.error().code == Code::kInterrupted) OCELLI_TRY(file.checkpoint());
        return done;
      }
    }
    OCELLI_TRY(writer.pad(f.bytes));
    OCELLI_TRY(file.finish());
    before += f.bytes;
  }
  return {};
}

}  // namespace ocelli::quantize
