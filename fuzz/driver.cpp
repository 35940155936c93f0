// Runs a fuzz target without a fuzzer: every file of the folders given, and changes of each that
// are the same in every run.
//
//   json_fuzz FOLDER_OR_FILE... [--changes N]     N changes in all, 4000 unless told
//
// Exit status 0, or the target crashes. With OCELLI_FUZZ libFuzzer takes the place of this file.
#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/rng.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

namespace fs = std::filesystem;
using ocelli::base::Rng;

constexpr size_t kMostBytes = 1 << 20;  // of one input

// A copy on the heap of exactly its size, so that a sanitizer sees the first byte read past it.
void run(const std::string& input) {
  const std::vector<uint8_t> exact(input.begin(), input.end());
  LLVMFuzzerTestOneInput(exact.data(), exact.size());
}

size_t below(Rng& rng, size_t limit) {
  return limit == 0 ? 0 : size_t(rng.next_u64() % limit);
}

// One small damage: of the kinds that find most mistakes in readers of formats.
void damage(std::string& text, const std::vector<std::string>& seeds, Rng& rng) {
  static constexpr uint64_t kNumbers[] = {0,          1,          0x7F,
                                          0x80,       0xFF,       0x7FFF,
                                          0xFFFF,     0x7FFFFFFF, 0x80000000,
                                          0xFFFFFFFF, INT64_MAX,  uint64_t{1} << 63,
                                          UINT64_MAX, 1000000,    uint64_t{1} << 32};
  const size_t at = below(rng, text.size());
  const size_t length = 1 + below(rng, std::min<size_t>(32, text.size() - at));
  switch (below(rng, 8)) {
    case 0:
      text.resize(at);
      break;
    case 1:
      text.erase(at, length);
      break;
    case 2:
      text.insert(at, text.substr(at, length));
      break;
    case 3:
      text.insert(at, 1, char(rng.next_u32()));
      break;
    case 4: {
      const std::string& other = seeds[below(rng, seeds.size())];
      const size_t from = below(rng, other.size());
      text.replace(at, length, other, from, 1 + below(rng, 64));
      break;
    }
    case 5: {  // a number that lies, little-endian
      const uint64_t number = kNumbers[below(rng, std::size(kNumbers))];
      const size_t width = size_t{1} << below(rng, 4);
      if (at + width <= text.size()) std::memcpy(text.data() + at, &number, width);
      break;
    }
    case 6:
      if (!text.empty()) text[at] = char(text[at] ^ (1 << below(rng, 8)));
      break;
    default:
      if (!text.empty()) text[at] = char(rng.next_u32());
  }
  if (text.size() > kMostBytes) text.resize(kMostBytes);
}

int usage(const char* program) {
  std::fprintf(stderr, "usage: %s FOLDER_OR_FILE... [--changes N]\n", program);
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<fs::path> paths;
  uint64_t changes = 4000;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--changes") == 0) {
      const char* number = ++i < argc ? argv[i] : "";
      const char* end = number + std::strlen(number);
      const auto read = std::from_chars(number, end, changes);
      if (read.ec != std::errc() || read.ptr != end) return usage(argv[0]);
    } else if (std::error_code error; fs::is_directory(argv[i], error)) {
      for (const auto& entry : fs::directory_iterator(argv[i])) paths.push_back(entry.path());
    } else {
      paths.emplace_back(argv[i]);
    }
  }
  std::sort(paths.begin(), paths.end());  // a folder's own order differs between machines
  std::vector<std::string> seeds;
  for (const fs::path& path : paths) {
    auto text = ocelli::base::read_file(path.string(), kMostBytes);
    if (!text.ok()) {
      std::fprintf(stderr, "error: %s\n", text.error().message().c_str());
      return 3;
    }
    seeds.push_back(std::move(*text));
  }
  if (seeds.empty()) return usage(argv[0]);
  for (const std::string& seed : seeds) run(seed);
  run("");
  for (uint64_t i = 0; i < changes; ++i) {
    Rng rng(i);
    std::string text = seeds[i % seeds.size()];
    for (size_t count = 1 + below(rng, 4); count > 0; --count) damage(text, seeds, rng);
    run(text);
  }
  std::printf("%zu files and %llu changes of them: no crash\n", seeds.size(),
              static_cast<unsigned long long>(changes));
  return 0;
}
