#include "harness.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstdio>
#include <fstream>
#include <map>

#include "../cli/process.h"
#include "base/slower.h"
#include "base/utf8.h"

namespace ocelli::hostile {

Folder::Folder(fs::path path, const std::string& fixture) : path_(std::move(path)) {
  fs::create_directory(path_);
  if (fixture.empty()) return;
  for (const auto& entry : fs::directory_iterator(test::fixture(fixture))) {
    if (entry.path().filename().string().starts_with("expected.")) continue;
    fs::create_symlink(entry.path(), path_ / entry.path().filename());
  }
}

std::string Folder::read(const std::string& name) const {
  return test::read_all(file(name));
}

void Folder::remove(const std::string& name) const {
  fs::remove_all(path_ / name);
}

void Folder::write(const std::string& name, std::string_view bytes) const {
  remove(name);
  std::ofstream out(path_ / name, std::ios::binary);
  out.write(bytes.data(), std::streamsize(bytes.size()));
  ASSERT_TRUE(out.flush().good()) << name;
}

void Folder::write_many(const std::string& name, std::string_view begin, std::string_view bytes,
                        size_t count, std::string_view end) const {
  remove(name);
  std::ofstream out(path_ / name, std::ios::binary);
  out << begin;
  constexpr size_t kBlock = size_t{1} << 20;
  const size_t together = bytes.empty() ? 1 : std::clamp<size_t>(kBlock / bytes.size(), 1, count);
  std::string block;
  for (size_t i = 0; i < together; ++i) block += bytes;
  for (; count >= together; count -= together) out << block;
  for (; count > 0; --count) out << bytes;
  out << end;
  ASSERT_TRUE(out.flush().good()) << name;
}

void Folder::write_hole(const std::string& name, std::string_view begin, uint64_t size) const {
  write(name, begin);
  ASSERT_EQ(truncate(file(name).c_str(), off_t(size)), 0) << name;
}

Json at_path(const Json& json, std::string_view path, const Json* value) {
  const std::string_view key = path.substr(0, path.find('.'));
  const std::string_view rest = key.size() == path.size() ? "" : path.substr(key.size() + 1);
  const auto below = [&](const Json& old) {
    return rest.empty() ? *value : at_path(old, rest, value);
  };
  if (json.is_array()) {
    Json out = Json::array();
    size_t wanted = 0;
    std::from_chars(key.data(), key.data() + key.size(), wanted);
    EXPECT_LT(wanted, json.size()) << path;
    for (size_t i = 0; i < json.size(); ++i) {
      if (i != wanted)
        out.push_back(json.items()[i]);
      else if (value || !rest.empty())
        out.push_back(below(json.items()[i]));
    }
    return out;
  }
  Json out = Json::object();
  bool found = false;
  if (json.is_object()) {
    for (const auto& [name, old] : json.members()) {
      if (name != key) {
        out.set(name, old);
        continue;
      }
      found = true;
      if (value || !rest.empty()) out.set(name, below(old));
    }
  }
  EXPECT_TRUE(found || value) << path;
  if (!found && value) out.set(std::string(key), below(Json()));
  return out;
}

void Folder::set(const std::string& name, std::string_view path, const Json& value) const {
  write(name, at_path(*Json::parse(read(name)), path, &value).dump());
}

void Folder::erase(const std::string& name, std::string_view path) const {
  write(name, at_path(*Json::parse(read(name)), path, nullptr).dump());
}

void Folder::replace(const std::string& name, std::string_view from, std::string_view to) const {
  std::string text = read(name);
  const size_t at = text.find(from);
  ASSERT_NE(at, text.npos) << name << " holds no " << from;
  write(name, text.replace(at, from.size(), to));
}

namespace {

// "a", "b", ..., "z", "aa"
std::string letter(size_t index) {
  std::string out(1, char('a' + index % 26));
  return index < 26 ? out : letter(index / 26 - 1) + out;
}

// A sanitizer takes its own time and memory.
const bool kSanitized = *OCELLI_SANITIZE != 0;
// The limits are seconds of the CPU, so that other programs do not count. By the clock a case may
// take this many times more, then it waits for something.
constexpr double kWaiting = 5;
constexpr size_t kMinimum = 300;  // malformed files; fewer means that a part of the table is gone

struct Tally {
  std::map<char, int> refused, worked;
  int unclean = 0;
  double seconds = 0, slowest = 0;
  int64_t largest = 0;
  std::string slowest_case, largest_case;
};
Tally tally;

struct Entry {
  uintmax_t size = 0;
  int64_t time = 0;
  bool operator==(const Entry&) const = default;
};

// Every file below, by its path, with size and time of change; links as they are.
std::map<std::string, Entry> listing(const fs::path& root) {
  std::map<std::string, Entry> out;
  for (const auto& e : fs::recursive_directory_iterator(root)) {
    Entry entry;
    if (fs::is_regular_file(e.symlink_status()))
      entry = {e.file_size(), int64_t(e.last_write_time().time_since_epoch().count())};
    out[e.path().string()] = entry;
  }
  return out;
}

// The line `error: WHERE: WHAT; NEXT STEP`.
void expect_clean_refusal(const Case& c, const test::Finished& f) {
  EXPECT_EQ(f.status, c.status);
  EXPECT_EQ(f.out, "");
  EXPECT_EQ(std::count(f.err.begin(), f.err.end(), '\n'), 1);
  EXPECT_TRUE(f.err.starts_with("error: ") && f.err.ends_with('\n'));
  EXPECT_TRUE(base::is_valid_utf8(f.err));
  EXPECT_TRUE(std::none_of(f.err.begin(), f.err.end(),
                           [](unsigned char x) { return (x < 0x20 && x != '\n') || x == 0x7f; }));
  EXPECT_LE(f.err.size(), 2000u);
  EXPECT_NE(f.err.find(": ", 7), f.err.npos) << "it does not say where";
  EXPECT_NE(f.err.find("; "), f.err.npos) << "it does not say what to do";
  EXPECT_THAT(f.err, testing::ContainsRegex(c.says));
}

class Hostile : public testing::Test {
 public:
  explicit Hostile(const Case& c) : case_(c) {}

