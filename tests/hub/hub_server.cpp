#include "hub_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdio>

#include "base/json.h"

namespace ocelli::test {

using base::Json;

namespace {

std::string digest(const EVP_MD* type, std::string_view text) {
  unsigned char out[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  EVP_Digest(text.data(), text.size(), out, &size, type, nullptr);
  std::string hex;
  char two[3];
  for (unsigned i = 0; i < size; ++i) {
    std::snprintf(two, sizeof two, "%02x", out[i]);
    hex += two;
  }
  return hex;
}

std::string decoded(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    unsigned byte = 0;
    if (text[i] == '%' && i + 2 < text.size() + 0 &&
        std::from_chars(&text[i + 1], &text[i + 1] + 2, byte, 16).ec == std::errc()) {
      out += char(byte);
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

std::string lowered(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return char(std::tolower(c)); });
  return text;
}

HubRequest parse_request(std::string_view head) {
  HubRequest out;
  const size_t first = head.find("\r\n");
  const std::string_view line = head.substr(0, first);
  const size_t a = line.find(' '), b = line.rfind(' ');
  out.method = line.substr(0, a);
  const std::string_view target = line.substr(a + 1, b - a - 1);
  out.path = decoded(target.substr(0, target.find('?')));
  if (target.find('?') != target.npos) out.query = target.substr(target.find('?') + 1);
  for (size_t at = first + 2; at < head.size();) {
    const size_t end = std::min(head.find("\r\n", at), head.size());
    const std::string_view header = head.substr(at, end - at);
    const size_t colon = header.find(": ");
    if (colon != header.npos)
      out.headers[lowered(std::string(header.substr(0, colon)))] = header.substr(colon + 2);
    at = end + 2;
  }
  return out;
}

Json tree_json(const HubRepo& repo) {
  Json out = Json::array();
  for (const auto& [path, content] : repo.files) {
    Json entry = Json::object({{"type", "file"},
                               {"oid", hub_git_sha1(content)},
                               {"size", int64_t(content.size())},
                               {"path", path}});
    if (content.size() >= repo.large_from) {
      entry.set("lfs", Json::object({{"oid", hub_sha256(content)},
                                     {"size", int64_t(content.size())},
                                     {"pointerSize", 134}}));
    }
    out.push_back(std::move(entry));
  }
  out.push_back(
      Json::object({{"type", "directory"}, {"oid", std::string(40, '0')}, {"path", "x"}}));
  return out;
}

}  // namespace

std::string hub_sha256(std::string_view content) {
  return digest(EVP_sha256(), content);
}

std::string hub_git_sha1(std::string_view content) {
  std::string whole = "blob " + std::to_string(content.size());
  whole.push_back('\0');
  return digest(EVP_sha1(), whole.append(content));
}

std::string HubRequest::header(const std::string& name) const {
  const auto found = headers.find(name);
  return found == headers.end() ? "" : found->second;
}

size_t HubRequest::range_begin() const {
  const std::string range = header("range");
  size_t first = 0;
  if (range.starts_with("bytes="))
    std::from_chars(range.data() + 6, range.data() + range.size(), first);
  return first;
}

bool HubConnection::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n <= 0) {
      keep_ = false;
      return false;
    }
    bytes.remove_prefix(size_t(n));
  }
  return true;
}

void HubConnection::answer(int status, const std::vector<std::string>& lines,
                           std::string_view body) {
  std::string head = "HTTP/1.1 " + std::to_string(status) + " X\r\n";
  for (const std::string& line : lines) head += line + "\r\n";
  head += "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n";
  if (send(head)) send(body);
}

void HubConnection::wait_for_close(int milliseconds) const {
  pollfd wait{fd_, POLLRDHUP, 0};
  poll(&wait, 1, milliseconds);
}

HubServer::HubServer(int port, const std::string& address) : address_(address) {
  listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int yes = 1;
  setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  sockaddr_in in{};
  in.sin_family = AF_INET;
  in.sin_port = htons(uint16_t(port));
  inet_pton(AF_INET, address_.c_str(), &in.sin_addr);
  socklen_t size = sizeof in;
  if (bind(listener_, reinterpret_cast<sockaddr*>(&in), size) != 0 || listen(listener_, 64) != 0 ||
      getsockname(listener_, reinterpret_cast<sockaddr*>(&in), &size) != 0) {
    std::perror("hub server");
    return;
  }
  port_ = ntohs(in.sin_port);
  acceptor_ = std::thread([this] { accept_loop(); });
}

HubServer::~HubServer() {
  stop_ = true;
  shutdown(listener_, SHUT_RDWR);
  if (acceptor_.joinable()) acceptor_.join();
  close(listener_);
  {
    const std::lock_guard guard(mutex_);
    for (const int fd : open_) shutdown(fd, SHUT_RDWR);
  }
  for (std::thread& t : threads_) t.join();
}

std::string HubServer::url() const {
  return "http://" + address_ + ":" + std::to_string(port_);
}

void HubServer::set(const std::string& name, HubRepo repo) {
  const std::lock_guard guard(mutex_);
  repos_[name] = std::move(repo);
}

void HubServer::set_hook(Hook hook) {
  const std::lock_guard guard(mutex_);
  hook_ = std::move(hook);
}

std::vector<HubRequest> HubServer::log() const {
  const std::lock_guard guard(mutex_);
  return log_;
}

void HubServer::clear_log() {
  const std::lock_guard guard(mutex_);
  log_.clear();
}

size_t HubServer::file_bytes() const {
  size_t sum = 0;
  for (const HubRequest& r : log()) sum += r.body_sent;
  return sum;
}

size_t HubServer::requests(const std::string& part) const {
  const auto all = log();
  return size_t(std::count_if(all.begin(), all.end(), [&](const HubRequest& r) {
    return r.path.find(part) != r.path.npos;
  }));
}

