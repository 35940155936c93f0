// For tests of what several processes share.
#pragma once

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <vector>

namespace ocelli::base {

// Runs work(0), work(1) ... in processes of their own at the same time; each must say true.
inline void expect_in_processes(int count, const std::function<bool(int)>& work) {
  std::vector<pid_t> children;
  for (int p = 0; p < count; ++p) {
    const pid_t child = fork();
    if (child == 0) _exit(work(p) ? 0 : 1);
    children.push_back(child);
  }
  for (const pid_t child : children) {
    int status = -1;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
  }
}

}  // namespace ocelli::base