  void TestBody() override {
    const test::TemporaryFolder temporary;
    const fs::path home = temporary.path() / "home";
    fs::create_directory(home);
    const Folder folder(temporary.path() / "bad", case_.fixture);
    make(folder);
    if (HasFailure()) return;
    const auto before = listing(temporary.path());
    test::Finished f;
    f = test::run(case_.words, {.environment = {{"HOME", home.string()},
                                                {"OCELLI_HOME", (home / "ocelli").string()}},
                                .folder = folder.path().string(),
                                .deadline_seconds = kWaiting * case_.seconds * base::kSlower});
    const std::string shown = base::printable(f.err, 600);
    SCOPED_TRACE("status " + std::to_string(f.status) + ": " + shown);
    if (case_.status != 0) {
      expect_clean_refusal(case_, f);
    } else {
      EXPECT_EQ(f.status, 0);
      EXPECT_THAT(f.out + f.err, testing::ContainsRegex(case_.says));
    }
    EXPECT_EQ(listing(temporary.path()), before) << "something was written";
    EXPECT_LE(f.cpu_seconds, case_.seconds * base::kSlower);
    if (!kSanitized) {
      EXPECT_LE(f.peak_bytes, case_.megabytes << 20);
    }
    count(f);
  }

 private:
  // In a process of its own: what this one takes for large files would count as the program's,
  // which is started from it.
  void make(const Folder& folder) const {
    const pid_t child = fork();
    if (child == 0) {
      case_.make(folder);
      std::fflush(stdout);
      _exit(HasFailure() ? 1 : 0);
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_EQ(status, 0) << "the case could not be made";
  }

  void count(const test::Finished& f) const {
    tally.seconds += f.seconds;
    if (f.cpu_seconds > tally.slowest) tally.slowest = f.cpu_seconds, tally.slowest_case = case_.id;
    if (f.peak_bytes > tally.largest) tally.largest = f.peak_bytes, tally.largest_case = case_.id;
    if (HasFailure())
      ++tally.unclean;
    else
      ++(case_.status != 0 ? tally.refused : tally.worked)[case_.id[0]];
  }

  const Case& case_;
};

// Keeps the summary for the end.
class Summary : public testing::Environment {
 public:
  void TearDown() override {
    int refused = 0, worked = 0;
    std::string groups;
    for (const auto& [group, count] : tally.refused) {
      refused += count;
      groups += std::string(groups.empty() ? "" : ", ") + group + " " + std::to_string(count);
    }
    for (const auto& [group, count] : tally.worked) worked += count;
    std::printf("%d malformed files: %d refused cleanly (%s), %d not; %d odd ones worked.\n",
                refused + tally.unclean, refused, groups.c_str(), tally.unclean, worked);
    std::printf("%.1f s in all; slowest %s with %.2f s of the CPU, largest %s with %lld MiB\n",
                tally.seconds, tally.slowest_case.c_str(), tally.slowest,
                tally.largest_case.c_str(), static_cast<long long>(tally.largest >> 20));
  }
};

std::vector<Case> all_cases() {
  std::vector<Case> out;
  for (const auto& group : {safetensors_cases, config_cases, tokenizer_cases, template_cases,
                            image_cases, gguf_cases, video_cases}) {
    for (Case& c : group()) out.push_back(std::move(c));
  }
  return out;
}

std::string test_name(const Case& c) {
  std::string name = c.id + "_";
  for (const char x : c.what) name += std::isalnum(static_cast<unsigned char>(x)) ? x : '_';
  return name;
}

}  // namespace

Case& Table::add(std::string what, std::function<void(const Folder&)> make, std::string says) {
  Case c;
  c.id = row_ + letter(next_++);
  c.what = std::move(what);
  c.make = std::move(make);
  c.says = std::move(says);
  cases.push_back(std::move(c));
  return cases.back();
}

}  // namespace ocelli::hostile

int main(int argc, char** argv) {
  using namespace ocelli::hostile;
  testing::InitGoogleTest(&argc, argv);
  const std::vector<Case> cases = all_cases();
  std::map<std::string, int> names;
  size_t malformed = 0;
  for (const Case& c : cases) {
    malformed += c.status != 0;
    const std::string name = test_name(c);
    if (++names[name] > 1 || (c.status != 0 && c.says.empty())) {
      std::fprintf(stderr, "the case %s is there twice or expects nothing\n", name.c_str());
      return 1;
    }
    testing::RegisterTest("Hostile", name.c_str(), nullptr, nullptr, __FILE__, __LINE__,
                          [&c]() -> testing::Test* { return new Hostile(c); });
  }
  if (malformed < kMinimum) {
    std::fprintf(stderr, "only %zu malformed files (at least %zu)\n", malformed, kMinimum);
    return 1;
  }
  testing::AddGlobalTestEnvironment(new Summary);
  return RUN_ALL_TESTS();
}
