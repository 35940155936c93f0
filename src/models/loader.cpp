#include "models/loader.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <limits>
#include <set>

#include "base/advice.h"
#include "encoding/strips.h"
#include "models/config.h"
#include "models/registry.h"

namespace ocelli::models {

using base::Code;
using base::Error;
using base::Result;
using encoding::Encoding;
using formats::Checkpoint;
using formats::TensorInfo;

namespace {

bool is_of_pictures(std::string_view name) {
  return name.find("vision_model.") != name.npos || name.find("connector.") != name.npos;
}

// What a matrix is converted to where `wanted` is asked for: with 4 bits, the pictures' side of the
// model and the embedding with its head keep 8.
Encoding stored_as(Encoding wanted, std::string_view name) {
  if (wanted != Encoding::kQ4) return wanted;
  const bool in_8_bits = is_of_pictures(name) || name.find("embed_tokens.") != name.npos ||
                         name.find("lm_head.") != name.npos;
  return in_8_bits ? Encoding::kQ8 : wanted;
}

// Puts a checkpoint's tensors into place. The first error is kept; the rest is skipped.
class Loader : public nn::ParameterVisitor {
 public:
  Loader(LoadedModel& loaded, base::ThreadPool& pool, const LoadOptions& options)
      : loaded_(loaded), pool_(pool), options_(options) {}

  void matrix(const std::string& name, encoding::Weight& w, int64_t rows, int64_t cols) override {
    const TensorInfo* t = lookup(name);
    if (!t) return;
    if (!fits(t->shape, rows, cols)) return wrong_shape(*t, {rows, cols});
    w.encoding = *t->encoding;
    w.rows = rows;
    w.cols = cols;
    w.data = t->bytes.data();
    const bool as_asked = !options_.pictures_only || is_of_pictures(name);
    const Encoding wanted =
        options_.weights && as_asked ? stored_as(*options_.weights, name) : w.encoding;
    if (t->layout == encoding::Layout::kPacked && wanted == w.encoding && takes_packed(*t, w)) {
      use_packed(*t, w);
      return done(*t);
    }
    Buffer plain;  // of a packed matrix, until it is converted
    if (t->layout == encoding::Layout::kPacked) {
      plain = plain_rows(*t, w);
      if (!plain) return;
      release(*t);
    }
    bool ours = false;
    const bool misaligned =
        reinterpret_cast<uintptr_t>(w.data) % (w.encoding == Encoding::kF32 ? 4 : 2) != 0;
    if (wanted != w.encoding) {
      if (!convert(w, wanted)) return not_representable(name, wanted);
      release(*t);
      ours = true;
    } else if (plain) {
      loaded_.storage_bytes += encoding::bytes(w);
      loaded_.storage.push_back(std::move(plain));
      ours = true;
    } else if (misaligned) {
      std::byte* copy = own(encoding::bytes(w));
      if (!copy) return;
      std::memcpy(copy, w.data, size_t(encoding::bytes(w)));
      w.data = copy;
      ours = true;
    }
    if (error_) return;
    const bool packed = as_asked && pack(w, ours);
    if (packed && !ours) release(*t);
    if (!packed && !ours) loaded_.mapped_bytes += encoding::bytes(w);
    done(*t);
  }

  void vector(const std::string& name, Tensor& v, std::initializer_list<int64_t> shape) override {
    const TensorInfo* t = lookup(name);
    if (!t) return;
    if (!std::equal(t->shape.begin(), t->shape.end(), shape.begin(), shape.end()))
      return wrong_shape(*t, shape);
    int64_t count = 1;
    for (const int64_t n : shape) count *= n;
    auto* numbers = reinterpret_cast<float*>(own(count * int64_t(sizeof(float))));
    if (!numbers) return;
    const int64_t rows = shape.size() > 1 ? std::max<int64_t>(*shape.begin(), 1) : 1;
    const int64_t cols = count / rows;
    const encoding::Weight stored{*t->encoding, t->layout, rows, cols, t->bytes.data()};
    for (int64_t r = 0; r < stored.rows; ++r) {
      if (t->layout == encoding::Layout::kPacked) {
        encoding::unpack_row(stored, r, numbers + r * cols);
      } else {
        encoding::decode_row(stored.encoding, stored.row(r), 0, cols, numbers + r * cols);
      }
    }
    v = Tensor::view(numbers, shape);
    done(*t);
  }

  base::Status finish() {
    if (error_) return *error_;
    for (const TensorInfo& t : loaded_.checkpoint.tensors()) {
      if (!used_.count(t.name)) loaded_.unused.push_back(t.name);
    }
    return {};
  }

