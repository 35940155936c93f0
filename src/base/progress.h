// Progress: how long work tells its caller how far it is. Libraries report, programs print.
#pragma once

#include <string_view>

namespace ocelli::base {

class Progress {
 public:
  virtual ~Progress() = default;

  // `fraction` of the whole is done, 0 to 1 and not falling, or below 0 where nobody knows; `note`
  // says in a few words what is being done ("loading weights") and is valid during the call only.
  // Called from one thread at a time, at times often, so it must return quickly.
  virtual void update(double fraction, std::string_view note) = 0;
};

// For callers that do not care.
class NoProgress final : public Progress {
 public:
  void update(double, std::string_view) override {}
};

// A part of a larger work: 0 to 1 here becomes begin to end there.
class PartOfProgress final : public Progress {
 public:
  PartOfProgress(Progress& whole, double begin, double end)
      : whole_(whole), begin_(begin), end_(end) {}
  void update(double fraction, std::string_view note) override {
    whole_.update(fraction < 0 ? begin_ : begin_ + (end_ - begin_) * fraction, note);
  }

 private:
  Progress& whole_;
  double begin_, end_;
};

}  // namespace ocelli::base
