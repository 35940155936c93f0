#include "engine/builtin.h"

namespace ocelli::engine {

std::span<const formats::EmbeddedFile>
embedded_tiny();  // made from assets/ocelli-tiny by the build

base::Result<formats::ModelFolder> builtin_model() {
  return formats::ModelFolder::embedded(kBuiltinName, embedded_tiny());
}

}  // namespace ocelli::engine
