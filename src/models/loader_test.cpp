// Checkpoints as they should not be, and conversions held against the scalar definition.
#include "models/loader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <map>

#include "backend/cpu/cpu_backend.h"
#include "encoding/strips.h"
#include "formats/safetensors_writer.h"
#include "formats/test_support.h"

namespace ocelli::models {
namespace {

using base::Json;
using encoding::Encoding;
using formats::Checkpoint;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr int64_t kHidden = 32, kMiddle = 40, kVocab = 50;

Json config(bool tied) {
  return Json::parse(std::string(R"({"model_type": "llama", "hidden_size": 32,
    "intermediate_size": 40, "num_hidden_layers": 1, "num_attention_heads": 2,
    "num_key_value_heads": 1, "vocab_size": 50, "tie_word_embeddings": )") +
                     (tied ? "true}" : "false}"))
      .value();
}

struct Entry {
  std::string dtype;
  std::vector<int64_t> shape;
};
using Entries = std::map<std::string, Entry>;

Entries entries(bool tied, const std::string& dtype = "F32") {
  const std::string layer = "model.layers.0.";
  Entries all = {{"model.embed_tokens.weight", {dtype, {kVocab, kHidden}}},
                 {"model.norm.weight", {dtype, {kHidden}}},
                 {layer + "input_layernorm.weight", {dtype, {kHidden}}},
                 {layer + "post_attention_layernorm.weight", {dtype, {kHidden}}},
                 {layer + "self_attn.q_proj.weight", {dtype, {32, kHidden}}},
                 {layer + "self_attn.k_proj.weight", {dtype, {16, kHidden}}},
                 {layer + "self_attn.v_proj.weight", {dtype, {16, kHidden}}},
                 {layer + "self_attn.o_proj.weight", {dtype, {kHidden, 32}}},
                 {layer + "mlp.gate_proj.weight", {dtype, {kMiddle, kHidden}}},
                 {layer + "mlp.up_proj.weight", {dtype, {kMiddle, kHidden}}},
                 {layer + "mlp.down_proj.weight", {dtype, {kHidden, kMiddle}}}};
  if (!tied) all["lm_head.weight"] = {dtype, {kVocab, kHidden}};
  return all;
}

int64_t count_of(const Entry& e) {
  int64_t n = 1;
  for (const int64_t d : e.shape) n *= d;
  return n;
}

int64_t width_of(const std::string& dtype) {
  return dtype == "I64" ? 8 : dtype == "F32" ? 4 : 2;
}

// A safetensors file whose data begins `shift` bytes after a multiple of 64; numbers as a formula.
class File {
 public:
  explicit File(const Entries& all, size_t shift = 0) {
    std::string header = "{", data;
    int seed = 0;
    for (const auto& [name, e] : all) {
      std::string shape = "[";
      for (const int64_t d : e.shape) shape += (shape.size() > 1 ? "," : "") + std::to_string(d);
      const size_t begin = data.size();
      append(data, e, ++seed);
      header +=
          (header.size() > 1 ? "," : "") +
          formats::entry(name, e.dtype, shape + "]",
                         "[" + std::to_string(begin) + "," + std::to_string(data.size()) + "]");
    }
    header += "}";
    while ((8 + header.size()) % 64 != shift) header += ' ';
    const std::string all_bytes = formats::little_endian(header.size()) + header + data;
    memory_.reset(
        static_cast<std::byte*>(std::aligned_alloc(64, (all_bytes.size() + 127) / 64 * 64)));
    std::memcpy(memory_.get(), all_bytes.data(), all_bytes.size());
    size_ = all_bytes.size();
  }
  Checkpoint checkpoint() const { return Checkpoint::from_memory({memory_.get(), size_}).value(); }

