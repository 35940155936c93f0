#include "text/detokenizer.h"

#include <algorithm>
#include <utility>

#include "base/utf8.h"
#include "text/tokenizer_impl.h"

namespace ocelli::text {

Detokenizer::Detokenizer(const Tokenizer& tokenizer, bool skip_special, std::vector<int32_t> keep)
    : tokenizer_(&tokenizer),
      skip_special_(skip_special),
      keep_(std::move(keep)),
      joiner_(tokenizer.impl_->decoder) {}

std::string Detokenizer::push(int32_t id) {
  std::string out;
  push(id, out);
  return out;
}

std::string Detokenizer::finish() {
  std::string out;
  finish(out);
  return out;
}

void Detokenizer::push(int32_t id, std::string& out) {
  const Tokenizer::Impl& impl = *tokenizer_->impl_;
  const auto kept = [&] { return std::find(keep_.begin(), keep_.end(), id) != keep_.end(); };
  if (skip_special_ && tokenizer_->is_special(id) && !kept()) return;
  if (!impl.vocabulary.has(id)) return;
  const std::string_view bytes = tokenizer_->bytes_of(id);
  if (impl.decoder.byte_level()) {
    pending_ += bytes;
    const size_t certain = pending_.size() - base::incomplete_utf8_tail(pending_);
    out += base::replace_invalid_utf8(std::string_view(pending_).substr(0, certain));
    pending_.erase(0, certain);
  } else if (impl.is_byte[static_cast<size_t>(id)]) {
    joiner_.push_byte(bytes.front());
  } else if (joiner_.at_start() && impl.decoder.first_differs()) {
    const auto first = impl.decoder.text_of(tokenizer_->token(id), true);
    joiner_.push_text(first.ok() ? std::string_view(*first) : bytes, out);
  } else {
    joiner_.push_text(bytes, out);
  }
}

void Detokenizer::finish(std::string& out) {
  out += base::replace_invalid_utf8(std::exchange(pending_, {}));
  joiner_.finish(out);
}

}  // namespace ocelli::text
