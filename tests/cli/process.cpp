#include "process.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cctype>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <thread>

namespace ocelli::test {

using base::Json;

TemporaryFolder::TemporaryFolder() {
  std::string pattern = (fs::temp_directory_path() / "ocelli-test-XXXXXX").string();
  path_ = mkdtemp(pattern.data()) ? pattern : "";
  EXPECT_FALSE(path_.empty());
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  if (!path_.empty()) fs::remove_all(path_, ignored);
}

Json Finished::json() const {
  auto json = Json::parse(out);
  EXPECT_TRUE(json.ok()) << out << err;
  return json.ok() ? *json : Json();
}

std::vector<Json> Finished::lines() const {
  return parse_lines(out);
}

std::vector<Json> parse_lines(const std::string& text) {
  std::vector<Json> out;
  EXPECT_TRUE(text.empty() || text.ends_with('\n')) << text;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) {
    auto json = Json::parse(line);
    EXPECT_TRUE(json.ok()) << line;
    if (json.ok()) out.push_back(*json);
  }
  return out;
}

std::string read_all(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::string fixture(const std::string& name) {
  return std::string(OCELLI_FIXTURES "/") + name;
}

bool eventually(const std::function<bool()>& condition, double seconds) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return true;
}

Command::Command(std::vector<std::string> words, const std::string& home,
                 const std::string& ocelli_home, const std::map<std::string, std::string>& more)
    : words_(std::move(words)) {
  const char* path = std::getenv("PATH");
  std::map<std::string, std::string> variables{
      {"PATH", path ? path : ""}, {"HOME", home}, {"OCELLI_HOME", ocelli_home}};
  for (const char* kept : {"ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS", "OCELLI_ISA"}) {
    if (const char* value = std::getenv(kept)) variables[kept] = value;
  }
  for (const auto& [name, value] : more) variables[name] = value;
  for (const auto& [name, value] : variables) environment_.push_back(name + "=" + value);
  for (std::string& word : words_) argv_.push_back(word.data());
  for (std::string& entry : environment_) envp_.push_back(entry.data());
  argv_.push_back(nullptr);
  envp_.push_back(nullptr);
}

std::vector<std::string> program_words(std::vector<std::string> wrapper,
                                       const std::vector<std::string>& arguments) {
  wrapper.push_back(OCELLI_PROGRAM);
  wrapper.insert(wrapper.end(), arguments.begin(), arguments.end());
  return wrapper;
}

Process::Process(std::vector<std::string> arguments, RunOptions options)
    : options_(std::move(options)) {
  const Command command(program_words(options_.wrapper, arguments), folder_.file("home"),
                        folder_.file("home/ocelli"), options_.environment);

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  const std::string out = options_.out.empty() ? folder_.file("out") : options_.out;
  posix_spawn_file_actions_addopen(
      &actions, 0, options_.in.empty() ? "/dev/null" : options_.in.c_str(), O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 1, out.c_str(), O_WRONLY | O_CREAT, 0600);
  posix_spawn_file_actions_addopen(&actions, 2, folder_.file("err").c_str(), O_WRONLY | O_CREAT,
                                   0600);
  posix_spawn_file_actions_addchdir_np(
      &actions, options_.folder.empty() ? folder_.path().c_str() : options_.folder.c_str());
  start_ = std::chrono::steady_clock::now();
  const int failed =
      posix_spawnp(&pid_, command.argv()[0], &actions, nullptr, command.argv(), command.envp());
  posix_spawn_file_actions_destroy(&actions);
  EXPECT_EQ(failed, 0) << command.argv()[0];
  ended_ = failed != 0;
}

Process::~Process() {
  if (!running()) return;
  signal(SIGKILL);
  waitpid(pid_, &wait_status_, 0);
}

bool Process::running() {
  if (!ended_ && wait4(pid_, &wait_status_, WNOHANG, &usage_) == pid_) {
    end_ = std::chrono::steady_clock::now();
    ended_ = true;
  }
  return !ended_;
}

void Process::signal(int number) const {
  if (!ended_) kill(pid_, number);
}

std::vector<pid_t> Process::children() const {
  std::vector<pid_t> out;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator("/proc", ignored)) {
    if (!std::isdigit(static_cast<unsigned char>(entry.path().filename().string()[0]))) continue;
    const std::string stat = read_all((entry.path() / "stat").string());
    const size_t name_end = stat.rfind(')');
    if (name_end == std::string::npos) continue;
    char state = 0;
    int parent = 0;
    std::istringstream(stat.substr(name_end + 1)) >> state >> parent;
    if (parent == pid_) out.push_back(pid_t(std::stoi(entry.path().filename().string())));
  }
  return out;
}

std::string Process::out_so_far() const {
  return read_all(folder_.file("out"));
}

Finished Process::wait() {
  if (!eventually([&] { return !running(); }, options_.deadline_seconds)) {
    ADD_FAILURE() << "the program did not end within " << options_.deadline_seconds << " s";
    signal(SIGKILL);
    wait4(pid_, &wait_status_, 0, &usage_);
    end_ = std::chrono::steady_clock::now();
    ended_ = true;
  }
  Finished out;
  const auto seconds = [](const timeval& t) { return double(t.tv_sec) + 1e-6 * double(t.tv_usec); };
  out.seconds = std::chrono::duration<double>(end_ - start_).count();
  out.cpu_seconds = seconds(usage_.ru_utime) + seconds(usage_.ru_stime);
  out.peak_bytes = int64_t{usage_.ru_maxrss} << 10;
  out.status = WIFSIGNALED(wait_status_) ? -WTERMSIG(wait_status_) : WEXITSTATUS(wait_status_);
  out.out = out_so_far();
  out.err = read_all(folder_.file("err"));
  return out;
}

Finished run(std::vector<std::string> arguments, RunOptions options) {
  return Process(std::move(arguments), std::move(options)).wait();
}

}  // namespace ocelli::test
