// Starting this program again as a decoder. Internal to this room.
#pragma once

#include <sys/types.h>

#include <string>

#include "base/result.h"

namespace ocelli::media {

// Starts `program` with this one argument. The child gets `socket` as kDecoderSocket, /dev/null as
// 0 to 2, hardly any environment, and its own process group, so that the terminal's Ctrl-C is the
// parent's business. Gives 0 and the id, or an errno.
int spawn_decoder(const std::string& program, const char* argument, int socket, pid_t& pid);

// "cannot start the decoder (WHAT: the errno's text); ...", kInternal.
base::Error cannot_start(const char* what, int error);

}  // namespace ocelli::media
