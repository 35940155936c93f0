// Takes away from this process everything that decoding a picture does not need.
#pragma once

#include <cstddef>

#include "base/result.h"

namespace ocelli::media {

// Beyond what the process has mapped when confine() is called. At kMaxPixels: the pixels shared
// with the parent and, for turned pictures, those as stored (192 MiB each), the file, and what a
// codec takes (kMaxCodecBytes; libwebp two RGBA canvases of 256 MiB for animations). Peak measured
// on such files: 932 MB.
inline constexpr size_t kMaxDecoderMemory = size_t{1152} << 20;
// For videos: frames and codecs (1 GiB) beside the largest file (512 MiB, shared with the parent).
inline constexpr size_t kMaxVideoDecoderMemory = size_t{1536} << 20;
// For the whole life of the process; the parent replaces it long before.
inline constexpr int kMaxDecoderCpuSeconds = 600;

// Afterwards, and for good, this process can compute, take and return memory (never executable),
// use the descriptors it has and receive further ones, and exit. It cannot open, create or stat
// files, make sockets, start processes or threads, trace or signal others, leave a core dump, nor
// outlive the thread that started it (SIGKILL then). Anything else fails with EPERM.
//
// Limits the address space to `memory` bytes more, except under sanitizers, which map
// terabytes. Meant for a process that was just started and has one thread.
// Errors (kInternal): the kernel refuses a step; the message names it. Then nothing is promised.
base::Status confine(size_t memory = kMaxDecoderMemory);

}  // namespace ocelli::media
