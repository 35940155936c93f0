// Walks through whatever Python's iter() accepts.
#pragma once

#include "text/jinja_value.h"

namespace ocelli::text::jinja {

class Iteration {
 public:
  Iteration() = default;
  // Refuses what cannot be iterated. Undefined is empty.
  static Result<Iteration> over(const Value& source);
  static bool possible(const Value& source);

  // The next item, or kMissing at the end.
  Result<Value> next(Meter& meter);

 private:
  Value source_;
  size_t at_ = 0;
};

// len(), or -1 where the value has none.
int64_t length_of(const Value& value);

Value range_item(const RangeBox& range, int64_t index);

}  // namespace ocelli::text::jinja
