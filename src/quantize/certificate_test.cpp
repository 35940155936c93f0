// What the certificate says of the built-in model.
#include "quantize/certificate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "base/file.h"
#include "engine/builtin.h"
#include "formats/gguf.h"
#include "quantize/pictures.h"
#include "quantize/quantize.h"

namespace ocelli::quantize {
namespace {

namespace fs = std::filesystem;

using base::Json;
using testing::HasSubstr;

class CertificateTest : public testing::Test {
 protected:
  CertificateTest() : source_(engine::builtin_model().value()) {
    std::string pattern = (fs::temp_directory_path() / "ocelli-certificate-XXXXXX").string();
    if (!mkdtemp(pattern.data())) ADD_FAILURE() << "no temporary folder";
    home_ = pattern;
    options_.engine.threads = 1;
    options_.held_out.tokens = 96;
  }
  ~CertificateTest() override { fs::remove_all(home_); }
  std::string path(const std::string& name) const { return home_ + "/" + name; }
  Quantized write(const std::string& out, const std::string& type) {
    const Format format = out.ends_with(".gguf") ? Format::kGguf : Format::kSafetensors;
    auto result =
        quantize(source_, Recipe::parse(type, {}, format).value(), path(out), options_);
    EXPECT_TRUE(result.ok()) << result.error().message();
    return result.ok() ? std::move(*result) : Quantized{};
  }