 private:
  // A matrix, or a convolution with a square kernel; channels last, as some other engines store it,
  // is another order of the same numbers.
  static bool fits(std::span<const int64_t> shape, int64_t rows, int64_t cols) {
    if (shape.size() == 2) return shape[0] == rows && shape[1] == cols;
    return shape.size() == 4 && shape[0] == rows && shape[2] == shape[3] &&
           cols % (shape[2] * shape[2]) == 0 && shape[1] == cols / (shape[2] * shape[2]);
  }

  const TensorInfo* lookup(const std::string& name) {
    if (error_) return nullptr;
    const TensorInfo* t = loaded_.checkpoint.find(name);
    if (!t) {
      const std::string near = loaded_.checkpoint.nearest(name);
      error_ = base::fail(Code::kBadInput,
                          "missing tensor " + name +
                              (near.empty() ? "" : " (the nearest name is " + near + ")") +
                              "; the download is incomplete or config.json is of another model");
    } else if (!t->encoding) {
      error_ =
          base::fail(Code::kBadInput, "tensor " + name + " has dtype " + t->dtype +
                                          ", which weights cannot have; F32, F16 and BF16 can");
      t = nullptr;
    }
    return t;
  }

  void wrong_shape(const TensorInfo& t, std::initializer_list<int64_t> expected) {
    error_ = base::fail(Code::kBadInput,
                        "tensor " + t.name + " has shape " + formats::shape_text(t.shape) +
                            " but config.json asks for " +
                            formats::shape_text({expected.begin(), expected.size()}) +
                            "; the two are of different models");
  }

  // Null with an error where there is no memory.
  Buffer allocate(int64_t bytes) {
    constexpr size_t kLine = 64;
    const size_t size = (size_t(bytes) + kLine) / kLine * kLine;
    Buffer out(static_cast<std::byte*>(std::aligned_alloc(kLine, size)));
    if (!out) {
      error_ = base::fail(Code::kDoesNotFit,
                          "not enough memory for " + std::to_string(bytes >> 20) +
                              " MiB of converted weights; load them as the file has them");
    }
    return out;
  }

  std::byte* own(int64_t bytes) {
    loaded_.storage.push_back(allocate(bytes));
    loaded_.storage_bytes += bytes;
    return loaded_.storage.back().get();
  }

  // Whether the packed matrix of the file is what options_.pack_for would make of its rows.
  bool takes_packed(const TensorInfo& t, const encoding::Weight& plain) const {
    return options_.pack_for && options_.pack_for->packed_bytes(plain) == int64_t(t.bytes.size());
  }

  // Where it lies, if products can read it there.
  void use_packed(const TensorInfo& t, encoding::Weight& w) {
    w.layout = encoding::Layout::kPacked;
    const auto bytes = int64_t(t.bytes.size());
    if (reinterpret_cast<uintptr_t>(w.data) % encoding::kStripAlignment == 0) {
      loaded_.mapped_bytes += bytes;
      return;
    }
    std::byte* const copy = own(bytes);
    if (!copy) return;
    std::memcpy(copy, w.data, size_t(bytes));
    w.data = copy;
    release(t);
  }

  // The rows of a packed matrix in memory of their own, where `w` is then.
  Buffer plain_rows(const TensorInfo& t, encoding::Weight& w) {
    Buffer out = allocate(encoding::bytes(w));
    if (!out) return out;
    const encoding::Weight packed{w.encoding, t.layout, w.rows, w.cols, t.bytes.data()};
    const int64_t stride = encoding::row_bytes(w.encoding, w.cols);
    pool_.parallel_for(
        w.rows,
        [&](int64_t begin, int64_t end) {
          for (int64_t r = begin; r < end; ++r)
            encoding::plain_row(packed, r, out.get() + r * stride);
        },
        encoding::kStrip);
    w.data = out.get();
    return out;
  }

  // In the layout of options_.pack_for; where the plain rows are `ours`, their memory is given
  // back. False where it has none.
  bool pack(encoding::Weight& w, bool ours) {
    const int64_t bytes = options_.pack_for ? options_.pack_for->packed_bytes(w) : 0;
    if (bytes == 0) return false;
    Buffer plain;
    if (ours) {
      plain = std::move(loaded_.storage.back());
      loaded_.storage.pop_back();
      loaded_.storage_bytes -= encoding::bytes(w);
    }
    std::byte* const memory = own(bytes);
    if (!memory) return true;  // an error of its own
    options_.pack_for->pack(pool_, w, memory);
    w.layout = encoding::Layout::kPacked;
    w.data = memory;
    return true;
  }

