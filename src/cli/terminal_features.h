// What the terminal can show: from the environment, and by asking it.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "cli/terminal_image.h"

namespace ocelli::cli {

// The value of an environment variable, "" where there is none.
using Environment = std::function<std::string(const char* name)>;
std::string from_environment(const char* name);

// Whether colours are wanted: not with NO_COLOR (https://no-color.org) or TERM=dumb.
bool wants_colour(const Environment& environment);

// How to show pictures. `ask` is called only where the environment leaves it open; it gives the
// terminal's primary device attributes ("?62;4;22", "" for no answer), in which 4 means sixel.
//
// Inside tmux and screen pictures of other protocols get lost unless their user allowed them, so
// there it is sixel where tmux itself says so, else blocks; a protocol named with --images is
// wrapped for tmux's passthrough. NO_COLOR leaves out blocks, which are nothing but colours.
ImageStyle detect_images(const Environment& environment, const std::function<std::string()>& ask);
// The same for a protocol that the user named.
ImageStyle style_for(Protocol protocol, const Environment& environment);

// Asks the terminal on standard input and output: sends DA1 and waits for at most `timeout_ms`.
// Other bytes that arrive meanwhile are typed ahead: they go to `typed`.
std::string ask_device_attributes(int timeout_ms, std::string& typed);

// Columns and rows of the terminal, and the size of a cell where it tells, into `style`: at most 40
// columns and 16 rows, and never wider than the terminal.
void fit_to_terminal(ImageStyle& style);

}  // namespace ocelli::cli
