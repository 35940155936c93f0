#include "engine/disk_cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <numeric>
#include <thread>

#include "base/file.h"
#include "base/process_test_kit.h"
#include "formats/test_support.h"

namespace ocelli::engine {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kColumns = 5, kRows = 4;
constexpr int64_t kFileBytes = 8 + 16 + 32 + kRows * kColumns * 4;

ImageKey key(int n) {
  return base::sha256("picture " + std::to_string(n));
}

Embeddings value(int n) {
  Embeddings out(size_t(kRows * kColumns));
  std::iota(out.begin(), out.end(), float(n) + 0.1f);
  return out;
}

class DiskCacheTest : public testing::Test {
 protected:
  std::string folder() const { return home_.path("pictures"); }
  std::string file(int n) const { return folder() + "/" + key(n).hex(); }
  DiskCache cache(int64_t entries = 1000, bool keep_used = false) const {
    return DiskCache({folder(), entries * kFileBytes, keep_used});
  }
  static bool has(DiskCache& cache, int n) {
    const auto found = cache.find(key(n), kRows, kColumns);
    EXPECT_TRUE(!found || *found == value(n)) << n;
    return found != nullptr;
  }
  void put(int n) const {
    DiskCache one = cache();
    one.insert(key(n), value(n), kColumns);
  }
  // As if last used so many seconds ago.
  void age(int n, int seconds) const {
    fs::last_write_time(file(n), fs::file_time_type::clock::now() - std::chrono::seconds(seconds));
  }
  formats::TempFolder home_;
};

TEST_F(DiskCacheTest, FindsBitForBitWhatAnotherOnePutIn) {
  DiskCache first = cache();
  EXPECT_FALSE(has(first, 1));
  Embeddings odd = value(1);
  odd[0] = -0.0f;
  odd[1] = std::numeric_limits<float>::denorm_min();
  odd[2] = std::numeric_limits<float>::infinity();
  first.insert(key(1), odd, kColumns);
  DiskCache second = cache();
  const auto found = second.find(key(1), kRows, kColumns);
  ASSERT_TRUE(found);
  EXPECT_EQ(std::memcmp(found->data(), odd.data(), odd.size() * sizeof(float)), 0);
  EXPECT_EQ(second.hits(), 1);
  EXPECT_FALSE(second.find(key(2), kRows, kColumns));
}

TEST_F(DiskCacheTest, OnlyTheOwnerCanReadIt) {
  const mode_t before = umask(0);
  put(1);
  umask(before);
  EXPECT_EQ(fs::status(folder()).permissions(), fs::perms::owner_all);
  EXPECT_EQ(fs::status(file(1)).permissions(), fs::perms::owner_read | fs::perms::owner_write);
  fs::permissions(folder(), fs::perms::all);  // a folder that was open becomes closed
  put(2);
  EXPECT_EQ(fs::status(folder()).permissions(), fs::perms::owner_all);
}

TEST_F(DiskCacheTest, DamageAnywhereIsAMissAndTheFileGoes) {
  put(1);
  const std::string good = base::read_file(file(1), 1 << 20).value();
  ASSERT_EQ(int64_t(good.size()), kFileBytes);
  for (int64_t at = 0; at < kFileBytes; ++at) {
    std::string bytes = good;
    bytes[size_t(at)] = char(bytes[size_t(at)] ^ 4);
    std::ofstream(file(1), std::ios::binary) << bytes;
    DiskCache c = cache();
    ASSERT_FALSE(c.find(key(1), kRows, kColumns)) << at;
    ASSERT_FALSE(fs::exists(file(1))) << at;
  }
  for (const int64_t length : {int64_t{0}, int64_t{7}, kFileBytes - 1, kFileBytes + 1}) {
    put(1);
    fs::resize_file(file(1), uintmax_t(length));
    DiskCache c = cache();
    EXPECT_FALSE(c.find(key(1), kRows, kColumns)) << length;
    EXPECT_FALSE(fs::exists(file(1))) << length;
  }
  put(1);
  DiskCache c = cache();
  EXPECT_FALSE(c.find(key(1), kColumns, kRows)) << "as many numbers, another shape";
}

TEST_F(DiskCacheTest, TheLeastRecentlyUsedGoFirst) {
  for (int n = 0; n < 10; ++n) {
    put(n);
    age(n, 1000 - n);
  }
  DiskCache c = cache(10);
  EXPECT_TRUE(has(c, 0));  // used now
  c.insert(key(10), value(10), kColumns);
  EXPECT_LE(DiskCache::folder(folder()).usage()->bytes, 10 * kFileBytes);
  for (const int n : {0, 3, 4, 9, 10}) EXPECT_TRUE(has(c, n)) << n;
  for (const int n : {1, 2}) EXPECT_FALSE(has(c, n)) << n;
}

TEST_F(DiskCacheTest, WhatThisOneUsedStaysWhereAskedFor) {
  for (int n = 0; n < 3; ++n) {
    put(n);
    age(n, 1000);
  }
  DiskCache c = cache(4, true);
  EXPECT_TRUE(has(c, 1));
  for (int n = 10; n < 20; ++n) c.insert(key(n), value(n), kColumns);
  // 10 fits; 11 and 12 take the places of 0 and 2; nothing is left to go for the others.
  for (const int n : {1, 10, 11, 12}) EXPECT_TRUE(has(c, n)) << n;
  for (const int n : {0, 2, 13, 19}) EXPECT_FALSE(has(c, n)) << n;
}

TEST_F(DiskCacheTest, OneThatIsTooLargeIsNotKept) {
  put(0);
  DiskCache c({folder(), kFileBytes - 1, false});
  c.insert(key(1), value(1), kColumns);
  EXPECT_EQ(DiskCache::folder(folder()).usage()->entries, 1);
  EXPECT_EQ(c.problem(), "");
}

TEST_F(DiskCacheTest, ClearAndEvictionTouchNothingElse) {
  put(1);
  const std::string abandoned = file(2) + ".abc123", other = folder() + "/notes.txt";
  const std::string target = home_.path("precious");
  for (const std::string& path : {abandoned, other, target})
    ASSERT_TRUE(base::write_file_atomically(path, "x").ok());
  fs::create_symlink(target, file(3));
  fs::last_write_time(abandoned, fs::file_time_type::clock::now() - std::chrono::hours(2));
  DiskCache small = cache(1);
  small.insert(key(4), value(4), kColumns);
  EXPECT_FALSE(fs::exists(abandoned)) << "of a process that was killed";
  EXPECT_FALSE(has(small, 1));
  EXPECT_TRUE(has(small, 4));
  const auto removed = DiskCache::folder(folder()).clear();
  ASSERT_TRUE(removed.ok());
  EXPECT_EQ(removed->entries, 1);
  EXPECT_EQ(removed->bytes, kFileBytes);
  EXPECT_EQ(DiskCache::folder(folder()).usage()->entries, 0);
  EXPECT_TRUE(fs::exists(other));
  EXPECT_TRUE(fs::exists(target));
}

TEST_F(DiskCacheTest, NoFolderIsEmptyAndNoCache) {
  EXPECT_EQ(DiskCache::folder(folder()).usage()->entries, 0);
  EXPECT_EQ(DiskCache::folder(folder()).clear()->entries, 0);
  DiskCache none{DiskCacheOptions{}};
  none.insert(key(1), value(1), kColumns);
  EXPECT_FALSE(has(none, 1));
  EXPECT_EQ(none.problem(), "");
}

TEST_F(DiskCacheTest, WhatCannotBeWrittenIsSaidOnceAndNothingIsLeft) {
  ASSERT_TRUE(base::write_file_atomically(folder(), "a file, no folder").ok());
  DiskCache blocked = cache();
  blocked.insert(key(1), value(1), kColumns);
  EXPECT_THAT(blocked.problem(), testing::HasSubstr("is a file, not a folder"));
  EXPECT_FALSE(has(blocked, 1));
  fs::remove(folder());

  // A disk that is full after 100 bytes.
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit little{100, before.rlim_max};
  setrlimit(RLIMIT_FSIZE, &little);
  DiskCache full = cache();
  full.insert(key(1), value(1), kColumns);
  setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  EXPECT_NE(full.problem(), "");
  EXPECT_TRUE(fs::is_empty(folder()));
  full.insert(key(2), value(2), kColumns);
  EXPECT_TRUE(fs::is_empty(folder())) << "it has given up";
}

// Four processes with two threads each, on a folder in which half of what they keep fits.
TEST_F(DiskCacheTest, ManyAtTheSameTime) {
  constexpr int kProcesses = 4, kRounds = 40, kPictures = 8;
  const auto work = [&](int seed) {
    DiskCache c = cache(kPictures / 2);
    bool right = true;
    const auto turn = [&](int salt) {
      for (int i = 0; i < kRounds; ++i) {
        const int n = (i * salt) % kPictures;
        const auto found = c.find(key(n), kRows, kColumns);
        if (found && *found != value(n)) right = false;
        if (!found) c.insert(key(n), value(n), kColumns);
      }
    };
    std::thread other(turn, 2 * seed + 3);
    turn(2 * seed + 1);
    other.join();
    return right && c.problem().empty();
  };
  base::expect_in_processes(kProcesses, work);
  // Each may be one picture above the limit at the moment when it counts.
  EXPECT_LE(DiskCache::folder(folder()).usage()->entries, kPictures / 2 + kProcesses);
}

}  // namespace
}  // namespace ocelli::engine
