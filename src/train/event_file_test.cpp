#include "train/event_file.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <vector>

namespace ocelli::train {
namespace {

namespace fs = std::filesystem;

template <class T>
T number(const std::string& bytes, size_t at) {
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

// The records of the only file in a folder, with their checksums checked.
std::vector<std::string> records(const fs::path& folder) {
  const auto file = fs::directory_iterator(folder)->path();
  EXPECT_EQ(file.filename().string().rfind("events.out.tfevents.", 0), 0u);
  std::ifstream in(file, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(in), {}};
  std::vector<std::string> out;
  size_t at = 0;
  while (at + 12 <= bytes.size()) {
    const auto length = number<uint64_t>(bytes, at);
    EXPECT_EQ(number<uint32_t>(bytes, at + 8), masked_crc32c(bytes.substr(at, 8)));
    out.push_back(bytes.substr(at + 12, length));
    EXPECT_EQ(number<uint32_t>(bytes, at + 12 + length), masked_crc32c(out.back()));
    at += 16 + length;
  }
  EXPECT_EQ(at, bytes.size());
  return out;
}

struct Folder {
  fs::path path = fs::temp_directory_path() / ("ocelli-events-" + std::to_string(getpid()));
  Folder() { fs::remove_all(path); }
  ~Folder() { fs::remove_all(path); }
};

// "123456789" is the check value of CRC-32C in RFC 3720's annex: e3069283.
TEST(EventFile, ChecksumsAreCrc32cMasked) {
  EXPECT_EQ(masked_crc32c("123456789"), ((0xE3069283u >> 15) | (0xE3069283u << 17)) + 0xA282EAD8u);
}

TEST(EventFile, WritesScalarsAsEvents) {
  const Folder folder;
  {
    auto file = EventFile::create(folder.path.string(), 0);
    ASSERT_TRUE(file.ok()) << file.error().message();
    const std::vector<std::pair<std::string, double>> values{{"train/loss", 2.5}};
    ASSERT_TRUE(file->add(300, values).ok());
  }
  const auto found = records(folder.path);
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].substr(9), std::string("\x10\x00\x1a\x0d", 4) + "brain.Event:2");
  // step 300 as a varint; summary {value {tag: "train/loss", simple_value: 2.5}}
  EXPECT_EQ(found[1].substr(9), std::string("\x10\xac\x02\x2a\x13\x0a\x11\x0a\x0a", 9) +
                                    "train/loss" + std::string("\x15\x00\x00\x20\x40", 5));
}

TEST(EventFile, GoingOnVoidsWhatIsNewer) {
  const Folder folder;
  ASSERT_TRUE(EventFile::create(folder.path.string(), 7).ok());
  const auto found = records(folder.path);
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[1].substr(9), std::string("\x10\x08\x3a\x02\x08\x01", 6));
}

TEST(EventFile, AFolderThatCannotBeMadeIsAnError) {
  EXPECT_FALSE(EventFile::create("/proc/no/such", 0).ok());
}

}  // namespace
}  // namespace ocelli::train
