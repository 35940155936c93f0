// CancelToken: one side asks, the other side looks from time to time and stops.
#pragma once

#include <atomic>
#include <memory>

#include "base/result.h"

namespace ocelli::base {

// Copies share one flag. Any thread may call anything; request() is safe in a signal handler.
class CancelToken {
 public:
  CancelToken() : flag_(std::make_shared<std::atomic<bool>>(false)) {}

  void request() const { flag_->store(true, std::memory_order_relaxed); }
  bool requested() const { return flag_->load(std::memory_order_relaxed); }

  // kInterrupted once it was requested: OCELLI_TRY(cancel.check());
  Status check() const {
    if (requested()) return fail(Code::kInterrupted, "stopped on request");
    return {};
  }

 private:
  static_assert(std::atomic<bool>::is_always_lock_free);
  std::shared_ptr<std::atomic<bool>> flag_;
};

}  // namespace ocelli::base
