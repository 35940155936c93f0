#include "base/cgroup.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace ocelli::base {
namespace {

class Cgroup : public testing::Test {
 protected:
  void SetUp() override {
    root_ = testing::TempDir() + "ocelli_cgroup_" +
            testing::UnitTest::GetInstance()->current_test_info()->name();
    std::filesystem::remove_all(root_);
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  void write(const std::string& path, const std::string& text) {
    std::filesystem::create_directories(std::filesystem::path(root_ + path).parent_path());
    std::ofstream(root_ + path) << text;
  }
  void mount_v2(const std::string& inside = "/") {
    write("/proc/self/mountinfo",
          "22 1 8:1 / / rw shared:1 - ext4 /dev/sda1 rw\n"
          "30 22 0:26 " +
              inside + " /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw\n");
  }
  std::string root_;
};

TEST_F(Cgroup, NothingKnownIsNoLimit) {
  EXPECT_FALSE(cgroup_cpu_quota(root_));
  EXPECT_FALSE(cgroup_memory(root_));
  mount_v2();
  write("/proc/self/cgroup", "0::/\n");
  EXPECT_FALSE(cgroup_cpu_quota(root_));
}

TEST_F(Cgroup, Version2TakesTheTightestOnTheWayUp) {
  mount_v2();
  write("/proc/self/cgroup", "0::/slice/service\n");
  write("/sys/fs/cgroup/slice/service/cpu.max", "max 100000\n");
  write("/sys/fs/cgroup/slice/cpu.max", "150000 100000\n");
  EXPECT_DOUBLE_EQ(cgroup_cpu_quota(root_).value_or(0), 1.5);
  write("/sys/fs/cgroup/slice/service/cpu.max", "50000 100000\n");
  EXPECT_DOUBLE_EQ(cgroup_cpu_quota(root_).value_or(0), 0.5);
  write("/sys/fs/cgroup/slice/service/memory.max", "max\n");
  EXPECT_FALSE(cgroup_memory(root_));
  write("/sys/fs/cgroup/slice/memory.max", "1000000\n");
  write("/sys/fs/cgroup/slice/memory.current", "600000\n");
  write("/sys/fs/cgroup/slice/memory.stat", "anon 1\ninactive_file 250000\nactive_file 7\n");
  ASSERT_TRUE(cgroup_memory(root_));
  EXPECT_EQ(cgroup_memory(root_)->limit, 1000000);
  EXPECT_EQ(cgroup_memory(root_)->used, 350000);
}

TEST_F(Cgroup, MountOfTheOwnGroupOnly) {
  mount_v2("/docker/abc");
  write("/proc/self/cgroup", "0::/docker/abc\n");
  write("/sys/fs/cgroup/cpu.max", "200000 100000\n");
  EXPECT_DOUBLE_EQ(cgroup_cpu_quota(root_).value_or(0), 2.0);
}

TEST_F(Cgroup, Version1) {
  write("/proc/self/mountinfo",
        "33 31 0:30 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
        "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n");
  write("/proc/self/cgroup", "4:memory:/job\n2:cpu,cpuacct:/job\n1:name=systemd:/x\n");
  write("/sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_quota_us", "250000\n");
  write("/sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_period_us", "100000\n");
  write("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1\n");
  write("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
  EXPECT_DOUBLE_EQ(cgroup_cpu_quota(root_).value_or(0), 2.5);
  write("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  EXPECT_FALSE(cgroup_memory(root_));
  write("/sys/fs/cgroup/memory/job/memory.limit_in_bytes", "5000\n");
  write("/sys/fs/cgroup/memory/job/memory.usage_in_bytes", "4000\n");
  ASSERT_TRUE(cgroup_memory(root_));
  EXPECT_EQ(cgroup_memory(root_)->used, 4000);
}

TEST_F(Cgroup, NonsenseIsNoLimit) {
  write("/proc/self/mountinfo", "- - -\n\nx\n30 22 0:26 / /sys rw - cgroup2 c rw\n");
  write("/proc/self/cgroup", ":\n0:\n0::no/slash//\n");
  write("/sys/cpu.max", "nonsense 0\n");
  EXPECT_FALSE(cgroup_cpu_quota(root_));
  write("/sys/cpu.max", "100000 0\n");
  EXPECT_FALSE(cgroup_cpu_quota(root_));
}

}  // namespace
}  // namespace ocelli::base
