// Completion of file names at the end of a line.
#pragma once

#include <functional>
#include <string_view>

#include "cli/line_editor.h"

namespace ocelli::cli {

// The names that the last word may become: folders ("name/") and those files that `wanted` takes,
// sorted, with backslashes where the line needs them. `paths_only`: only for words that begin a
// path (/, ./, ../, ~/), so that a sentence is left alone.
Completion complete_name(std::string_view line,
                         const std::function<bool(std::string_view name)>& wanted, bool paths_only);

}  // namespace ocelli::cli
