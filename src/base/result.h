// Result<T>: a value, or an Error that says what went wrong.
//
//   Result<Image> read_image(std::string_view path) {
//     OCELLI_ASSIGN(const MappedFile file, MappedFile::open(path));   // returns the error, if any
//     OCELLI_TRY(check_size(file.size()));
//     if (file.size() == 0) return fail(Code::kBadInput, "the file is empty", path);
//     return decode(file.bytes());
//   }
#pragma once

#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>

#include "base/check.h"
#include "base/error.h"

namespace ocelli::base {

template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  // Require ok().
  T& value() & { return checked(); }
  const T& value() const& { return const_cast<Result*>(this)->checked(); }
  T&& value() && { return std::move(checked()); }
  T* operator->() { return &checked(); }
  const T* operator->() const { return &const_cast<Result*>(this)->checked(); }
  T& operator*() & { return checked(); }
  const T& operator*() const& { return const_cast<Result*>(this)->checked(); }
  T&& operator*() && { return std::move(checked()); }

  // Require !ok().
  const Error& error() const& { return std::get<1>(state_); }
  Error&& error() && { return std::get<1>(std::move(state_)); }

  // Adds a place to the error, if there is one.
  Result in(std::string_view where) && {
    if (!ok()) state_.template emplace<1>(std::get<1>(std::move(state_)).in(where));
    return std::move(*this);
  }

 private:
  T& checked() {
    OCELLI_CHECK(ok(), "value() of a Result that holds an error");
    return std::get<0>(state_);
  }
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}
  bool ok() const { return !error_; }
  explicit operator bool() const { return ok(); }
  const Error& error() const& { return *error_; }
  Error&& error() && { return std::move(*error_); }
  Result in(std::string_view where) && {
    if (error_) error_ = std::move(*error_).in(where);
    return std::move(*this);
  }

 private:
  std::optional<Error> error_;
};

using Status = Result<void>;

inline Error fail(Code code, std::string what, std::string_view where = {}) {
  return {code, std::move(what), std::string(where)};
}

}  // namespace ocelli::base

#define OCELLI_CONCAT_(a, b) a##b
#define OCELLI_CONCAT(a, b) OCELLI_CONCAT_(a, b)

// Returns the error of `expression` (a Result) from the enclosing function, if it has one.
#define OCELLI_TRY(expression)                                  \
  do {                                                          \
    auto ocelli_try = (expression);                             \
    if (!ocelli_try.ok()) return std::move(ocelli_try).error(); \
  } while (false)

// OCELLI_ASSIGN(auto x, f()): x becomes the value, or the enclosing function returns the error.
#define OCELLI_ASSIGN(declaration, expression)                                  \
  auto OCELLI_CONCAT(ocelli_result_, __LINE__) = (expression);                  \
  if (!OCELLI_CONCAT(ocelli_result_, __LINE__).ok())                            \
    return std::move(OCELLI_CONCAT(ocelli_result_, __LINE__)).error();          \
  declaration = std::move(OCELLI_CONCAT(ocelli_result_, __LINE__)).value()
