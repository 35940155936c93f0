#include "media/shared_memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

namespace ocelli::media {

using base::Result;
using base::Status;

namespace {

base::Error no_shared_memory(int error) {
  return base::fail(base::Code::kDoesNotFit, std::string("no memory to share with the decoder (") +
                                                 std::strerror(error) +
                                                 "); scale the file down first");
}

}  // namespace

Result<UniqueFd> shared_memory(size_t bytes, int extra_seals, std::span<const std::byte> content) {
  UniqueFd fd(memfd_create("ocelli-media", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd) return no_shared_memory(errno);
  if (ftruncate(fd.get(), off_t(bytes)) != 0) return no_shared_memory(errno);
  for (size_t at = 0; at < content.size();) {
    const ssize_t n = pwrite(fd.get(), content.data() + at, content.size() - at, off_t(at));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return no_shared_memory(errno);
    at += size_t(n);
  }
  if (fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | extra_seals | F_SEAL_SEAL) != 0) {
    return no_shared_memory(errno);
  }
  return fd;
}

Status read_shared_memory(const UniqueFd& from, std::span<uint8_t> pixels) {
  for (size_t at = 0; at < pixels.size();) {
    const ssize_t n = pread(from.get(), pixels.data() + at, pixels.size() - at, off_t(at));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return no_shared_memory(errno);
    at += size_t(n);
  }
  return {};
}

}  // namespace ocelli::media
