// Where the program keeps its things, after the XDG base directory specification.
//
//             set by          else below $OCELLI_HOME   else below           else
//   config    OCELLI_CONFIG   config                    $XDG_CONFIG_HOME     ~/.config/ocelli
//   cache     OCELLI_CACHE    cache                     $XDG_CACHE_HOME      ~/.cache/ocelli
//   data      OCELLI_DATA     data                      $XDG_DATA_HOME       ~/.local/share/ocelli
//
// Relative paths in XDG variables are ignored, as the specification says; in OCELLI_ variables they
// are an error. The folders need not exist.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace ocelli::base {

Result<std::string> config_dir();  // settings
Result<std::string> cache_dir();   // what can be computed or downloaded again
Result<std::string> data_dir();    // models, chats

// Makes the folder and those around it that are missing, with permissions 0700.
Status make_folders(const std::string& path);

// "a/b" of "a" and "b"; `name` alone where it is absolute.
std::string join_path(std::string_view folder, std::string_view name);

}  // namespace ocelli::base
