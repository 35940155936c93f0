// A library that is loaded when it is first needed, because linking it would cost every start of
// the program the time to find and relocate it and all that it brings along.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace ocelli::base {

class SharedLibrary {
 public:
  // `file` as the dynamic linker knows it: "libcurl.so.4". Stays open as long as the process.
  explicit SharedLibrary(std::string file);

  // Puts the address of `name` into `function`, or null.
  template <class Function>
  void find(const char* name, Function& function) {
    function = reinterpret_cast<Function>(address_of(name));
  }

  // Errors (kUsage) where the library or one of the functions was not found: "`need` libcurl.so.4,
  // which cannot be loaded; ...".
  Status found(std::string_view need) const;

 private:
  void* address_of(const char* name);

  std::string file_, missing_;
  void* handle_;
};

}  // namespace ocelli::base
