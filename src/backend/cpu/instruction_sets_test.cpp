#include <cstdio>
#include <cstdlib>

#include "backend/cpu/cpu_test_kit.h"
#include "backend/cpu/limits.h"

namespace ocelli::cpu {
namespace {

TEST(InstructionSets, TableOfWhatIsTestedHere) {
  std::printf("instruction set   compiled  executed here  emulated here\n");
  for (const InstructionSetInfo& info : instruction_sets()) {
    bool emulated = false;
    for (const Kernels* table : emulated_kernels()) emulated = emulated || info.name == table->name;
    std::printf("%-16s  %-8s  %-13s  %s\n", std::string(info.name).c_str(),
                info.compiled ? "yes" : "no", info.executable ? "yes" : "no",
                emulated ? "yes" : "no");
    EXPECT_TRUE(info.compiled || !info.executable);
  }
  EXPECT_EQ(instruction_sets().size(), 8u);
}

class OcelliIsa : public testing::Test {
 protected:
  ~OcelliIsa() override { unsetenv("OCELLI_ISA"); }
};

TEST_F(OcelliIsa, EachExecutableSetCanBeForced) {
  for (const InstructionSetInfo& info : instruction_sets()) {
    const auto forced = make_cpu_backend(info.set);
    setenv("OCELLI_ISA", std::string(info.name).c_str(), 1);
    const auto named = make_cpu_backend();
    EXPECT_EQ(forced.ok(), info.executable);
    EXPECT_EQ(named.ok(), info.executable);
    if (!info.executable) {
      EXPECT_NE(forced.error().what.find(info.name), std::string::npos);
      continue;
    }
    EXPECT_EQ((*forced)->name(), info.name);
    EXPECT_EQ((*named)->name(), info.name);
  }
}

TEST_F(OcelliIsa, UnknownNameIsAnErrorThatListsTheKnown) {
  setenv("OCELLI_ISA", "sse9\n", 1);
  const auto backend = make_cpu_backend();
  ASSERT_FALSE(backend.ok());
  EXPECT_EQ(backend.error().where, "OCELLI_ISA");
  EXPECT_EQ(backend.error().what.find('\n'), std::string::npos);
}

TEST_F(OcelliIsa, TheBestIsTakenWhenNobodyAsks) {
  unsetenv("OCELLI_ISA");
  std::string_view best = "reference";
  for (const InstructionSetInfo& info : instruction_sets()) {
    if (info.executable) best = info.name;
  }
  const auto backend = make_cpu_backend();
  ASSERT_TRUE(backend.ok());
  EXPECT_EQ((*backend)->name(), best);
}

TEST(Limits, AreMeasured) {
  for (const InstructionSetInfo& info : instruction_sets()) {
    if (!info.executable) continue;
    const Limits limits = measure_limits(info.set, 0);
    // Orders of magnitude that any machine of the last ten years is within, even emulated.
    EXPECT_GT(limits.f32_operations, 1e7);
    EXPECT_LT(limits.f32_operations, 1e13);
    EXPECT_GT(limits.int8_operations, 1e7);
    EXPECT_GT(limits.read_bytes, 1e7);
  }
}

// Last of this file: what is offered stays.
TEST_F(OcelliIsa, EmulationsStandInForWhatTheCpuLacks) {
  offer_emulated(emulated_kernels());
  for (const InstructionSetInfo& info : instruction_sets()) {
    EXPECT_FALSE(info.executable && info.emulated);
    EXPECT_EQ(make_cpu_backend(info.set).ok(), info.executable || info.emulated);
  }
}

}  // namespace
}  // namespace ocelli::cpu