 private:
  static void append(std::string& data, const Entry& e, int seed) {
    const int64_t count = count_of(e);
    std::vector<float> numbers(static_cast<size_t>(count));
    for (int64_t i = 0; i < count; ++i)
      numbers[size_t(i)] = float(std::sin(double(i + 1) * (seed + 0.37)) * std::exp2(i % 7 - 5));
    const size_t begin = data.size();
    data.resize(begin + size_t(count * width_of(e.dtype)));
    const auto stored = e.dtype == "F16"    ? Encoding::kF16
                        : e.dtype == "BF16" ? Encoding::kBF16
                                            : Encoding::kF32;
    if (e.dtype == "I64" || count == 0) return;
    encoding::encode_row(stored, numbers.data(), count,
                         reinterpret_cast<std::byte*>(data.data() + begin));
  }
  Buffer memory_;
  size_t size_ = 0;
};

class Loading : public testing::Test {
 protected:
  base::Result<LoadedModel> load(const File& file, bool tied = true, LoadOptions options = {}) {
    return load_model(config(tied), file.checkpoint(), pool_, options);
  }
  std::string error_of(const Entries& all, bool tied = true) {
    const File file(all);
    const auto loaded = load(file, tied);
    if (loaded.ok()) return "";
    EXPECT_EQ(loaded.error().code, base::Code::kBadInput);
    return loaded.error().message();
  }
  base::ThreadPool pool_{2};
};

// What a loaded model holds, by name.
struct Collect : nn::ParameterVisitor {
  void matrix(const std::string& name, nn::Weight& w, int64_t, int64_t) override {
    matrices[name] = w;
  }
  void vector(const std::string& name, Tensor& t, std::initializer_list<int64_t>) override {
    vectors[name] = t;
  }
  std::map<std::string, nn::Weight> matrices;
  std::map<std::string, Tensor> vectors;
};

Collect parameters(LoadedModel& loaded) {
  Collect all;
  loaded.model->visit(all);
  return all;
}

std::vector<float> decoded(Encoding e, const std::byte* bytes, int64_t count) {
  std::vector<float> out(static_cast<size_t>(count));
  encoding::decode_row(e, bytes, 0, count, out.data());
  return out;
}

TEST_F(Loading, TensorsThatAreNotThere) {
  for (const auto& [name, entry] : entries(false)) {
    Entries all = entries(false);
    all.erase(name);
    EXPECT_THAT(error_of(all, false), AllOf(HasSubstr("missing tensor " + name),
                                            HasSubstr("config.json is of another model")));
  }
  Entries renamed = entries(true);
  renamed["language_model.embed_tokens.weight"] =
      renamed.extract("model.embed_tokens.weight").mapped();
  EXPECT_THAT(error_of(renamed),
              HasSubstr("missing tensor model.embed_tokens.weight (the nearest name is "
                        "language_model.embed_tokens.weight)"));
  const auto none = load_model(config(true), Checkpoint(), pool_);
  ASSERT_FALSE(none.ok());
  EXPECT_THAT(none.error().message(), HasSubstr("missing tensor model.embed_tokens.weight"));
}

TEST_F(Loading, OtherShapes) {
  for (const auto& [name, entry] : entries(true)) {
    const std::vector<int64_t> s = entry.shape;
    std::vector<std::vector<int64_t>> wrong = {{}, {0}, {s[0] + 1}, {s[0] * 2, 1, 1, 1}};
    if (s.size() == 1) wrong.insert(wrong.end(), {{s[0], 1}, {1, s[0]}});
    if (s.size() == 2) {
      wrong.insert(wrong.end(), {{s[0] * s[1]},
                                 {s[0] - 1, s[1]},
                                 {s[0], s[1] + 1},
                                 {s[0], 0},
                                 {s[0], 2, s[1] / 2},
                                 {1, s[0], s[1]},
                                 {s[0], 2, 2, s[1] / 4}});  // channels last
      if (s[0] != s[1]) wrong.push_back({s[1], s[0]});      // transposed
    }
    for (const auto& shape : wrong) {
      Entries all = entries(true);
      all[name].shape = shape;
      EXPECT_THAT(error_of(all),
                  AllOf(HasSubstr("tensor " + name), HasSubstr(formats::shape_text(s)),
                        HasSubstr(formats::shape_text(shape))));
    }
  }
}

TEST_F(Loading, ConvolutionsCountAsMatrices) {
  Entries all = entries(true);
  all["model.layers.0.mlp.up_proj.weight"].shape = {kMiddle, 8, 2, 2};
  EXPECT_EQ(error_of(all), "");
  all["model.layers.0.mlp.up_proj.weight"].shape = {kMiddle, 2, 4, 4};
  EXPECT_EQ(error_of(all), "");
  all["model.layers.0.mlp.up_proj.weight"].shape = {kMiddle, 4, 4, 2};
  EXPECT_THAT(error_of(all), HasSubstr("[40, 4, 4, 2]"));
}

TEST_F(Loading, OtherTypes) {
  for (const char* name : {"model.norm.weight", "model.embed_tokens.weight"}) {
    Entries all = entries(true);
    all[name].dtype = "I64";
    EXPECT_THAT(error_of(all),
                AllOf(HasSubstr(name), HasSubstr("has dtype I64"), HasSubstr("BF16")));
  }
}

TEST_F(Loading, TensorsThatNobodyKnowsAreListed) {
  Entries all = entries(true);
  all["lm_head.weight"] = {"F32", {kVocab, kHidden}};
  all["model.layers.0.self_attn.rotary_emb.inv_freq"] = {"F32", {8}};
  all["a.step"] = {"I64", {}};
  const File file(all);
  const auto loaded = load(file, true);
  ASSERT_TRUE(loaded.ok()) << loaded.error().message();
  EXPECT_THAT(loaded->unused, ElementsAre("a.step", "lm_head.weight",
                                          "model.layers.0.self_attn.rotary_emb.inv_freq"));
  int64_t count = 0;
  for (const auto& [name, entry] : entries(true)) count += count_of(entry);
  EXPECT_EQ(loaded->parameters, count);
}

TEST_F(Loading, TiedAndUntiedHeads) {
  const File file(entries(false));
  auto untied = load(file, false);
  ASSERT_TRUE(untied.ok()) << untied.error().message();
  EXPECT_EQ(untied->unused.size(), 0u);
  EXPECT_EQ(parameters(*untied).matrices.count("lm_head.weight"), 1u);
  auto tied = load(file, true);
  ASSERT_TRUE(tied.ok());
  EXPECT_THAT(tied->unused, ElementsAre("lm_head.weight"));
  EXPECT_EQ(parameters(*tied).matrices.count("lm_head.weight"), 0u);
  EXPECT_THAT(error_of(entries(true), false), HasSubstr("missing tensor lm_head.weight"));
}

// Matrices stay where the file has them unless their numbers are not aligned.
TEST_F(Loading, MisalignedBytesAreCopied) {
  for (const char* dtype : {"F32", "F16", "BF16"}) {
    for (const size_t shift : {0u, 1u, 2u, 4u, 63u}) {
      SCOPED_TRACE(dtype + std::string(" ") + std::to_string(shift));
      const File file(entries(true, dtype), shift);
      auto loaded = load(file);
      ASSERT_TRUE(loaded.ok()) << loaded.error().message();
      const Collect all = parameters(*loaded);
      const auto unit = size_t(width_of(dtype));
      int64_t matrices = 0;
      for (const auto& [name, w] : all.matrices) {
        const auto* t = loaded->checkpoint.find(name);
        EXPECT_EQ(reinterpret_cast<uintptr_t>(w.data) % unit, 0u);
        EXPECT_EQ(w.data == t->bytes.data(), shift % unit == 0) << name;
        EXPECT_EQ(std::memcmp(w.data, t->bytes.data(), t->bytes.size()), 0);
        matrices += encoding::bytes(w);
      }
      EXPECT_EQ(loaded->mapped_bytes, shift % unit == 0 ? matrices : 0);
      for (const auto& [name, v] : all.vectors) {
        const auto* t = loaded->checkpoint.find(name);
        const auto wanted = decoded(*t->encoding, t->bytes.data(), v.count());
        EXPECT_EQ(std::memcmp(v.f32(), wanted.data(), wanted.size() * 4), 0) << name;
      }
    }
  }
}

// Every encoding from every other: what the scalar definition says, row by row.
TEST_F(Loading, Conversions) {
  for (const char* dtype : {"F32", "F16", "BF16"}) {
    const File file(entries(true, dtype), 1);
    for (const Encoding wanted : {Encoding::kF32, Encoding::kF16, Encoding::kBF16, Encoding::kQ8,
                                  Encoding::kQ80, Encoding::kQ40}) {
      auto loaded = load(file, true, {.weights = wanted});
      ASSERT_TRUE(loaded.ok()) << loaded.error().message();
      EXPECT_EQ(loaded->mapped_bytes, 0);
      for (const auto& [name, w] : parameters(*loaded).matrices) {
        ASSERT_EQ(w.encoding, wanted);
        const auto* t = loaded->checkpoint.find(name);
        const nn::Weight from{*t->encoding, {}, w.rows, w.cols, t->bytes.data()};
        std::vector<std::byte> row(size_t(encoding::row_bytes(wanted, w.cols)));
        for (int64_t r = 0; r < w.rows; ++r) {
          const auto numbers = decoded(from.encoding, from.row(r), w.cols);
          encoding::encode_row(wanted, numbers.data(), w.cols, row.data());
          ASSERT_EQ(decoded(wanted, w.row(r), w.cols), decoded(wanted, row.data(), w.cols))
              << name << ' ' << r;
          const float most =
              std::abs(*std::max_element(numbers.begin(), numbers.end(), [](float a, float b) {
                return std::abs(a) < std::abs(b);
              }));
          // f16 and bf16 keep 10 and 7 bits behind the first; q8 is off by half a step of most /
          // 127; q8_0 by the rounding of that step to f16, up to 127 times, as well; q4_0 by a step
          // of most / 8 where a number mirrors the extreme one.
          const double error = wanted == Encoding::kQ8     ? 0.5001 / 127
                               : wanted == Encoding::kQ80  ? (0.5 + 127 * 0x1p-11) / 127
                               : wanted == Encoding::kQ40  ? (1 + 8 * 0x1p-11) / 8
                               : wanted == Encoding::kBF16 ? 0x1p-8
                               : wanted == Encoding::kF16  ? 0x1p-11
                                                           : 0;
          const auto back = decoded(wanted, w.row(r), w.cols);
          for (size_t i = 0; i < back.size(); ++i)
            ASSERT_LE(std::abs(back[i] - numbers[i]), most * error) << name;
        }
      }
    }
  }
}

// Only the text's products are in 4 bits.
TEST_F(Loading, FourBits) {
  const File file(entries(true), 1);
  auto loaded = load(file, true, {.weights = Encoding::kQ4});
  ASSERT_TRUE(loaded.ok()) << loaded.error().message();
  for (const auto& [name, w] : parameters(*loaded).matrices) {
    EXPECT_EQ(w.encoding, name.find("embed_tokens") != name.npos ? Encoding::kQ8 : Encoding::kQ4)
        << name;
  }
}

// In the layout of the machine: what is converted and what the file holds; other encodings stay.
TEST_F(Loading, Packed) {
  const auto backend = cpu::make_cpu_backend().value();
  const File file(entries(true), 1);
  auto plain = load(file, true, {.weights = Encoding::kQ4});
  auto packed = load(file, true, {.weights = Encoding::kQ4, .pack_for = backend.get()});
  ASSERT_TRUE(plain.ok() && packed.ok());
  const auto want = parameters(*plain).matrices, got = parameters(*packed).matrices;
  int64_t bytes = 0;
  std::vector<float> ones(1024, 1.0f), a(4096), b(4096);
  for (const auto& [name, w] : got) {
    ASSERT_EQ(w.layout, encoding::Layout::kPacked) << name;
    ASSERT_EQ(backend->packed_bytes(want.at(name)) > 0, true);
    bytes += backend->packed_bytes(want.at(name));
    for (const auto& [from, to] : {std::pair(&want.at(name), &a), std::pair(&w, &b)}) {
      tensor::LinearJob job;
      job.x = Tensor::view(ones.data(), {1, w.cols});
      job.w = from;
      job.y = Tensor::view(to->data(), {1, w.rows});
      backend->linear(pool_, {&job, 1});
    }
    EXPECT_EQ(a, b) << name;
  }
  int64_t vectors = 0;
  for (const auto& [name, v] : parameters(*packed).vectors) vectors += 4 * v.count();
  EXPECT_EQ(packed->storage_bytes, bytes + vectors);
  EXPECT_EQ(packed->mapped_bytes, 0);
  auto other = load(file, true, {.weights = {}, .pack_for = backend.get()});  // f32
  ASSERT_TRUE(other.ok());
  for (const auto& [name, w] : parameters(*other).matrices) {
    EXPECT_EQ(w.layout, encoding::Layout::kPlain) << name;
  }
}

// A file that holds q8 strips of the numbers of `entries(true)`, as `ocelli quantize` writes them;
// the data begins `shift` bytes after a multiple of 64.
struct PackedFile {
  explicit PackedFile(base::ThreadPool& pool, size_t shift = 0) {
    const auto backend = cpu::make_cpu_backend().value();
    const File file(entries(true), 0);
    auto packed = load_model(config(true), file.checkpoint(), pool,
                             {.weights = Encoding::kQ8, .pack_for = backend.get()})
                      .value();
    const Collect all = parameters(packed);
    std::string header = "{", data;
    const auto add = [&](const std::string& name, const std::string& dtype,
                         const std::string& shape, const void* from, int64_t count) {
      const size_t begin = data.size();
      data.append(static_cast<const char*>(from), size_t(count));
      header +=
          (header.size() > 1 ? "," : "") +
          formats::entry(name, dtype, shape,
                         "[" + std::to_string(begin) + "," + std::to_string(data.size()) + "]");
    };
    for (const auto& [name, w] : all.matrices) {
      const int64_t bytes = encoding::strip_shape(w.encoding, w.rows, w.cols).bytes();
      add(name, "U8", "[" + std::to_string(bytes) + "]", w.data, bytes);
      encoded[name] = {w.encoding, {w.rows, w.cols}, encoding::Layout::kPacked};
    }
    for (const auto& [name, v] : all.vectors)
      add(name, "F32", "[" + std::to_string(v.count()) + "]", v.f32(), 4 * v.count());
    header += "}";
    while ((8 + header.size()) % 64 != shift) header += ' ';
    const std::string bytes = formats::little_endian(header.size()) + header + data;
    memory.reset(static_cast<std::byte*>(std::aligned_alloc(64, (bytes.size() + 127) / 64 * 64)));
    std::memcpy(memory.get(), bytes.data(), bytes.size());
    size = bytes.size();
  }
  Checkpoint checkpoint() const {
    auto out = Checkpoint::from_memory({memory.get(), size}).value();
    EXPECT_TRUE(out.take_encoded(encoded).ok());
    return out;
  }
  bool holds(const std::byte* at) const { return at >= memory.get() && at < memory.get() + size; }

