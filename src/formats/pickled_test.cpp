#include "formats/pickled.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ocelli::formats {
namespace {

TEST(Pickled, IsKnownByItsName) {
  for (const char* name : {"pytorch_model.bin", "a/model.pt", "x.pth", "y.ckpt", "z.pkl"})
    EXPECT_TRUE(is_pickle_name(name)) << name;
  for (const char* name : {"model.safetensors", "bin", "model.gguf", "a.bin/b", ""})
    EXPECT_FALSE(is_pickle_name(name)) << name;
}

TEST(Pickled, SaysWhyAndWhatToDo) {
  EXPECT_THAT(pickled("m.bin").message(),
              testing::StartsWith("m.bin: the weights are pickled, and"));
  EXPECT_THAT(pickled("folder", "m.bin").message(),
              testing::AllOf(testing::StartsWith("folder: the weights are pickled (m.bin), and"),
                             testing::HasSubstr("; convert them to safetensors")));
}

}  // namespace
}  // namespace ocelli::formats
