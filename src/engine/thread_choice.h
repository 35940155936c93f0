// ThreadChoice: whether passes of one token go on all threads or stay on one.
//
// Their loops take some ten microseconds. Where the machine has other things to do, or its CPUs are
// less than they seem, a worker that is stopped with a piece in its hands keeps all others waiting
// for longer than it ever helped: then one thread is faster. Nothing but trying tells: from time to
// time a few passes are done the other way. Not in turns: who has just used two CPUs may get less
// of one. Times are compared by their medians, because some passes are interrupted either way. All
// threads are not tried while others are seen to use the CPUs: the trial would cost two passes.
#pragma once

#include <algorithm>
#include <array>
#include <vector>

namespace ocelli::engine {

class ThreadChoice {
 public:
  // Whether it matters to the next pass that others are using the CPUs: before the first one, and
  // before all threads are tried.
  bool asks() const { return usual_.count == 0 || (alone_ && left_ == 0 && trial_.count == 0); }
  // They do: it begins on one thread, or looks again later instead of trying.
  void crowded() {
    if (!asks()) return;
    alone_ = true;
    left_ = usual_.count == 0 ? kFirst : kShortest;
  }

  // Of the next pass.
  bool alone() const { return alone_ != (left_ == 0); }
  // Of those that are no trials.
  bool usually_alone() const { return alone_; }

  // It took so long.
  void passed(double seconds) {
    Times& times = left_ > 0 ? usual_ : trial_;
    times.add(seconds);
    if (left_ > 0) {
      --left_;
    } else {
      compare();
    }
  }

 private:
  static constexpr int kFirst = 8;                      // passes before the first trial
  static constexpr int kTrial = 8, kLeastTrial = 2;     // passes of a trial
  static constexpr int kShortest = 32, kLongest = 512;  // passes between two trials
  // The fewer passes, the clearer a trial must be slower to end early (here by 30 % after two), and
  // it changes nothing unless it is faster by so much.
  static constexpr double kClear = 0.6, kFaster = 0.97;

  // The last passes.
  struct Times {
    std::array<double, kTrial> all{};
    int count = 0;
    void add(double seconds) { all[size_t(count++ % kTrial)] = seconds; }
    double median() const {
      std::vector<double> some(all.begin(), all.begin() + std::min(count, kTrial));
      const auto middle = some.begin() + (std::ptrdiff_t(some.size()) - 1) / 2;
      std::nth_element(some.begin(), middle, some.end());
      return *middle;
    }
  };

  void compare() {
    const double usual = usual_.median(), trial = trial_.median();
    const bool hopeless =
        trial_.count >= kLeastTrial && trial > (1 + kClear / trial_.count) * usual;
    if (trial_.count < kTrial && !hopeless) return;
    if (trial < kFaster * usual) {
      alone_ = !alone_;
      usual_ = trial_;
      stay_ = kShortest;
    } else {
      stay_ = std::min(2 * stay_, kLongest);
    }
    left_ = stay_;
    trial_ = {};
  }

  bool alone_ = false;
  int left_ = kFirst, stay_ = kShortest;  // passes until the next trial
  Times usual_, trial_;
};

}  // namespace ocelli::engine
