// Adapters of a loaded engine: opened, attached, exchanged.
#include <algorithm>

#include "engine/engine.h"

namespace ocelli::engine {

using base::Code;
using base::Result;
using base::Status;

namespace {

Status check_list(std::span<const AdapterUse> adapters) {
  if (adapters.size() > kMaxAdapters) {
    return base::fail(Code::kDoesNotFit, "too many adapters at the same time (" +
                                             std::to_string(adapters.size()) + ", limit " +
                                             std::to_string(kMaxAdapters) +
                                             "); merge some into the model with ocelli merge");
  }
  for (size_t i = 0; i < adapters.size(); ++i) {
    for (size_t k = 0; k < i; ++k) {
      if (adapters[i].folder != adapters[k].folder) continue;
      return base::fail(Code::kUsage, "the adapter is given twice; give it once, with a weight",
                        adapters[i].folder);
    }
  }
  return {};
}

}  // namespace

Result<models::Adapter*> Engine::open_adapter(const AdapterUse& use) {
  const auto found = std::find_if(opened_.begin(), opened_.end(),
                                  [&](const auto& a) { return a.second == use.folder; });
  if (found != opened_.end()) {
    std::rotate(opened_.begin(), found, found + 1);  // the one used last comes first
    return opened_.front().first.get();
  }
  OCELLI_ASSIGN(auto adapter, models::Adapter::open(use.folder, loaded_, pool_,
                                                    {.force = use.force, .trainable = false}));
  opened_.emplace(opened_.begin(), std::move(adapter), use.folder);
  return opened_.front().first.get();
}

Status Engine::attach(std::span<const AdapterUse> adapters) {
  for (const auto& [adapter, folder] : opened_) adapter->detach();
  base::Sha256 hash;
  bool pictures = false;
  for (const AdapterUse& use : adapters) {
    OCELLI_ASSIGN(models::Adapter* const adapter, open_adapter(use));
    OCELLI_TRY(adapter->attach(use.weight).in(use.folder));
    if (const auto identity = adapter->picture_identity()) {
      pictures = true;
      hash.update(identity->bytes);
      hash.update(std::as_bytes(std::span(&use.weight, 1)));
    }
  }
  pictures_identity_.reset();
  if (pictures) pictures_identity_ = hash.finish();
  return {};
}

Status Engine::set_adapters(std::span<const AdapterUse> adapters) {
  OCELLI_TRY(check_list(adapters));
  const std::lock_guard lock(turn_);
  for (const AdapterUse& use : adapters) OCELLI_TRY(open_adapter(use));
  if (const Status attached = attach(adapters); !attached.ok()) {
    const Status before = attach(adapters_);
    OCELLI_CHECK(before.ok(), "adapters that were attached can be attached again");
    return attached;
  }
  adapters_.assign(adapters.begin(), adapters.end());
  ++adapters_version_;
  while (opened_.size() > kMaxAdapters && !opened_.back().first->attached()) opened_.pop_back();
  return {};
}

}  // namespace ocelli::engine
