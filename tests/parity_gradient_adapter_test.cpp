// Gradients of adapters against PEFT's: LoRA and DoRA on every Linear of tower, connector and text,
// on float32 weights and through 8 and 4 bits (QLoRA), with blocks kept and recomputed. The
// tolerance is that of parity_gradient_test.cpp.
#include <gtest/gtest.h>

#include "backend/cpu/cpu_backend.h"
#include "backend/reference/reference_backend.h"
#include "base/file.h"
#include "models/adapter.h"
#include "parity_gradient.h"

namespace ocelli::parity {
namespace {

using base::Json;
using encoding::Encoding;

constexpr double kOwnErrors = 4;

struct Case {
  const char* folder;
  Encoding encoding;
};

class AdapterGradients : public testing::TestWithParam<Case> {
 protected:
  AdapterGradients() {
    const std::string folder =
        std::string(OCELLI_FIXTURES) + "/gradients/smolvlm/" + GetParam().folder;
    const Json json =
        Json::parse(base::read_file(folder + "/expected.json", 1 << 20).value()).value();
    const std::string encoding(encoding::name(GetParam().encoding));
    loss_ = json.find("loss")->get_double(encoding).value();
    own_error_ = json.find("own_error")->get_double(encoding).value();
    const auto file = formats::SafetensorsFile::open(folder + "/expected.safetensors").value();
    wanted_ = gradients_of(file, encoding + ".");
    adapter_ = models::Adapter::open(folder, loaded_, pool_, {.trainable = true}).value();
    EXPECT_TRUE(adapter_->attach().ok());
  }

  void compare(tensor::Backend& backend) {
    for (const bool recompute : {false, true}) {
      SCOPED_TRACE(recompute ? "recomputed" : "kept");
      for (const models::AdapterTensor& t : adapter_->tensors()) {
        std::fill_n(t.grad, t.count, 0.0f);
      }
      GradientRun run{backend, pool_, recompute};
      EXPECT_NEAR(run.run(*loaded_.model, fixture_.batch()), loss_, 4 * 0x1p-23 * loss_);
      std::map<std::string, std::vector<float>> got;
      for (const models::AdapterTensor& t : adapter_->tensors()) {
        got[t.name].assign(t.grad, t.grad + t.count);
      }
      EXPECT_EQ(got.size(), wanted_.size());
      const WorstGradient worst = worst_gradient(got, wanted_);
      std::printf("%-5s %-4s %-12s %-10s %.1e (%.1e its own) %s\n", GetParam().folder,
                  std::string(encoding::name(GetParam().encoding)).c_str(),
                  std::string(backend.name()).c_str(), recompute ? "recomputed" : "kept",
                  worst.error, own_error_, worst.name.c_str());
      EXPECT_LE(worst.error, kOwnErrors * own_error_) << worst.name;
    }
  }

  GradientFixture fixture_{"smolvlm"};
  base::ThreadPool pool_{2};
  models::LoadedModel loaded_ = fixture_.load(pool_, GetParam().encoding);
  std::map<std::string, std::vector<float>> wanted_;
  std::unique_ptr<models::Adapter> adapter_;
  double loss_ = 0, own_error_ = 0;
};

TEST_P(AdapterGradients, OfTheReferenceBackend) {
  reference::ReferenceBackend backend;
  compare(backend);
}

TEST_P(AdapterGradients, OfTheBestInstructionSet) {
  const auto backend = cpu::make_cpu_backend().value();
  compare(*backend);
}

INSTANTIATE_TEST_SUITE_P(Peft, AdapterGradients,
                         testing::Values(Case{"lora", Encoding::kF32}, Case{"lora", Encoding::kQ80},
                                         Case{"lora", Encoding::kQ40}, Case{"dora", Encoding::kF32},
                                         Case{"dora", Encoding::kQ80}, Case{"dora", Encoding::kQ40}),
                         [](const auto& parameter) {
                           return std::string(parameter.param.folder) + "_" +
                                  std::string(encoding::name(parameter.param.encoding));
                         });

}  // namespace
}  // namespace ocelli::parity
