// ocelli pull, list, verify, rm as they should go.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

#include "pull_kit.h"

namespace ocelli::test {
namespace {

using base::Json;
using testing::HasSubstr;
using testing::Not;

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

TEST_F(Pull, OfflineUsesWhatIsHereAndSaysWhatIsNot) {
  RunOptions offline = options();
  offline.environment["HF_HUB_OFFLINE"] = "1";
  const Finished none = run(words({}), offline);
  EXPECT_EQ(none.status, 5);
  EXPECT_THAT(none.err, HasSubstr("is not in the store"));
  EXPECT_TRUE(server_.log().empty());
  ASSERT_EQ(pull().status, 0);
  server_.clear_log();
  const Finished f = run(words({}), offline);
  EXPECT_EQ(f.status, 0) << f.err;
  EXPECT_EQ(f.out, snapshot().string() + "\n");
  fs::resize_file(repo_folder() / "blobs" / hub_sha256(large()), 1000);
  const Finished cut = run(words({}), offline);
  EXPECT_EQ(cut.status, 3);
  EXPECT_THAT(cut.err, HasSubstr("model.safetensors"));
  EXPECT_TRUE(server_.log().empty());
  // With a network the size alone gives it away.
  EXPECT_EQ(pull().status, 0);
  expect_whole();
}

TEST_F(Pull, VerifyFindsEveryFlippedBit) {
  ASSERT_EQ(pull().status, 0);
  base::Rng rng(7);
  std::vector<fs::path> blobs;
  for (const auto& entry : fs::directory_iterator(repo_folder() / "blobs"))
    blobs.push_back(entry.path());
  ASSERT_EQ(blobs.size(), 4u);
  for (int i = 0; i < 25; ++i) {
    std::vector<std::string> contents;
    for (const fs::path& blob : blobs) {
      contents.push_back(read_all(blob.string()));
      std::string flipped = contents.back();
      flipped[rng.next_u64() % flipped.size()] ^= char(1 << (rng.next_u32() % 8));
      std::ofstream(blob, std::ios::binary) << flipped;
    }
    const Finished f = run({"verify", "org/model", "--json"}, options());
    EXPECT_EQ(f.status, 3);
    EXPECT_EQ(f.json().items().at(0).find("problems")->size(), 4u) << f.out;
    if (i == 24) break;
    for (size_t j = 0; j < blobs.size(); ++j)
      std::ofstream(blobs[j], std::ios::binary) << contents[j];
  }
  EXPECT_EQ(pull({"--repair"}).status, 0);
  expect_whole();
  EXPECT_EQ(run({"verify"}, options()).status, 0);
  fs::remove(repo_folder() / "blobs" / hub_git_sha1(repo_.files.at("config.json")));
  const Finished missing = run({"verify"}, options());
  EXPECT_EQ(missing.status, 3);
  EXPECT_THAT(missing.out, HasSubstr("config.json@aaaaaaaa: is missing"));
  EXPECT_EQ(run({"run", "org/model", "x"}, options()).status, 3);
}

TEST_F(Pull, RemoveKeepsWhatAnotherRevisionUses) {
  ASSERT_EQ(pull().status, 0);
  HubRepo next = repo_;
  next.commit = std::string(40, 'b');
  next.files["config.json"] = "{\"model_type\": \"llama\", \"new\": true}";
  server_.set("org/model", next);
  ASSERT_EQ(pull().status, 0);
  EXPECT_EQ(run({"rm", "org/model@" + repo_.commit, "--yes"}, options()).status, 0);
  EXPECT_FALSE(fs::exists(snapshot()));
  EXPECT_FALSE(fs::exists(repo_folder() / "blobs" / hub_git_sha1(repo_.files["config.json"])));
  repo_ = next;
  expect_whole();
  EXPECT_EQ(run({"verify"}, options()).status, 0);
}

TEST_F(Pull, RemoveKeepsWhatIsInUse) {
  ASSERT_EQ(pull().status, 0);
  const std::string blob = (repo_folder() / "blobs" / hub_sha256(large())).string();
  const int held = open(blob.c_str(), O_RDONLY | O_CLOEXEC);
  const Finished f = run({"rm", "org/model", "--yes"}, options());
  EXPECT_EQ(f.status, 2);
  EXPECT_THAT(f.err, HasSubstr("is in use by process " + std::to_string(getpid())));
  expect_whole();
  close(held);
  EXPECT_EQ(run({"rm", "org/model", "--yes"}, options()).status, 0);
}

TEST_F(Pull, RemoveDoesNotLeaveTheStore) {
  ASSERT_EQ(pull().status, 0);
  std::ofstream(folder_.file("precious")) << "mine";
  fs::create_symlink(folder_.path(), repo_folder() / "outside");
  for (const char* name : {"../precious", "/etc", "..", ".", "", "org/model/../../.."})
    EXPECT_NE(run({"rm", name, "--yes"}, options()).status, 0) << name;
  EXPECT_EQ(run({"rm", "org/model", "--yes"}, options()).status, 0);
  EXPECT_EQ(read_all(folder_.file("precious")), "mine");
}

TEST_F(Pull, GgufByQuantizationWithItsPictures) {
  HubRepo gguf;
  gguf.files = {{"model-Q4_K_M.gguf", "q4"},
                {"model-Q8_0.gguf", "q8"},
                {"mmproj-model-Q8_0.gguf", "m8"},
                {"mmproj-model-f16.gguf", "m16"},
                {"big-BF16-00001-of-00002.gguf", "b1"},
                {"big-BF16-00002-of-00002.gguf", "b2"},
                {"README.md", "#"}};
  server_.set("org/gguf", gguf);
  const auto files = [&](const std::string& name) {
    const Finished f = run({"pull", name, "--dry-run", "--json"}, options());
    EXPECT_EQ(f.status, 0) << f.err;
    std::string out;
    const Json json = f.json();
    for (const Json& file : json.find("files")->items())
      out += file.find("path")->as_string() + " ";
    return out;
  };
  EXPECT_EQ(files("org/gguf"), "README.md mmproj-model-f16.gguf model-Q4_K_M.gguf ");
  EXPECT_EQ(files("org/gguf:q8_0"), "README.md mmproj-model-Q8_0.gguf model-Q8_0.gguf ");
  EXPECT_EQ(files("hf.co/org/gguf/model-Q8_0.gguf"), files("org/gguf:Q8_0"));
  EXPECT_EQ(files("org/gguf:BF16"),
            "README.md big-BF16-00001-of-00002.gguf "
            "big-BF16-00002-of-00002.gguf mmproj-model-f16.gguf ");
  const Finished none = run({"pull", "org/gguf:Q2_K", "--dry-run"}, options());
  EXPECT_EQ(none.status, 2);
  EXPECT_THAT(none.err, HasSubstr("choose one of BF16, Q4_K_M, Q8_0"));
}

// The files of a model of tests/fixtures.
HubRepo served(const std::string& name) {
  HubRepo out;
  for (const auto& entry : fs::directory_iterator(fixture(name)))
    out.files[entry.path().filename().string()] = read_all(entry.path().string());
  return out;
}

TEST_F(Pull, WhatWasPulledRunsByItsName) {
  server_.set("org/tiny-llm", served("models/smollm2"));
  ASSERT_EQ(run({"pull", "org/tiny-llm"}, options()).status, 0);
  server_.clear_log();
  for (const char* name : {"org/tiny-llm", "tiny-llm", "org/tiny-llm@main"}) {
    const Finished f = run({"run", name, "--raw", "Hello", "-n", "2", "--json"}, options());
    EXPECT_EQ(f.status, 0) << name << f.err;
    EXPECT_EQ(f.json().find("model")->as_string(), "org/tiny-llm");
  }
  EXPECT_EQ(run({"show", "tiny-llm", "--json"}, options()).json().find("family")->as_string(),
            "llama");
  // Two owners: the short name means neither.
  server_.set("other/tiny-llm", served("models/smollm2"));
  ASSERT_EQ(run({"pull", "other/tiny-llm"}, options()).status, 0);
  EXPECT_EQ(run({"show", "tiny-llm"}, options()).status, 2);
  EXPECT_EQ(run({"show", "other/tiny-llm"}, options()).status, 0);
}

TEST_F(Pull, NoOtherCommandDownloads) {
  const Finished f = run({"run", "org/model", "Hello"}, options());
  EXPECT_EQ(f.status, 2);
  EXPECT_THAT(f.err, HasSubstr("ocelli pull org/model downloads it"));
  for (const char* command : {"show", "plan", "bench", "tokenize"})
    EXPECT_NE(run({command, "-m", "org/model"}, options()).status, 0);
  EXPECT_TRUE(server_.log().empty());
}

TEST_F(Pull, GgufFilesRunByTheirName) {
  HubRepo repo = served("gguf/smolvlm2-a");
  for (const char* part : {"1", "2"}) {
    const std::string name = std::string("smollm3-yarn-0000") + part + "-of-00002.gguf";
    repo.files[name] = read_all(fixture("gguf/" + name));
  }
  server_.set("org/some-gguf", repo);
  ASSERT_EQ(run({"pull", "org/some-gguf", "--include", "*.gguf"}, options()).status, 0);
  const std::string split = "org/some-gguf/smollm3-yarn-00001-of-00002.gguf";
  const Finished f = run({"run", split, "--raw", "Hello", "-n", "2", "--json"}, options());
  EXPECT_EQ(f.status, 0) << f.err;
  EXPECT_THAT(run({"list"}, options()).out, HasSubstr("org/some-gguf\t"));
}

TEST_F(Pull, AMissingShardIsNamed) {
  const HubRepo sharded = served("models/smolvlm2-c");
  server_.set("org/sharded", sharded);
  ASSERT_EQ(run({"pull", "org/sharded"}, options()).status, 0);
  const fs::path snapshot = fs::path(cache()) / "models--org--sharded/snapshots" / sharded.commit;
  const std::string shard = "model-00002-of-00003.safetensors";
  ASSERT_TRUE(fs::remove(snapshot / shard));
  const Finished f = run({"run", "org/sharded", "Hello"}, options());
  EXPECT_EQ(f.status, 3);
  EXPECT_THAT(f.err, HasSubstr(shard + " is missing; ocelli pull org/sharded"));
  EXPECT_EQ(run({"verify"}, options()).status, 3);
  EXPECT_EQ(run({"pull", "org/sharded"}, options()).status, 0);
  EXPECT_EQ(run({"verify"}, options()).status, 0);
}

}  // namespace
}  // namespace ocelli::test
