#include "base/shared_library.h"

#include <dlfcn.h>

#include <utility>

namespace ocelli::base {

SharedLibrary::SharedLibrary(std::string file)
    : file_(std::move(file)), handle_(dlopen(file_.c_str(), RTLD_NOW | RTLD_LOCAL)) {}

void* SharedLibrary::address_of(const char* name) {
  void* address = handle_ == nullptr ? nullptr : dlsym(handle_, name);
  if (address == nullptr && handle_ != nullptr && missing_.empty()) missing_ = name;
  return address;
}

Status SharedLibrary::found(std::string_view need) const {
  if (handle_ != nullptr && missing_.empty()) return {};
  return fail(Code::kUsage, std::string(need) + ' ' + file_ +
                                (handle_ == nullptr ? ", which cannot be loaded"
                                                    : ", but this one has no " + missing_) +
                                "; install the version that the program was built with");
}

}  // namespace ocelli::base
