// Names of values as users and files write them: one table, looked up both ways.
//
//   constexpr Named<Mask> kNames[] = {{Mask::kAll, "all"}, {Mask::kLast, "last"}};
//   value_named(kNames, "all")        Mask::kAll; nothing where no value has the name
//   name_among(kNames, Mask::kLast)   "last": the first of its names
//   all_names(kNames)                 "all, last"
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace ocelli::base {

template <class T>
struct Named {
  T value;
  std::string_view name;
};

template <class T, size_t n>
std::optional<T> value_named(const Named<T> (&table)[n], std::string_view name) {
  for (const Named<T>& one : table) {
    if (one.name == name) return one.value;
  }
  return std::nullopt;
}

template <class T, size_t n>
std::string_view name_among(const Named<T> (&table)[n], T value) {
  for (const Named<T>& one : table) {
    if (one.value == value) return one.name;
  }
  return {};
}

template <class T, size_t n>
std::string all_names(const Named<T> (&table)[n]) {
  std::string out;
  for (const Named<T>& one : table) out += (out.empty() ? "" : ", ") + std::string(one.name);
  return out;
}

}  // namespace ocelli::base