void HubServer::accept_loop() {
  while (!stop_) {
    const int fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) continue;
    const int yes = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    const std::lock_guard guard(mutex_);
    open_.push_back(fd);
    threads_.emplace_back([this, fd] { serve(fd); });
  }
}

void HubServer::serve(int fd) {
  std::string buffered;
  while (!stop_ && serve_one(fd, buffered)) {
  }
  const std::lock_guard guard(mutex_);
  open_.erase(std::find(open_.begin(), open_.end(), fd));
  close(fd);
}

bool HubServer::serve_one(int fd, std::string& buffered) {
  size_t end;
  while ((end = buffered.find("\r\n\r\n")) == buffered.npos) {
    char piece[4096];
    const ssize_t n = recv(fd, piece, sizeof piece, 0);
    if (n <= 0 || buffered.size() > (1 << 20)) return false;
    buffered.append(piece, size_t(n));
  }
  HubRequest request = parse_request(std::string_view(buffered).substr(0, end + 2));
  buffered.erase(0, end + 4);
  HubConnection connection(fd);
  Hook hook;
  size_t at;
  {
    // Logged before it is answered, so that a test that waits for a request sees it.
    const std::lock_guard guard(mutex_);
    hook = hook_;
    at = log_.size();
    log_.push_back(request);
  }
  if (!hook || !hook(request, connection)) answer(request, connection);
  const std::lock_guard guard(mutex_);
  if (at < log_.size()) log_[at].body_sent = request.body_sent;
  return connection.keep();
}

void HubServer::answer(HubRequest& request, HubConnection& connection) {
  if (request.path.starts_with("/api/models/")) return answer_api(request, connection);
  // NAME/resolve/REVISION/FILE, or where the Hub keeps large files: /large/NAME/resolve/...
  const bool large = request.path.starts_with("/large/");
  const std::string path = large ? request.path.substr(7) : request.path.substr(1);
  const size_t at = path.find("/resolve/");
  std::optional<HubRepo> repo;
  {
    const std::lock_guard guard(mutex_);
    const auto found = repos_.find(path.substr(0, at));
    if (found != repos_.end()) repo = found->second;
  }
  const size_t file_at = at == path.npos ? at : path.find('/', at + 9);
  if (!repo || file_at == path.npos)
    return connection.answer(404, {"X-Error-Code: RepoNotFound"}, "no such model");
  const auto file = repo->files.find(path.substr(file_at + 1));
  if (file == repo->files.end())
    return connection.answer(404, {"X-Error-Code: EntryNotFound"}, "no such file");
  const std::string& content = file->second;
  const bool is_large = content.size() >= repo->large_from;
  if (is_large && !large) {
    return connection.answer(302,
                             {"Location: /large/" + path, "X-Repo-Commit: " + repo->commit,
                              "X-Linked-Etag: \"" + hub_sha256(content) + "\"",
                              "X-Linked-Size: " + std::to_string(content.size())},
                             request.method == "HEAD" ? "" : "elsewhere");
  }
  answer_file(request, connection, content, is_large ? hub_sha256(content) : hub_git_sha1(content),
              repo->commit);
}

void HubServer::answer_api(const HubRequest& request, HubConnection& connection) {
  const std::string path = request.path.substr(12);
  const std::lock_guard guard(mutex_);
  for (const auto& [name, repo] : repos_) {
    if (!path.starts_with(name) || (path.size() > name.size() && path[name.size()] != '/'))
      continue;
    const std::string rest = path.substr(name.size());
    const std::vector<std::string> json{"Content-Type: application/json"};
    const std::string info =
        Json::object(
            {{"id", name}, {"modelId", name}, {"sha", repo.commit}, {"siblings", Json::array()}})
            .dump();
    if (rest.empty()) return connection.answer(200, json, info);
    const size_t slash = rest.find('/', 1);
    const std::string revision = slash == rest.npos ? "" : rest.substr(slash + 1);
    if (revision != "main" && revision != repo.commit)
      return connection.answer(404, {"X-Error-Code: RevisionNotFound"}, "{}");
    if (rest.starts_with("/revision/")) return connection.answer(200, json, info);
    if (rest.starts_with("/tree/")) return connection.answer(200, json, tree_json(repo).dump());
  }
  connection.answer(401, {"X-Error-Code: RepoNotFound"}, "{}");
}

void HubServer::answer_file(HubRequest& request, HubConnection& connection,
                            const std::string& content, const std::string& etag,
                            const std::string& commit) {
  std::vector<std::string> lines{"Accept-Ranges: bytes", "ETag: \"" + etag + "\"",
                                 "X-Repo-Commit: " + commit};
  if (request.method == "HEAD") {
    connection.send("HTTP/1.1 200 OK\r\n" + lines[0] + "\r\n" + lines[1] + "\r\n" + lines[2] +
                    "\r\nContent-Length: " + std::to_string(content.size()) + "\r\n\r\n");
    return;
  }
  const std::string if_range = request.header("if-range");
  size_t first = request.range_begin();
  if (!if_range.empty() && if_range != "\"" + etag + "\"") first = 0;
  if (first > 0 && first >= content.size()) {
    lines.push_back("Content-Range: bytes */" + std::to_string(content.size()));
    return connection.answer(416, lines, "");
  }
  if (first > 0) {
    lines.push_back("Content-Range: bytes " + std::to_string(first) + "-" +
                    std::to_string(content.size() - 1) + "/" + std::to_string(content.size()));
  }
  request.body_sent = content.size() - first;
  connection.answer(first > 0 ? 206 : 200, lines, std::string_view(content).substr(first));
}

}  // namespace ocelli::test
