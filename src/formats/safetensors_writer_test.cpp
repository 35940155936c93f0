#include "formats/safetensors_writer.h"

#include "formats/safetensors.h"
#include "formats/test_support.h"

namespace ocelli::formats {
namespace {

using encoding::Encoding;
using testing::HasSubstr;

TEST(SafetensorsWriter, WritesWhatIsReadAgain) {
  const TempFolder folder;
  const std::vector<TensorSpec> specs = {{"w\u00e4rme \"x\"", Encoding::kF32, {2, 2}},
                                         {"h", Encoding::kBF16, {3}},
                                         {"empty", Encoding::kF16, {0, 7}},
                                         {"one", Encoding::kF16, {}}};
  auto out = SafetensorsWriter::create(folder.path("m.safetensors"), specs,
                                       {{"format", "pt"}, {"a", "\n"}});
  ASSERT_TRUE(out.ok()) << out.error().message();
  EXPECT_EQ(out->data_bytes(), 24u);
  ASSERT_TRUE(out->write(as_bytes("0123456789")).ok());  // pieces need not end with a tensor
  ASSERT_TRUE(out->write(as_bytes("abcdefABCDEFxy")).ok());
  EXPECT_FALSE(std::filesystem::exists(folder.path("m.safetensors")));
  ASSERT_TRUE(out->commit().ok());

  const auto file = SafetensorsFile::open(folder.path("m.safetensors"));
  ASSERT_TRUE(file.ok()) << file.error().message();
  EXPECT_EQ(file->metadata(), (Metadata{{"format", "pt"}, {"a", "\n"}}));
  ASSERT_EQ(file->tensors().size(), 4u);
  for (const TensorSpec& spec : specs) {
    const TensorInfo* t = file->find(spec.name);
    ASSERT_TRUE(t) << spec.name;
    EXPECT_EQ(t->encoding, spec.encoding);
    EXPECT_EQ(t->shape, spec.shape);
  }
  EXPECT_EQ(std::memcmp(file->find("h")->bytes.data(), "ABCDEF", 6), 0);
  EXPECT_EQ(std::memcmp(file->find("one")->bytes.data(), "xy", 2), 0);
  // The first tensor is aligned in the file, so also in the mapping.
  EXPECT_EQ((file->tensors()[0].bytes.data() - file->bytes().data()) % 64, 0);
}

TEST(SafetensorsWriter, RefusesWhatCouldNotBeRead) {
  const TempFolder folder;
  const auto refusal = [&](std::vector<TensorSpec> specs) {
    const auto out = SafetensorsWriter::create(folder.path("x.safetensors"), specs);
    return out.ok() ? "(accepted)" : out.error().message();
  };
  EXPECT_THAT(refusal({{"a", Encoding::kF32, {1}}, {"a", Encoding::kF32, {1}}}),
              HasSubstr("twice"));
  EXPECT_THAT(refusal({{"__metadata__", Encoding::kF32, {1}}}), HasSubstr("__metadata__"));
  EXPECT_THAT(refusal({{"\xff", Encoding::kF32, {1}}}), HasSubstr("UTF-8"));
  EXPECT_THAT(refusal({{std::string(2000, 'a'), Encoding::kF32, {1}}}), HasSubstr("1024"));
  EXPECT_THAT(refusal({{"a", Encoding::kQ80, {32}}}), HasSubstr("no dtype for q8"));
  EXPECT_THAT(refusal({{"a", Encoding::kF32, {-1}}}), HasSubstr("shape [-1]"));
  EXPECT_THAT(refusal({{"a", Encoding::kF32, {int64_t{1} << 40, int64_t{1} << 40}}}),
              HasSubstr("shape"));
  EXPECT_THAT(refusal({{"a", Encoding::kF32, std::vector<int64_t>(9, 1)}}), HasSubstr("shape"));
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST(SafetensorsWriter, LeavesNothingWithoutCommit) {
  const TempFolder folder;
  folder.write("m.safetensors", "old");
  {
    auto out =
        SafetensorsWriter::create(folder.path("m.safetensors"), {{"a", Encoding::kF32, {1}}});
    ASSERT_TRUE(out.ok());
    ASSERT_TRUE(out->write(as_bytes("1234")).ok());
  }
  EXPECT_EQ(*base::read_file(folder.path("m.safetensors"), 10), "old");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path()), {}), 1);
}

TEST(SafetensorsWriterDeathTest, TooFewOrTooManyBytesAreOurMistake) {
  const TempFolder folder;
  auto out = SafetensorsWriter::create(folder.path("m.safetensors"), {{"a", Encoding::kF32, {1}}});
  ASSERT_TRUE(out.ok());
  EXPECT_DEATH((void)out->write(as_bytes("12345")), "more bytes");
  EXPECT_DEATH((void)out->commit(), "fewer bytes");
}

}  // namespace
}  // namespace ocelli::formats
