// The confined decoder's side: what the started process runs.
#pragma once

#include <optional>

namespace ocelli::media {

// Call first in main(): if this process was started as a decoder, serves pictures or videos until
// its parent goes away and gives main's return value; otherwise nothing. Also tells DecoderProcess
// that this program may be started again as a decoder.
//
//   if (const auto status = media::run_as_decoder(argc, argv)) return *status;
std::optional<int> run_as_decoder(int argc, char** argv);

// Whether run_as_decoder was called in this process.
bool can_run_as_decoder();

// The one argument of a process that is to be a decoder, of pictures or of videos.
// By DecoderKind.
inline constexpr const char* kDecoderArguments[] = {"--ocelli-decoder", "--ocelli-heif-decoder",
                                                    "--ocelli-video-decoder"};

}  // namespace ocelli::media
