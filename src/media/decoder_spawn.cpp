#include "media/decoder_spawn.h"

#include <fcntl.h>
#include <spawn.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <vector>

#include "media/decoder_wire.h"

namespace ocelli::media {
namespace {

struct SpawnActions {
  posix_spawn_file_actions_t files;
  posix_spawnattr_t attributes;
  SpawnActions() {
    posix_spawn_file_actions_init(&files);
    posix_spawnattr_init(&attributes);
  }
  ~SpawnActions() {
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attributes);
  }
};

// Only what a dynamic linker or a sanitizer may need: keys and tokens stay here.
std::vector<char*> child_environment() {
  std::vector<char*> kept;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    for (const char* name :
         {"LD_LIBRARY_PATH=", "ASAN_OPTIONS=", "UBSAN_OPTIONS=", "TSAN_OPTIONS="}) {
      if (std::strncmp(*entry, name, std::strlen(name)) == 0) kept.push_back(*entry);
    }
  }
  kept.push_back(nullptr);
  return kept;
}

}  // namespace

int spawn_decoder(const std::string& program, const char* argument, int socket, pid_t& pid) {
  SpawnActions actions;
  for (const int fd : {0, 1, 2}) {
    posix_spawn_file_actions_addopen(&actions.files, fd, "/dev/null", fd == 0 ? O_RDONLY : O_WRONLY,
                                     0);
  }
  posix_spawn_file_actions_adddup2(&actions.files, socket, kDecoderSocket);
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&actions.attributes, &none);
  posix_spawnattr_setsigdefault(&actions.attributes, &all);
  posix_spawnattr_setpgroup(&actions.attributes, 0);
  posix_spawnattr_setflags(&actions.attributes,
                           POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  std::string name = "ocelli-decoder", kind = argument;
  char* arguments[] = {name.data(), kind.data(), nullptr};
  const std::vector<char*> environment = child_environment();
  return posix_spawn(&pid, program.c_str(), &actions.files, &actions.attributes, arguments,
                     environment.data());
}

base::Error cannot_start(const char* what, int error) {
  return base::fail(base::Code::kInternal, std::string("cannot start the decoder (") + what + ": " +
                                               std::strerror(error) +
                                               "); free memory or processes and try again");
}

}  // namespace ocelli::media
