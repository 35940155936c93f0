// Fixtures of whole models and their comparison with what transformers computed. The fixtures are
// described in tools/reference/README.md.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/session.h"

namespace ocelli::parity {

// design.md 5.2: logits within 1e-4 of the reference, relative to their spread.
inline constexpr double kTolerance = 1e-4;

std::string folder(const std::string& model);

struct Fixture {
  std::string name;
  base::Json json;
  formats::SafetensorsFile tensors;

  explicit Fixture(const std::string& model, const std::string& files = "expected");
  // All numbers of a tensor as float32.
  std::vector<float> numbers(const std::string& tensor) const;
};

// Sets OCELLI_ISA while it lives.
class ForcedIsa {
 public:
  explicit ForcedIsa(std::string_view name);
  ~ForcedIsa();
  ForcedIsa(const ForcedIsa&) = delete;
  ForcedIsa& operator=(const ForcedIsa&) = delete;
};

std::unique_ptr<engine::Engine> load(const std::string& model, bool split, int64_t chunk = 512,
                                     int threads = 2);
std::vector<int32_t> unpack_ids(const base::Json& pairs);  // [[id, count], ...]
std::vector<int64_t> ints(const base::Json& list);
engine::Prompt make_prompt(engine::Engine& engine, const base::Json& wanted);
// Logits after the whole prompt, computed through a cache in chunks.
std::vector<float> last_logits(engine::Engine& engine, const engine::Prompt& prompt, int64_t chunk);

// The largest difference of rows `which` of `all` to the rows of `wanted`, in units of `spread`.
double worst_row(std::span<const float> all, std::span<const int64_t> which,
                 std::span<const float> wanted, size_t width, double spread);

// Each compares with a case of expected.json and prints the difference.
void compare_features(engine::Engine& engine, const Fixture& f, const base::Json& wanted,
                      const engine::Prompt& prompt);
void compare_logits(engine::Engine& engine, const Fixture& f, const base::Json& wanted,
                    const engine::Prompt& prompt);
void compare_greedy(engine::Engine& engine, const base::Json& wanted, const engine::Prompt& prompt);

}  // namespace ocelli::parity
