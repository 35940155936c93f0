#include "base/shared_library.h"

#include <gtest/gtest.h>

namespace ocelli::base {
namespace {

TEST(SharedLibrary, FindsFunctions) {
  SharedLibrary libc("libc.so.6");
  long (*to_long)(const char*) = nullptr;
  libc.find("atol", to_long);
  EXPECT_TRUE(libc.found("this needs").ok());
  ASSERT_NE(to_long, nullptr);
  EXPECT_EQ(to_long("42"), 42);
}

TEST(SharedLibrary, NamesWhatIsMissing) {
  SharedLibrary libc("libc.so.6");
  void (*function)() = nullptr;
  libc.find("no_such_function", function);
  EXPECT_EQ(function, nullptr);
  EXPECT_EQ(libc.found("this needs").error().what,
            "this needs libc.so.6, but this one has no no_such_function; install the version that "
            "the program was built with");

  SharedLibrary none("libno-such-library.so.1");
  none.find("atol", function);
  EXPECT_EQ(function, nullptr);
  EXPECT_EQ(none.found("this needs").error().code, Code::kUsage);
  EXPECT_EQ(none.found("this needs").error().what,
            "this needs libno-such-library.so.1, which cannot be loaded; install the version that "
            "the program was built with");
}

}  // namespace
}  // namespace ocelli::base
