// The folder tree is the architecture: a room includes lower rooms only, platform switches stay
// where they belong, and files stay small.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <string>
#include <vector>

namespace ocelli {
namespace {

namespace fs = std::filesystem;

// docs/architecture.md. Rooms of one level do not include each other.
const std::map<std::string, int> kLevels = {
    {"base", 1},
    {"encoding", 2},
    {"tensor", 3},
    {"formats", 3},
    {"metrics", 3},
    {"ops", 4},
    {"backend/reference", 4},
    {"backend/count", 4},
    {"backend/cpu", 4},
    {"nn", 5},
    {"text", 5},
    {"media", 5},
    {"models", 6},
    {"engine", 7},
    {"train", 8},
    {"quantize", 8},
    {"eval", 8},
    {"hub", 8},
    {"serve", 9},
    {"cli", 10},
};

constexpr int kMostLines = 600;

// A backend builds on the reference, which is its definition.
bool is_exception(const std::string& from, const std::string& to) {
  return from == "backend/cpu" && to == "backend/reference";
}

struct Finding {
  std::string what;
  int line = 0;
};

// "text/bpe.h" -> "text", "backend/cpu/kernels.h" -> "backend/cpu"; "" where the path names no
// room.
std::string room_of(const std::string& path) {
  const std::string folder = fs::path(path).parent_path().generic_string();
  for (std::string at = folder; !at.empty(); at = fs::path(at).parent_path().generic_string()) {
    if (kLevels.contains(at)) return at;
  }
  return "";
}

// Raw strings in tests may hold lines that look like directives; a line is judged by itself, so
// they must not.
std::vector<Finding> check_file(const std::string& path, const std::vector<std::string>& lines) {
  static const std::regex include("^\\s*#\\s*include\\s*\"([^\"]+)\"");
  static const std::regex condition("^\\s*#\\s*(if|ifdef|ifndef|elif)\\b");
  std::vector<Finding> found;
  const std::string room = room_of(path);
  if (room.empty()) found.push_back({"is in no known room", 0});
  if (int(lines.size()) > kMostLines) {
    found.push_back(
        {"has " + std::to_string(lines.size()) + " lines, limit " + std::to_string(kMostLines), 0});
  }
  for (size_t i = 0; i < lines.size() && !room.empty(); ++i) {
    const int number = int(i) + 1;
    std::smatch match;
    if (std::regex_search(lines[i], match, include)) {
      const std::string target = match[1], other = room_of(target);
      if (target.starts_with("ocelli/")) continue;  // the public headers
      if (other.empty()) {
        found.push_back({"\"" + target + "\" is not written as \"room/file.h\"", number});
      } else if (other != room && kLevels.at(other) >= kLevels.at(room) &&
                 !is_exception(room, other)) {
        found.push_back({"level " + std::to_string(kLevels.at(room)) + " includes \"" + target +
                             "\" of level " + std::to_string(kLevels.at(other)),
                         number});
      }
    }
    if (room != "base" && room != "backend/cpu" && std::regex_search(lines[i], condition)) {
      found.push_back({"platform switch outside base/ and backend/cpu/", number});
    }
  }
  return found;
}

std::vector<std::string> lines_of(const fs::path& path) {
  std::ifstream file(path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  return lines;
}

TEST(IncludeGraph, EveryFileKeepsTheRules) {
  const fs::path root = OCELLI_SOURCE_DIR "/src";
  int files = 0;
  for (const auto& entry : fs::recursive_directory_iterator(root)) {
    const std::string extension = entry.path().extension().string();
    if (extension != ".h" && extension != ".cpp") continue;
    ++files;
    const std::string path = fs::relative(entry.path(), root).generic_string();
    for (const Finding& f : check_file(path, lines_of(entry.path()))) {
      ADD_FAILURE() << "src/" << path << ":" << f.line << ": " << f.what;
    }
  }
  EXPECT_GT(files, 50) << "the sources were not found under " << root;
}

// The rules themselves.
size_t findings(const std::string& path, const std::string& line) {
  return check_file(path, {line}).size();
}

TEST(IncludeGraph, RefusesUpwardAndSideways) {
  EXPECT_EQ(findings("ops/add.cpp", "#include \"tensor/tensor.h\""), 0u);
  EXPECT_EQ(findings("ops/add.cpp", "#include \"ops/detail.h\""), 0u);
  EXPECT_EQ(findings("ops/add.cpp", "#include \"backend/reference/loops.h\""), 1u);
  EXPECT_EQ(findings("ops/add.cpp", "#  include \"nn/linear.h\""), 1u);
  EXPECT_EQ(findings("base/file.cpp", "#include \"engine/engine.h\""), 1u);
  EXPECT_EQ(findings("text/bpe.cpp", "#include \"media/image.h\""), 1u);
  EXPECT_EQ(findings("backend/cpu/x.cpp", "#include \"backend/reference/loops.h\""), 0u);
  EXPECT_EQ(findings("backend/reference/x.cpp", "#include \"backend/cpu/kernels.h\""), 1u);
  EXPECT_EQ(findings("backend/count/x.cpp", "#include \"backend/reference/loops.h\""), 1u);
  EXPECT_EQ(findings("ops/add.cpp", "#include \"detail.h\""), 1u);
  EXPECT_EQ(findings("somewhere/x.cpp", ""), 1u);
}

TEST(IncludeGraph, RefusesPlatformSwitches) {
  const std::string word = std::string("#") + "if defined(__AVX2__)";
  EXPECT_EQ(findings("ops/add.cpp", word), 1u);
  EXPECT_EQ(findings("base/asan.h", word), 0u);
  EXPECT_EQ(findings("backend/cpu/kernels.cpp", word), 0u);
}

TEST(IncludeGraph, RefusesLongFiles) {
  EXPECT_EQ(check_file("ops/add.cpp", std::vector<std::string>(600)).size(), 0u);
  EXPECT_EQ(check_file("ops/add.cpp", std::vector<std::string>(601)).size(), 1u);
}

}  // namespace
}  // namespace ocelli
