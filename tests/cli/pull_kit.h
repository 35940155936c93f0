// A server that speaks the Hub's protocol, a cache of its own, and `ocelli pull` between them.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/rng.h"
#include "hub_server.h"
#include "process.h"

namespace ocelli::test {

constexpr size_t kLargeBytes = 3 << 20;

inline std::string random_bytes(size_t count, uint64_t seed = 1) {
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
      EXPECT_TRUE(read_all((snapshot() / name).string()) == content) << name;
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

  std::error_code none_;
  TemporaryFolder folder_;
  HubRepo repo_;
  HubServer server_;
};

}  // namespace ocelli::test
