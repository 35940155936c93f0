// The ops that have no gradient, by name. Every other one has; tests hold both to it.
#pragma once

#include <array>
#include <string_view>

namespace ocelli::ops {

inline constexpr std::array<std::string_view, 4> kNoGradient = {
    "feed_forward",  // a short way for running; empty where a gradient is wanted
    "patches",       // pixels are data
    "rope_table",    // positions are data
    "store_rows",    // a cache is for running; a tape together with one is refused
};

}  // namespace ocelli::ops
