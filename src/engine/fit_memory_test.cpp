// --memory: what is made smaller, in which order, and what is refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/builtin.h"
#include "engine/engine.h"

namespace ocelli::engine {
namespace {

using testing::HasSubstr;

base::Result<std::unique_ptr<Engine>> load(int64_t memory, int64_t context = 0) {
  EngineOptions options;
  options.threads = 1;
  options.memory = memory;
  options.context = context;
  return Engine::load(builtin_model().value(), options);
}

// What the message of a refusal says is needed, in MiB.
int64_t needed(const base::Error& error) {
  const std::string text = error.message();
  const size_t at = text.find("the limit (");
  return at == text.npos ? -1 : std::stoll(text.substr(at + 11));
}

TEST(FitMemory, EnoughChangesNothing) {
  const auto free = load(0).value(), limited = load(int64_t{8} << 30).value();
  EXPECT_EQ(limited->context(), free->context());
  EXPECT_EQ(limited->options().prefill_chunk, free->options().prefill_chunk);
  EXPECT_EQ(limited->options().image_cache, free->options().image_cache);
  EXPECT_GE(limited->tiles_together(), 1);
}

TEST(FitMemory, TooLittleIsRefusedWithNumbersAndWhatIsNeededIsEnough) {
  const auto refused = load(1 << 20);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, base::Code::kDoesNotFit);
  for (const char* part : {"needs more memory", "weights", "program", "keys and values",
                           "limit 1 MiB", "--weights q4", "-c"}) {
    EXPECT_THAT(refused.error().message(), HasSubstr(part));
  }
  const int64_t least = needed(refused.error());
  ASSERT_GT(least, 0);
  // The process itself may have grown a little meanwhile.
  const auto tight = load((least + 4) << 20);
  ASSERT_TRUE(tight.ok()) << tight.error().message();
  EXPECT_LT((*tight)->options().image_cache, EngineOptions().image_cache);
  EXPECT_LT((*tight)->options().prefill_chunk, EngineOptions().prefill_chunk);
  EXPECT_GE((*tight)->options().prefill_chunk, 32);
  EXPECT_EQ((*tight)->tiles_together(), 1);
  EXPECT_GE((*tight)->context(), 1024);
}

TEST(FitMemory, AContextThatWasAskedForIsKeptOrRefused) {
  const auto refused = load(1 << 20, 500);
  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(refused.error().message(), HasSubstr("of 500 tokens"));
  const auto kept = load((needed(refused.error()) + 4) << 20, 500);
  ASSERT_TRUE(kept.ok()) << kept.error().message();
  EXPECT_EQ((*kept)->context(), 500);
}

// With as long a context keys and values are most of it.
TEST(FitMemory, KeysAndValuesGetEightBitsUnlessAnotherTypeWasAskedFor) {
  constexpr int64_t kContext = 100'000;
  const int64_t memory = (needed(load(1 << 20, kContext).error()) + 4) << 20;
  const auto engine = load(memory, kContext);
  ASSERT_TRUE(engine.ok()) << engine.error().message();
  EXPECT_EQ((*engine)->cache_dtype(), tensor::DType::kQ80);
  EXPECT_EQ(load(int64_t{8} << 30, kContext).value()->cache_dtype(), tensor::DType::kF16);
  EngineOptions options;
  options.threads = 1;
  options.context = kContext;
  options.memory = memory;
  options.cache_dtype = tensor::DType::kF16;
  const auto refused = Engine::load(builtin_model().value(), options);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, base::Code::kDoesNotFit);
}

TEST(FitMemory, ANegativeLimitIsAMistake) {
  EXPECT_EQ(load(-1).error().code, base::Code::kUsage);
}

}  // namespace
}  // namespace ocelli::engine
