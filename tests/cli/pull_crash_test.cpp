// ocelli pull that breaks off: connections, disks, kills; and two at once.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <cstdlib>
#include <fstream>

#include "pull_kit.h"

namespace ocelli::test {
namespace {

// The program under strace, to which `what` happens at a system call ("signal=SIGKILL:when=3").
std::vector<std::string> injected(const std::string& call, const std::string& what) {
  return {"strace",
          "-f",
          "-qq",
          "-o",
          "/dev/null",
          "-e",
          "trace=" + call,
          "-e",
          "inject=" + call + ":" + what};
}

using testing::HasSubstr;

TEST_F(Pull, ATruncatedAnswerIsContinued) {
  on_large([this](HubRequest& r, HubConnection& c, int count) {
    const size_t first = r.range_begin(), left = large().size() - first;
    const size_t sent = count < 3 ? std::min<size_t>(left, 700'000) : left;
    c.send(large_head(first, left) + large().substr(first, sent));
    r.body_sent = sent;
    if (sent < left) c.close_now();
  });
  const Finished f = pull();
  EXPECT_EQ(f.status, 0) << f.err;
  expect_whole();
  EXPECT_EQ(large_bytes(), large().size());  // no byte came twice
}

TEST_F(Pull, GivesUpAfterRetriesAndTheNextRunContinues) {
  on_large([this](HubRequest& r, HubConnection& c, int count) {
    const size_t first = r.range_begin(), left = large().size() - first;
    r.body_sent = count == 0 ? 500'000 : 0;
    c.send(large_head(first, left) + large().substr(first, r.body_sent));
    c.close_now();
  });
  const Finished f = pull({"--retries", "2"});
  EXPECT_EQ(f.status, 5);
  EXPECT_THAT(f.err, HasSubstr("the same command continues"));
  expect_not_a_model();
  EXPECT_EQ(partial_bytes(), 500'000);
  EXPECT_THAT(run({"list"}, options()).out, HasSubstr("ocelli pull org/model continues"));
  EXPECT_EQ(run({"run", "org/model", "x"}, options()).status, 3);
  EXPECT_EQ(run({"verify"}, options()).status, 3);
  server_.set_hook({});
  server_.clear_log();
  EXPECT_EQ(pull().status, 0);
  expect_whole();
  EXPECT_EQ(large_bytes(), large().size() - 500'000);
}

TEST_F(Pull, AWrongChecksumIsRefusedAndRemoved) {
  on_large([this](HubRequest& r, HubConnection& c, int) {
    std::string flipped = large();
    flipped[1'000'000] ^= 4;
    c.send(large_head(0, flipped.size()) + flipped);
  });
  const Finished f = pull();
  EXPECT_EQ(f.status, 5);
  EXPECT_THAT(f.err, HasSubstr("SHA-256"));
  EXPECT_THAT(f.err, HasSubstr("model.safetensors"));
  expect_not_a_model();
  EXPECT_FALSE(fs::exists(partial()));
}

TEST_F(Pull, AStallEndsAndTheNextRunContinues) {
  on_large([this](HubRequest& r, HubConnection& c, int) {
    c.send(large_head(r.range_begin(), large().size()) + large().substr(0, 100'000));
    c.wait_for_close(10'000);
    c.close_now();
  });
  const Finished f = pull({"--stall", "1", "--retries", "0"});
  EXPECT_EQ(f.status, 5);
  EXPECT_THAT(f.err, HasSubstr("stopped answering"));
  EXPECT_EQ(partial_bytes(), 100'000);
  expect_not_a_model();
  server_.set_hook({});
  EXPECT_EQ(pull().status, 0);
  expect_whole();
}

TEST_F(Pull, WhatCannotFitIsRefusedBeforeItIsFetched) {
  const std::string huge =
      "[{\"type\":\"file\",\"path\":\"model.safetensors\",\"size\":9,\"oid\":\"" +
      std::string(40, 'b') + "\",\"lfs\":{\"oid\":\"" + std::string(64, 'c') +
      "\",\"size\":60000000000000}}]";
  server_.set_hook([huge](HubRequest& r, HubConnection& c) {
    if (r.path.find("/tree/") == r.path.npos) return false;
    c.answer(200, {}, huge);
    return true;
  });
  const Finished f = pull();
  EXPECT_EQ(f.status, 4);
  EXPECT_THAT(f.err, HasSubstr("does not fit on the disk (60000000000000 bytes are missing"));
  EXPECT_THAT(f.err, HasSubstr("larger than this machine's memory"));
  EXPECT_EQ(server_.requests("/resolve/"), 0u);
  EXPECT_FALSE(fs::exists(cache()));
}

TEST_F(Pull, AFullDiskEndsItAndTheNextRunContinues) {
  RunOptions limited = options();
  limited.wrapper = {"bash", "-c", "ulimit -f 1500; exec \"$@\"", "bash"};  // in KiB
  const Finished f = run(words({}), limited);
  EXPECT_EQ(f.status, 4) << f.err;
  EXPECT_THAT(f.err, HasSubstr("the same command then continues"));
  expect_not_a_model();
  EXPECT_EQ(partial_bytes(), 1500 * 1024);
  server_.clear_log();
  EXPECT_EQ(pull().status, 0);
  expect_whole();
  EXPECT_EQ(large_bytes(), large().size() - 1500 * 1024);
}

TEST_F(Pull, ACacheThatMayNotBeWrittenIsAnError) {
  RunOptions o = options();
  std::ofstream(folder_.file("file")) << "no folder";
  o.environment["HF_HUB_CACHE"] = folder_.file("file/hub");
  const Finished f = run(words({}), o);
  EXPECT_EQ(f.status, 3) << f.err;
  EXPECT_THAT(f.err, HasSubstr("is a file, not a folder"));
}

// Killed at many moments of its work: whatever is there then is whole or goes on, and no byte of
// the large file that reached the disk is asked for again.
TEST_F(Pull, GoesOnAfterKillWhereItStopped) {
  int killed = 0;
  for (int round = 0; round < 16; ++round) {
    SCOPED_TRACE(round);
    fs::remove_all(cache());
    server_.clear_log();
    const size_t point = size_t(round) * large().size() / 16;
    auto reached = std::make_shared<std::atomic<bool>>(false);
    on_large([this, point, reached](HubRequest& r, HubConnection& c, int) {
      const size_t first = r.range_begin();
      c.send(large_head(first, large().size() - first));
      c.send(std::string_view(large()).substr(first, point - std::min(point, first)));
      *reached = true;
      c.wait_for_close(150);
      c.send(std::string_view(large()).substr(std::max(point, first)));
    });
    {
      Process p(words({"-q"}), options());
      ASSERT_TRUE(eventually([&] { return reached->load() || !p.running(); }, 20));
      if (round % 3) std::this_thread::sleep_for(std::chrono::milliseconds(round % 7));
      p.signal(SIGKILL);
      killed += p.wait().status == -SIGKILL;
    }
    expect_not_a_model();
    const int64_t had = std::max<int64_t>(partial_bytes(), 0);
    server_.set_hook({});
    server_.clear_log();
    const Finished f = pull({"-q"});
    EXPECT_EQ(f.status, 0) << f.err;
    expect_whole();
    EXPECT_EQ(int64_t(large_bytes()), int64_t(large().size()) - had);
  }
  EXPECT_GE(killed, 12);
}

// At every system call that changes the disk.
TEST_F(Pull, AnyStepMayBeTheLast) {
  if (*OCELLI_SANITIZE)
    GTEST_SKIP() << "30 checks skipped: leak checking does not work under strace";
  if (std::system("strace -f -o /dev/null true >/dev/null 2>&1") != 0)
    GTEST_SKIP() << "30 checks skipped: strace is not here or may not trace";
  int killed = 0;
  for (const char* call : {"pwrite64", "fsync", "renameat", "symlinkat", "mkdirat", "write"}) {
    for (const int nth : {1, 2, 3, 5, 8}) {
      SCOPED_TRACE(std::string(call) + " " + std::to_string(nth));
      if (nth == 1 || killed % 3 == 0) fs::remove_all(cache());
      RunOptions traced = options();
      traced.wrapper = injected(call, "signal=SIGKILL:when=" + std::to_string(nth));
      const Finished f = run(words({"-q"}), traced);
      killed += f.status != 0;
      if (fs::exists(snapshot() / "config.json")) {
        EXPECT_TRUE(read_all((snapshot() / "model.safetensors").string()) == large());
        EXPECT_EQ(read_all((snapshot() / "tokenizer.json").string()),
                  repo_.files.at("tokenizer.json"));
      }
      for (const auto& entry : fs::directory_iterator(repo_folder() / "blobs", none_)) {
        const std::string name = entry.path().filename().string();
        if (name.size() == 64) {
          EXPECT_EQ(hub_sha256(read_all(entry.path().string())), name);
        }
      }
    }
    EXPECT_EQ(pull({"-q"}).status, 0);
    expect_whole();
  }
  EXPECT_GT(killed, 10);
}

// The disk says no at the n-th call of its kind.
TEST_F(Pull, AFullDiskAtAnyStepIsStatus4) {
  if (*OCELLI_SANITIZE)
    GTEST_SKIP() << "8 checks skipped: leak checking does not work under strace";
  if (std::system("strace -f -o /dev/null true >/dev/null 2>&1") != 0)
    GTEST_SKIP() << "8 checks skipped: strace is not here or may not trace";
  for (const char* call : {"pwrite64", "fsync", "renameat", "symlinkat"}) {
    for (const int nth : {1, 3}) {
      SCOPED_TRACE(std::string(call) + " " + std::to_string(nth));
      RunOptions traced = options();
      traced.wrapper = injected(call, "error=ENOSPC:when=" + std::to_string(nth));
      const Finished f = run(words({"-q"}), traced);
      EXPECT_EQ(f.status, 4) << f.err;
      EXPECT_THAT(f.err, HasSubstr("the disk is full; free some space"));
      EXPECT_EQ(pull({"-q"}).status, 0);
      expect_whole();
      fs::remove_all(cache());
    }
  }
}

TEST_F(Pull, NobodyAnswers) {
  RunOptions o = options();
  o.environment["HF_ENDPOINT"] = "http://127.0.0.1:1";
  const Finished f = run(words({"--retries", "1"}), o);
  EXPECT_EQ(f.status, 5);
  EXPECT_THAT(f.err, HasSubstr("cannot be reached; check the network, or HF_ENDPOINT"));
  o.environment["https_proxy"] = "http://127.0.0.1:9";  // not used, but mentioned
  EXPECT_THAT(run(words({"--retries", "0"}), o).err, HasSubstr("--proxy"));
  o.environment["HF_ENDPOINT"] = "ftp://127.0.0.1";
  EXPECT_EQ(run(words({}), o).status, 2);
}

TEST_F(Pull, TwoAtOnceBothSucceed) {
  on_large([this](HubRequest& r, HubConnection& c, int) {
    const size_t first = r.range_begin();
    r.body_sent = large().size() - first;
    c.send(large_head(first, r.body_sent) + large().substr(first, 1'000'000));
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    c.send(std::string_view(large()).substr(first + 1'000'000));
  });
  Process one(words({}), options()), two(words({}), options());
  const Finished a = one.wait(), b = two.wait();
  EXPECT_EQ(a.status, 0) << a.err;
  EXPECT_EQ(b.status, 0) << b.err;
  expect_whole();
  EXPECT_EQ(large_bytes(), large().size());  // one waited for the other
}

TEST_F(Pull, InterruptedIsStatus7AndGoesOn) {
  on_large([this](HubRequest&, HubConnection& c, int) {
    c.send(large_head(0, large().size()) + large().substr(0, 400'000));
    c.wait_for_close(10'000);
    c.close_now();
  });
  Process p(words({}), options());
  ASSERT_TRUE(eventually([&] { return partial_bytes() == 400'000; }));
  p.signal(SIGINT);
  const Finished f = p.wait();
  EXPECT_EQ(f.status, 7);
  EXPECT_THAT(f.err, HasSubstr("the same command continues from here"));
  EXPECT_EQ(partial_bytes(), 400'000);
}

}  // namespace
}  // namespace ocelli::test
