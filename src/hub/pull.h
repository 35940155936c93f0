// ocelli pull: from a name to a snapshot in the cache.
//
//   OCELLI_ASSIGN(PullPlan plan, plan_pull(client, settings.cache, request));
//   ... say what it takes ...
//   OCELLI_ASSIGN(Pulled done, run_pull(client, plan, options));
#pragma once

#include "hub/download.h"
#include "hub/names.h"

namespace ocelli::hub {

struct PullRequest {
  Reference reference;  // an empty revision is "main"
  std::vector<std::string> include, exclude;
  RetryOptions retry;
};

struct PlannedFile {
  RemoteFile remote;
  int64_t here = 0;  // bytes in the cache already, of a whole file or of a part
};

struct PullPlan {
  std::string cache, repo, revision, commit;
  std::vector<PlannedFile> files;
  int64_t total = 0, missing = 0;  // bytes

  int64_t weight_bytes() const;  // of .safetensors and .gguf files
};

// Asks the Hub which commit the revision is and what files it has, and looks at what is here.
// Writes nothing.
base::Result<PullPlan> plan_pull(HttpClient& client, const std::string& cache,
                                 const PullRequest& request);

// kDoesNotFit where the plan needs more than is free at `cache`, less kDiskReserve.
base::Status check_disk(const PullPlan& plan);
base::Status check_disk(const PullPlan& plan, int64_t free_bytes);
inline constexpr int64_t kDiskReserve = int64_t{64} << 20;

// How a pull goes on. `done` counts bytes of plan.total that are here, `fetched` those that came
// over the network in this run.
struct PullProgress {
  int64_t done = 0, fetched = 0;
  const std::string* file = nullptr;
};

struct PullOptions {
  RetryOptions retry;
  bool check_present = false;
  std::function<void(const PullProgress&)> on_progress;
};

struct Pulled {
  std::string snapshot;           // path of the folder
  int64_t fetched = 0;            // bytes over the network
  std::vector<bool> was_present;  // for each file of the plan
};

base::Result<Pulled> run_pull(HttpClient& client, const PullPlan& plan, const PullOptions& options);

}  // namespace ocelli::hub
