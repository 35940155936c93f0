// Writes a checkpoint of the true size of a SmolVLM2, SmolLM2 or SmolLM3 model with random weights,
// to measure load time, speed and memory with where the real weights are not at hand.
//
//   random_checkpoint --list
//   random_checkpoint SmolVLM2-256M FOLDER [--dtype bf16|f16|f32] [--seed N] [--layers N]
//
// Matrices are normal with deviation 0.02, norms are 1, biases 0. The numbers repeat from a pool of
// a million, each tensor beginning at another place of it, so that writing runs at the speed of
// the disk. --layers cuts both towers, for quick trials; then the counts are not the original's.
#include <charconv>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <numbers>
#include <numeric>

#include "base/rng.h"
#include "benchmarks/random_models.h"

namespace ocelli::benchmarks {
namespace {

using base::Code;
using base::fail;
using base::Result;
using base::Status;
using encoding::Encoding;
using formats::TensorSpec;

constexpr size_t kPool = 1'048'573;  // numbers; a prime, so that rows do not repeat in step
constexpr float kDeviation = 0.02f;

struct Options {
  ModelSize size{};
  std::string folder;
  Encoding encoding = Encoding::kBF16;
  uint64_t seed = 0;
};

int64_t count(const TensorSpec& t) {
  return std::accumulate(t.shape.begin(), t.shape.end(), int64_t{1}, std::multiplies<>());
}

// `number(i)` for a whole pool, stored in `encoding`.
template <class F>
std::vector<std::byte> make_pool(Encoding encoding, F number) {
  std::vector<float> numbers(kPool);
  for (size_t i = 0; i < kPool; ++i) numbers[i] = number(i);
  std::vector<std::byte> bytes(size_t(encoding::row_bytes(encoding, int64_t(kPool))));
  encoding::encode_row(encoding, numbers.data(), int64_t(kPool), bytes.data());
  return bytes;
}

class Pools {
 public:
  Pools(Encoding encoding, uint64_t seed)
      : width_(size_t(encoding::row_bytes(encoding, 1))),
        normal_(make_pool(encoding,
                          [rng = base::Rng(seed)](size_t i) {
                            // Box-Muller; 1 - u is never 0.
                            const float u = 1 - rng.uniform_at(2 * i),
                                        v = rng.uniform_at(2 * i + 1);
                            return kDeviation * std::sqrt(-2 * std::log(u)) *
                                   std::cos(2 * std::numbers::pi_v<float> * v);
                          })),
        ones_(make_pool(encoding, [](size_t) { return 1.f; })),
        zeros_(make_pool(encoding, [](size_t) { return 0.f; })) {}

  Status write(const TensorSpec& tensor, formats::SafetensorsWriter& out) {
    const bool norm = tensor.name.find("norm") != std::string::npos;
    const bool bias = tensor.name.ends_with(".bias");
    const std::vector<std::byte>& pool = bias ? zeros_ : norm ? ones_ : normal_;
    size_t at = (next_ += 7919) % kPool * width_;
    for (size_t left = size_t(count(tensor)) * width_; left > 0;) {
      const size_t piece = std::min(left, pool.size() - at);
      OCELLI_TRY(out.write(std::span(pool).subspan(at, piece)));
      left -= piece;
      at = 0;
    }
    return {};
  }

 private:
  size_t width_, next_ = 0;
  std::vector<std::byte> normal_, ones_, zeros_;
};

Status write_checkpoint(const Options& options) {
  std::error_code error;
  std::filesystem::create_directories(options.folder, error);
  if (error)
    return fail(Code::kBadInput, "cannot make the folder: " + error.message(), options.folder);
  for (const auto& [name, content] : folder_files(options.size)) {
    OCELLI_TRY(base::write_file_atomically(options.folder + "/" + name, content, 0644));
  }
  const std::vector<TensorSpec> specs = tensors(options.size, options.encoding);
  OCELLI_ASSIGN(auto out,
                formats::SafetensorsWriter::create(options.folder + "/model.safetensors", specs));
  Pools pools(options.encoding, options.seed);
  int shown = -1;
  uint64_t written = 0;
  for (const TensorSpec& tensor : specs) {
    OCELLI_TRY(pools.write(tensor, out));
    written += uint64_t(count(tensor) * encoding::row_bytes(options.encoding, 1));
    const int percent = int(100 * written / out.data_bytes());
    if (percent / 5 != shown / 5 || shown < 0) std::fprintf(stderr, "\r%3d %%", percent);
    shown = percent;
  }
  OCELLI_TRY(out.commit());
  std::fprintf(stderr, "\r%s: %zu tensors, %.2f GB\n", options.folder.c_str(), specs.size(),
               double(out.data_bytes()) * 1e-9);
  return {};
}

void list() {
  for (const ModelSize& size : model_sizes()) {
    const auto specs = tensors(size, Encoding::kBF16);
    int64_t parameters = 0;
    for (const TensorSpec& t : specs) parameters += count(t);
    std::printf("%-14s %4zu tensors %11lld parameters %5.2f GB in bf16\n", size.name, specs.size(),
                static_cast<long long>(parameters), 2e-9 * double(parameters));
  }
}

Result<uint64_t> to_number(std::string_view text, std::string_view option) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    return fail(Code::kUsage, "is not a number (" + std::string(text) + ")", option);
  }
  return value;
}

Result<Options> parse(const std::vector<std::string>& args) {
  if (args.size() < 2 || args.size() % 2 != 0) {
    return fail(Code::kUsage,
                "usage: random_checkpoint --list | MODEL FOLDER [--dtype bf16|f16|f32] "
                "[--seed N] [--layers N]");
  }
  Options options;
  for (const ModelSize& size : model_sizes()) {
    const std::string name = size.name;  // "SmolVLM2-256M", or "256M" for short
    if (name == args[0] || name.ends_with("-" + args[0])) options.size = size;
  }
  if (!options.size.name)
    return fail(Code::kUsage, "no model of this name; --list shows all", args[0]);
  options.folder = args[1];
  for (size_t i = 2; i + 1 < args.size(); i += 2) {
    if (args[i] == "--dtype") {
      const auto encoding = encoding::from_name(args[i + 1]);
      if (!encoding || encoding::block_cols(*encoding) > 1)
        return fail(Code::kUsage, "is bf16, f16 or f32", args[i]);
      options.encoding = *encoding;
    } else if (args[i] == "--seed") {
      OCELLI_ASSIGN(options.seed, to_number(args[i + 1], args[i]));
    } else if (args[i] == "--layers") {
      OCELLI_ASSIGN(const uint64_t layers, to_number(args[i + 1], args[i]));
      options.size.layers = std::min(options.size.layers, int64_t(layers));
      options.size.vision_layers = std::min(options.size.vision_layers, int64_t(layers));
    } else {
      return fail(Code::kUsage, "no such option", args[i]);
    }
  }
  return options;
}

int run(const std::vector<std::string>& args) {
  if (args == std::vector<std::string>{"--list"}) return list(), 0;
  const auto options = parse(args);
  const Status status = options.ok() ? write_checkpoint(*options) : Status(options.error());
  if (status.ok()) return 0;
  std::fprintf(stderr, "%s\n", status.error().message().c_str());
  return int(status.error().code);
}

}  // namespace
}  // namespace ocelli::benchmarks

int main(int argc, char** argv) {
  return ocelli::benchmarks::run(std::vector<std::string>(argv + 1, argv + argc));
}
