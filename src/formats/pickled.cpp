#include "formats/pickled.h"

#include <algorithm>
#include <iterator>

namespace ocelli::formats {

bool is_pickle_name(std::string_view path) {
  constexpr std::string_view kEndings[] = {".bin", ".pt", ".pth", ".ckpt", ".pkl"};
  return std::any_of(std::begin(kEndings), std::end(kEndings),
                     [&](std::string_view ending) { return path.ends_with(ending); });
}

base::Error pickled(const std::string& place, std::string_view file) {
  return {base::Code::kBadInput,
          "the weights are pickled" + (file.empty() ? "" : " (" + base::printable(file, 60) + ")") +
              ", and reading those can run hidden code; convert them to safetensors where they "
              "come from, with save_pretrained(folder, safe_serialization=True)",
          place};
}

}  // namespace ocelli::formats
