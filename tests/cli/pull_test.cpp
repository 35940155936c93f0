// ocelli pull, list, verify, rm against a server that speaks the Hub's protocol, well and badly.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <fstream>

#include "base/rng.h"
#include "hub_server.h"
#include "process.h"

namespace ocelli::test {
namespace {

using base::Json;
using testing::HasSubstr;
using testing::Not;

constexpr size_t kLargeBytes = 3 << 20;

std::string random_bytes(size_t count, uint64_t seed = 1) {
  base::Rng rng(seed);
  std::string out(count, '\0');
  for (char& c : out) c = char(rng.next_u32());
  return out;
}

// A cache of its own and a server with "org/model": small files and one of 3 MiB.
class Pull : public testing::Test {
 protected:
  void SetUp() override {
    repo_.files = {{"config.json", "{\"model_type\": \"llama\"}"},
                   {"tokenizer.json", std::string(2000, ' ') + "{}"},
                   {"README.md", "# a model\n"},
                   {"model.safetensors", random_bytes(kLargeBytes)},
                   {"pytorch_model.bin", "pickled"},
                   {"onnx/model.onnx", "large"}};
    server_.set("org/model", repo_);
  }

  RunOptions options() const {
    return {.environment = {{"HF_ENDPOINT", server_.url()},
                            {"HF_HUB_CACHE", cache()},
                            {"HF_TOKEN_PATH", "/nonexistent"}}};
  }
  std::vector<std::string> words(const std::vector<std::string>& more) const {
    std::vector<std::string> out{"pull", "org/model", "--retry-wait", "0.01"};
    out.insert(out.end(), more.begin(), more.end());
    return out;
  }
  Finished pull(const std::vector<std::string>& more = {}) const {
    return run(words(more), options());
  }
  std::string cache() const { return folder_.file("hub"); }
  fs::path repo_folder() const { return fs::path(cache()) / "models--org--model"; }
  fs::path snapshot() const { return repo_folder() / "snapshots" / repo_.commit; }
  fs::path partial() const {
    return repo_folder() / "blobs" / (hub_sha256(large()) + ".incomplete");
  }
  const std::string& large() const { return repo_.files.at("model.safetensors"); }
  int64_t partial_bytes() const {
    std::error_code none;
    const auto size = fs::file_size(partial(), none);
    return none ? -1 : int64_t(size);
  }

  // Everything that was to be fetched is there, right, and named as huggingface_hub names it.
  void expect_whole() const {
    for (const char* name : {"config.json", "tokenizer.json", "README.md", "model.safetensors"}) {
      const std::string& content = repo_.files.at(name);
      EXPECT_EQ(read_all((snapshot() / name).string()), content) << name;
      const std::string blob =
          content.size() >= repo_.large_from ? hub_sha256(content) : hub_git_sha1(content);
      std::error_code none;
      EXPECT_EQ(fs::read_symlink(snapshot() / name, none), "../../blobs/" + blob);
    }
    EXPECT_EQ(read_all((repo_folder() / "refs/main").string()), repo_.commit);
    EXPECT_FALSE(fs::exists(partial()));
  }
  // Nothing can be found by the model's name, and nothing has a wrong content under a right name.
  void expect_not_a_model() const {
    EXPECT_FALSE(fs::exists(snapshot() / "config.json"));
    EXPECT_FALSE(fs::exists(repo_folder() / "refs/main"));
    EXPECT_FALSE(fs::exists(repo_folder() / "blobs" / hub_sha256(large())));
  }
  static bool is_large_file(const HubRequest& r) {
    return r.path.starts_with("/large/") && r.path.ends_with("/model.safetensors");
  }
  size_t large_bytes() const {
    size_t sum = 0;
    for (const HubRequest& r : server_.log()) sum += is_large_file(r) ? r.body_sent : 0;
    return sum;
  }
  // The head of the answer to a request for the large file.
  std::string large_head(size_t first, size_t length) const {
    std::string out = first == 0 ? "HTTP/1.1 200 OK\r\n" : "HTTP/1.1 206 Partial Content\r\n";
    if (first > 0) {
      out += "Content-Range: bytes " + std::to_string(first) + "-" +
             std::to_string(large().size() - 1) + "/" + std::to_string(large().size()) + "\r\n";
    }
    return out + "Content-Length: " + std::to_string(length) + "\r\n\r\n";
  }
  // Answers requests for the large file in `answer`, the others as they should be.
  void on_large(std::function<void(HubRequest&, HubConnection&, int count)> answer) {
    auto count = std::make_shared<std::atomic<int>>(0);
    server_.set_hook([=](HubRequest& r, HubConnection& c) {
      if (!is_large_file(r)) return false;
      answer(r, c, (*count)++);
      return true;
    });
  }

  TemporaryFolder folder_;
  HubRepo repo_;
  HubServer server_;
};

TEST_F(Pull, TakesWhatTheEngineNeedsAndNoMore) {
  const Finished f = pull();
  EXPECT_EQ(f.status, 0) << f.err;
  EXPECT_EQ(f.out, snapshot().string() + "\n");
  expect_whole();
  EXPECT_FALSE(fs::exists(snapshot() / "pytorch_model.bin"));
  EXPECT_FALSE(fs::exists(snapshot() / "onnx"));
  for (const HubRequest& r : server_.log()) EXPECT_EQ(r.header("authorization"), "");
  server_.clear_log();
  const Finished again = pull();
  EXPECT_EQ(again.status, 0) << again.err;
  EXPECT_EQ(server_.file_bytes(), 0u);
  EXPECT_EQ(server_.requests("/resolve/"), 0u);
}

TEST_F(Pull, DryRunWritesNothing) {
  const Finished f = pull({"--dry-run", "--json"});
  EXPECT_EQ(f.status, 0) << f.err;
  EXPECT_EQ(f.json().find("files")->size(), 4u);
  EXPECT_EQ(f.json().find("commit")->as_string(), repo_.commit);
  EXPECT_FALSE(fs::exists(cache()));
  EXPECT_EQ(server_.requests("/resolve/"), 0u);
}

TEST_F(Pull, ListVerifyAndRemove) {
  ASSERT_EQ(pull().status, 0);
  EXPECT_THAT(run({"list"}, options()).out, HasSubstr("org/model\t"));
  EXPECT_EQ(run({"list", "--names"}, options()).out, "ocelli-tiny\norg/model\n");
  const Finished verified = run({"verify"}, options());
  EXPECT_EQ(verified.status, 0) << verified.out;
  EXPECT_THAT(verified.out, HasSubstr("no problem"));
  EXPECT_EQ(run({"rm", "org/model"}, options()).status, 2);
  expect_whole();
  EXPECT_EQ(run({"rm", "org/model", "--yes"}, options()).status, 0);
  EXPECT_FALSE(fs::exists(repo_folder()));
  EXPECT_EQ(run({"rm", "org/model", "--yes"}, options()).status, 2);
}

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
    std::this_thread::sleep_for(std::chrono::milliseconds(2500));
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

}  // namespace
}  // namespace ocelli::test
