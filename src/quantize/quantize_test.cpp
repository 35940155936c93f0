// The built-in model in fewer bits: what is written is what was meant, and is read back.
#include "quantize/quantize.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>

#include "backend/cpu/cpu_backend.h"
#include "base/file.h"
#include "engine/builtin.h"
#include "formats/gguf.h"
#include "models/adapter_modules.h"
#include "models/save.h"
#include "quantize/gguf_metadata.h"

namespace ocelli::quantize {
namespace {

namespace fs = std::filesystem;

using base::Json;
using encoding::Encoding;
using testing::HasSubstr;

class QuantizeTest : public testing::Test {
 protected:
  QuantizeTest() : source_(engine::builtin_model().value()) {
    std::string pattern = (fs::temp_directory_path() / "ocelli-quantize-XXXXXX").string();
    if (!mkdtemp(pattern.data())) ADD_FAILURE() << "no temporary folder";
    home_ = pattern;
    options_.engine.threads = 1;
    options_.certificate = false;
    options_.held_out.tokens = 48;
  }
  ~QuantizeTest() override { fs::remove_all(home_); }

  std::string path(const std::string& name) const { return home_ + "/" + name; }
  base::Result<Quantized> write(const std::string& out, const std::string& type, Format format,
                                const std::vector<std::string>& rules = {}) {
    return quantize(source_, Recipe::parse(type, rules, format).value(), path(out), options_);
  }
  size_t entries() const {
    return size_t(std::distance(fs::directory_iterator(home_), fs::directory_iterator()));
  }
  static std::string message(const base::Result<Quantized>& result) {
    return result.ok() ? "" : result.error().message();
  }
  static models::LoadedModel load(const formats::ModelFolder& folder, base::ThreadPool& pool,
                                  const models::LoadOptions& options = {}) {
    const auto text = folder.text("config.json", 1 << 20);
    return models::load_model(Json::parse(text->value()).value(), folder.weights().value(), pool,
                              options)
        .value();
  }

  // Every parameter of `folder` is that of the source, encoded and decoded.
  void expect_same_numbers(const formats::ModelFolder& folder, const Recipe& recipe) {
    base::ThreadPool pool(1);
    models::LoadedModel a = load(source_, pool), b = load(folder, pool);
    const models::ModelMap before(*a.model), after(*b.model);
    size_t compared = 0;
    const std::vector<Choice> choices = recipe.choose(before).value();
    for (const Choice& c : choices) {
      const int at = after.parameter(c.parameter.name);
      ASSERT_GE(at, 0) << c.parameter.name;
      const models::ParameterRef& p = after.parameters()[size_t(at)];
      ASSERT_EQ(p.shape, c.parameter.shape);
      if (p.vector) {
        for (int64_t i = 0; i < p.count(); ++i)
          ASSERT_EQ(p.vector->f32()[i], c.parameter.vector->f32()[i]) << p.name;
        ++compared;
        continue;
      }
      const Encoding stored = p.weight->encoding;
      if (p.name.find("patch_embedding") == p.name.npos) {
        EXPECT_EQ(stored, c.encoding) << p.name;
      }
      const int64_t cols = p.weight->cols;
      std::vector<float> x(p.weight->cols), y(p.weight->cols);
      std::vector<std::byte> row(static_cast<size_t>(encoding::row_bytes(stored, cols)));
      for (int64_t r = 0; r < p.weight->rows; ++r) {
        const nn::Weight& w = *c.parameter.weight;
        encoding::decode_row(w.encoding, w.row(r), 0, cols, x.data());
        encoding::encode_row(stored, x.data(), cols, row.data());
        encoding::decode_row(stored, row.data(), 0, cols, x.data());
        encoding::decode_row(stored, p.weight->row(r), 0, cols, y.data());
        ASSERT_EQ(x, y) << p.name << " row " << r;
      }
      ++compared;
    }
    EXPECT_GT(compared, 100u);
  }

