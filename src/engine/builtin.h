// The model that ships with the program.
#pragma once

#include "formats/model_folder.h"

namespace ocelli::engine {

inline constexpr char kBuiltinName[] = "ocelli-tiny";

// The files of assets/ocelli-tiny, which are part of the program: no file is opened.
base::Result<formats::ModelFolder> builtin_model();

}  // namespace ocelli::engine
