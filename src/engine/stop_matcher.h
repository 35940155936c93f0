// StopMatcher: lets text through until a stop string appears, which may be spread over many tokens.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace ocelli::engine {

class StopMatcher {
 public:
  explicit StopMatcher(std::vector<std::string> stops) : stops_(std::move(stops)) {}

  // The part of everything pushed so far that is now certain not to be (the start of) a stop
  // string.
  std::string push(std::string_view text);
  // What was held back. Empty once stopped.
  std::string finish();
  bool stopped() const { return stopped_; }
  const std::string& matched() const { return matched_; }

 private:
  std::vector<std::string> stops_;
  std::string held_, matched_;
  bool stopped_ = false;
};

}  // namespace ocelli::engine
