#include "base/thread_pool.h"

#include <gtest/gtest.h>
#include <sched.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"

namespace ocelli::base {
namespace {

TEST(ThreadPool, CoversEveryIndexOnce) {
  for (const int threads : {1, 2, 3, 8}) {
    ThreadPool pool(threads);
    EXPECT_EQ(pool.threads(), threads);
    for (const int64_t count : {0, 1, 2, 15, 16, 17, 100, 1000, 4099, 100003}) {
      for (const int64_t grain : {1, 3, 16, 5000}) {
        std::vector<int> hits(size_t(count), 0);
        std::atomic<bool> aligned{true};
        pool.parallel_for(
            count,
            [&](int64_t begin, int64_t end) {
              if (begin % grain != 0 || begin >= end || end > count) aligned = false;
              if (end - begin < grain && end != count) aligned = false;
              for (int64_t i = begin; i < end; ++i) ++hits[size_t(i)];
            },
            grain);
        EXPECT_TRUE(aligned);
        EXPECT_TRUE(std::all_of(hits.begin(), hits.end(), [](int h) { return h == 1; }))
            << threads << " threads, " << count << " by " << grain;
      }
    }
  }
}

TEST(ThreadPool, WorkersAreNeverSharedAtOneTime) {
  constexpr int kThreads = 4;
  ThreadPool pool(kThreads);
  std::array<std::atomic<int>, kThreads> busy{};
  std::atomic<int> wrong{0};
  const auto user = [&] {
    for (int round = 0; round < 200; ++round) {
      pool.parallel_for(
          round % 7 + 1,
          [&](int64_t, int64_t, int worker) {
            if (worker < 0 || worker >= kThreads || busy[size_t(worker)]++ != 0) ++wrong;
            std::this_thread::yield();
            --busy[size_t(worker)];
          },
          2);
    }
  };
  std::vector<std::thread> users;
  for (int i = 0; i < 3; ++i) users.emplace_back(user);
  for (std::thread& thread : users) thread.join();
  EXPECT_EQ(wrong, 0);
}

TEST(ThreadPool, NestedLoopsRunInPlace) {
  ThreadPool pool(3), other(2);
  std::atomic<int64_t> sum{0};
  std::atomic<int> wrong{0};
  pool.parallel_for(50, [&](int64_t begin, int64_t end, int outer) {
    const auto thread = std::this_thread::get_id();
    pool.parallel_for(10, [&](int64_t b, int64_t e, int inner) {
      if (inner != outer || std::this_thread::get_id() != thread || b != 0 || e != 10) ++wrong;
      sum += (e - b) * (end - begin);
    });
    other.parallel_for(8, [&](int64_t b, int64_t e, int there) {
      // Around through the other pool: its first thread is the one that called.
      if (there == 0) pool.parallel_for(2, [&](int64_t, int64_t, int w) { wrong += w != outer; });
      sum += (e - b) * (end - begin);
    });
  });
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(sum, 50 * 18);
}

TEST(ThreadPool, ManySmallLoopsGiveTheSameSums) {
  ThreadPool pool(4);
  std::vector<int64_t> values(257);
  for (int64_t round = 0; round < 20'000; ++round) {
    pool.parallel_for(257, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) values[size_t(i)] = i * round;
    });
    // Not atomic: whoever waits for the loop must see every write.
    if (round % 97 == 0) {
      ASSERT_EQ(std::accumulate(values.begin(), values.end(), int64_t{0}), 257 * 128 * round);
    }
  }
}

TEST(ThreadPool, StartsAndStopsQuickly) {
  for (int i = 0; i < 200; ++i) {
    ThreadPool pool(1 + i % 5);
    if (i % 2) pool.parallel_for(10, [](int64_t, int64_t) {});
  }
}

// Seconds for 300 loops of 256 small steps each.
double time_loops(ThreadPool& pool) {
  std::atomic<uint64_t> sink{0};
  const double start = steady_seconds();
  for (int round = 0; round < 300; ++round) {
    pool.parallel_for(256, [&](int64_t begin, int64_t end) {
      auto x = uint64_t(begin);
      for (int64_t i = 0; i < (end - begin) * 100; ++i) x = x * 6364136223846793005u + 1;
      sink.fetch_add(x, std::memory_order_relaxed);
    });
  }
  return steady_seconds() - start;
}

// Eight threads on one CPU with the caller at work: most of them get to run only when it sleeps. A
// pool that waits for each of its threads would need a turn of the scheduler (milliseconds) per
// loop.
TEST(ThreadPool, DoesNotWaitForThreadsThatHaveNotBegun) {
  cpu_set_t before, one;
  ASSERT_EQ(sched_getaffinity(0, sizeof before, &before), 0);
  CPU_ZERO(&one);
  for (int cpu = 0; cpu < CPU_SETSIZE && CPU_COUNT(&one) == 0; ++cpu) {
    if (CPU_ISSET(cpu, &before)) CPU_SET(cpu, &one);
  }
  ASSERT_EQ(sched_setaffinity(0, sizeof one, &one), 0);
  double best = 1e9;
  {
    ThreadPool alone(1), many(32);
    // The machine may be busy with other things; one quiet moment is enough.
    for (int attempt = 0; attempt < 10 && best > 1.5; ++attempt) {
      best = std::min(best, time_loops(many) / time_loops(alone));
    }
  }
  sched_setaffinity(0, sizeof before, &before);
  RecordProperty("ratio", std::to_string(best));
  EXPECT_LT(best, 2.5) << "times slower than one thread";
}

TEST(ThreadPool, DefaultFollowsTheEnvironment) {
  const char* kept = std::getenv("OCELLI_THREADS");
  const std::string old = kept ? kept : "";
  unsetenv("OCELLI_THREADS");
  const int usual = default_threads();
  EXPECT_GE(usual, 1);
  setenv("OCELLI_THREADS", "3", 1);
  EXPECT_EQ(default_threads(), 3);
  for (const char* nonsense : {"0", "-1", "x", "2x", "", "99999999999", "1025"}) {
    setenv("OCELLI_THREADS", nonsense, 1);
    EXPECT_EQ(default_threads(), usual) << nonsense;
  }
  kept ? setenv("OCELLI_THREADS", old.c_str(), 1) : unsetenv("OCELLI_THREADS");
}

TEST(ThreadPool, DefaultFollowsTheAffinity) {
  if (std::getenv("OCELLI_THREADS")) GTEST_SKIP() << "1 check skipped: OCELLI_THREADS is set";
  cpu_set_t before, one;
  ASSERT_EQ(sched_getaffinity(0, sizeof before, &before), 0);
  CPU_ZERO(&one);
  for (int cpu = CPU_SETSIZE - 1; cpu >= 0; --cpu) {
    if (CPU_ISSET(cpu, &before)) {
      CPU_SET(cpu, &one);
      break;
    }
  }
  ASSERT_EQ(sched_setaffinity(0, sizeof one, &one), 0);
  EXPECT_EQ(default_threads(), 1);
  sched_setaffinity(0, sizeof before, &before);
}

}  // namespace
}  // namespace ocelli::base
