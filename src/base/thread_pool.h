// ThreadPool: one loop at a time, handed out in small pieces.
//
//   pool.parallel_for(rows, [&](int64_t begin, int64_t end) { ... }, /*grain=*/16);
//   pool.parallel_for(rows, [&](int64_t begin, int64_t end, int worker) { use(scratch[worker]); });
//
// The caller takes pieces like everybody else and waits only for pieces that somebody has begun: a
// thread that the system does not run costs nothing, so two threads are not slower than one. Idle
// threads spin for a few microseconds and then sleep.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>
#include <type_traits>
#include <vector>

namespace ocelli::base {

// How many threads make sense here: CPUs that this process may run on, at most its cgroup CPU quota
// (rounded up). A whole number from 1 to kMaxThreads in OCELLI_THREADS says otherwise.
int default_threads();

inline constexpr int kMaxThreads = 1024;

class ThreadPool {
 public:
  // Starts threads - 1 workers; the calling thread is the other one. Fewer where the system
  // refuses.
  explicit ThreadPool(int threads = default_threads());
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const { return int(workers_.size()) + 1; }

  // Calls body(begin, end) or body(begin, end, worker) on pieces that together cover [0, count)
  // once, in any order; returns when all are done. Every begin is a multiple of `grain`, pieces are
  // not smaller than it (but the last), and results must not depend on where they are cut.
  // 0 <= worker < threads(), and no two calls that run at the same time are given the same worker.
  // A body must not throw. A call from within a body runs on that thread alone, as the same worker.
  // May be called from several threads; they take turns.
  //
  // Where grains are few, choose `grain` so that one takes 10 microseconds or more: waking a thread
  // takes about that long. Where they are many, the first is timed, and a loop too short to be
  // worth waking anybody stays on the caller.
  template <class Body>
  void parallel_for(int64_t count, Body&& body, int64_t grain = 1);

 private:
  using Run = void (*)(void* body, int64_t begin, int64_t end, int worker);
  struct Job {
    Run run = nullptr;
    void* body = nullptr;
    int64_t first = 0, count = 0, step = 1;  // pieces of `step` from `first` up to `count`
    int32_t pieces = 0;
  };

  int worker_here() const;  // of this thread inside a body of this pool, otherwise -1
  void run_alone(Run run, void* body, int64_t count);
  void run_shared(Run run, void* body, int64_t count, int64_t grain);
  void work(int worker);
  int32_t take_pieces(int worker);

  std::vector<std::thread> workers_;
  std::mutex turn_;  // held by the thread whose loop is running
  // Written by that thread alone, and only while every piece handed out is done. A worker may look
  // at it only between taking a piece (remaining_) and reporting it (done_).
  Job job_;
  alignas(64) std::atomic<int32_t> remaining_{0};  // pieces nobody has taken; below 0 means none
  alignas(64) std::atomic<int32_t> done_{0};       // pieces finished and reported
  alignas(64) std::atomic<uint32_t> loops_{0};     // sleeping workers wait for it to change
  std::atomic<bool> stop_{false};
};

template <class Body>
void ThreadPool::parallel_for(int64_t count, Body&& body, int64_t grain) {
  if (count <= 0) return;
  using Plain = std::remove_reference_t<Body>;
  constexpr bool kWantsWorker = std::is_invocable_v<Plain&, int64_t, int64_t, int>;
  const Run run = [](void* b, int64_t begin, int64_t end, [[maybe_unused]] int worker) {
    if constexpr (kWantsWorker) {
      (*static_cast<Plain*>(b))(begin, end, worker);
    } else {
      (*static_cast<Plain*>(b))(begin, end);
    }
  };
  void* const erased = const_cast<void*>(static_cast<const void*>(std::addressof(body)));
  if (const int here = worker_here(); here >= 0) return run(erased, 0, count, here);
  if (count > grain && threads() > 1) return run_shared(run, erased, count, grain);
  // Without a worker number there is nothing to keep apart, so a small loop need not take its turn.
  if constexpr (kWantsWorker) {
    run_alone(run, erased, count);
  } else {
    run(erased, 0, count, 0);
  }
}

}  // namespace ocelli::base
