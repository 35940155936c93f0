// Signals of a chat: Ctrl-C stops an answer and not the program, SIGTERM and SIGHUP end it in
// order.
//
// One object at a time. A signal may arrive on any thread, so it wakes the waiting one through a
// pipe.
#pragma once

#include "base/cancel.h"
#include "base/result.h"

namespace ocelli::cli {

class ChatSignals {
 public:
  ChatSignals() = default;
  ChatSignals(const ChatSignals&) = delete;
  ChatSignals& operator=(const ChatSignals&) = delete;
  ~ChatSignals();  // the handlers of before
  base::Status install();

  // Becomes readable with each signal.
  int wake_fd() const;
  // Waits until `fd` is readable (true) or a signal came (false). Forever where timeout_ms is -1;
  // false also where the time is up.
  bool wait_readable(int fd, int timeout_ms = -1) const;

  // Whether one came since the last call.
  bool take_interrupt() const;
  bool take_resize() const;
  bool take_continue() const;  // SIGCONT: the terminal's modes may be another program's
  // SIGTERM or SIGHUP. A second one ends the program at once, with status 7.
  bool stop_requested() const;

  // Cancelled by each signal that stops an answer; null: none is on its way.
  void set_turn(const base::CancelToken* token) const;
};

}  // namespace ocelli::cli
