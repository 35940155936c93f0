// One file from the Hub into the cache: resumed, checked, moved into place.
#pragma once

#include <functional>

#include "hub/http.h"
#include "hub/listing.h"
#include "hub/repo_store.h"

namespace ocelli::hub {

struct RetryOptions {
  int retries = 5;          // without progress in between
  double wait_seconds = 1;  // before the first one; doubles, at most kMaxWaitSeconds
  const base::CancelToken* cancel = nullptr;
  std::function<void(const std::string&)> on_retry;  // why, in words
};
inline constexpr double kMaxWaitSeconds = 60;
// Progress that begins the count of retries anew.
inline constexpr int64_t kProgressBytes = int64_t{1} << 20;

// Runs `attempt` until it succeeds, fails for good, or the retries are used up. Honours
// Retry-After up to kMaxWaitSeconds. Statuses other than 2xx become errors with the next step;
// `what` is their place.
base::Status with_retries(HttpClient& client, const RetryOptions& options, const std::string& what,
                          const std::function<Answer()>& attempt,
                          const std::function<int64_t()>& progress = {});

// The hash of a file of `folder` whose name tells which kind it is (hub/content_hash.h).
base::Result<std::string> hash_file(const Directory& folder, const std::string& blob,
                                    const base::CancelToken* cancel = nullptr,
                                    const std::function<void(int64_t)>& on_progress = {});

struct DownloadOptions {
  RetryOptions retry;
  bool check_present = false;  // hash what is there already, and fetch it again where it is wrong
  // Bytes of this file that are here, again and again.
  std::function<void(int64_t)> on_progress;
};

struct Downloaded {
  bool was_present = false;
  int64_t fetched = 0;  // bytes that came over the network
};

// The blob of `file`, from `url`. Where the connection breaks, the bytes so far stay in
// HASH.incomplete and the next call asks for the rest only; bytes with a wrong hash are removed.
base::Result<Downloaded> download_blob(HttpClient& client, const RepoStore& store,
                                       const RemoteFile& file, const std::string& url,
                                       const DownloadOptions& options);

}  // namespace ocelli::hub
