// What to do about an error, where the place that found it could not know: the last part of
// `WHERE: WHAT (VALUE, limit LIMIT); NEXT STEP`.
//
//   return with_advice(Json::parse(text).in(path), "correct the file or download it again");
#pragma once

#include "base/result.h"

namespace ocelli::base {

// Adds "; NEXT STEP" unless `error` says one already.
inline Error with_advice(Error error, std::string_view next_step) {
  if (error.what.find("; ") == error.what.npos) error.what.append("; ").append(next_step);
  return error;
}

template <class T>
Result<T> with_advice(Result<T> result, std::string_view next_step) {
  if (result.ok()) return result;
  return with_advice(std::move(result).error(), next_step);
}

// For a file of a model.
inline constexpr std::string_view kFileAdvice = "correct the file or download it again";

}  // namespace ocelli::base
