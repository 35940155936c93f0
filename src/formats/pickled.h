// Weights stored as Python pickles (.bin, .pt, .pth, .ckpt, .pkl): never read, because reading one
// runs what its author wrote into it.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"

namespace ocelli::formats {

bool is_pickle_name(std::string_view path);

// The refusal, for `place`; `file` is named in it where it is not the place itself.
base::Error pickled(const std::string& place, std::string_view file = {});

}  // namespace ocelli::formats
