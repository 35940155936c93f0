#include "base/folders.h"

#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <vector>

#include "base/file.h"

namespace ocelli::base {
namespace {

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

Result<std::string> home() {
  if (const std::string home = environment("HOME"); home.starts_with('/')) return home;
  // Services may run without HOME.
  std::vector<char> buffer(16 << 10);
  passwd entry, *found = nullptr;
  getpwuid_r(getuid(), &entry, buffer.data(), buffer.size(), &found);
  if (found && found->pw_dir && found->pw_dir[0] == '/') return std::string(found->pw_dir);
  return fail(Code::kUsage, "no home folder is known; set HOME or OCELLI_HOME");
}

// The value of an OCELLI_ variable, empty where it is not set.
Result<std::string> our_folder(const char* name) {
  std::string path = environment(name);
  if (!path.empty() && path[0] != '/') {
    return fail(Code::kUsage,
                "must be an absolute path (\"" + printable(path) + "\"); begin it with /", name);
  }
  return path;
}

Result<std::string> folder(const char* ours, const char* below_home, const char* xdg,
                           const char* fallback) {
  OCELLI_ASSIGN(const std::string own, our_folder(ours));
  if (!own.empty()) return own;
  OCELLI_ASSIGN(const std::string all, our_folder("OCELLI_HOME"));
  if (!all.empty()) return join_path(all, below_home);
  if (const std::string base = environment(xdg); base.starts_with('/')) {
    return join_path(base, "ocelli");
  }
  OCELLI_ASSIGN(const std::string user, home());
  return join_path(join_path(user, fallback), "ocelli");
}

}  // namespace

Result<std::string> config_dir() {
  return folder("OCELLI_CONFIG", "config", "XDG_CONFIG_HOME", ".config");
}

Result<std::string> cache_dir() {
  return folder("OCELLI_CACHE", "cache", "XDG_CACHE_HOME", ".cache");
}

Result<std::string> data_dir() {
  return folder("OCELLI_DATA", "data", "XDG_DATA_HOME", ".local/share");
}

Status make_folders(const std::string& path) {
  if (path.empty()) return fail(Code::kBadInput, "the folder name is empty; give a folder");
  for (size_t end = path.find('/', 1);; end = path.find('/', end + 1)) {
    const std::string part = path.substr(0, end);
    if (mkdir(part.c_str(), 0700) != 0) {
      const int number = errno;
      struct stat about;
      // Also where it may not be created, because of EACCES or EROFS, it may be there already.
      const bool there = stat(part.c_str(), &about) == 0;
      if (there && !S_ISDIR(about.st_mode)) {
        return fail(Code::kBadInput, "is a file, not a folder; remove it or choose another", part);
      }
      if (!there) return errno_error(number, "create the folder", part);
    }
    if (end == path.npos) return {};
  }
}

std::string join_path(std::string_view folder, std::string_view name) {
  if (folder.empty() || name.starts_with('/')) return std::string(name);
  std::string path(folder);
  if (!path.ends_with('/') && !name.empty()) path += '/';
  return path.append(name);
}

}  // namespace ocelli::base
