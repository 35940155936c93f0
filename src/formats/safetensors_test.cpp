#include "formats/safetensors.h"

#include <ctime>

#include "base/rng.h"
#include "formats/test_support.h"

namespace ocelli::formats {
namespace {

using encoding::Encoding;
using testing::AllOf;
using testing::AnyOf;
using testing::HasSubstr;

// What parse() says about a file that it must refuse.
std::string refusal(const std::string& file) {
  const auto parsed = SafetensorsFile::parse(as_bytes(file));
  return parsed.ok() ? "(accepted)" : parsed.error().message();
}

std::string refusal(const std::string& entries, size_t data) {
  return refusal(safetensors("{" + entries + "}", data));
}

TEST(Safetensors, ReadsTensorsInTheOrderOfTheirBytes) {
  const std::string header = "{\"__metadata__\":{\"format\":\"pt\",\"by\":\"hand\"}," +
                             entry("second", "BF16", "[2,3]", "[8,20]") + "," +
                             entry("first", "F32", "[2]", "[0,8]") + "," +
                             entry("ids", "I64", "[1]", "[20,28]") + "}  ";
  std::string content = safetensors(header, 28);
  content.back() = 7;
  const auto file = SafetensorsFile::parse(as_bytes(content));
  ASSERT_TRUE(file.ok()) << file.error().message();
  ASSERT_EQ(file->tensors().size(), 3u);
  EXPECT_EQ(file->tensors()[0].name, "first");
  EXPECT_EQ(file->tensors()[1].name, "second");
  EXPECT_EQ(file->tensors()[1].encoding, Encoding::kBF16);
  EXPECT_EQ(file->tensors()[1].shape, (std::vector<int64_t>{2, 3}));
  const TensorInfo* ids = file->find("ids");
  ASSERT_TRUE(ids);
  EXPECT_EQ(ids->dtype, "I64");
  EXPECT_FALSE(ids->encoding);  // listed, but no weight
  EXPECT_EQ(ids->bytes.size(), 8u);
  EXPECT_EQ(ids->bytes[7], std::byte{7});
  EXPECT_FALSE(file->find("third"));
  EXPECT_FALSE(file->find(""));
  EXPECT_EQ(file->metadata()[1].first + "=" + file->metadata()[1].second, "by=hand");
}

TEST(Safetensors, ScalarsAndEmptyTensorsAreTensors) {
  const std::string file = safetensors(
      "{" + entry("none", "F32", "[0,5]", "[0,0]") + "," + entry("one", "F16", "[]", "[0,2]") + "}",
      2);
  const auto parsed = SafetensorsFile::parse(as_bytes(file));
  ASSERT_TRUE(parsed.ok()) << parsed.error().message();
  EXPECT_EQ(parsed->find("none")->bytes.size(), 0u);
  EXPECT_EQ(parsed->find("one")->bytes.size(), 2u);
  EXPECT_EQ(refusal(safetensors("{}", 0)), "(accepted)");
}

TEST(Safetensors, HeaderLength) {
  EXPECT_THAT(refusal(""), HasSubstr("incomplete download"));
  EXPECT_THAT(refusal("{}"), HasSubstr("header length"));
  EXPECT_THAT(refusal(little_endian(0) + "{}"), HasSubstr("header length is out of range (0"));
  EXPECT_THAT(refusal(little_endian(~uint64_t{0}) + "{}"), HasSubstr("limit 2 to 100000000"));
  EXPECT_THAT(refusal(little_endian(kMaxHeaderBytes + 1) + "{}"), HasSubstr("out of range"));
  EXPECT_THAT(refusal(little_endian(3) + "{}"),
              AllOf(HasSubstr("3 bytes"), HasSubstr("has 2 left")));
  EXPECT_THAT(refusal(little_endian(7) + "{}     x"), HasSubstr("left over"));
}

TEST(Safetensors, HeaderIsOneJsonObject) {
  for (const char* header : {"[]", "null", " {}", "\xEF\xBB\xBF{}", "x{}"}) {
    EXPECT_THAT(refusal(safetensors(header, 0)), HasSubstr("does not begin with {")) << header;
  }
  for (const char* header : {"{} x", "{}{}", "{,}", "{\"a\":NaN}", "{\"\xFF\":1}", "{\"a\":1"}) {
    EXPECT_THAT(refusal(safetensors(header, 0)), HasSubstr("header")) << header;
  }
  std::string deep = "{\"a\":";
  for (int i = 0; i < 100'000; ++i) deep += '[';
  EXPECT_THAT(refusal(safetensors(deep, 0)), HasSubstr("header"));
  EXPECT_THAT(refusal(safetensors(std::string("{}\0", 3), 0)), HasSubstr("NUL"));
}

TEST(Safetensors, NamesAndMetadata) {
  const std::string twice =
      entry("a", "F32", "[1]", "[0,4]") + "," + entry("a", "F32", "[1]", "[4,8]");
  EXPECT_THAT(refusal(twice, 8), AllOf(HasSubstr("twice"), HasSubstr("\"a\"")));
  EXPECT_THAT(refusal("\"__metadata__\":{\"a\":1}", 0), HasSubstr("not text"));
  EXPECT_THAT(refusal("\"__metadata__\":[]", 0), HasSubstr("__metadata__"));
  EXPECT_EQ(refusal(entry(std::string(kMaxTensorName, 'n'), "F32", "[0]", "[0,0]"), 0),
            "(accepted)");
  EXPECT_THAT(refusal(entry(std::string(kMaxTensorName + 1, 'n'), "F32", "[0]", "[0,0]"), 0),
              HasSubstr("too long (1025 bytes, limit 1024)"));
  EXPECT_THAT(refusal("\"a\":5", 0), HasSubstr("not described by a JSON object"));
  // Names print without their control characters.
  EXPECT_THAT(refusal("\"a\\u001b[2J\":5", 0), HasSubstr("a\\x1b[2J"));
}

TEST(Safetensors, Offsets) {
  const auto two = [](const std::string& second, size_t data) {
    return refusal(entry("a", "F32", "[1]", "[0,4]") + "," + entry("b", "F32", "[1]", second),
                   data);
  };
  EXPECT_EQ(two("[4,8]", 8), "(accepted)");
  EXPECT_THAT(two("[5,9]", 9), AllOf(HasSubstr("offsets leave a hole"), HasSubstr("b")));
  EXPECT_THAT(two("[3,7]", 8), HasSubstr("offsets overlap"));
  EXPECT_THAT(two("[0,4]", 8), HasSubstr("offsets overlap"));
  EXPECT_THAT(two("[8,4]", 8), HasSubstr("data_offsets end before they begin (8 to 4)"));
  for (const char* bad :
       {"[-4,0]", "[4]", "[]", "[4,8,12]", "4", "[4.0,8]", "[4,18446744073709551615]", "null"}) {
    EXPECT_THAT(two(bad, 8), HasSubstr("data_offsets is not a pair")) << bad;
  }
  EXPECT_THAT(two("[4,8]", 7),
              AllOf(HasSubstr("offsets end past the file"), HasSubstr("incomplete")));
  EXPECT_THAT(two("[4,8]", 9), HasSubstr("1 bytes are left over"));
  EXPECT_THAT(refusal(entry("a", "F32", "[1]", "[4,8]"), 8), HasSubstr("hole"));
  // A picture of a zip archive behind the data.
  EXPECT_THAT(refusal(safetensors("{" + entry("a", "F32", "[1]", "[0,4]") + "}", 4) + "PK\x05\x06"),
              HasSubstr("4 bytes are left over"));
}

TEST(Safetensors, Shapes) {
  const auto shape = [](const std::string& s) { return refusal(entry("a", "F32", s, "[0,4]"), 4); };
  EXPECT_EQ(shape("[1,1,1,1,1,1,1,1]"), "(accepted)");
  EXPECT_THAT(shape("[1,1,1,1,1,1,1,1,1]"), HasSubstr("too many dimensions (9, limit 8)"));
  EXPECT_THAT(shape("[2,18446744073709551614]"), HasSubstr("shape holds"));
  EXPECT_THAT(shape("[4294967296,4294967296]"), HasSubstr("larger than any file"));
  EXPECT_THAT(shape("[4611686018427387905,4]"), HasSubstr("larger than any file"));
  EXPECT_THAT(shape("[-1]"), HasSubstr("shape holds -1"));
  EXPECT_THAT(shape("[1.5]"), HasSubstr("shape holds 1.5"));
  EXPECT_THAT(shape("[\"1\"]"), HasSubstr("shape holds"));
  EXPECT_THAT(shape("1"), HasSubstr("shape is not a list"));
  EXPECT_THAT(shape("[2]"), AllOf(HasSubstr("[2] of F32 takes 8 bytes"), HasSubstr("give 4")));
}

TEST(Safetensors, Dtypes) {
  const auto dtype = [](const std::string& d, const std::string& shape) {
    return refusal(entry("a", d, shape, "[0,4]"), 4);
  };
  for (const char* known : {"F32", "I32", "U32"})
    EXPECT_EQ(dtype(known, "[1]"), "(accepted)") << known;
  for (const char* known : {"BF16", "F16", "I16"})
    EXPECT_EQ(dtype(known, "[2]"), "(accepted)") << known;
  for (const char* known : {"BOOL", "U8", "F8_E4M3"})
    EXPECT_EQ(dtype(known, "[4]"), "(accepted)") << known;
  EXPECT_EQ(dtype("F4", "[8]"), "(accepted)");
  EXPECT_THAT(dtype("F4", "[7]"), HasSubstr("dtype: [7] of F4 ends within a byte"));
  EXPECT_THAT(dtype("F31", "[1]"), HasSubstr("dtype F31 is not one of safetensors"));
  EXPECT_THAT(dtype("f32", "[1]"), HasSubstr("dtype f32"));
  EXPECT_THAT(refusal("\"a\":{\"shape\":[1],\"data_offsets\":[0,4]}", 4),
              HasSubstr("\"dtype\" is missing"));
  EXPECT_THAT(refusal("\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}", 4), HasSubstr("shape"));
  EXPECT_THAT(refusal("\"a\":{\"dtype\":\"F32\",\"shape\":[1]}", 4), HasSubstr("data_offsets"));
}

// A header that describes `count` tensors on the same four bytes, or each on bytes of its own.
std::string many_tensors(size_t count, bool overlapping) {
  std::string header = "{";
  for (size_t i = 0; i < count; ++i) {
    const std::string begin = std::to_string(overlapping ? 0 : 4 * i);
    const std::string end = std::to_string(overlapping ? 4 : 4 * i + 4);
    header += (i ? "," : "") +
              entry("t" + std::to_string(i), "F32", "[1]", "[" + begin + "," + end + "]");
  }
  return safetensors(header + "}", overlapping ? 4 : 4 * count);
}

// Our own processor time, whoever else runs, to refuse a header of `count` tensors.
double seconds_to_refuse(int count) {
  const std::string bomb = many_tensors(count, true);
  const std::clock_t begin = std::clock();
  EXPECT_THAT(refusal(bomb), AnyOf(HasSubstr("header"), HasSubstr("overlap")));
  return double(std::clock() - begin) / CLOCKS_PER_SEC;
}

TEST(Safetensors, ManyTensorsAreRefusedQuickly) {
  // Ten times as many take about ten times as long, also where a sanitizer makes both slow; a
  // hundred times would be quadratic. A million take below a second in a release.
  const double few = seconds_to_refuse(100'000);
  const double many = seconds_to_refuse(1'000'000);
  EXPECT_LT(many, 40 * few + 0.5);
  RecordProperty("seconds", std::to_string(many));
  EXPECT_THAT(refusal(many_tensors(20'000, true)), HasSubstr("overlap"));
}

TEST(Safetensors, ManyTensorsAreFoundByName) {
  const std::string file = many_tensors(20'000, false);
  const auto parsed = SafetensorsFile::parse(as_bytes(file));
  ASSERT_TRUE(parsed.ok()) << parsed.error().message();
  for (const size_t i : {0, 1, 777, 19'999}) {
    const TensorInfo* t = parsed->find("t" + std::to_string(i));
    ASSERT_TRUE(t);
    EXPECT_EQ(t->bytes.data() - parsed->tensors()[0].bytes.data(), std::ptrdiff_t(4 * i));
  }
}

TEST(Safetensors, OpenNamesTheFile) {
  const TempFolder folder;
  folder.write("bad.safetensors", "nothing");
  const auto bad = SafetensorsFile::open(folder.path("bad.safetensors"));
  ASSERT_FALSE(bad.ok());
  EXPECT_THAT(bad.error().message(), HasSubstr("bad.safetensors: "));
  EXPECT_FALSE(SafetensorsFile::open(folder.path("none.safetensors")).ok());
  EXPECT_FALSE(SafetensorsFile::open(folder.path()).ok());
}

// Whatever byte changes, the file is refused or its tensors still lie within it.
TEST(Safetensors, ChangedFilesNeverReachOutside) {
  const std::string good =
      safetensors("{\"__metadata__\":{\"k\":\"v\"}," + entry("a.b", "F32", "[2,3]", "[0,24]") +
                      "," + entry("c", "BF16", "[4]", "[24,32]") + "}",
                  32);
  ASSERT_EQ(refusal(good), "(accepted)");
  base::Rng rng(7);
  int accepted = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string bytes = good;
    const int changes = 1 + int(rng.next_u32() % 4);
    for (int i = 0; i < changes; ++i) {
      static constexpr char kLikely[] = "0123456789-[]{},:\"eE. \\uF";
      const size_t at = rng.next_u32() % bytes.size();
      const uint32_t how = rng.next_u32() % 4;
      if (how == 0) bytes.erase(at, 1 + rng.next_u32() % 8);
      if (how == 1) bytes.insert(at, 1, kLikely[rng.next_u32() % (sizeof kLikely - 1)]);
      if (how == 2) bytes[at] = char(rng.next_u32());
      if (how == 3) bytes[at] = kLikely[rng.next_u32() % (sizeof kLikely - 1)];
      if (bytes.empty()) bytes = "x";
    }
    if (rng.next_u32() % 2 && bytes.size() > 40) {  // let the length be right again
      bytes.replace(0, 8, little_endian(bytes.size() - 8 - 32));
    }
    const auto parsed = SafetensorsFile::parse(as_bytes(bytes));
    if (!parsed.ok()) continue;
    ++accepted;
    size_t sum = 0;
    for (const TensorInfo& t : parsed->tensors()) {
      const char* begin = reinterpret_cast<const char*>(t.bytes.data());
      ASSERT_GE(begin, bytes.data());
      ASSERT_LE(begin + t.bytes.size(), bytes.data() + bytes.size());
      ASSERT_EQ(parsed->find(t.name), &t);
      sum += t.bytes.size();
    }
    ASSERT_LE(sum, bytes.size());
  }
  EXPECT_GT(accepted, 100);  // or the changes are too coarse to test anything
}

// They are counted before the header is parsed, which would take hundreds of MB.
TEST(Safetensors, RefusesAMillionTensors) {
  std::string header = "{";
  for (int i = 0; i < 100'003; ++i) {
    header += (i ? "," : "") + entry("t" + std::to_string(i), "U8", "[0]", "[0,0]");
  }
  const std::string file = safetensors(header + "}", 0);
  const auto parsed = SafetensorsFile::parse(as_bytes(file));
  ASSERT_FALSE(parsed.ok());
  EXPECT_THAT(parsed.error().message(), testing::HasSubstr("too many tensors"));
  EXPECT_THAT(parsed.error().message(), testing::HasSubstr("(100003, limit 100000)"));
}

}  // namespace
}  // namespace ocelli::formats