  formats::ModelFolder source_;
  QuantizeOptions options_;
  std::string home_;
};

TEST_F(QuantizeTest, FolderHoldsWhatWasMeant) {
  for (const char* type : {"q4", "q8", "q8_0", "bf16"}) {
    const auto out = write(type, type, Format::kSafetensors, {"layers.1.mlp.up_proj=q4_0"});
    ASSERT_TRUE(out.ok()) << message(out);
    const auto folder = formats::ModelFolder::open(path(type)).value();
    expect_same_numbers(
        folder, Recipe::parse(type, {"layers.1.mlp.up_proj=q4_0"}, Format::kSafetensors).value());
    EXPECT_EQ(folder.weights()->total_bytes(), out->certificate.bytes);
    EXPECT_EQ(out->certificate.format, "safetensors");
    EXPECT_THAT(out->certificate.recipe, HasSubstr(type));
    EXPECT_LE(out->certificate.bytes,
              out->certificate.source_bytes + 64 * 1024);  // vectors grow
  }
  EXPECT_EQ(entries(), 4u);
}

TEST_F(QuantizeTest, FolderIsMappedAndComplete) {
  const auto backend = cpu::make_cpu_backend().value();
  base::ThreadPool pool(1);
  const models::LoadedModel before = load(source_, pool);
  for (const encoding::Layout layout : {encoding::Layout::kPlain, encoding::Layout::kPacked}) {
    options_.layout = layout;
    options_.replace = true;
    ASSERT_TRUE(write("q4", "q4", Format::kSafetensors).ok());
    const bool packed = layout == encoding::Layout::kPacked;
    const models::LoadedModel loaded =
        load(formats::ModelFolder::open(path("q4")).value(), pool,
             {.weights = {}, .pack_for = packed ? backend.get() : nullptr});
    // Nothing but the vectors is copied.
    EXPECT_EQ(loaded.storage_bytes, before.storage_bytes);
    EXPECT_GT(loaded.mapped_bytes, 0);
    EXPECT_TRUE(loaded.unused.empty());
  }
  const auto folder = formats::ModelFolder::open(path("q4")).value();
  for (const char* name : {"tokenizer.json", "chat_template.jinja", "processor_config.json"}) {
    EXPECT_EQ(folder.text(name, 1 << 24).value(), source_.text(name, 1 << 24).value()) << name;
  }
}

TEST_F(QuantizeTest, PackedFoldersHoldTheSame) {
  options_.piece_bytes = 10'000;
  options_.shard_bytes = 1 << 20;
  ASSERT_TRUE(write("packed", "q4", Format::kSafetensors).ok());
  options_.layout = encoding::Layout::kPlain;
  ASSERT_TRUE(write("plain", "q4", Format::kSafetensors).ok());
  base::ThreadPool pool(1);
  models::LoadedModel a = load(formats::ModelFolder::open(path("packed")).value(), pool);
  models::LoadedModel b = load(formats::ModelFolder::open(path("plain")).value(), pool);
  const models::ModelMap x(*a.model), y(*b.model);
  ASSERT_EQ(x.parameters().size(), y.parameters().size());
  size_t packed = 0;
  for (size_t i = 0; i < x.parameters().size(); ++i) {
    const models::ParameterRef &p = x.parameters()[i], &q = y.parameters()[i];
    if (!p.weight || p.tied_head) continue;
    packed += a.checkpoint.find(p.name)->layout == encoding::Layout::kPacked;
    EXPECT_EQ(b.checkpoint.find(q.name)->layout, encoding::Layout::kPlain);
    ASSERT_EQ(encoding::bytes(*p.weight), encoding::bytes(*q.weight));
    EXPECT_EQ(std::memcmp(p.weight->data, q.weight->data, size_t(encoding::bytes(*p.weight))), 0)
        << p.name;
  }
  EXPECT_GT(packed, 40u);
}

TEST_F(QuantizeTest, SeveralFiles) {
  options_.shard_bytes = 1 << 20;
  const auto out = write("q8", "q8", Format::kSafetensors);
  ASSERT_TRUE(out.ok()) << message(out);
  EXPECT_GT(out->files.size(), 2u);
  expect_same_numbers(formats::ModelFolder::open(path("q8")).value(),
                      Recipe::parse("q8", {}, Format::kSafetensors).value());
}

TEST_F(QuantizeTest, GgufIsReadBack) {
  for (const char* type : {"f32", "Q8_0", "q4_0", "f16", "bf16"}) {
    const std::string name = std::string(type) + ".gguf";
    const auto out = write(name, type, Format::kGguf);
    ASSERT_TRUE(out.ok()) << message(out);
    ASSERT_EQ(out->files.size(), 2u);
    EXPECT_EQ(out->files[1], path("mmproj-" + name));
    const auto folder = formats::ModelFolder::open(out->files[0], out->files[1]).value();
    expect_same_numbers(folder, Recipe::parse(type, {}, Format::kGguf).value());
  }
}

TEST_F(QuantizeTest, GgufSaysTheSameOfTheModel) {
  const auto out = write("m.gguf", "q8_0", Format::kGguf);
  ASSERT_TRUE(out.ok()) << message(out);
  engine::EngineOptions how;
  how.threads = 1;
  const auto a = engine::Engine::load(source_, how).value();
  const auto b =
      engine::Engine::load(formats::ModelFolder::open(path("m.gguf"), out->files[1]).value(), how)
          .value();
  EXPECT_EQ(b->info().vocab, a->info().vocab);
  EXPECT_EQ(b->info().context, a->info().context);
  EXPECT_EQ(b->info().vision->image_token_id, a->info().vision->image_token_id);
  EXPECT_EQ(b->info().vision->tokens_per_tile, a->info().vision->tokens_per_tile);
  EXPECT_EQ(b->stop_ids(), a->stop_ids());
  EXPECT_EQ(b->template_source(), a->template_source());
  EXPECT_EQ(b->processor()->fingerprint(), a->processor()->fingerprint());
  for (const char* text :
       {"What is 1234 in the picture?", "<|im_start|>User:<image>", "na\xc3\xafve  \n\n\t x_y"}) {
    EXPECT_EQ(b->tokenizer().encode(text).value(), a->tokenizer().encode(text).value());
  }
}

TEST_F(QuantizeTest, GgufOfGgufIsTheSame) {
  ASSERT_TRUE(write("a.gguf", "q4_0", Format::kGguf).ok());
  source_ = formats::ModelFolder::open(path("a.gguf"), path("mmproj-a.gguf")).value();
  ASSERT_TRUE(write("b.gguf", "q4_0", Format::kGguf).ok());
  const auto a = formats::GgufFile::open(path("a.gguf")).value();
  const auto b = formats::GgufFile::open(path("b.gguf")).value();
  ASSERT_EQ(a.tensors().size(), b.tensors().size());
  for (size_t i = 0; i < a.tensors().size(); ++i) {
    const auto &x = a.tensors()[i], &y = b.tensors()[i];
    EXPECT_EQ(x.name, y.name);
    EXPECT_TRUE(std::equal(x.bytes.begin(), x.bytes.end(), y.bytes.begin(), y.bytes.end()))
        << x.name;
  }
}

// Stops the writing when it is half done.
class StopHalfway : public base::Progress {
 public:
  explicit StopHalfway(base::CancelToken cancel) : cancel_(std::move(cancel)) {}
  void update(double fraction, std::string_view) override {
    if (fraction > 0.5) cancel_.request();
  }

