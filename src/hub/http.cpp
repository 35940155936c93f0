#include "hub/http.h"

#include <sys/socket.h>

#include <cstdlib>
#include <optional>
#include <utility>

#include "base/clock.h"
#include "hub/curl.h"
#include "hub/url.h"

namespace ocelli::hub {

using base::Code;
using base::Error;
using base::fail;
using base::Result;
using base::Status;

namespace {

struct FreeEasy {
  void operator()(CURL* easy) const { curl().curl_easy_cleanup(easy); }
};
struct FreeList {
  void operator()(curl_slist* list) const { curl().curl_slist_free_all(list); }
};
using List = std::unique_ptr<curl_slist, FreeList>;

}  // namespace

struct HttpState {
  HttpOptions options;
  Url endpoint;
  std::unique_ptr<CURL, FreeEasy> easy;
  bool endpoint_is_private = false;  // what its name led to

  // Of the exchange at hand.
  const Request* request = nullptr;
  Head head;
  bool at_endpoint = false, head_given = false, head_too_long = false, address_refused = false;
  bool stalled = false;
  base::Stopwatch window;       // for which the speed is measured
  curl_off_t window_begin = 0;  // bytes of the body before it
  std::optional<Error> failed;  // by a callback of the request
};

namespace {

bool is_this_machine(const Url& url) {
  return url.host == "localhost" || url.host == "[::1]" || url.host.starts_with("127.");
}

bool is_redirect(int status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

// --- Called by libcurl -----------------------------------------------------------------------

HttpState& state_of(void* user) {
  return *static_cast<HttpState*>(user);
}

size_t take_header(char* data, size_t size, size_t count, void* user) {
  HttpState& s = state_of(user);
  const std::string_view line(data, size * count);
  if (line.starts_with("HTTP/")) {  // a new head, e.g. after 100 Continue
    s.head = {};
    const size_t space = line.find(' ');
    const auto status = parse_count(line.substr(space == line.npos ? 0 : space + 1).substr(0, 3));
    s.head.status = status ? int(*status) : 0;
    return line.size();
  }
  if (s.head.headers.add(line)) return line.size();
  s.head_too_long = true;
  return 0;
}

bool give_head(HttpState& s) {
  if (std::exchange(s.head_given, true) || !s.request->on_head) return true;
  Status status = s.request->on_head(s.head);
  if (!status.ok()) s.failed = std::move(status).error();
  return !s.failed;
}

bool wanted(const HttpState& s) {
  return s.head.status >= 200 && s.head.status <= 299;
}

size_t take_body(char* data, size_t size, size_t count, void* user) {
  HttpState& s = state_of(user);
  const size_t bytes = size * count;
  if (!wanted(s)) return bytes;  // the page of an error or a redirect
  if (!give_head(s)) return 0;
  if (!s.request->on_body) return bytes;
  Status status = s.request->on_body({reinterpret_cast<const std::byte*>(data), bytes});
  if (status.ok()) return bytes;
  s.failed = std::move(status).error();
  return 0;
}

// With the address that a name led to, before anything is sent there.
curl_socket_t open_socket(void* user, curlsocktype, curl_sockaddr* address) {
  HttpState& s = state_of(user);
  if (s.options.proxy.empty() && !is_public_address(address->addr)) {
    if (s.at_endpoint) s.endpoint_is_private = true;
    if (!s.at_endpoint && !s.endpoint_is_private) {
      s.address_refused = true;
      return CURL_SOCKET_BAD;
    }
  }
  return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

// About once a second or more often. libcurl's own limit of speed looks at an average over more
// seconds than a stall may take.
int look_around(void* user, curl_off_t, curl_off_t received, curl_off_t, curl_off_t) {
  HttpState& s = state_of(user);
  if (s.options.cancel && s.options.cancel->requested()) return 1;
  const double seconds = s.window.seconds();
  if (seconds < s.options.stall_seconds) return 0;
  s.stalled = double(received - s.window_begin) < double(kMinBytesPerSecond) * seconds;
  s.window_begin = received;
  s.window = {};
  return s.stalled ? 1 : 0;
}

// --- Setting up ------------------------------------------------------------------------------

void add_line(List& list, const std::string& line) {
  if (curl_slist* whole = curl().curl_slist_append(list.get(), line.c_str())) {
    static_cast<void>(list.release());  // it is part of `whole`
    list.reset(whole);
  }
}

List request_lines(const HttpState& s, const Url& url) {
  List list;
  // Compressed, a file would have neither its size nor its ranges.
  add_line(list, "Accept-Encoding: identity");
  add_line(list, "User-Agent: ocelli");
  const bool safe = url.scheme == "https" || is_this_machine(url);
  if (!s.options.token.empty() && s.at_endpoint && safe)
    add_line(list, "Authorization: Bearer " + s.options.token);
  if (!s.request->range.empty()) add_line(list, "Range: bytes=" + s.request->range);
  if (!s.request->range.empty() && !s.request->if_range.empty())
    add_line(list, "If-Range: " + s.request->if_range);
  return list;
}

// Options that are the same for every request.
void prepare(HttpState& s) {
  CURL* const e = s.easy.get();
  const auto set = curl().curl_easy_setopt;
  set(e, CURLOPT_NOSIGNAL, 1L);
  set(e, CURLOPT_PROTOCOLS_STR, "http,https");
  set(e, CURLOPT_FOLLOWLOCATION, 0L);
  set(e, CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
  set(e, CURLOPT_NETRC, long(CURL_NETRC_IGNORED));
  set(e, CURLOPT_PROXY, s.options.proxy.c_str());  // "" also keeps the environment out
  set(e, CURLOPT_SSL_VERIFYPEER, 1L);
  set(e, CURLOPT_SSL_VERIFYHOST, 2L);
  set(e, CURLOPT_SSLVERSION, long(CURL_SSLVERSION_TLSv1_2));
  if (!s.options.ca_file.empty()) {
    set(e, CURLOPT_CAINFO, s.options.ca_file.c_str());
    set(e, CURLOPT_CAPATH, nullptr);
  }
  set(e, CURLOPT_CONNECTTIMEOUT_MS, long(s.options.connect_seconds * 1000));
  set(e, CURLOPT_BUFFERSIZE, 512L << 10);
  set(e, CURLOPT_HEADERFUNCTION, take_header);
  set(e, CURLOPT_HEADERDATA, &s);
  set(e, CURLOPT_WRITEFUNCTION, take_body);
  set(e, CURLOPT_WRITEDATA, &s);
  set(e, CURLOPT_OPENSOCKETFUNCTION, open_socket);
  set(e, CURLOPT_OPENSOCKETDATA, &s);
  set(e, CURLOPT_XFERINFOFUNCTION, look_around);
  set(e, CURLOPT_XFERINFODATA, &s);
  set(e, CURLOPT_NOPROGRESS, 0L);
}

// --- What went wrong -------------------------------------------------------------------------

bool is_certificate(CURLcode code) {
  return code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE ||
         code == CURLE_SSL_ISSUER_ERROR;
}

std::string proxy_hint(const HttpState& s) {
  const char* proxy = std::getenv("HTTPS_PROXY");
  if (!proxy) proxy = std::getenv("https_proxy");
  if (!proxy || !s.options.proxy.empty()) return "check the network, or HF_ENDPOINT";
  return "a proxy is used only if it is named: --proxy \"$HTTPS_PROXY\"";
}

void set_error(HttpState& s, CURLcode code, const Url& url, Answer& out) {
  const auto network = [&](const std::string& what, bool transient) {
    out.transient = transient;
    out.error = fail(Code::kNetwork, what, url.host);
  };
  if (s.failed) {
    out.error = *s.failed;
  } else if (code == CURLE_ABORTED_BY_CALLBACK && !s.stalled) {
    out.error = fail(Code::kInterrupted, "stopped on request");
  } else if (s.address_refused) {
    network("leads to an address that is not on the public internet; nothing was sent there",
            false);
  } else if (s.head_too_long) {
    network("answers with a head that is too long (limit " + std::to_string(kMaxHeadBytes) +
                " bytes); check HF_ENDPOINT",
            false);
  } else if (is_certificate(code)) {
    network("its certificate cannot be trusted (" + std::string(curl().curl_easy_strerror(code)) +
                "); check the clock, HF_ENDPOINT, or give --ca-file",
            false);
  } else if (code == CURLE_COULDNT_RESOLVE_HOST) {
    network("no such host is known; " + proxy_hint(s), true);
  } else if (code == CURLE_COULDNT_CONNECT) {
    network("cannot be reached; " + proxy_hint(s), true);
  } else if (code == CURLE_OPERATION_TIMEDOUT) {
    network("does not answer; " + proxy_hint(s), true);
  } else if (s.stalled) {
    network("stopped answering (limit " + std::to_string(s.options.stall_seconds) + " s below " +
                std::to_string(kMinBytesPerSecond) + " bytes/s); the same command continues",
            true);
  } else {
    const bool broken = code == CURLE_PARTIAL_FILE || code == CURLE_RECV_ERROR ||
                        code == CURLE_SEND_ERROR || code == CURLE_GOT_NOTHING ||
                        code == CURLE_SSL_CONNECT_ERROR || code == CURLE_HTTP2 ||
                        code == CURLE_HTTP2_STREAM;
    network("the connection failed (" + std::string(curl().curl_easy_strerror(code)) +
                "); the same command continues",
            broken);
  }
}

// One request to one place.
Answer exchange(HttpState& s, const Url& url) {
  Answer out;
  s.at_endpoint = url.same_origin(s.endpoint);
  s.head = {};
  s.head_given = s.head_too_long = s.address_refused = s.stalled = false;
  s.window = {};
  s.window_begin = 0;
  s.failed.reset();
  const List lines = request_lines(s, url);
  curl().curl_easy_setopt(s.easy.get(), CURLOPT_URL, url.text.c_str());
  curl().curl_easy_setopt(s.easy.get(), CURLOPT_HTTPHEADER, lines.get());
  const CURLcode code = curl().curl_easy_perform(s.easy.get());
  curl().curl_easy_setopt(s.easy.get(), CURLOPT_HTTPHEADER, nullptr);
  if (code == CURLE_OK && wanted(s)) give_head(s);  // of an empty body
  if (code != CURLE_OK || s.failed) set_error(s, code, url, out);
  out.head = s.head;
  return out;
}

Result<Url> redirect_target(const HttpState& s, const Url& from) {
  OCELLI_ASSIGN(Url to, join_url(from, s.head.headers.find("location")));
  if (to.scheme == "http" && (from.scheme == "https" || s.endpoint.scheme == "https")) {
    return fail(Code::kNetwork, "redirects from https to http; nothing was asked for there",
                from.host);
  }
  return to;
}

}  // namespace

HttpClient::HttpClient(std::unique_ptr<HttpState> state) : state_(std::move(state)) {}
HttpClient::HttpClient(HttpClient&&) noexcept = default;
HttpClient& HttpClient::operator=(HttpClient&&) noexcept = default;
HttpClient::~HttpClient() = default;

const std::string& HttpClient::endpoint() const {
  return state_->options.endpoint;
}

bool HttpClient::has_token() const {
  return !state_->options.token.empty();
}

Result<HttpClient> HttpClient::create(HttpOptions options) {
  OCELLI_TRY(load_curl());
  auto state = std::make_unique<HttpState>();
  state->easy.reset(curl().curl_easy_init());
  if (!state->easy) return fail(Code::kInternal, "libcurl does not start; please report it");
  state->options = std::move(options);
  OCELLI_ASSIGN(state->endpoint, parse_url(state->options.endpoint));
  prepare(*state);
  return HttpClient(std::move(state));
}

Answer HttpClient::get(const Request& request) {
  HttpState& s = *state_;
  s.request = &request;
  Answer out;
  Result<Url> url = parse_url(request.url);
  for (int redirects = 0; url.ok(); ++redirects) {
    out = exchange(s, *url);
    if (!out.error.ok() || !is_redirect(out.head.status)) return out;
    if (redirects == kMaxRedirects) {
      url = fail(
          Code::kNetwork,
          "redirects too often (limit " + std::to_string(kMaxRedirects) + "); check HF_ENDPOINT",
          url->host);
      break;
    }
    url = redirect_target(s, *url);
  }
  out.error = url.error();
  out.transient = false;
  return out;
}

}  // namespace ocelli::hub
