// What else the machine is doing.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace ocelli::base {

// Threads of the whole machine that run or wait for a CPU at this moment, the caller among them
// (Linux, /proc/loadavg); nothing where the system does not tell. `root` is put before /proc by
// tests.
std::optional<int64_t> running_threads(const std::string& root = "");

}  // namespace ocelli::base
