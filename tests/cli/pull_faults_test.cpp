// ocelli pull from servers that answer wrongly, lead astray or lie.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "pull_kit.h"

namespace ocelli::test {
namespace {

using base::Json;
using testing::HasSubstr;
using testing::Not;

struct Strange {
  const char* name;
  // How the large file is answered; `count` counts from 0.
  std::function<void(const std::string& content, HubRequest&, HubConnection&, int count)> answer;
  int status;        // of the program
  const char* says;  // in its error
};

std::string head_of(int status, const std::string& lines) {
  return "HTTP/1.1 " + std::to_string(status) + " X\r\n" + lines + "\r\n";
}
std::string length_line(size_t bytes) {
  return "Content-Length: " + std::to_string(bytes) + "\r\n";
}

// The first answer breaks off after 1 MB; what follows is the case's own.
void break_off(const std::string& content, HubConnection& c) {
  c.send(head_of(200, length_line(content.size()) + "ETag: \"v1\"\r\n") +
         content.substr(0, 1'000'000));
  c.close_now();
}

std::vector<Strange> strange_servers() {
  const auto whole = [](const std::string& content, HubConnection& c) {
    c.send(head_of(200, length_line(content.size())) + content);
  };
  return {
      {"ignores_ranges",
       [=](const std::string& content, HubRequest&, HubConnection& c, int count) {
         count == 0 ? break_off(content, c) : whole(content, c);
       },
       0, ""},
      {"another_part",
       [=](const std::string& content, HubRequest& r, HubConnection& c, int count) {
         if (count == 0) return break_off(content, c);
         if (r.header("range").empty()) return whole(content, c);
         const std::string end = std::to_string(content.size());
         c.send(head_of(206, length_line(content.size() - 5) + "Content-Range: bytes 5-" +
                                 std::to_string(content.size() - 1) + "/" + end + "\r\n") +
                content.substr(5));
       },
       0, ""},
      {"no_content_range",
       [=](const std::string& content, HubRequest& r, HubConnection& c, int count) {
         if (count == 0) return break_off(content, c);
         if (r.header("range").empty()) return whole(content, c);
         c.send(head_of(206, length_line(content.size() - 1'000'000)) + content.substr(1'000'000));
       },
       0, ""},
      {"416",
       [=](const std::string& content, HubRequest& r, HubConnection& c, int count) {
         if (count == 0) return break_off(content, c);
         if (r.header("range").empty()) return whole(content, c);
         c.answer(416, {"Content-Range: bytes */5"}, "");
       },
       0, ""},
      {"no_length",
       [=](const std::string& content, HubRequest&, HubConnection& c, int) {
         c.send(head_of(200, "Connection: close\r\n") + content);
         c.close_now();
       },
       0, ""},
      {"no_length_and_short",
       [=](const std::string& content, HubRequest&, HubConnection& c, int count) {
         c.send(head_of(200, "Connection: close\r\n") +
                content.substr(0, count == 0 ? 9'000 : content.size()));
         c.close_now();
       },
       0, ""},
      {"chunked",
       [=](const std::string& content, HubRequest&, HubConnection& c, int) {
         char size[32];
         std::snprintf(size, sizeof size, "%zx\r\n", content.size());
         c.send(head_of(200, "Transfer-Encoding: chunked\r\n") + size + content + "\r\n0\r\n\r\n");
       },
       0, ""},
      {"changed_between_parts",  // another content under another tag: the whole comes anew
       [=](const std::string& content, HubRequest& r, HubConnection& c, int count) {
         if (count == 0) return break_off(content, c);
         EXPECT_EQ(r.header("if-range"), "\"v1\"");
         whole(content, c);
       },
       0, ""},
      {"splices",  // it does not look at If-Range and continues with other bytes
       [=](const std::string& content, HubRequest& r, HubConnection& c, int count) {
         if (count == 0) return break_off(content, c);
         if (r.header("range").empty()) return whole(content, c);
         const size_t first = r.range_begin();
         c.send(head_of(206, length_line(content.size() - first) + "Content-Range: bytes " +
                                 std::to_string(first) + "-" + std::to_string(content.size() - 1) +
                                 "/" + std::to_string(content.size()) + "\r\n") +
                std::string(content.size() - first, 'x'));
       },
       0, ""},
      {"too_long",
       [=](const std::string& content, HubRequest&, HubConnection& c, int) {
         c.send(head_of(200, "Connection: close\r\n") + content + "more");
         c.close_now();
       },
       5, "more than it listed"},
      {"says_too_long",
       [=](const std::string& content, HubRequest&, HubConnection& c, int) {
         c.send(head_of(200, length_line(content.size() + 4)) + content + "more");
       },
       5, "another size"},
      {"says_too_short",
       [=](const std::string& content, HubRequest&, HubConnection& c, int) {
         c.send(head_of(200, length_line(1000)) + content.substr(0, 1000));
       },
       5, "another size"},
      {"gzip",
       [=](const std::string& content, HubRequest&, HubConnection& c, int) {
         c.send(head_of(200, length_line(content.size()) + "Content-Encoding: gzip\r\n") + content);
       },
       5, "compresses"},
      {"odd_tags",
       [=](const std::string& content, HubRequest&, HubConnection& c, int count) {
         static const char* const kTags[] = {"\"../../x\"", "W/\"weak\"", "\"a\"b\"", "no quotes"};
         const size_t sent = count < 4 ? 10'000 : content.size();
         c.send(head_of(200, length_line(content.size()) + "ETag: " + kTags[count % 4] + "\r\n") +
                content.substr(0, sent));
         if (sent < content.size()) c.close_now();
       },
       0, ""},
      {"long_head",
       [=](const std::string&, HubRequest&, HubConnection& c, int) {
         c.send(head_of(200, "ETag: \"" + std::string(200'000, 'e') + "\"\r\n"));
       },
       5, ""},
      {"no_http",
       [=](const std::string&, HubRequest&, HubConnection& c, int) {
         c.send("SSH-2.0-OpenSSH\r\n");
         c.close_now();
       },
       5, "the connection failed"},
      {"silent_close",
       [=](const std::string&, HubRequest&, HubConnection& c, int) { c.close_now(); }, 5,
       "the same command continues"},
  };
}

TEST_F(Pull, StrangeServers) {
  for (const Strange& s : strange_servers()) {
    SCOPED_TRACE(s.name);
    fs::remove_all(cache());
    // A copy: a connection's thread may still hold the function when the list is gone.
    on_large([this, answer = s.answer](HubRequest& r, HubConnection& c, int count) {
      answer(large(), r, c, count);
    });
    const Finished f = pull({"--retries", "4"});
    EXPECT_EQ(f.status, s.status) << f.err;
    EXPECT_THAT(f.err, HasSubstr(s.says));
    if (s.status == 0) {
      expect_whole();
    } else {
      expect_not_a_model();
      EXPECT_THAT(f.err, HasSubstr("error: "));
    }
  }
}

TEST_F(Pull, StatusesBecomeSentences) {
  struct Case {
    int status;
    std::vector<std::string> lines;
    const char* says;
    size_t requests;  // at most
  };
  const std::vector<Case> cases{
      {401, {"X-Error-Code: RepoNotFound"}, "needs a login (HTTP 401)", 1},
      {403, {"X-Error-Code: GatedRepo"}, "accept its terms", 1},
      {404, {"X-Error-Code: RepoNotFound"}, "check the name", 1},
      {404, {"X-Error-Code: RevisionNotFound"}, "no such branch, tag or commit", 1},
      {429, {"Retry-After: 86400"}, "try again in 86400 s", 1},
      {500, {}, "HTTP 500", 3},
      {502, {}, "HTTP 502", 3},
      {503, {"Retry-After: Fri, 31 Dec 1999 23:59:59 GMT"}, "HTTP 503", 3},
      {418, {}, "refuses (HTTP 418)", 1},
      {304, {}, "HTTP 304", 1},
  };
  for (const Case& one : cases) {
    SCOPED_TRACE(one.says);
    server_.set_hook([&](HubRequest&, HubConnection& c) {
      c.answer(one.status, one.lines, "a page");
      return true;
    });
    server_.clear_log();
    const Finished f = pull({"--retries", "2"});
    EXPECT_EQ(f.status, 5);
    EXPECT_THAT(f.err, HasSubstr(one.says));
    EXPECT_EQ(server_.log().size(), one.requests);
    EXPECT_FALSE(fs::exists(cache()));
  }
}

TEST_F(Pull, FaultsThatPassAreWaitedFor) {
  auto count = std::make_shared<std::atomic<int>>(0);
  server_.set_hook([=](HubRequest&, HubConnection& c) {
    const int n = (*count)++;
    if (n % 2) return false;
    if (n % 4) {
      c.answer(503, {"Retry-After: 0"}, "");
    } else {
      c.close_now();
    }
    return true;
  });
  const Finished f = pull({"--retries", "3"});
  EXPECT_EQ(f.status, 0) << f.err;
  expect_whole();
}

class PullToken : public Pull {
 protected:
  RunOptions with_token(const HubServer& server) const {
    RunOptions out = options();
    out.environment["HF_ENDPOINT"] = server.url();
    out.environment["HF_TOKEN"] = "hf_secret";
    return out;
  }
  static bool saw_token(const HubServer& server) {
    for (const HubRequest& r : server.log()) {
      for (const auto& [name, value] : r.headers) {
        if (value.find("hf_secret") != value.npos) return true;
      }
    }
    return false;
  }
};

TEST_F(PullToken, GoesToTheEndpointOnly) {
  HubServer elsewhere;  // another port is another origin
  elsewhere.set("org/model", repo_);
  server_.set_hook([&](HubRequest& r, HubConnection& c) {
    if (!is_large_file(r)) return false;
    c.answer(302, {"Location: " + elsewhere.url() + r.path}, "");
    return true;
  });
  const Finished f = run(words({}), with_token(server_));
  EXPECT_EQ(f.status, 0) << f.err;
  expect_whole();
  EXPECT_TRUE(saw_token(server_));
  EXPECT_EQ(elsewhere.log().size(), 1u);
  EXPECT_FALSE(saw_token(elsewhere));
  EXPECT_THAT(f.out + f.err, Not(HasSubstr("hf_secret")));
}

TEST_F(PullToken, IsNeverPrinted) {
  server_.set_hook([](HubRequest&, HubConnection& c) {
    c.answer(401, {}, "");
    return true;
  });
  const Finished f = run(words({}), with_token(server_));
  EXPECT_EQ(f.status, 5);
  EXPECT_THAT(f.err, HasSubstr("the token may not read it"));
  EXPECT_THAT(f.out + f.err, Not(HasSubstr("hf_secret")));
  RunOptions broken = with_token(server_);
  broken.environment["HF_TOKEN"] = "hf_secret\r\nX-Evil: 1";
  server_.clear_log();
  const Finished odd = run(words({}), broken);
  EXPECT_EQ(odd.status, 2);
  EXPECT_THAT(odd.err, HasSubstr("HF_TOKEN: is not a token"));
  EXPECT_THAT(odd.out + odd.err, Not(HasSubstr("hf_secret")));
  EXPECT_TRUE(server_.log().empty());
}

TEST_F(PullToken, ComesFromAFileToo) {
  std::ofstream(folder_.file("token")) << "hf_secret\n";
  RunOptions o = options();
  o.environment["HF_TOKEN_PATH"] = folder_.file("token");
  EXPECT_EQ(run(words({"--dry-run"}), o).status, 0);
  EXPECT_TRUE(saw_token(server_));
}

TEST_F(Pull, RedirectsThatLeadAstrayAreRefused) {
  struct Case {
    const char* location;
    const char* says;
  };
  for (const Case& one : std::vector<Case>{{"file:///etc/passwd", "only https:// and http://"},
                                           {"ftp://127.0.0.1/x", "only https:// and http://"},
                                           {"gopher://127.0.0.1/x", ""},
                                           {"http://user:word@127.0.0.1/x", "user name"},
                                           {"", ""},
                                           {"/large/org/model/again", "redirects too often"}}) {
    SCOPED_TRACE(one.location);
    on_large([&](HubRequest&, HubConnection& c, int) {
      c.answer(302, {std::string("Location: ") + one.location}, "");
    });
    server_.set_hook([&](HubRequest& r, HubConnection& c) {
      if (r.path.find("model.safetensors") == r.path.npos && r.path.find("again") == r.path.npos)
        return false;
      c.answer(307, {std::string("Location: ") + one.location}, "");
      return true;
    });
    server_.clear_log();
    const Finished f = pull({"--retries", "0"});
    EXPECT_EQ(f.status, 5) << f.err;
    EXPECT_THAT(f.err, HasSubstr(one.says));
    EXPECT_LE(server_.log().size(), 12u);
    expect_not_a_model();
  }
}

class PullListing : public Pull {
 protected:
  // Answers the list of files with `body`.
  Finished with_tree(const std::string& body) {
    server_.set_hook([body](HubRequest& r, HubConnection& c) {
      if (r.path.find("/tree/") == r.path.npos) return false;
      c.answer(200, {}, body);
      return true;
    });
    return pull({"--retries", "0"});
  }
  static std::string entry(const std::string& json_path, const std::string& size = "5") {
    return "{\"type\":\"file\",\"oid\":\"" + std::string(40, 'b') + "\",\"size\":" + size +
           ",\"path\":" + json_path + "}";
  }
};

TEST_F(PullListing, HostileNamesAreRefused) {
  const std::string longest(256, 'n'), deep = [] {
    std::string path;
    for (int i = 0; i < 600; ++i) path += "d/";
    return path;
  }();
  const std::vector<std::string> names{
      "../x.json", "/etc/x.json", "a/../../b.json", "C:\\\\x.json", "a\\u0000b.json", ".", "..", "",
      "a//b.json", "a/./b.json", "a/", "/", "~/../x.json", "..\\\\x.json", "x\\n.json",
      "x\\u007f.json", "x\\u001b[31m.json", "\\u0001", longest, deep + "x.json", "a/..",
      "../../../../../../tmp/x.json", "....//x/../..", "x/../config.json", "./config.json",
      "\\t.json", "a\\\\..\\\\b.json", "\\\\\\\\host\\\\x.json", "//x.json",
      // These could be written here, but not everywhere.
      "CON.json", "nul.txt", "com1.json", "LPT9.json", "x:y.json", "x?.json", "x|y.json", " x.json",
      "x.json.lock.json/.lock", "a<b.json", "quote\\\".json"};
  EXPECT_GE(names.size(), 40u);
  for (const std::string& name : names) {
    SCOPED_TRACE(name);
    const std::string tree =
        "[" + entry("\"model.safetensors\"") + "," + entry("\"" + name + "\"") + "]";
    server_.set_hook([tree](HubRequest& r, HubConnection& c) {
      if (r.path.find("/tree/") == r.path.npos) return false;
      c.answer(200, {}, tree);
      return true;
    });
    const Finished f = pull({"--retries", "0", "--include", "*"});
    EXPECT_TRUE(f.status == 3 || f.status == 5) << f.status << f.err;
    EXPECT_THAT(f.err, HasSubstr("error: "));
    EXPECT_FALSE(fs::exists(cache()));  // not one file was begun
  }
  const Finished twins = with_tree("[" + entry("\"config.json\"") + "," + entry("\"Config.json\"") +
                                   "," + entry("\"model.safetensors\"") + "]");
  EXPECT_EQ(twins.status, 3);
  EXPECT_THAT(twins.err, HasSubstr("case of letters"));
}

TEST_F(PullListing, AnswersThatAreNoListingsAreRefused) {
  const std::string good = entry("\"model.safetensors\"");
  const std::vector<std::string> bodies{
      "",
      "null",
      "{}",
      "[",
      "[1]",
      "[{}]",
      "<html>",
      "[" + good,
      "[" + good + "]x",
      "[" + entry("7") + "]",
      "[" + entry("null") + "]",
      "[" + entry("\"config.json\"", "-1") + "]",
      "[" + entry("\"config.json\"", "1e30") + "]",
      "[" + entry("\"config.json\"", "\"5\"") + "]",
      "[" + entry("\"config.json\"", "9223372036854775807") + "]",
      "[{\"type\":\"file\",\"oid\":\"../../x\",\"size\":5,\"path\":\"config.json\"}]",
      "[{\"type\":\"file\",\"oid\":\"" + std::string(40, 'B') +
          "\",\"size\":5,\"path\":\"config.json\"}]",
      "[{\"type\":\"file\",\"size\":5,\"path\":\"config.json\"}]",
      "[{\"type\":\"file\",\"oid\":\"" + std::string(40, 'b') +
          "\",\"size\":5,\"path\":\"m.safetensors\",\"lfs\":{\"oid\":\"x\",\"size\":5}}]",
      "[{\"type\":\"file\",\"path\":\"m.safetensors\",\"size\":1,\"lfs\":7}]",
      std::string(100'000, '['),
      "[" + std::string(20 << 20, ' ') + "]",
      "[\"" + std::string(17 << 20, 'x') + "\"]"};
  for (const std::string& body : bodies) {
    SCOPED_TRACE(body.substr(0, 80));
    const Finished f = with_tree(body);
    EXPECT_EQ(f.status, 5) << f.err;
    EXPECT_THAT(f.err, HasSubstr("error: "));
    EXPECT_LT(f.err.size(), 1000u);
    EXPECT_FALSE(fs::exists(cache()));
  }
}

TEST_F(PullListing, ListsInPagesAreReadToTheirEnd) {
  server_.set_hook([this](HubRequest& r, HubConnection& c) {
    if (r.path.find("/tree/") == r.path.npos) return false;
    const int page = r.query.find("cursor=2") != r.query.npos ? 2 : 1;
    const std::string& content = repo_.files.at(page == 1 ? "config.json" : "model.safetensors");
    std::string json = "[{\"type\":\"file\",\"path\":\"" +
                       std::string(page == 1 ? "config.json" : "model.safetensors") +
                       "\",\"size\":" + std::to_string(content.size()) + ",\"oid\":\"" +
                       hub_git_sha1(content) + "\"";
    if (page == 2)
      json += ",\"lfs\":{\"oid\":\"" + hub_sha256(content) +
              "\",\"size\":" + std::to_string(content.size()) + ",\"pointerSize\":1}";
    std::vector<std::string> lines;
    if (page == 1) lines.push_back("Link: <" + server_.url() + r.path + "?cursor=2>; rel=\"next\"");
    c.answer(200, lines, json + "}]");
    return true;
  });
  const Finished f = pull({"--dry-run", "--json"});
  EXPECT_EQ(f.status, 0) << f.err;
  EXPECT_EQ(f.json().find("files")->size(), 2u);
}

TEST_F(PullListing, ListsThatDoNotEndAreRefused) {
  server_.set_hook([this](HubRequest& r, HubConnection& c) {
    if (r.path.find("/tree/") == r.path.npos) return false;
    c.answer(200, {"Link: <" + server_.url() + r.path + "?cursor=1>; rel=\"next\""}, "[]");
    return true;
  });
  const Finished f = pull();
  EXPECT_EQ(f.status, 5);
  EXPECT_THAT(f.err, HasSubstr("does not end"));
}

}  // namespace
}  // namespace ocelli::test
