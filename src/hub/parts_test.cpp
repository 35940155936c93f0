// The small parts: headers, addresses, listings, choices, hashes.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>

#include <cstring>

#include "hub/content_hash.h"
#include "hub/headers.h"
#include "hub/listing.h"
#include "hub/pull.h"
#include "hub/selection.h"
#include "hub/url.h"

namespace ocelli::hub {
namespace {

using base::Code;
using testing::ElementsAre;
using testing::HasSubstr;

TEST(Headers, AreFoundInAnyCase) {
  Headers h;
  EXPECT_TRUE(h.add("ETag:  \"x\" \r\n"));
  EXPECT_TRUE(h.add("no header\r\n"));
  EXPECT_TRUE(h.add(": empty name\r\n"));
  EXPECT_EQ(h.find("etag"), "\"x\"");
  EXPECT_EQ(h.find("other"), "");
  Headers many;
  for (size_t i = 0; i < kMaxHeaders; ++i) EXPECT_TRUE(many.add("a: b\r\n"));
  EXPECT_FALSE(many.add("a: b\r\n"));
  Headers large;
  EXPECT_FALSE(large.add("a: " + std::string(kMaxHeadBytes, 'x')));
}

TEST(Headers, Numbers) {
  EXPECT_EQ(parse_count("0"), 0);
  EXPECT_EQ(parse_count("9223372036854775807"), INT64_MAX);
  for (const char* bad : {"", "-1", "-0", "+1", "1 ", " 1", "0x1", "1e3", "9223372036854775808"})
    EXPECT_EQ(parse_count(bad), std::nullopt) << bad;
  const auto range = parse_content_range("bytes 100-199/200");
  ASSERT_TRUE(range);
  EXPECT_EQ(range->first, 100);
  EXPECT_EQ(range->last, 199);
  EXPECT_EQ(range->total, 200);
  EXPECT_EQ(parse_content_range("bytes 0-1/*")->total, -1);
  for (const char* bad : {"", "bytes", "bytes 1-0/5", "bytes 0-5/5", "items 0-1/2", "bytes */5",
                          "bytes 0/1-2", "bytes -1-2/3", "bytes 0-1"})
    EXPECT_FALSE(parse_content_range(bad)) << bad;
}

TEST(Headers, LinksAndTags) {
  EXPECT_EQ(next_link("<https://x/y?cursor=a%2Cb>; rel=\"next\""), "https://x/y?cursor=a%2Cb");
  EXPECT_EQ(next_link("<a>; rel=\"prev\", <b>; rel=\"next\""), "b");
  EXPECT_EQ(next_link("<a>; rel=\"last\""), "");
  EXPECT_EQ(next_link("<a"), "");
  EXPECT_EQ(next_link(""), "");
  EXPECT_EQ(strong_etag(" \"abc\" "), "\"abc\"");
  for (const char* bad : {"", "abc", "W/\"abc\"", "\"a\"b\"", "\"a b\"", "\"\"", "\"a\r\nX: 1\""})
    EXPECT_EQ(strong_etag(bad), "") << bad;
  EXPECT_EQ(strong_etag("\"" + std::string(10'000, 'e') + "\""), "");
}

bool is_public(const char* text) {
  sockaddr_storage storage{};
  if (inet_pton(AF_INET, text, &reinterpret_cast<sockaddr_in&>(storage).sin_addr) == 1) {
    storage.ss_family = AF_INET;
  } else {
    EXPECT_EQ(inet_pton(AF_INET6, text, &reinterpret_cast<sockaddr_in6&>(storage).sin6_addr), 1)
        << text;
    storage.ss_family = AF_INET6;
  }
  return is_public_address(reinterpret_cast<const sockaddr&>(storage));
}

TEST(Addresses, OnlyThePublicInternet) {
  for (const char* yes : {"8.8.8.8", "1.1.1.1", "172.15.0.1", "172.32.0.1", "100.63.0.1",
                          "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"})
    EXPECT_TRUE(is_public(yes)) << yes;
  for (const char* no : {"0.0.0.0",       "127.0.0.1",        "127.9.9.9",       "10.1.2.3",
                         "172.16.0.1",    "172.31.255.255",   "192.168.1.1",     "169.254.169.254",
                         "100.64.0.1",    "224.0.0.1",        "255.255.255.255", "::",
                         "::1",           "fe80::1",          "fc00::1",         "fd12::1",
                         "ff02::1",       "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1",
                         "2002:7f00:1::", "::127.0.0.1"})
    EXPECT_FALSE(is_public(no)) << no;
}

TEST(Addresses, UrlsAndTheirOrigins) {
  const auto a = parse_url("https://Example.com/a/b");
  ASSERT_TRUE(a.ok());
  EXPECT_EQ(a->host, "example.com");
  EXPECT_EQ(a->port, "443");
  EXPECT_TRUE(a->same_origin(*parse_url("https://example.com:443/x")));
  for (const char* other : {"http://example.com/", "https://example.com:444/",
                            "https://example.com.evil/", "https://www.example.com/"})
    EXPECT_FALSE(a->same_origin(*parse_url(other))) << other;
  EXPECT_EQ(join_url(*parse_url("https://example.com/a/b"), "../c?d")->text,
            "https://example.com/c?d");
  EXPECT_EQ(join_url(*a, "//other/x")->host, "other");
  for (const char* bad : {"", "example.com", "ftp://x/", "file:///etc/passwd", "https://",
                          "https://u:p@x/", "https://u@x/", "javascript:alert(1)", "gopher://x"})
    EXPECT_FALSE(parse_url(bad).ok()) << bad;
  EXPECT_FALSE(parse_url("https://x/" + std::string(kMaxUrlBytes, 'a')).ok());
  EXPECT_EQ(percent_encode("a b/c%", true), "a%20b/c%25");
  EXPECT_EQ(percent_encode("refs/pr/1", false), "refs%2Fpr%2F1");
}

TEST(Hashes, AsGitAndSha256Do) {
  const std::string text = "Hello, World!";
  const std::span<const std::byte> bytes(reinterpret_cast<const std::byte*>(text.data()),
                                         text.size());
  ContentHash git(HashKind::kGitSha1, 13), sha(HashKind::kSha256, 13);
  git.update(bytes);
  sha.update(bytes.first(5));
  sha.update(bytes.subspan(5));
  EXPECT_EQ(git.finish(), "b45ef6fec89518d314f546fd6c3025367b721684");
  EXPECT_EQ(sha.finish(), "dffd6021bb2bd5b0af676290809ec3a53191dd81c7f70a4b28688a362182986f");
  EXPECT_TRUE(is_content_name(std::string(40, '0')));
  for (const std::string& bad :
       {std::string(41, '0'), std::string(64, 'A'), std::string("../x"), std::string()})
    EXPECT_FALSE(is_content_name(bad));
}

std::vector<RemoteFile> files_of(std::initializer_list<const char*> paths) {
  std::vector<RemoteFile> out;
  for (const char* path : paths) out.push_back({path, 1, std::string(40, 'a')});
  return out;
}

std::vector<std::string> chosen(std::initializer_list<const char*> paths, const char* name = "a/b",
                                const std::vector<std::string>& include = {},
                                const std::vector<std::string>& exclude = {}) {
  const auto files = select_files(files_of(paths), *parse_reference(name), include, exclude);
  std::vector<std::string> out;
  if (!files.ok()) return {"error: " + files.error().message()};
  for (const RemoteFile& f : *files) out.push_back(f.path);
  return out;
}

TEST(Selection, OneSetOfWeights) {
  EXPECT_THAT(
      chosen({".gitattributes", "config.json", "model.safetensors", "model.fp16.safetensors",
              "consolidated.safetensors", "pytorch_model.bin", "tf_model.h5", "onnx/x.onnx",
              "sub/config.json", "merges.txt", "tokenizer.model", "LICENSE"}),
      ElementsAre("config.json", "model.safetensors", "merges.txt", "tokenizer.model", "LICENSE"));
  EXPECT_THAT(chosen({"model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors",
                      "model.safetensors.index.json", "consolidated.safetensors"}),
              ElementsAre("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors",
                          "model.safetensors.index.json"));
  EXPECT_THAT(chosen({"adapter_model.safetensors", "adapter_config.json"}),
              ElementsAre("adapter_model.safetensors", "adapter_config.json"));
  EXPECT_THAT(chosen({"model.safetensors", "x.gguf"}), ElementsAre("model.safetensors"));
}

TEST(Selection, GlobsAndRefusals) {
  EXPECT_THAT(chosen({"a.json", "b.json", "c.bin"}, "a/b", {"*.json"}, {"b*"}),
              ElementsAre("a.json"));
  EXPECT_THAT(chosen({"config.json", "pytorch_model.bin"}).at(0), HasSubstr("pickled"));
  EXPECT_THAT(chosen({"README.md"}).at(0), HasSubstr("no model weights"));
  EXPECT_THAT(chosen({"model.safetensors"}, "a/b", {"*.none"}).at(0), HasSubstr("no file"));
  EXPECT_THAT(chosen({"model.safetensors", "CON.json"}).at(0), HasSubstr("every file system"));
  EXPECT_THAT(chosen({"model.safetensors", "CON.json"}, "a/b", {}, {"CON*"}),
              ElementsAre("model.safetensors"));
}

TEST(Selection, TagsOfGgufFiles) {
  EXPECT_EQ(gguf_tag("SmolVLM2-256M-Q8_0.gguf"), "Q8_0");
  EXPECT_EQ(gguf_tag("x.q4_k_m.gguf"), "Q4_K_M");
  EXPECT_EQ(gguf_tag("x-UD-IQ2_XXS-00001-of-00003.gguf"), "IQ2_XXS");
  EXPECT_EQ(gguf_tag("sub/mmproj-x-f16.gguf"), "F16");
  EXPECT_EQ(gguf_tag("model.gguf"), "");
  EXPECT_EQ(split_stem("a-00001-of-00003.gguf"), "a");
  EXPECT_EQ(split_stem("a-0001-of-00003.gguf"), "a-0001-of-00003.gguf");
  EXPECT_THAT(chosen({"only.gguf", "mmproj-only.gguf"}),
              ElementsAre("only.gguf", "mmproj-only.gguf"));
  EXPECT_THAT(chosen({"a-F16.gguf", "a-F32.gguf"}).at(0), HasSubstr("choose one of F16, F32"));
}

TEST(Listing, CommitsAndFiles) {
  EXPECT_EQ(*parse_commit("{\"sha\":\"" + std::string(40, 'a') + "\",\"x\":1}"),
            std::string(40, 'a'));
  for (const char* bad : {"", "[]", "{}", "{\"sha\":7}", "{\"sha\":\"main\"}", "{\"sha\":null}"}) {
    const auto r = parse_commit(bad);
    ASSERT_FALSE(r.ok()) << bad;
    EXPECT_EQ(r.error().code, Code::kNetwork);
  }
  std::vector<RemoteFile> files;
  ASSERT_TRUE(
      parse_tree_page("[{\"type\":\"directory\",\"path\":\"d\"},{\"type\":\"file\",\"oid\":\"" +
                          std::string(40, 'b') + "\",\"size\":7,\"path\":\"d/x.json\"}]",
                      files)
          .ok());
  ASSERT_EQ(files.size(), 1u);
  EXPECT_EQ(files[0].path, "d/x.json");
  EXPECT_EQ(files[0].size, 7);
}

TEST(Disk, WhatIsMissingMustFitWithSomeToSpare) {
  PullPlan plan;
  plan.missing = 1000;
  EXPECT_TRUE(check_disk(plan, kDiskReserve + 1000).ok());
  const auto full = check_disk(plan, kDiskReserve + 999);
  ASSERT_FALSE(full.ok());
  EXPECT_EQ(full.error().code, Code::kDoesNotFit);
  EXPECT_FALSE(check_disk(plan, 0).ok());
}

}  // namespace
}  // namespace ocelli::hub
