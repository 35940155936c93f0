// One HTTP client for the Hub and nothing else, on libcurl.
//
// - Only http and https; https is never left for http; certificates are verified.
// - Nothing comes from the environment: no proxy, no .netrc, no cookies.
// - Redirects are followed here, at most kMaxRedirects of them. The token goes to the endpoint's
//   own scheme, host and port only, and over http only to this machine itself.
// - Addresses that are not public are refused unless the endpoint itself has one, whatever a name
//   resolves to at that moment.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>

#include "base/cancel.h"
#include "base/result.h"
#include "hub/headers.h"

namespace ocelli::hub {

inline constexpr int kMaxRedirects = 5;

struct HttpOptions {
  std::string endpoint{};
  std::string token{};
  double connect_seconds = 15;
  int stall_seconds = 30;  // below kMinBytesPerSecond for so long is a stall
  std::string ca_file{};   // "" trusts what the system trusts
  std::string proxy{};     // "" connects directly
  const base::CancelToken* cancel = nullptr;
};
inline constexpr long kMinBytesPerSecond = 512;

struct Head {
  int status = 0;
  Headers headers;
};

struct Request {
  std::string url;
  std::string range;     // "100-" asks for what comes after byte 99
  std::string if_range;  // an entity tag
  // Called once with the head of the last answer, then with its body in pieces, if the status is
  // 2xx. An error ends the request and becomes its error.
  std::function<base::Status(const Head&)> on_head;
  std::function<base::Status(std::span<const std::byte>)> on_body;
};

struct Answer {
  Head head;               // of the last answer; status 0 where none came
  base::Status error;      // of the connection or the callbacks; a status like 404 is no error here
  bool transient = false;  // whether the error may pass when tried again
};

struct HttpState;  // libcurl's handle and the exchange at hand

class HttpClient {
 public:
  static base::Result<HttpClient> create(HttpOptions options);
  HttpClient(HttpClient&&) noexcept;
  HttpClient& operator=(HttpClient&&) noexcept;
  ~HttpClient();

  const std::string& endpoint() const;
  bool has_token() const;
  Answer get(const Request& request);

 private:
  explicit HttpClient(std::unique_ptr<HttpState> state);
  std::unique_ptr<HttpState> state_;
};

}  // namespace ocelli::hub
