// What is written is read back, and what could not be read is not written.
#include "formats/gguf_writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "formats/gguf.h"
#include "formats/gguf_tensors.h"

namespace ocelli::formats {
namespace {

using encoding::Encoding;
using testing::ElementsAre;
using testing::HasSubstr;

// The file with tensors whose bytes are all their number.
std::string file_of(const GgufLayout& layout, size_t tensors) {
  std::string out = layout.header;
  out.resize(layout.bytes, '\0');
  for (size_t i = 0; i < tensors; ++i) out[layout.begins[i]] = char(i + 1);
  return out;
}

std::string refusal(const GgufHeader& header, const std::vector<GgufTensor>& tensors) {
  const auto layout = header.finish(tensors);
  return layout.ok() ? "" : layout.error().message();
}

TEST(GgufWriter, IsReadBack) {
  GgufHeader header;
  header.text("general.architecture", "llama").u32("a.count", 7).f32("a.eps", 1e-6f);
  header.flag("a.on", true).texts("a.words", std::vector<std::string>{"x", "", "\n\xc3\xa4"});
  header.i32s("a.types", std::vector<int32_t>{1, -3}).f32s("a.mean", std::vector<float>{0.5f});
  const std::vector<GgufTensor> tensors = {{"norm", Encoding::kF32, {3}},
                                           {"half", Encoding::kF16, {2, 5}},
                                           {"conv", Encoding::kBF16, {2, 3, 2, 2}}};
  const auto layout = header.finish(tensors);
  ASSERT_TRUE(layout.ok()) << layout.error().message();
  const std::string bytes = file_of(*layout, 3);
  const auto file = GgufFile::parse(std::as_bytes(std::span(bytes)));
  ASSERT_TRUE(file.ok()) << file.error().message();
  const GgufMetadata& m = file->metadata();
  EXPECT_EQ(file->version(), 3u);
  EXPECT_EQ(m.text("general.architecture").value(), "llama");
  EXPECT_EQ(m.integer("a.count", {}).value(), 7);
  EXPECT_EQ(float(m.positive("a.eps").value()), 1e-6f);
  EXPECT_TRUE(m.boolean("a.on", false).value());
  EXPECT_THAT(m.texts("a.words").value(), ElementsAre("x", "", "\n\xc3\xa4"));
  EXPECT_THAT(m.integers("a.types", 9).value(), ElementsAre(1, -3));
  EXPECT_THAT(m.numbers("a.mean", 9).value(), ElementsAre(0.5));
  ASSERT_EQ(file->tensors().size(), 3u);
  for (size_t i = 0; i < 3; ++i) {
    const TensorInfo& t = file->tensors()[i];
    EXPECT_EQ(t.name, tensors[i].name);
    EXPECT_EQ(t.encoding, tensors[i].encoding);
    EXPECT_EQ(t.shape, tensors[i].shape);
    EXPECT_EQ(t.bytes[0], std::byte(i + 1));
    EXPECT_EQ(layout->begins[i] % kDefaultGgufAlignment, 0u);
  }
}

TEST(GgufWriter, ReservedTextIsReplacedInPlace) {
  GgufHeader header;
  header.text("before", "b").reserved("later", 16).text("after", "a");
  const auto layout = header.finish({});
  ASSERT_TRUE(layout.ok());
  std::string bytes = layout->header;
  const auto [at, size] = layout->reserved.at("later");
  EXPECT_EQ(size, 16u);
  bytes.replace(at, 5, "hello");
  const auto file = GgufFile::parse(std::as_bytes(std::span(bytes)));
  ASSERT_TRUE(file.ok()) << file.error().message();
  EXPECT_EQ(file->metadata().text("later").value(), "hello           ");
  EXPECT_EQ(file->metadata().text("after").value(), "a");
}

TEST(GgufWriter, RefusesWhatCannotBeRead) {
  GgufHeader none;
  EXPECT_THAT(refusal(none, {{"a b", Encoding::kF32, {1}}}), HasSubstr("tensor's name"));
  EXPECT_THAT(refusal(none, {{std::string(64, 'a'), Encoding::kF32, {1}}}), HasSubstr("63"));
  EXPECT_THAT(refusal(none, {{"a", Encoding::kF32, {}}}), HasSubstr("shape"));
  EXPECT_THAT(refusal(none, {{"a", Encoding::kF32, {2, 0}}}), HasSubstr("shape"));
  EXPECT_THAT(refusal(none, {{"a", Encoding::kF32, {1, 1, 1, 1, 1}}}), HasSubstr("shape"));
  EXPECT_THAT(refusal(none, {{"a", Encoding::kF32, {1}}, {"a", Encoding::kF32, {1}}}),
              HasSubstr("twice"));
  const int64_t most = INT64_MAX / 2;
  EXPECT_THAT(refusal(none, {{"a", Encoding::kF32, {most, most}}}), HasSubstr("too large"));
  GgufHeader twice;
  twice.u32("k", 1).u32("k", 1);
  EXPECT_THAT(refusal(twice, {}), HasSubstr("twice"));
  GgufHeader spaced;
  spaced.u32("a key", 1);
  EXPECT_THAT(refusal(spaced, {}), HasSubstr("a key"));
}

TEST(GgufWriter, RowsOfBrokenBlocksAreRefused) {
  const Encoding blocks = Encoding::kIq4Nl;
  EXPECT_TRUE(fits_gguf(blocks, 4320));
  EXPECT_FALSE(fits_gguf(blocks, 4304));
  EXPECT_TRUE(fits_gguf(Encoding::kF16, 4304));
  EXPECT_THAT(refusal({}, {{"a", blocks, {2, 4304}}}), HasSubstr("f16"));
}

TEST(GgufWriter, NamesAreTheInverseOfTheReaders) {
  int known = 0;
  for (const char* name :
       {"token_embd.weight", "output_norm.weight", "output.weight", "blk.0.attn_norm.weight",
        "blk.12.attn_q.weight", "blk.3.attn_k.weight", "blk.3.attn_v.weight",
        "blk.3.attn_output.weight", "blk.3.ffn_norm.weight", "blk.3.ffn_gate.weight",
        "blk.3.ffn_up.weight", "blk.3.ffn_down.weight", "v.patch_embd.weight",
        "v.patch_embd.bias", "v.position_embd.weight", "v.post_ln.bias", "mm.model.fc.weight",
        "v.blk.0.ln1.weight", "v.blk.26.ln2.bias", "v.blk.1.attn_q.bias", "v.blk.1.attn_k.weight",
        "v.blk.1.attn_v.weight", "v.blk.1.attn_out.weight", "v.blk.1.ffn_up.weight",
        "v.blk.1.ffn_down.bias"}) {
    const std::string other = hugging_face_name(name, true);
    EXPECT_FALSE(other.empty()) << name;
    EXPECT_EQ(gguf_name(other), name);
    EXPECT_EQ(is_projector_name(name), name[0] == 'v' || name[0] == 'm');
    known += !other.empty();
  }
  EXPECT_EQ(known, 25);
  EXPECT_EQ(gguf_name("model.layers.7.mlp.down_proj.weight"), "blk.7.ffn_down.weight");
  for (const char* name : {"model.layers.07.mlp.down_proj.weight", "model.layers.7.mlp.x.weight",
                           "model.norm", "", "lm_head.scale"}) {
    EXPECT_EQ(gguf_name(name), "") << name;
  }
}

TEST(GgufWriter, InterleavedRows) {
  // Two heads of four rows: 0 2 1 3 each, so that 0 and 2, a rotary pair, are neighbours.
  std::vector<int64_t> rows;
  for (int64_t r = 0; r < 8; ++r) rows.push_back(interleaved_row(r, 8, 2));
  EXPECT_THAT(rows, ElementsAre(0, 2, 1, 3, 4, 6, 5, 7));
}

}  // namespace
}  // namespace ocelli::formats
