#include "formats/gguf.h"

#include <limits>

#include "formats/gguf_test_support.h"
#include "formats/test_support.h"

namespace ocelli::formats {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr uint32_t kF32 = 0, kQ4 = 2, kQ8 = 8;

// The error of reading `bytes`, "" if there is none.
std::string refusal(const std::string& bytes) {
  const auto file = GgufFile::parse(as_bytes(bytes));
  return file.ok() ? "" : file.error().message();
}

GgufBytes good() {
  GgufBytes b;
  b.text("general.architecture", "llama").u32("llama.block_count", 2).f32("eps", 0.5f);
  b.texts("names", {"a", "", "\xC3\xA4"}).array<int32_t>("types", kTagI32, {1, -2, 3});
  b.tensor("w", {2, 3}, kF32, std::string(24, 'w'))
      .tensor("q", {64, 2}, kQ8, std::string(136, 'q'));
  return b;
}

TEST(Gguf, ReadsMetadataAndTensors) {
  for (const uint32_t version : {2u, 3u}) {
    GgufBytes b = good();
    b.version = version;
    const std::string bytes = b.file();
    const auto file = GgufFile::parse(as_bytes(bytes));
    ASSERT_TRUE(file.ok()) << file.error().message();
    EXPECT_EQ(file->version(), version);
    const GgufMetadata& m = file->metadata();
    EXPECT_EQ(m.values().size(), 5u);
    EXPECT_EQ(*m.text("general.architecture"), "llama");
    EXPECT_EQ(*m.integer("llama.block_count", {1, 9}), 2);
    EXPECT_EQ(*m.positive("eps"), 0.5);
    EXPECT_THAT(*m.texts("names"), ElementsAre("a", "", "\xC3\xA4"));
    EXPECT_THAT(*m.integers("types", 3), ElementsAre(1, -2, 3));
    EXPECT_EQ(m.find("no"), nullptr);
    EXPECT_EQ(*m.integer("no", {1, 9}, 7), 7);
    ASSERT_EQ(file->tensors().size(), 2u);
    const TensorInfo& w = file->tensors()[0];
    EXPECT_EQ(w.name, "w");
    EXPECT_EQ(w.dtype, "F32");
    EXPECT_THAT(w.shape, ElementsAre(3, 2));
    EXPECT_EQ(w.bytes.size(), 24u);
    const TensorInfo& q = file->tensors()[1];
    EXPECT_EQ(q.encoding, encoding::Encoding::kQ80);
    EXPECT_THAT(q.shape, ElementsAre(2, 64));
    EXPECT_EQ(char(q.bytes[135]), 'q');
  }
}

TEST(Gguf, WrongKindsOfValuesNameTheKey) {
  const std::string bytes = good().value("big", kTagU64, raw(UINT64_MAX)).file();
  const auto file = GgufFile::parse(as_bytes(bytes));
  ASSERT_TRUE(file.ok()) << file.error().message();
  const GgufMetadata& m = file->metadata();
  EXPECT_THAT(m.integer("general.architecture", {}).error().message(),
              HasSubstr("general.architecture is of type text but must be an integer"));
  EXPECT_THAT(m.integer("none", {}).error().message(), HasSubstr("none is missing"));
  EXPECT_THAT(m.integer("types", {}).error().message(), HasSubstr("an array of int32"));
  EXPECT_THAT(m.integer("llama.block_count", {3, 4}).error().message(), HasSubstr("(2, limit 3"));
  EXPECT_FALSE(m.integer("big", {0, INT64_MAX - 1}).ok());
  EXPECT_THAT(m.text("eps").error().message(), HasSubstr("must be text"));
  EXPECT_THAT(m.texts("types").error().message(), HasSubstr("must be an array of text"));
  EXPECT_THAT(m.boolean("eps", true).error().message(), HasSubstr("must be a bool"));
  EXPECT_THAT(m.integers("types", 2).error().message(), HasSubstr("too many"));
  for (const float bad : {std::nanf(""), std::numeric_limits<float>::infinity(), 0.0f, -1.0f}) {
    const std::string other = GgufBytes().f32("eps", bad).file();
    const auto parsed = GgufFile::parse(as_bytes(other));
    ASSERT_TRUE(parsed.ok());
    EXPECT_THAT(parsed->metadata().positive("eps").error().message(), HasSubstr("eps must be"));
  }
}

TEST(Gguf, EveryTruncationIsNoticed) {
  const std::string whole = good().file();
  // The last bytes are padding behind the last tensor.
  const size_t needed = whole.size() - (160 - 136);
  ASSERT_EQ(refusal(whole.substr(0, needed)), "");
  for (size_t n = 0; n < needed; ++n) {
    ASSERT_THAT(refusal(whole.substr(0, n)), HasSubstr("bytes")) << n;
  }
}

TEST(Gguf, VersionsAndMarks) {
  EXPECT_THAT(refusal("GGUT" + raw(3u)), HasSubstr("does not begin with"));
  for (const uint32_t version : {0u, 1u, 4u, 99u}) {
    GgufBytes b = good();
    b.version = version;
    EXPECT_THAT(refusal(b.file()), HasSubstr("version " + std::to_string(version)));
  }
  GgufBytes swapped = good();
  swapped.version = 0x03000000;
  EXPECT_THAT(refusal(swapped.file()), HasSubstr("byte-swapped"));
  EXPECT_THAT(refusal(swapped.file()), HasSubstr("version 3"));
}

TEST(Gguf, CountsThatLie) {
  for (const uint64_t count :
       {uint64_t{1} << 63, uint64_t{1} << 32, UINT64_MAX, uint64_t{100'001}}) {
    GgufBytes b = good();
    b.tensor_count = count;
    EXPECT_THAT(refusal(b.file()), HasSubstr("n_tensors"));
    b = good();
    b.key_count = count;
    EXPECT_THAT(refusal(b.file()), HasSubstr("n_kv"));
  }
}

TEST(Gguf, LengthsThatLie) {
  const auto with = [](uint32_t type, const std::string& value) {
    return refusal(GgufBytes().value("key", type, value).data(std::string(100, 'x')).file());
  };
  EXPECT_THAT(with(kTagText, raw(UINT64_MAX)), HasSubstr("length"));
  EXPECT_THAT(with(kTagText, raw(uint64_t{17} << 20)), HasSubstr("limit 16777216"));
  EXPECT_THAT(with(kTagText, raw(uint64_t{5000})), HasSubstr("expected 5000 bytes"));
  EXPECT_THAT(with(kTagArray, raw(kTagU8) + raw(uint64_t{1} << 40)), HasSubstr("array length"));
  EXPECT_THAT(with(kTagArray, raw(kTagU64) + raw(uint64_t{1} << 24)), HasSubstr("bytes"));
  EXPECT_THAT(with(kTagArray, raw(kTagText) + raw(uint64_t{1} << 24)), HasSubstr("bytes"));
  EXPECT_THAT(with(kTagArray, raw(kTagArray) + raw(uint64_t{1})), HasSubstr("array of arrays"));
  EXPECT_THAT(with(13, ""), HasSubstr("value type 13"));
}

TEST(Gguf, NamesThatLie) {
  EXPECT_THAT(refusal(good().u32("eps", 1).file()), HasSubstr("duplicate key eps"));
  EXPECT_THAT(refusal(good().entry("w", {1}, kF32, 0).file()),
              HasSubstr("duplicate tensor name w"));
  for (const std::string bad : {"", "a/../b", "a\nb", "\xFF", "a b"}) {
    EXPECT_THAT(refusal(good().u32(bad, 1).file()), HasSubstr("ASCII")) << bad;
    EXPECT_THAT(refusal(good().entry(bad, {1}, kF32, 0).file()), HasSubstr("ASCII")) << bad;
  }
  EXPECT_THAT(refusal(good().u32(std::string("a\0b", 3), 1).file()), HasSubstr("a\\x00b"));
  EXPECT_THAT(refusal(good().u32(std::string(65'536, 'k'), 1).file()), HasSubstr("key length"));
  EXPECT_THAT(refusal(good().entry(std::string(1025, 'k'), {1}, kF32, 0).file()),
              HasSubstr("name length"));
}

TEST(Gguf, Alignments) {
  for (const uint32_t n : {0u, 3u, 1u << 31, 1u << 17}) {
    EXPECT_THAT(refusal(good().u32("general.alignment", n).file()), HasSubstr("alignment"));
  }
  EXPECT_THAT(refusal(good().text("general.alignment", "32").file()), HasSubstr("alignment"));
  GgufBytes wide;
  wide.alignment = 128;
  wide.u32("general.alignment", 128).tensor("a", {1}, kF32, "abcd").tensor("b", {1}, kF32, "efgh");
  const std::string bytes = wide.file();
  const auto file = GgufFile::parse(as_bytes(bytes));
  ASSERT_TRUE(file.ok()) << file.error().message();
  EXPECT_EQ(char(file->tensors()[1].bytes[0]), 'e');
}

TEST(Gguf, ShapesAndTypes) {
  const auto with = [](const std::vector<uint64_t>& dims, uint32_t type) {
    return refusal(GgufBytes().entry("t", dims, type, 0).data(std::string(64, 'x')).file());
  };
  EXPECT_THAT(with({(uint64_t{1} << 42) + 1, 1152}, kF32), HasSubstr("shape"));
  EXPECT_THAT(with({uint64_t{1} << 32, uint64_t{1} << 32}, kF32), HasSubstr("shape"));
  EXPECT_THAT(with({0, 4}, kF32), HasSubstr("shape"));
  EXPECT_THAT(with({UINT64_MAX}, kF32), HasSubstr("shape"));
  EXPECT_THAT(with({1, 1, 1, 1, 1}, kF32), HasSubstr("shape"));
  EXPECT_THAT(with({}, kF32), HasSubstr("shape"));
  EXPECT_THAT(with({1}, 1000), HasSubstr("type 1000"));
  EXPECT_THAT(with({256}, 16), HasSubstr("IQ2_XXS"));
  EXPECT_THAT(with({33}, kQ4), HasSubstr("whole blocks"));
  EXPECT_THAT(with({33}, kQ4), HasSubstr("type Q4_0"));
  EXPECT_THAT(with({32, 2}, kQ4), "");
}

TEST(Gguf, Offsets) {
  const auto with = [](uint64_t a, uint64_t b) {
    return refusal(GgufBytes()
                       .entry("one", {8}, kF32, a)
                       .entry("two", {8}, kF32, b)
                       .data(std::string(128, 'x'))
                       .file());
  };
  EXPECT_EQ(with(0, 32), "");
  EXPECT_EQ(with(96, 0), "");  // holes are harmless
  EXPECT_THAT(with(0, 0), HasSubstr("overlaps"));
  EXPECT_THAT(with(0, 31), HasSubstr("alignment"));
  for (const uint64_t bad : {uint64_t{128}, uint64_t{1} << 40, UINT64_MAX - 31}) {
    EXPECT_THAT(with(0, bad), HasSubstr("two: offset " + std::to_string(bad)));
    EXPECT_THAT(with(0, bad), HasSubstr("file has 128"));
  }
}

// A hundred thousand of each take time linear in the file.
TEST(Gguf, ManyKeysAndTensors) {
  GgufBytes b;
  for (int i = 0; i < 100'000; ++i) {
    b.u32("key." + std::to_string(i), 1);
    b.entry("t." + std::to_string(i), {1}, kF32, uint64_t(i) * 32);
  }
  b.data(std::string(3'200'000, 'x'));
  const std::string bytes = b.file();
  const auto file = GgufFile::parse(as_bytes(bytes));
  ASSERT_TRUE(file.ok()) << file.error().message();
  EXPECT_EQ(file->metadata().values().size(), 100'000u);
  b.u32("one.more", 1);
  EXPECT_THAT(refusal(b.file()), HasSubstr("limit 100000"));
}

}  // namespace
}  // namespace ocelli::formats
