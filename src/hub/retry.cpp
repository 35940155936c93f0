// What an answer means, and when to ask again.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <thread>

#include "base/clock.h"
#include "hub/download.h"

namespace ocelli::hub {

using base::Code;
using base::Error;
using base::fail;
using base::Status;

namespace {

bool may_pass(int status) {
  return status == 408 || status == 429 || status == 500 || status == 502 || status == 503 ||
         status == 504;
}

// The sentence of a status that is not 2xx.
Error status_error(const HttpClient& client, const Head& head, const std::string& what) {
  const std::string number = "HTTP " + std::to_string(head.status);
  const std::string_view kind = head.headers.find("x-error-code");
  const std::string place = client.endpoint();
  std::string text;
  switch (head.status) {
    case 401:
      text = client.has_token()
                 ? "does not exist, or the token may not read it (" + number +
                       "); check the name, and the token in HF_TOKEN"
                 : "does not exist, or needs a login (" + number +
                       "); check the name, or set HF_TOKEN to a token that may read it";
      break;
    case 403:
      text = "may not be read (" + number + "); accept its terms on its page at " + place +
             (client.has_token() ? ", with the account of the token in HF_TOKEN"
                                 : ", then set HF_TOKEN to a token of that account");
      break;
    case 404:
      text = kind == "RevisionNotFound"
                 ? "has no such branch, tag or commit (" + number + "); check --revision"
                 : "does not exist at " + place + " (" + number + "); check the name";
      break;
    case 429: {
      const auto wait = parse_retry_after(head.headers.find("retry-after"));
      text = place + " asks for fewer requests (" + number + "); try again " +
             (wait ? "in " + std::to_string(*wait) + " s" : "later");
      break;
    }
    default:
      text = place + (head.status >= 500 ? " has a problem of its own (" : " refuses (") + number +
             "); try again later, the same command continues";
  }
  return fail(Code::kNetwork, text, what);
}

Status wait_for(double seconds, const base::CancelToken* cancel) {
  const base::Stopwatch watch;
  while (watch.seconds() < seconds) {
    if (cancel) OCELLI_TRY(cancel->check());
    const double left = std::clamp(seconds - watch.seconds(), 0.0, 0.05);
    std::this_thread::sleep_for(std::chrono::duration<double>(left));
  }
  return {};
}

}  // namespace

Status with_retries(HttpClient& client, const RetryOptions& options, const std::string& what,
                    const std::function<Answer()>& attempt,
                    const std::function<int64_t()>& progress) {
  for (int tries = 0;;) {
    const int64_t before = progress ? progress() : 0;
    const Answer answer = attempt();
    const int status = answer.head.status;
    if (answer.error.ok() && status >= 200 && status <= 299) return {};
    Error error = answer.error.ok() ? status_error(client, answer.head, what)
                                    : Error(Status(answer.error).in(what).error());
    if (!answer.transient && !(answer.error.ok() && may_pass(status))) return error;
    if (progress && progress() - before >= kProgressBytes) tries = 0;
    if (tries >= options.retries) return error;
    double wait = std::min(options.wait_seconds * std::exp2(tries++), kMaxWaitSeconds);
    if (const auto asked = parse_retry_after(answer.head.headers.find("retry-after"));
        asked && answer.error.ok()) {
      if (double(*asked) > kMaxWaitSeconds) return error;
      wait = std::max(wait, double(*asked));
    }
    if (options.on_retry) options.on_retry(error.message());
    OCELLI_TRY(wait_for(wait, options.cancel));
  }
}

}  // namespace ocelli::hub