  // The largest magnitude that `e` can hold: NaN would become 0 in 8 and 4 bits, and what is too
  // large an infinity in f16 and in the f16 scales of q8_0 and q4_0.
  static float largest(Encoding e) {
    constexpr float kF16 = 65504;
    return e == Encoding::kF16                        ? kF16
           : e == Encoding::kQ80                      ? 127 * kF16
           : e == Encoding::kQ40                      ? 7 * kF16
           : e == Encoding::kQ8 || e == Encoding::kQ4 ? 0x1p120f
           : e == Encoding::kF32                      ? std::numeric_limits<float>::max()
                                                      : 0x1.FEp127f;
  }

  // False where a number does not survive.
  bool convert(encoding::Weight& w, Encoding wanted) {
    const encoding::Weight from = w;
    w.encoding = wanted;
    std::byte* memory = own(encoding::bytes(w));
    if (!memory) return true;  // an error of its own
    w.data = memory;
    const int64_t stride = encoding::row_bytes(wanted, w.cols);
    const float most = largest(wanted);
    std::atomic<bool> good = true;
    pool_.parallel_for(
        w.rows,
        [&](int64_t begin, int64_t end) {
          std::vector<float> row(static_cast<size_t>(from.cols));
          for (int64_t r = begin; r < end; ++r) {
            encoding::decode_row(from.encoding, from.row(r), 0, from.cols, row.data());
            int beyond = 0;
            for (const float x : row) beyond |= !(std::abs(x) <= most);
            if (beyond) good = false;
            encoding::encode_row(wanted, row.data(), from.cols, memory + r * stride);
          }
        },
        16);
    return good;
  }

  void not_representable(const std::string& name, Encoding wanted) {
    if (error_) return;
    error_ =
        base::fail(Code::kBadInput,
                   "tensor " + name + " holds numbers that " + std::string(encoding::name(wanted)) +
                       " cannot store: not finite, so that the file is damaged, or too "
                       "large; load the weights as the file has them");
  }

  // Pages of the file that were only read to be converted would otherwise count as ours, together
  // with what was made of them.
  void release(const TensorInfo& t) { loaded_.checkpoint.release(t.bytes); }

  void done(const TensorInfo& t) {
    used_.insert(t.name);
    int64_t count = 1;
    for (const int64_t n : t.shape) count *= n;
    loaded_.parameters += count;
    if (options_.progress) {
      options_.progress->update(double(used_.size()) / double(loaded_.checkpoint.tensors().size()),
                                "loading weights");
    }
  }

  LoadedModel& loaded_;
  base::ThreadPool& pool_;
  const LoadOptions& options_;
  std::set<std::string> used_;
  std::optional<Error> error_;
};

}  // namespace

Result<LoadedModel> load_model(const base::Json& config, Checkpoint checkpoint,
                               base::ThreadPool& pool, const LoadOptions& options) {
  if (options.weights && !encoding::can_encode(*options.weights)) {
    return base::fail(Code::kUsage, "weights cannot be converted to " +
                                        std::string(encoding::name(*options.weights)) +
                                        "; f32, bf16, f16, q8, q4, q8_0 and q4_0 are possible");
  }
  const auto from_config = [](auto result) {
    return with_advice(std::move(result).in("config.json"), base::kFileAdvice);
  };
  OCELLI_ASSIGN(const Family* family, from_config(find_family(config)));
  LoadedModel loaded;
  loaded.checkpoint = std::move(checkpoint);
  OCELLI_ASSIGN(loaded.model, from_config(family->make(config, loaded.checkpoint)));
  Loader loader(loaded, pool, options);
  loaded.model->visit(loader);
  OCELLI_TRY(loader.finish());
  return loaded;
}

Result<LoadedModel> copy_pictures_in(const LoadedModel& loaded, const base::Json& config,
                                     Encoding weights, const tensor::Backend& backend,
                                     base::ThreadPool& pool) {
  Checkpoint::Foreign same{loaded.checkpoint.format(), {}, loaded.checkpoint.tensors(), {}, {}};
  OCELLI_ASSIGN(Checkpoint checkpoint, Checkpoint::of(std::move(same)));
  LoadOptions options;
  options.weights = weights;
  options.pictures_only = true;
  options.pack_for = &backend;
  return load_model(config, std::move(checkpoint), pool, options);
}

}  // namespace ocelli::models
