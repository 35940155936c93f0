#include "hub/names.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ocelli::hub {
namespace {

using base::Code;
using testing::HasSubstr;

TEST(Names, RepositoriesOfTheHub) {
  for (const char* good : {"gpt2", "HuggingFaceTB/SmolVLM2-256M-Video-Instruct", "a/b", "a_b/c.d",
                           "0/1", "owner/name-v1.0_x"})
    EXPECT_TRUE(check_repo(good).ok()) << good;
  for (const char* bad : {"",     "/",      "a/",     "/a",     "a/b/c", "..",   "a/..",
                          "../a", "a--b/c", "a/b..c", "-a/b",   "a/b-",  ".a/b", "a/b.git",
                          "a b",  "a/b\n",  "a\\b",   "a/b%2f", "a:b",   "a@b",  "\xc3\xa9/b"})
    EXPECT_FALSE(check_repo(bad).ok()) << bad;
  EXPECT_FALSE(check_repo(std::string(97, 'a')).ok());
}

TEST(Names, FoldersThereAndBack) {
  EXPECT_EQ(repo_folder("owner/name"), "models--owner--name");
  EXPECT_EQ(repo_folder("gpt2"), "models--gpt2");
  for (const char* name : {"owner/name", "gpt2", "a.b/c-d"})
    EXPECT_EQ(repo_of_folder(repo_folder(name)), name);
  for (const char* other : {"datasets--a--b", "models--", "models", ".locks", "models--a--b--c",
                            "models--..--x", "models--a--.."})
    EXPECT_EQ(repo_of_folder(other), std::nullopt) << other;
}

TEST(Names, Revisions) {
  for (const char* good : {"main", "v1.0", "refs/pr/1", "feature/x_y", "0123abc"})
    EXPECT_TRUE(check_revision(good).ok()) << good;
  for (const char* bad : {"", "/", "a/", "../x", "a/../b", "a..b", "-x", ".hidden", "a b", "a\\b",
                          "x.lock", "a//b", "a\nb", "a?b"})
    EXPECT_FALSE(check_revision(bad).ok()) << bad;
  EXPECT_TRUE(is_commit(std::string(40, 'a')));
  EXPECT_FALSE(is_commit(std::string(40, 'A')));
  EXPECT_FALSE(is_commit(std::string(39, 'a')));
}

TEST(Names, WhatAPersonMeans) {
  const auto parsed = [](const char* text) {
    const auto r = parse_reference(text);
    EXPECT_TRUE(r.ok()) << text;
    return r.ok() ? r->repo + "|" + r->revision + "|" + r->tag + "|" + r->file : "";
  };
  EXPECT_EQ(parsed("a/b"), "a/b|||");
  EXPECT_EQ(parsed("a/b@v1"), "a/b|v1||");
  EXPECT_EQ(parsed("a/b:Q4_K_M"), "a/b||Q4_K_M|");
  EXPECT_EQ(parsed("a/b@v1:Q8_0"), "a/b|v1|Q8_0|");
  EXPECT_EQ(parsed("a/b/c/d.gguf"), "a/b|||c/d.gguf");
  EXPECT_EQ(parsed("https://huggingface.co/a/b"), "a/b|||");
  EXPECT_EQ(parsed("https://huggingface.co/a/b/"), "a/b|||");
  EXPECT_EQ(parsed("hf.co/a/b:F16"), "a/b||F16|");
  EXPECT_EQ(parsed("https://huggingface.co/a/b/tree/v2"), "a/b|v2||");
  EXPECT_EQ(parsed("https://huggingface.co/a/b/blob/main/x.gguf?download=true"),
            "a/b|main||x.gguf");
  EXPECT_EQ(parsed("hf://a/b"), "a/b|||");
  for (const char* bad :
       {"", "a b", "What is this?", "a/b/c.json", "a/b/../x.gguf", "./a/b", "../a", "/a/b",
        "a/b:", "a/b:x y", "a/b@../x", "http://evil.example/a/b"}) {
    const auto r = parse_reference(bad);
    if (std::string_view(bad) == "a/b:") continue;  // an empty tag is none
    EXPECT_FALSE(r.ok()) << bad;
  }
  EXPECT_EQ(parse_reference("a/b@v1:Q4_0")->text(), "a/b@v1:Q4_0");
}

TEST(Names, Globs) {
  EXPECT_TRUE(glob_match("*.json", "a/b.json"));
  EXPECT_TRUE(glob_match("model-*-of-*.safetensors", "model-00001-of-00002.safetensors"));
  EXPECT_TRUE(glob_match("a?c*", "abcdef"));
  EXPECT_TRUE(glob_match("", ""));
  EXPECT_TRUE(glob_match("**", "x"));
  EXPECT_FALSE(glob_match("*.json", "a.jso"));
  EXPECT_FALSE(glob_match("a?c", "ac"));
  EXPECT_FALSE(glob_match("", "x"));
  // Not exponential.
  EXPECT_FALSE(glob_match(std::string(500, '*') + "b", std::string(5000, 'a')));
}

}  // namespace
}  // namespace ocelli::hub
