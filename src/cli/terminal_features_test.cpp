#include "cli/terminal_features.h"

#include <gtest/gtest.h>

#include <map>

namespace ocelli::cli {
namespace {

using Variables = std::map<std::string, std::string>;

struct Case {
  Variables variables;
  const char* answer;  // to DA1
  Protocol protocol;
  bool asked;
};

const Case kCases[] = {
    {{{"TERM", "xterm-kitty"}, {"KITTY_WINDOW_ID", "1"}}, "", Protocol::kKitty, false},
    {{{"TERM", "xterm-ghostty"}}, "", Protocol::kKitty, false},
    {{{"TERM", "xterm-256color"}, {"TERM_PROGRAM", "iTerm.app"}}, "", Protocol::kIterm, false},
    {{{"TERM", "xterm-256color"}, {"TERM_PROGRAM", "WezTerm"}}, "", Protocol::kIterm, false},
    {{{"TERM", "xterm-256color"}, {"LC_TERMINAL", "iTerm2"}}, "", Protocol::kIterm, false},
    {{{"TERM", "foot"}}, "?62;4;22", Protocol::kSixel, true},
    {{{"TERM", "mlterm"}}, "?63;1;2;3;4;7;29", Protocol::kSixel, true},
    // 14 and 40 are not 4, and the first number is the terminal's class.
    {{{"TERM", "xterm-256color"}}, "?4;14;40", Protocol::kBlocks, true},
    {{{"TERM", "xterm-256color"}}, "", Protocol::kBlocks, true},
    {{{"TERM", "xterm"}, {"COLORTERM", "truecolor"}}, "", Protocol::kBlocks, true},
    {{{"TERM", "xterm"}}, "", Protocol::kNone, true},
    {{{"TERM", "dumb"}}, "?62;4", Protocol::kNone, false},
    {{}, "?62;4", Protocol::kNone, false},
    {{{"TERM", "xterm-256color"}, {"NO_COLOR", "1"}}, "", Protocol::kNone, true},
    {{{"TERM", "xterm-kitty"}, {"NO_COLOR", "1"}}, "", Protocol::kKitty, false},
    // Inside of multiplexers the outer terminal's protocol does not arrive.
    {{{"TERM", "tmux-256color"}, {"TMUX", "/x"}, {"KITTY_WINDOW_ID", "1"}},
     "?1;2;4",
     Protocol::kSixel,
     true},
    {{{"TERM", "tmux-256color"}, {"TMUX", "/x"}, {"TERM_PROGRAM", "iTerm.app"}},
     "",
     Protocol::kBlocks,
     true},
    {{{"TERM", "screen-256color"}, {"STY", "1"}, {"KITTY_WINDOW_ID", "1"}},
     "",
     Protocol::kBlocks,
     true},
};

TEST(TerminalFeatures, TheProtocolOfEachTerminal) {
  for (const Case& c : kCases) {
    bool asked = false;
    const ImageStyle style = detect_images(
        [&](const char* name) {
          const auto found = c.variables.find(name);
          return found == c.variables.end() ? std::string() : found->second;
        },
        [&] {
          asked = true;
          return std::string(c.answer);
        });
    EXPECT_EQ(style.protocol, c.protocol) << testing::PrintToString(c.variables);
    EXPECT_EQ(asked, c.asked) << testing::PrintToString(c.variables);
  }
}

TEST(TerminalFeatures, ColoursAndTmux) {
  const auto with = [](Variables variables) {
    return style_for(Protocol::kBlocks, [variables = std::move(variables)](const char* name) {
      const auto found = variables.find(name);
      return found == variables.end() ? std::string() : found->second;
    });
  };
  EXPECT_TRUE(with({{"COLORTERM", "truecolor"}}).truecolor);
  EXPECT_TRUE(with({{"COLORTERM", "24bit"}}).truecolor);
  EXPECT_FALSE(with({{"TERM", "xterm-256color"}}).truecolor);
  EXPECT_TRUE(with({{"TMUX", "/tmp/tmux"}}).tmux);
  EXPECT_FALSE(with({}).tmux);
}

}  // namespace
}  // namespace ocelli::cli