  formats::EncodedTensors encoded;
  Buffer memory;
  size_t size = 0;
};

// Products read what the file holds, without a copy where it is aligned.
TEST_F(Loading, PackedInTheFile) {
  const auto backend = cpu::make_cpu_backend().value();
  for (const size_t shift : {0, 8}) {
    const PackedFile file(pool_, shift);
    auto loaded = load_model(config(true), file.checkpoint(), pool_,
                             {.weights = {}, .pack_for = backend.get()});
    ASSERT_TRUE(loaded.ok()) << loaded.error().message();
    int64_t bytes = 0, vectors = 0;
    for (const auto& [name, w] : parameters(*loaded).matrices) {
      EXPECT_EQ(w.layout, encoding::Layout::kPacked) << name;
      EXPECT_EQ(reinterpret_cast<uintptr_t>(w.data) % encoding::kStripAlignment, 0u) << name;
      EXPECT_EQ(file.holds(w.data), shift == 0) << name;
      bytes += encoding::strip_shape(w.encoding, w.rows, w.cols).bytes();
    }
    for (const auto& [name, v] : parameters(*loaded).vectors) vectors += 4 * v.count();
    EXPECT_EQ(loaded->mapped_bytes, shift == 0 ? bytes : 0);
    EXPECT_EQ(loaded->storage_bytes, vectors + (shift == 0 ? 0 : bytes));
  }
}

// Who needs rows gets those that were packed, as they are or converted.
TEST_F(Loading, PackedInTheFileAsRows) {
  const auto backend = cpu::make_cpu_backend().value();
  const PackedFile packed(pool_);
  const File file(entries(true), 0);
  auto rows = load(file, true, {.weights = Encoding::kQ8});
  ASSERT_TRUE(rows.ok());
  const auto want = parameters(*rows).matrices;
  auto loaded = load_model(config(true), packed.checkpoint(), pool_);
  ASSERT_TRUE(loaded.ok()) << loaded.error().message();
  EXPECT_EQ(loaded->storage_bytes, rows->storage_bytes);
  EXPECT_EQ(loaded->mapped_bytes, 0);
  for (const auto& [name, w] : parameters(*loaded).matrices) {
    EXPECT_EQ(w.layout, encoding::Layout::kPlain) << name;
    EXPECT_EQ(std::memcmp(w.data, want.at(name).data, size_t(encoding::bytes(w))), 0) << name;
  }
  auto converted =
      load_model(config(true), packed.checkpoint(), pool_, {.weights = Encoding::kF32});
  ASSERT_TRUE(converted.ok());
  for (const auto& [name, w] : parameters(*converted).matrices) {
    ASSERT_EQ(w.encoding, Encoding::kF32);
    const nn::Weight& from = want.at(name);
    for (int64_t r = 0; r < w.rows; ++r) {
      EXPECT_EQ(decoded(w.encoding, w.row(r), w.cols), decoded(from.encoding, from.row(r), w.cols))
          << name;
    }
  }
  // Four bits, packed again.
  auto fewer = load_model(config(true), packed.checkpoint(), pool_,
                          {.weights = Encoding::kQ4, .pack_for = backend.get()});
  ASSERT_TRUE(fewer.ok());
  for (const auto& [name, w] : parameters(*fewer).matrices) {
    const bool kept = name.find("embed_tokens") != name.npos;
    EXPECT_EQ(w.layout, encoding::Layout::kPacked) << name;
    EXPECT_EQ(w.encoding, kept ? Encoding::kQ8 : Encoding::kQ4) << name;
    EXPECT_EQ(packed.holds(w.data), kept) << name;
  }
}

// A NaN would turn into 0, and a number beyond f16 into infinity, without a word.
TEST_F(Loading, NumbersThatAnEncodingCannotHold) {
  const std::pair<float, Encoding> bad[] = {
      {NAN, Encoding::kQ80},        {INFINITY, Encoding::kQ80}, {NAN, Encoding::kF16},
      {-INFINITY, Encoding::kBF16}, {1e5f, Encoding::kF16},     {-8.4e6f, Encoding::kQ80},
      {NAN, Encoding::kQ8},         {INFINITY, Encoding::kQ4},  {NAN, Encoding::kQ40},
      {5e5f, Encoding::kQ40},       {3.4e38f, Encoding::kBF16}};
  for (const auto& [number, wanted] : bad) {
    const std::string name = "model.layers.0.mlp.up_proj.weight";
    const File file(entries(true));
    const std::span<const std::byte> bytes = file.checkpoint().find(name)->bytes;
    auto* at = const_cast<std::byte*>(bytes.data()) + bytes.size() - sizeof number;
    std::memcpy(at, &number, sizeof number);
    EXPECT_TRUE(load(file).ok());  // as it is: the answer will say so
    const auto loaded = load(file, true, {.weights = wanted});
    ASSERT_FALSE(loaded.ok()) << number;
    EXPECT_THAT(loaded.error().message(),
                AllOf(HasSubstr(name), HasSubstr(std::string(encoding::name(wanted))),
                      HasSubstr("cannot store")));
  }
  const File fine(entries(true));
  const auto bytes = fine.checkpoint().find("model.layers.0.mlp.up_proj.weight")->bytes;
  const float most = 65504;
  std::memcpy(const_cast<std::byte*>(bytes.data()), &most, sizeof most);
  EXPECT_TRUE(load(fine, true, {.weights = Encoding::kF16}).ok());
}

struct Watch : base::Progress {
  void update(double fraction, std::string_view note) override {
    EXPECT_GE(fraction, last);
    EXPECT_LE(fraction, 1);
    EXPECT_EQ(note, "loading weights");
    last = fraction;
    ++calls;
  }
  double last = 0;
  size_t calls = 0;
};

TEST_F(Loading, ProgressDoesNotFall) {
  const File file(entries(false));
  Watch watch;
  ASSERT_TRUE(load(file, false, {.weights = Encoding::kQ80, .progress = &watch}).ok());
  EXPECT_EQ(watch.calls, entries(false).size());
  EXPECT_EQ(watch.last, 1);
}

// The same through a file on disk, as a download is.
TEST_F(Loading, FromADisk) {
  const formats::TempFolder folder;
  std::vector<formats::TensorSpec> specs;
  for (const auto& [name, e] : entries(true, "BF16"))
    specs.push_back({name, Encoding::kBF16, e.shape});
  auto writer = formats::SafetensorsWriter::create(folder.path("model.safetensors"), specs);
  ASSERT_TRUE(writer.ok());
  const std::vector<std::byte> zeros(writer->data_bytes());
  ASSERT_TRUE(writer->write(zeros).ok());
  ASSERT_TRUE(writer->commit().ok());
  for (const std::optional<Encoding> wanted : {std::optional<Encoding>(), {Encoding::kQ80}}) {
    auto loaded = load_model(config(true), Checkpoint::open(folder.path()).value(), pool_,
                             {.weights = wanted});
    ASSERT_TRUE(loaded.ok()) << loaded.error().message();
    EXPECT_EQ(loaded->mapped_bytes > 0, !wanted);
    const nn::Weight w = parameters(*loaded).matrices["model.embed_tokens.weight"];
    EXPECT_EQ(decoded(w.encoding, w.row(kVocab - 1), kHidden), std::vector<float>(kHidden, 0));
  }
}

}  // namespace
}  // namespace ocelli::models
