#include "cli/terminal.h"

#include <gtest/gtest.h>

namespace ocelli::cli {
namespace {

TEST(Terminal, Bytes) {
  EXPECT_EQ(bytes_text(0), "0 B");
  EXPECT_EQ(bytes_text(1023), "1023 B");
  EXPECT_EQ(bytes_text(1024), "1.00 KiB");
  EXPECT_EQ(bytes_text(int64_t{412} << 20), "412 MiB");
  EXPECT_EQ(bytes_text(int64_t{13} << 27), "1.62 GiB");
}

TEST(Terminal, Seconds) {
  EXPECT_EQ(seconds_text(0.0341), "34.1 ms");
  EXPECT_EQ(seconds_text(1.25), "1.25 s");
  EXPECT_EQ(seconds_text(123.4), "123 s");
}

TEST(Terminal, LabelsLeaveTheUnitToTheValue) {
  EXPECT_EQ(label_text("load_seconds", 6), "load  ");
  EXPECT_EQ(label_text("peak_memory_bytes", 0), "peak memory ");
  EXPECT_EQ(label_text("tokens_per_second", 0), "tokens per second ");
}

TEST(Terminal, Counts) {
  EXPECT_EQ(count_text(0), "0");
  EXPECT_EQ(count_text(999), "999");
  EXPECT_EQ(count_text(1000), "1,000");
  EXPECT_EQ(count_text(1234567), "1,234,567");
  EXPECT_EQ(count_text(-1234), "-1,234");
  EXPECT_EQ(count_text(-123), "-123");
}

}  // namespace
}  // namespace ocelli::cli
