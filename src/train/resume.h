// What a run that goes on from a checkpoint may do otherwise than it began, and what not.
#pragma once

#include <functional>
#include <string>

#include "train/options.h"

namespace ocelli::train {

// Whether an option leaves every number of the steps to come as it would have been: where logs and
// checkpoints go, when they are written, when the run ends. (The end moves the schedule of the
// learning rate, which is what whoever moves it asks for.)
bool may_change(std::string_view option);

// `saved` and `now` are recipes as a session writes them (TrainSession::recipe). Options and what
// the recipe says of the engine must agree but for may_change(): kTraining lists all that do not,
// with both values. `note` hears of those that changed and may. An option that an earlier version
// did not know had its default.
base::Status check_resumed(const base::Json& saved, const base::Json& now,
                           const std::function<void(const std::string&)>& note);

}  // namespace ocelli::train
