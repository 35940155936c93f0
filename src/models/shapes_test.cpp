#include "models/shapes.h"

#include <gtest/gtest.h>

#include "models/adapter_test_kit.h"
#include "nn/parameters.h"

namespace ocelli::models {
namespace {

using adapter_test::small_config;
using base::Json;
using encoding::Encoding;

TEST(ShapeModel, HasTheParametersOfTheModelAndNoNumbers) {
  const auto shapes = shape_model(small_config(), Encoding::kBF16);
  ASSERT_TRUE(shapes.ok()) << shapes.error().message();
  // Two layers of attention (2 x 16x16, 2 x 8x16), MLP (3 x 16x24) and norms, embedding, last norm.
  const int64_t matrices = 2 * (2 * 256 + 2 * 128 + 3 * 384) + 20 * 16, norms = 2 * 32 + 16;
  EXPECT_EQ(shapes->parameters, matrices + norms);
  EXPECT_EQ(shapes->storage_bytes, 2 * matrices + 4 * norms);
  ASSERT_EQ(shapes->storage.size(), 1u);  // shared
  for (int i = 0; i < 2 * 16 * 24; ++i) EXPECT_EQ(shapes->storage[0][size_t(i)], std::byte{0});
}

TEST(ShapeModel, AnswersABadConfigurationWithAnError) {
  EXPECT_FALSE(shape_model(Json::object({{"model_type", "nothing"}}), Encoding::kF32).ok());
}

TEST(ShapeModel, FindsTheEncodingOfTheFile) {
  const auto of = [](const char* text) { return published_encoding(Json::parse(text).value()); };
  EXPECT_EQ(of("{}"), Encoding::kBF16);
  EXPECT_EQ(of(R"({"torch_dtype": "float32"})"), Encoding::kF32);
  EXPECT_EQ(of(R"({"text_config": {"dtype": "float16"}})"), Encoding::kF16);
  EXPECT_EQ(of(R"({"dtype": 7})"), Encoding::kBF16);
}

}  // namespace
}  // namespace ocelli::models
