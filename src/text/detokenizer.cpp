#include "text/detokenizer.h"

#include <utility>

#include "base/utf8.h"

namespace ocelli::text {

std::string Detokenizer::push(int32_t id) {
  if (skip_special_ && tokenizer_->is_special(id)) return {};
  pending_ += tokenizer_->bytes_of(id);
  const size_t tail = base::incomplete_utf8_tail(pending_);
  const size_t certain = pending_.size() - tail;
  std::string out = base::replace_invalid_utf8(std::string_view(pending_).substr(0, certain));
  pending_.erase(0, certain);
  return out;
}

std::string Detokenizer::finish() {
  return base::replace_invalid_utf8(std::exchange(pending_, {}));
}

}  // namespace ocelli::text
