// A small server that speaks the Hugging Face Hub's protocol on 127.0.0.1, for tests: the API of a
// model (revision, tree), files with HEAD, ranges and entity tags. Faults are scripted: a hook sees
// every request before it is answered and may answer it itself. One thread per connection.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace ocelli::test {

struct HubRequest {
  std::string method, path, query;               // path without the query, percent-decoded
  std::map<std::string, std::string> headers{};  // names in lower case
  size_t body_sent = 0;                          // bytes of a file's body that were answered
  std::string header(const std::string& name) const;
  // The first byte that was asked for; 0 without a Range.
  size_t range_begin() const;
};

// The connection of a request, for hooks.
class HubConnection {
 public:
  explicit HubConnection(int fd) : fd_(fd) {}
  bool send(std::string_view bytes);  // false when the other side has gone
  // A whole answer with Content-Length.
  void answer(int status, const std::vector<std::string>& lines, std::string_view body);
  // Waits until the other side has gone, or so long.
  void wait_for_close(int milliseconds) const;
  void close_now() { keep_ = false; }
  bool keep() const { return keep_; }

 private:
  int fd_;
  bool keep_ = true;
};

struct HubRepo {
  std::string commit = std::string(40, 'a');
  std::map<std::string, std::string> files{};  // path -> content
  // Files of at least so many bytes are "large": named by SHA-256, and answered by a redirect to
  // another path of the server, as the Hub does.
  size_t large_from = 1000;
};

class HubServer {
 public:
  // True: the hook has answered. It may look at request.body_sent being 0 and set it.
  using Hook = std::function<bool(HubRequest& request, HubConnection& connection)>;

  explicit HubServer(int port = 0, const std::string& address = "127.0.0.1");
  ~HubServer();
  HubServer(const HubServer&) = delete;
  HubServer& operator=(const HubServer&) = delete;

  std::string url() const;  // "http://127.0.0.1:12345"
  void set(const std::string& name, HubRepo repo);
  void set_hook(Hook hook);
  std::vector<HubRequest> log() const;
  void clear_log();
  // Bytes of file bodies that were sent since clear_log().
  size_t file_bytes() const;
  size_t requests(const std::string& part_of_path) const;

 private:
  void accept_loop();
  void serve(int fd);
  bool serve_one(int fd, std::string& buffered);
  void answer(HubRequest& request, HubConnection& connection);
  void answer_api(const HubRequest& request, HubConnection& connection);
  void answer_file(HubRequest& request, HubConnection& connection, const std::string& content,
                   const std::string& etag, const std::string& commit);

  std::string address_;
  int listener_ = -1, port_ = 0;
  std::atomic<bool> stop_{false};
  mutable std::mutex mutex_;
  std::map<std::string, HubRepo> repos_;
  Hook hook_;
  std::vector<HubRequest> log_;
  std::vector<int> open_;
  std::vector<std::thread> threads_;
  std::thread acceptor_;
};

// The name of a content in the Hub: SHA-256, or git's SHA-1 of a blob.
std::string hub_sha256(std::string_view content);
std::string hub_git_sha1(std::string_view content);

}  // namespace ocelli::test
