// Encoded tensors in safetensors: said by config.json, checked against the bytes.
#include "formats/quantization_config.h"

#include "base/json.h"
#include "formats/model_folder.h"
#include "formats/test_support.h"

namespace ocelli::formats {
namespace {

using base::Json;
using encoding::Encoding;
using testing::HasSubstr;

constexpr Encoding kBlocks = Encoding::kIq4Nl;  // 18 bytes for 32 columns

EncodedTensors one(std::vector<int64_t> shape) {
  EncodedTensors out;
  out["w"] = {kBlocks, std::move(shape)};
  return out;
}

class QuantizationConfigTest : public testing::Test {
 protected:
  // The error of opening a folder with w as U8 `stored` and this config.
  std::string refusal(const std::string& stored, size_t bytes, const Json& quantization) {
    folder_.write(
        "model.safetensors",
        safetensors("{" + entry("w", "U8", stored, "[0," + std::to_string(bytes) + "]") + "}",
                    bytes));
    folder_.write("config.json",
                  Json::object({{"model_type", "x"}, {kQuantizationKey, quantization}}).dump());
    auto weights = ModelFolder::open(folder_.path()).value().weights();
    if (!weights.ok()) return weights.error().message();
    opened_ = std::move(*weights);
    return "";
  }
  std::string refusal_of(const std::string& entry_json) {
    const std::string text =
        R"({"quant_method": "ocelli", "version": 1, "weights": {"w": )" + entry_json + "}}";
    return refusal("[2,36]", 72, Json::parse(text).value());
  }

  TempFolder folder_;
  Checkpoint opened_;
};

TEST_F(QuantizationConfigTest, GivesEncodingAndShape) {
  EXPECT_EQ(refusal("[2,36]", 72, quantization_config(one({2, 64}))), "");
  const TensorInfo* w = opened_.find("w");
  ASSERT_TRUE(w);
  EXPECT_EQ(w->encoding, kBlocks);
  EXPECT_EQ(w->dtype, "IQ4_NL");
  EXPECT_EQ(w->shape, (std::vector<int64_t>{2, 64}));
  EXPECT_EQ(opened_.total_bytes(), 72);
}

TEST_F(QuantizationConfigTest, ConvolutionsAndBrokenBlocks) {
  EXPECT_EQ(refusal("[2,36]", 72, quantization_config(one({2, 3, 4, 4}))), "");  // 48 columns
  EXPECT_EQ(opened_.find("w")->shape.size(), 4u);
}

TEST_F(QuantizationConfigTest, RefusesWhatTheBytesDoNotHold) {
  EXPECT_THAT(refusal("[2,36]", 72, quantization_config(one({2, 65}))), HasSubstr("U8 [2, 54]"));
  EXPECT_THAT(refusal("[2,36]", 72, quantization_config(one({4, 32}))), HasSubstr("U8 [4, 18]"));
  EXPECT_THAT(refusal("[72]", 72, quantization_config(one({2, 64}))), HasSubstr("U8 [2, 36]"));
  EncodedTensors other = one({2, 64});
  other["v"] = other["w"];
  EXPECT_THAT(refusal("[2,36]", 72, quantization_config(other)), HasSubstr("no tensor v"));
}

TEST_F(QuantizationConfigTest, RefusesNonsense) {
  EXPECT_THAT(refusal_of(R"({"encoding": "q3", "shape": [2, 64]})"), HasSubstr("\"q3\""));
  EXPECT_THAT(refusal_of(R"({"encoding": "q4_1", "shape": [64]})"), HasSubstr("two to four"));
  EXPECT_THAT(refusal_of(R"({"encoding": "q4_1"})"), HasSubstr("two to four"));
  EXPECT_THAT(refusal_of(R"({"shape": [2, 64]})"), HasSubstr("encoding"));
  EXPECT_THAT(refusal_of("7"), HasSubstr("encoding"));
  for (const char* shape : {"[2, 0]", "[-2, 64]", "[2, 1.5]", "[2, \"64\"]", "[2, 9e18]",
                            "[4294967296, 64]", "[2, 2147483648, 2]", "[2, 65536, 65536, 65536]"}) {
    const std::string entry = std::string(R"({"encoding": "q4_1", "shape": )") + shape + "}";
    EXPECT_THAT(refusal_of(entry), HasSubstr("out of range")) << shape;
  }
  Json newer = quantization_config(one({2, 64}));
  newer.set("version", 3);
  EXPECT_THAT(refusal("[2,36]", 72, newer), HasSubstr("newer"));
  newer.set("version", 1).set("weights", Json::array());
  EXPECT_THAT(refusal("[2,36]", 72, newer), HasSubstr("weights"));
}

TEST_F(QuantizationConfigTest, PackedInStrips) {
  EncodedTensors packed;
  packed["w"] = {Encoding::kQ4, {17, 160}, encoding::Layout::kPacked};
  constexpr size_t kBytes = 2 * (64 + 2 * 64 + 5 * 256);
  const Json said = quantization_config(packed);
  EXPECT_EQ(said.find("version")->as_int(), 2);
  EXPECT_EQ(quantization_config(one({2, 64})).find("version")->as_int(), 1);
  EXPECT_EQ(refusal("[2944]", kBytes, said), "");
  const TensorInfo* w = opened_.find("w");
  ASSERT_TRUE(w);
  EXPECT_EQ(w->layout, encoding::Layout::kPacked);
  EXPECT_EQ(w->encoding, Encoding::kQ4);
  EXPECT_EQ(w->shape, (std::vector<int64_t>{17, 160}));
  EXPECT_EQ(refusal("[2,36]", 72, quantization_config(one({2, 64}))), "");
  EXPECT_EQ(opened_.find("w")->layout, encoding::Layout::kPlain);

  EXPECT_THAT(refusal("[2943]", kBytes - 1, said), HasSubstr("U8 [2944]"));
  EXPECT_THAT(refusal("[2945]", kBytes + 1, said), HasSubstr("U8 [2944]"));
  EXPECT_THAT(refusal("[2,1472]", kBytes, said), HasSubstr("U8 [2944]"));
  for (const char* entry : {R"({"encoding": "q4", "shape": [2, 64], "layout": "strips-32x4"})",
                            R"({"encoding": "q4", "shape": [2, 64], "layout": 1})",
                            R"({"encoding": "q4_0", "shape": [2, 64], "layout": "strips-16x4"})"}) {
    EXPECT_THAT(refusal_of(entry), HasSubstr("newer version")) << entry;
  }
}

TEST_F(QuantizationConfigTest, OtherMethodsAreNotOurs) {
  EXPECT_EQ(refusal("[2,36]", 72, Json::object({{"quant_method", "gptq"}, {"bits", 4}})), "");
  EXPECT_FALSE(opened_.find("w")->encoding);
  EXPECT_EQ(refusal("[2,36]", 72, Json()), "");
}

TEST_F(QuantizationConfigTest, IsTakenOut) {
  const Json config = Json::object({{"a", 1}, {kQuantizationKey, 2}, {"b", 3}});
  EXPECT_EQ(without_quantization_config(config).dump(), R"({"a":1,"b":3})");
}

}  // namespace
}  // namespace ocelli::formats
