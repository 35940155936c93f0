// What can go wrong with things from outside: files, prompts, images, options.
//
// A broken promise between our own functions is not an Error; it is a CHECK (check.h).
#pragma once

#include <string>
#include <string_view>
#include <utility>

namespace ocelli::base {

// Each kind maps to one documented exit status of the program (docs/exit-codes.md).
enum class Code {
  kUsage = 2,        // a wrong option, name or configuration
  kBadInput = 3,     // a file, picture, prompt or template that is broken or not supported
  kDoesNotFit = 4,   // memory, disk, context length or a limit that the user set
  kNetwork = 5,      // a host that does not answer or answers wrongly
  kTraining = 6,     // a training state that cannot be continued
  kInterrupted = 7,  // the user or the system asked us to stop
  kInternal = 10,    // our own mistake
};

// One sentence for a person. `where` is the file, tensor, row or option the sentence is about.
// The printed form is `WHERE: WHAT (VALUE, limit LIMIT); NEXT STEP`, all but WHERE in `what`.
struct Error {
  Code code = Code::kInternal;
  std::string what;
  std::string where;

  // The same error seen from further out: `where` is put before the place known so far.
  Error in(std::string_view outer) &&;

  // "WHERE: WHAT", control characters and broken UTF-8 escaped.
  std::string message() const;
};

// Escapes control characters and bytes that are not UTF-8 as \xNN, so that hostile names print
// harmlessly, and cuts the text after `limit` bytes.
std::string printable(std::string_view text, size_t limit = 200);

}  // namespace ocelli::base