  formats::ModelFolder source_;
  QuantizeOptions options_;
  std::string home_;
};

TEST_F(CertificateTest, FewerBitsLoseMoreAndItIsBounded) {
  const Certificate eight = write("q8", "q8").certificate, four = write("q4", "q4").certificate;
  EXPECT_GE(eight.tokens, 90);
  EXPECT_GT(eight.pictures, 0);
  EXPECT_GT(eight.kl.mean, 0);
  EXPECT_LT(eight.kl.mean, 0.02);
  EXPECT_GT(four.kl.mean, eight.kl.mean);
  EXPECT_LT(four.kl.mean, 0.3);
  EXPECT_GT(eight.same_top.mean, 0.93);
  EXPECT_LE(eight.mean_kl.low, eight.kl.mean);
  EXPECT_GE(eight.mean_kl.high, eight.kl.mean);
  EXPECT_LT(eight.feature_error, 0.05);
  EXPECT_GT(eight.feature_error, 0);
  EXPECT_GT(eight.perplexity, 1);
  EXPECT_NEAR(eight.perplexity, eight.perplexity_reference, 0.1 * eight.perplexity_reference);
  EXPECT_LT(four.bits_per_weight(), eight.bits_per_weight());
}

// Measured on other answers and pictures than the codes were chosen for.
TEST_F(CertificateTest, CodesByCalibrationLoseLess) {
  options_.held_out.tokens = 300;
  for (const char* type : {"q4", "q4_0"}) {
    for (const char* end : {"", ".gguf"}) {
      options_.calibrate.reset();
      const Certificate nearest = write(type + ("-plain" + std::string(end)), type).certificate;
      options_.calibrate.emplace();
      options_.calibrate->tokens = 600;
      const Quantized chosen = write(type + ("-chosen" + std::string(end)), type);
      EXPECT_LT(chosen.certificate.kl.mean, 0.75 * nearest.kl.mean) << type << end;
      EXPECT_LT(chosen.certificate.feature_error, nearest.feature_error) << type << end;
      EXPECT_EQ(chosen.certificate.bytes, nearest.bytes);
      EXPECT_GT(chosen.calibrated, 50);
      EXPECT_THAT(chosen.certificate.recipe, HasSubstr("codes for answers"));
    }
  }
}

TEST_F(CertificateTest, IsStoredWithTheModel) {
  options_.per_tensor = true;
  const Quantized folder = write("q8", "q8"), gguf = write("m.gguf", "q8_0");
  const auto json = Json::parse(base::read_file(path("q8/certificate.json"), 1 << 20).value());
  ASSERT_TRUE(json.ok());
  EXPECT_EQ(json->find("kl_mean")->as_double(), folder.certificate.kl.mean);
  EXPECT_EQ(json->find("tensors")->size(), folder.certificate.tensors.size());
  const auto config = Json::parse(base::read_file(path("q8/config.json"), 1 << 20).value());
  ASSERT_TRUE(config.ok());
  EXPECT_EQ(*config->find("quantization_config")->find("certificate"),
            folder.certificate.json(false));
  for (const std::string& name : gguf.files) {
    const auto file = formats::GgufFile::open(name).value();
    const auto text = file.metadata().text("ocelli.certificate").value();
    const auto read = Json::parse(text);
    ASSERT_TRUE(read.ok()) << text;
    EXPECT_EQ(read->dump(), gguf.certificate.json(false).dump());
  }
  EXPECT_TRUE(fs::exists(path("m.certificate.json")));
  for (const char* name : {"q8", "m.gguf"}) {
    const Json stored =
        stored_certificate(formats::ModelFolder::open(path(name)).value()).value();
    EXPECT_THAT(stored.find("recipe")->as_string(), HasSubstr("q8"));
    EXPECT_THAT(loss_text(stored), HasSubstr("KL divergence 0.0"));
  }
  EXPECT_TRUE(stored_certificate(source_).value().is_null());
  EXPECT_EQ(loss_text(Json()), "");
  EXPECT_EQ(loss_text(Json::object({{"certificate", Json::object({{"kl_mean", "x"}})}})), "");
}

TEST_F(CertificateTest, TableOfTensors) {
  options_.per_tensor = true;
  const Certificate c = write("m.gguf", "q8_0").certificate;
  EXPECT_GT(c.tensors.size(), 100u);
  int64_t bytes = 0;
  for (const TensorError& t : c.tensors) {
    bytes += t.bytes;
    const double limit = t.encoding == "f32" ? 0 : t.encoding == "f16" ? 1e-3 : 0.02;
    EXPECT_LE(t.error, limit) << t.name;
  }
  EXPECT_EQ(bytes, c.bytes);
  EXPECT_THAT(tensor_table(c), HasSubstr("model.text_model.layers.0.mlp.down_proj.weight"));
}

TEST_F(CertificateTest, IsTheSameEachTime) {
  const Json once = write("a", "q4").certificate.json(false);
  EXPECT_EQ(write("b", "q4").certificate.json(false).dump(), once.dump());
  options_.held_out.seed = 1;
  EXPECT_NE(write("c", "q4").certificate.json(false).dump(), once.dump());
}

TEST_F(CertificateTest, MixedPrecisionKeepsToItsTarget) {
  options_.certificate = false;
  options_.target_kl = 1e-9;
  const auto refused = quantize(source_, Recipe::parse("q4", {}, Format::kSafetensors).value(),
                                path("none"), options_);
  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(refused.error().message(), HasSubstr("out of reach"));
  options_.target_kl = 1e9;
  const Quantized all_low = write("low", "q4");
  for (const Sensitivity& g : all_low.mixed.groups) EXPECT_FALSE(g.raised);
  // Half way between four and eight bits.
  options_.target_kl = all_low.mixed.kl_before / 3;
  const Quantized mixed = write("mixed", "q4");
  EXPECT_LE(mixed.mixed.kl_after, *options_.target_kl);
  EXPECT_EQ(mixed.mixed.kl_before, all_low.mixed.kl_before);
  size_t raised = 0;
  for (const Sensitivity& g : mixed.mixed.groups) raised += g.raised;
  EXPECT_GT(raised, 0u);
  EXPECT_LT(raised, mixed.mixed.groups.size());
  EXPECT_EQ(mixed.mixed.groups.size(), 12u);  // three parts of four layers
  EXPECT_GT(mixed.certificate.bytes, all_low.certificate.bytes);
  const auto folder = formats::ModelFolder::open(path("mixed")).value();
  const auto weights = folder.weights().value();
  for (const Sensitivity& g : mixed.mixed.groups) {
    for (const std::string& name : g.weights)
      EXPECT_EQ(weights.find(name)->dtype, g.raised ? "Q8" : "Q4") << name;
  }
}

TEST_F(CertificateTest, MeasuresOnWhatItIsGiven) {
  const std::string rows =
      R"({"text": "The quick brown fox jumps over the lazy dog."})"
      "\n\n"
      R"({"question": "What is 2 + 2?", "answer": "four"})"
      "\n"
      R"({"messages": [{"role": "user", "content": "Hello"},)"
      R"( {"role": "assistant", "content": "Hi there, friend"}]})";
  ASSERT_TRUE(base::write_file_atomically(path("d.jsonl"), rows).ok());
  options_.held_out.data = path("d.jsonl");
  const Certificate c = write("a", "q8").certificate;
  EXPECT_EQ(c.texts, 3);
  EXPECT_GT(c.tokens, 20);
  EXPECT_EQ(c.pictures, 0);
  EXPECT_THAT(certificate_text(c), HasSubstr("d.jsonl"));
  ASSERT_TRUE(base::write_file_atomically(path("d.txt"), std::string(3000, 'x')).ok());
  options_.held_out.data = path("d.txt");
  EXPECT_GE(write("b", "q8").certificate.tokens, 96);
}

TEST_F(CertificateTest, BadDataIsAnErrorWithItsPlace) {
  const auto refusal = [&](const std::string& rows) {
    EXPECT_TRUE(base::write_file_atomically(path("d.jsonl"), rows).ok());
    options_.held_out.data = path("d.jsonl");
    const auto out = quantize(source_, Recipe::parse("q8", {}, Format::kSafetensors).value(),
                              path("out"), options_);
    return out.ok() ? "" : out.error().message();
  };
  EXPECT_THAT(refusal("{}\n"), HasSubstr("line 1"));
  EXPECT_THAT(refusal("{\"text\": \"a b\"}\n{\"question\": 1}\n"), HasSubstr("line 2"));
  EXPECT_THAT(refusal(R"({"question": "a", "answer": "b", "image": 7})"), HasSubstr("image"));
  EXPECT_THAT(refusal(R"({"question": "a", "answer": "b", "image": "none.png"})"),
              HasSubstr("none.png"));
  EXPECT_THAT(refusal(""), HasSubstr("nothing to measure"));
  EXPECT_FALSE(fs::exists(path("out")));
}

TEST(Pictures, AreTheSameForEverybody) {
  const media::Image a = draw_picture(3, 64), b = draw_picture(3, 64), c = draw_picture(4, 64);
  EXPECT_EQ(a.rgb.size(), size_t(64 * 64 * 3));
  EXPECT_EQ(a.rgb, b.rgb);
  EXPECT_NE(a.rgb, c.rgb);
  const auto hash = [](const media::Image& image) {
    uint32_t h = 2166136261u;
    for (const uint8_t v : image.rgb) h = (h ^ v) * 16777619u;
    return h;
  };
  EXPECT_NE(hash(a), hash(c));
}

}  // namespace
}  // namespace ocelli::quantize
