#include "base/thread_pool.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <system_error>

#include "base/cgroup.h"
#include "base/signals_blocked.h"

namespace ocelli::base {
namespace {

using SteadyClock = std::chrono::steady_clock;

// Waking a sleeping thread takes about this long, so waiting longer without sleeping gains little.
constexpr auto kSpin = std::chrono::microseconds(5);
// The caller may spin for the time of a piece, as its workers are busy with their last, but no
// longer than this: where they do not get a CPU, the spinning only takes one away.
constexpr auto kLongestSpin = std::chrono::microseconds(50);
// A loop shorter than this is not worth waking anybody for.
constexpr auto kWorthWaking = std::chrono::microseconds(15);
// Pieces per thread: enough that one slow thread leaves little behind, few enough to cost nothing.
constexpr int64_t kPiecesPerThread = 16;
// With this many grains to a piece, trying the first grain alone delays the others by 2 % at most.
constexpr int64_t kGrainsToTry = 4;

// Marks this thread as a worker of a pool. Pools may call each other, so the marks form a chain.
class Inside {
 public:
  Inside(const ThreadPool* pool, int worker) : pool_(pool), worker_(worker), outer_(innermost_) {
    innermost_ = this;
  }
  ~Inside() { innermost_ = outer_; }
  Inside(const Inside&) = delete;
  Inside& operator=(const Inside&) = delete;

  static int worker_of(const ThreadPool* pool) {
    for (const Inside* mark = innermost_; mark; mark = mark->outer_) {
      if (mark->pool_ == pool) return mark->worker_;
    }
    return -1;
  }

 private:
  static thread_local const Inside* innermost_;
  const ThreadPool* pool_;
  int worker_;
  const Inside* outer_;
};
thread_local const Inside* Inside::innermost_ = nullptr;

void relax() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

template <class Condition>
bool spin_until(Condition condition, SteadyClock::duration longest = kSpin) {
  if (condition()) return true;
  const auto deadline = SteadyClock::now() + longest;
  do {
    for (int i = 0; i < 16; ++i) {
      relax();
      if (condition()) return true;
    }
  } while (SteadyClock::now() < deadline);
  return false;
}

int allowed_cpus() {
  // The kernel refuses a mask smaller than its own, so grow until it is content.
  for (int size = 1024; size <= (1 << 20); size *= 2) {
    cpu_set_t* set = CPU_ALLOC(size);
    if (!set) break;
    const size_t bytes = CPU_ALLOC_SIZE(size);
    const int count = sched_getaffinity(0, bytes, set) == 0 ? CPU_COUNT_S(bytes, set) : 0;
    CPU_FREE(set);
    if (count > 0) return count;
  }
  return std::max(1, int(std::thread::hardware_concurrency()));
}

}  // namespace

int default_threads() {
  if (const char* wish = std::getenv("OCELLI_THREADS")) {
    int threads = 0;
    const char* const end = wish + std::strlen(wish);
    const auto read = std::from_chars(wish, end, threads);
    if (read.ec == std::errc() && read.ptr == end && threads >= 1 && threads <= kMaxThreads) {
      return threads;
    }
  }
  int threads = allowed_cpus();
  if (const auto quota = cgroup_cpu_quota()) threads = std::min(threads, int(std::ceil(*quota)));
  return std::clamp(threads, 1, kMaxThreads);
}

ThreadPool::ThreadPool(int threads) {
  const int count = std::clamp(threads, 1, kMaxThreads) - 1;
  workers_.reserve(size_t(count));
  const SignalsBlocked blocked;
  for (int i = 1; i <= count; ++i) {
    try {
      workers_.emplace_back([this, i] { work(i); });
    } catch (const std::system_error&) {
      break;  // over the limit of processes: go on with the threads that there are
    }
    pthread_setname_np(workers_.back().native_handle(), "ocelli-worker");
  }
}

ThreadPool::~ThreadPool() {
  stop_.store(true);
  loops_.fetch_add(1);
  loops_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

int ThreadPool::worker_here() const {
  return Inside::worker_of(this);
}

void ThreadPool::run_alone(Run run, void* body, int64_t count) {
  const std::lock_guard lock(turn_);
  const Inside inside(this, 0);
  run(body, 0, count, 0);
}

void ThreadPool::run_shared(Run run, void* body, int64_t count, int64_t grain) {
  const std::lock_guard lock(turn_);
  grain = std::max<int64_t>(grain, 1);
  const int64_t grains = (count - 1) / grain + 1;
  const int64_t wanted = threads() * kPiecesPerThread;
  auto begin = SteadyClock::now();
  int64_t first = 0;
  if (grains > wanted * kGrainsToTry) {
    const Inside inside(this, 0);
    run(body, 0, grain, 0);
    const auto now = SteadyClock::now();
    if ((now - begin) * grains < kWorthWaking) return run(body, grain, count, 0);
    begin = now;
    first = grain;
  }
  const int64_t step = ((grains - 1) / wanted + 1) * grain;
  const auto pieces = int32_t((count - first - 1) / step + 1);
  job_ = {run, body, first, count, step, pieces};
  done_.store(0, std::memory_order_relaxed);
  // From here on workers may take pieces, also one that woke up late for an earlier loop.
  remaining_.store(pieces, std::memory_order_release);
  loops_.fetch_add(1, std::memory_order_release);
  if (pieces - 1 < int32_t(workers_.size())) {
    for (int32_t i = 1; i < pieces; ++i) loops_.notify_one();
  } else {
    loops_.notify_all();
  }
  const int32_t mine = take_pieces(0);
  const auto finished = [&] { return done_.load(std::memory_order_acquire) == pieces; };
  if (finished()) return;
  const SteadyClock::duration piece = (SteadyClock::now() - begin) / std::max(mine, 1);
  if (spin_until(finished, std::clamp<SteadyClock::duration>(piece, kSpin, kLongestSpin))) return;
  for (int32_t done; (done = done_.load(std::memory_order_acquire)) != pieces;) done_.wait(done);
}

// Takes and runs pieces until none is left. Returns how many.
int32_t ThreadPool::take_pieces(int worker) {
  int32_t mine = 0, left = 0;
  Job job;
  {
    const Inside inside(this, worker);
    while (remaining_.load(std::memory_order_relaxed) > 0 &&
           (left = remaining_.fetch_sub(1, std::memory_order_acquire)) > 0) {
      // The loop cannot end, nor job_ change, before this piece is reported.
      if (mine++ == 0) job = job_;
      const int64_t begin = job.first + (job.pieces - left) * job.step;
      job.run(job.body, begin, std::min(begin + job.step, job.count), worker);
    }
  }
  if (mine == 0) return 0;
  // The caller sleeps until the last report. If that was its own, nobody listens.
  if (done_.fetch_add(mine, std::memory_order_acq_rel) + mine == job.pieces) done_.notify_one();
  return mine;
}

void ThreadPool::work(int worker) {
  while (!stop_.load()) {
    const uint32_t seen = loops_.load(std::memory_order_acquire);
    if (take_pieces(worker) > 0) continue;
    const auto news = [&] { return loops_.load(std::memory_order_acquire) != seen; };
    if (!spin_until(news)) loops_.wait(seen, std::memory_order_acquire);
  }
}

}  // namespace ocelli::base
