#include "cli/chat_input.h"

#include <gtest/gtest.h>

#include <vector>

namespace ocelli::cli {
namespace {

std::string joined(const std::vector<std::string>& lines, bool complete = true) {
  InputAssembler a;
  for (size_t i = 0; i < lines.size(); ++i) {
    EXPECT_EQ(a.push(lines[i]), complete && i + 1 == lines.size()) << lines[i];
  }
  return a.take();
}

TEST(Inputs, OneLine) {
  EXPECT_EQ(joined({"What?"}), "What?");
  EXPECT_EQ(joined({""}), "");
  EXPECT_EQ(joined({"say \"\"\" in the middle"}), "say \"\"\" in the middle");
}

TEST(Inputs, ABackslashJoinsLines) {
  EXPECT_EQ(joined({"a\\", "b \\", "c"}), "a\nb \nc");
  EXPECT_EQ(joined({"two \\\\"}), "two \\\\");
  EXPECT_EQ(joined({"a\\", ""}), "a\n");
}

TEST(Inputs, Blocks) {
  EXPECT_EQ(joined({"\"\"\"one\"\"\""}), "one");
  EXPECT_EQ(joined({"\"\"\"", "one", "", "two\\", "\"\"\""}), "one\n\ntwo\\");
  EXPECT_EQ(joined({"\"\"\"one", "two\"\"\""}), "one\ntwo");
  EXPECT_EQ(joined({"\"\"\"\"\"\""}), "");
  EXPECT_EQ(joined({"\"\"\"", "\"\"\""}), "");
  EXPECT_EQ(joined({"\"\"\"one", "two"}, false), "one\ntwo");
  // As a paste or the history brings it.
  EXPECT_EQ(joined({"\"\"\"one\ntwo\"\"\""}), "one\ntwo");
}

TEST(Inputs, TheHistoryHasWhatWasTyped) {
  InputAssembler a;
  a.push("\"\"\"one");
  a.push("two\"\"\"");
  EXPECT_EQ(a.typed(), "\"\"\"one\ntwo\"\"\"");
  a.take();
  a.push("next");
  EXPECT_EQ(a.typed(), "next");
  EXPECT_EQ(a.take(), "next");
}

}  // namespace
}  // namespace ocelli::cli
