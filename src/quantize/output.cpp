#include "quantize/output.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cmath>
#include <cstdio>

#include "formats/quantization_config.h"
#include "formats/safetensors_writer.h"

namespace ocelli::quantize {

using base::Code;
using base::fail;
using base::Json;
using base::Result;
using base::ResumableFile;
using base::Status;
using encoding::Encoding;

namespace {

bool is_plain(Encoding e) {
  return e == Encoding::kF32 || e == Encoding::kF16 || e == Encoding::kBF16;
}

bool is_packed(const OutTensor& t) {
  return t.layout == encoding::Layout::kPacked;
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
    OCELLI_TRY(is_packed(t) ? write_strips(t, begin) : write_rows(t, begin));
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
  Status write_rows(const OutTensor& t, uint64_t begin) {
    const int64_t stride = encoding::row_bytes(t.encoding, t.cols);
    const int64_t together = std::clamp<int64_t>(options_.piece_bytes / stride, 1, t.rows);
    std::vector<std::byte> piece(size_t(together * stride));
    const auto there = int64_t(file_.written() - begin);  // of a run that was cut off
    if (there % stride != 0) return damaged();
    for (int64_t first = there / stride; first < t.rows; first += together) {
      const int64_t count = std::min(together, t.rows - first);
      OCELLI_TRY(encode(t, first, count, piece));
      OCELLI_TRY(file_.write({piece.data(), size_t(count * stride)}));
      tell(t, first, count);
    }
    return {};
  }

  // The scales stand in front of all strips: zeros at first, and put there with their strips.
  Status write_strips(const OutTensor& t, uint64_t begin) {
    const encoding::StripShape shape = encoding::strip_shape(t.encoding, t.rows, t.cols);
    const auto scale_bytes = uint64_t(shape.scale_bytes());
    if (file_.written() < begin + scale_bytes) OCELLI_TRY(pad(begin + scale_bytes));
    const int64_t stride = encoding::row_bytes(t.encoding, t.cols);
    const int64_t together =
        std::clamp<int64_t>(options_.piece_bytes / shape.strip_bytes, 1, shape.strips);
    std::vector<std::byte> plain(size_t(together * encoding::kStrip * stride));
    std::vector<std::byte> packed(size_t(together * shape.strip_bytes));
    std::vector<float> scales(size_t(together * encoding::kStrip));
    const auto there = int64_t(file_.written() - begin - scale_bytes);  // of a run that was cut off
    if (there % shape.strip_bytes != 0) return damaged();
    for (int64_t strip = there / shape.strip_bytes; strip < shape.strips; strip += together) {
      const int64_t count = std::min(together, shape.strips - strip);
      const int64_t first = strip * encoding::kStrip;
      const int64_t rows = std::min(count * encoding::kStrip, t.rows - first);
      OCELLI_TRY(encode(t, first, rows, plain));
      const encoding::Weight w{t.encoding, encoding::Layout::kPlain, rows, t.cols, plain.data()};
      pool_.parallel_for(count, [&](int64_t from, int64_t end) {
        for (int64_t i = from; i < end; ++i) {
          const int64_t row = i * encoding::kStrip;
          encoding::pack_strip(w, row, std::min(encoding::kStrip, rows - row), &scales[size_t(row)],
                               &packed[size_t(i * shape.strip_bytes)]);
        }
      });
      const auto numbers = std::span(scales).first(size_t(count * encoding::kStrip));
      OCELLI_TRY(file_.patch(begin + uint64_t(first) * sizeof(float), std::as_bytes(numbers)));
      OCELLI_TRY(file_.write({packed.data(), size_t(count * shape.strip_bytes)}));
      tell(t, first, rows);
    }
    return {};
  }

  // Rows in the plain layout, unless the run is to end.
  Status encode(const OutTensor& t, int64_t first, int64_t count, std::vector<std::byte>& out) {
    if (options_.cancel) OCELLI_TRY(options_.cancel->check());
    if (encode_rows(t, first, count, pool_, out.data())) return {};
    return fail(Code::kBadInput,
                "holds numbers that " + std::string(encoding::name(t.encoding)) +
                    " cannot store; give it another type (--tensor " +
                    base::printable(t.parameter.name, 100) + "=bf16)",
                base::printable(t.parameter.name, 100));
  }
  void tell(const OutTensor& t, int64_t first, int64_t count) const {
    release(t, first, count);
    if (options_.progress) options_.progress->update(progress(), "writing weights");
  }

  base::Error damaged() const {
    return fail(Code::kBadInput,
                "what an earlier run left is damaged; remove its folder and begin anew",
                file_.path());
  }
  // Pages of the source that were only read would otherwise count as ours.
  void release(const OutTensor& t, int64_t first, int64_t rows) const {
    const auto* stored = source_.checkpoint.find(t.parameter.name);
    if (!stored || stored->layout != encoding::Layout::kPlain ||
        stored->bytes.size() % size_t(t.rows) != 0)
      return;
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
  const bool copies = t.made || (w && w->encoding == t.encoding && !is_plain(t.encoding));
  std::atomic<bool> good = true;
  pool.parallel_for(
      count,
      [&](int64_t begin, int64_t end) {
        std::vector<float> row(size_t(t.cols)), back(size_t(t.cols));
        for (int64_t r = begin; r < end; ++r) {
          std::byte* to = out + r * stride;
          if (copies) {  // blocks stay as they are: the file means the same numbers
            const int64_t from = t.interleaved_heads ? formats::interleaved_row(first + r, t.rows,
                                                                                t.interleaved_heads)
                                                     : first + r;
            std::copy_n(t.made ? t.made->data() + from * stride : w->row(from), stride, to);
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
                                    const formats::Checkpoint& weights, encoding::Layout layout) {
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
    if (encoding::has_strips(t.encoding)) t.layout = layout;
    out.push_back(std::move(t));
  }
  return out;
}

Result<std::vector<OutFile>> plan_safetensors(std::vector<OutTensor> tensors, uint64_t max_bytes,
                                              const std::string& fingerprint) {
  // What is packed comes first, whole lines each; then what is read as numbers, so that it stays
  // aligned behind rows of odd lengths.
  std::stable_partition(tensors.begin(), tensors.end(),
                        [](const OutTensor& t) { return t.encoding == Encoding::kF32; });
  std::stable_partition(tensors.begin(), tensors.end(),
                        [](const OutTensor& t) { return is_plain(t.encoding); });
  std::stable_partition(tensors.begin(), tensors.end(), is_packed);
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
        const formats::EncodedTensor stored{t.encoding, t.shape, t.layout};
        specs.push_back({t.name, Encoding::kF32, stored.stored_shape(), "U8", t.bytes()});
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
  return Json::object(
      {{"metadata", Json::object({{"total_size", total}})}, {"weight_map", std::move(map)}});
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