 private:
  base::CancelToken cancel_;
};

TEST_F(QuantizeTest, ACutOffRunGoesOn) {
  options_.piece_bytes = 10'000;
  for (const char* type : {"q4", "q8_0", "q8_0.gguf", "q4_0 by calibration"}) {
    const std::string end = type;
    if (end.ends_with("calibration")) {
      options_.calibrate.emplace();
      options_.calibrate->tokens = 40;
    }
    const Format format = end.ends_with(".gguf") ? Format::kGguf : Format::kSafetensors;
    const std::string whole = "whole" + end, cut = "cut" + end, wanted = end.substr(0, 4);
    ASSERT_TRUE(write(whole, wanted, format).ok());
    base::CancelToken cancel;
    StopHalfway stop(cancel);
    options_.progress = &stop;
    options_.cancel = &cancel;
    const auto stopped = write(cut, wanted, format);
    ASSERT_FALSE(stopped.ok());
    EXPECT_EQ(stopped.error().code, base::Code::kInterrupted);
    EXPECT_FALSE(fs::exists(path(cut)));
    options_.progress = nullptr;
    options_.cancel = nullptr;
    const auto done = write(cut, wanted, format);
    ASSERT_TRUE(done.ok()) << message(done);
    EXPECT_TRUE(done->resumed);
    const std::string file = format == Format::kGguf ? "" : "/model.safetensors";
    EXPECT_EQ(base::read_file(path(cut) + file, 1 << 26).value(),
              base::read_file(path(whole) + file, 1 << 26).value());
  }
}

TEST_F(QuantizeTest, NothingIsOverwrittenByAccident) {
  ASSERT_TRUE(write("m.gguf", "q8_0", Format::kGguf).ok());
  EXPECT_THAT(message(write("m.gguf", "q4_0", Format::kGguf)), HasSubstr("there already"));
  ASSERT_TRUE(write("m", "q8", Format::kSafetensors).ok());
  EXPECT_THAT(message(write("m", "q4", Format::kSafetensors)), HasSubstr("there already"));
  EXPECT_THAT(message(write("x.gguf", "q4", Format::kSafetensors)), HasSubstr("--format gguf"));
  options_.replace = true;
  EXPECT_EQ(message(write("m", "q4", Format::kSafetensors)), "");
  EXPECT_EQ(message(write("m.gguf", "q4_0", Format::kGguf)), "");
}

TEST_F(QuantizeTest, AQuantizedModelMergesBackToPlainWeights) {
  ASSERT_TRUE(write("q8", "q8", Format::kSafetensors).ok());
  base::ThreadPool pool(1);
  const auto folder = formats::ModelFolder::open(path("q8")).value();
  models::LoadedModel loaded = load(folder, pool);
  ASSERT_TRUE(models::save_model(loaded, folder, pool, path("plain"), {}).ok());
  const auto plain = formats::ModelFolder::open(path("plain")).value();
  EXPECT_EQ(plain.text("config.json", 1 << 20)->value().find("quantization_config"),
            std::string::npos);
  EXPECT_EQ(load(plain, pool).parameters, loaded.parameters);
}

TEST_F(QuantizeTest, TokenizersWithoutANameInGgufAreRefused) {
  ModelTexts texts = read_texts(source_).value();
  formats::GgufHeader header;
  EXPECT_TRUE(add_gguf_tokenizer(texts, 1072, {1071}, header).ok());
  const Json whole = texts.tokenizer;
  texts.tokenizer.set("pre_tokenizer", Json::object({{"type", "Whitespace"}}));
  EXPECT_THAT(add_gguf_tokenizer(texts, 1072, {1071}, header).error().message(),
              HasSubstr("cuts a text"));
  texts.tokenizer = whole;
  EXPECT_THAT(add_gguf_tokenizer(texts, 1000, {5}, header).error().message(),
              HasSubstr("1000 rows"));
  Json model = *whole.find("model");
  texts.tokenizer.set("model", model.set("type", "Unigram"));
  EXPECT_THAT(add_gguf_tokenizer(texts, 1072, {1071}, header).error().message(),
              HasSubstr("BPE over bytes"));
  EXPECT_THAT(add_gguf_tokenizer(texts, 1072, {1, 2, 3, 4}, header).error().message(),
              HasSubstr("safetensors"));
}

}  // namespace
}  // namespace ocelli::quantize
