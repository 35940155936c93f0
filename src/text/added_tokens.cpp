#include "text/added_tokens.h"

#include <algorithm>
#include <unordered_set>

#include "text/normalizer.h"
#include "text/utf8_reader.h"

namespace ocelli::text {
namespace {

using base::Code;
using base::fail;

// Where the white space at the end of text[from, end) starts.
size_t strip_left(std::string_view text, size_t from, size_t end) {
  const CharClasses& classes = CharClasses::get();
  while (end > from) {
    const size_t before = previous_char(text, end);
    if (before < from || !(classes.of(read_char(text, before).code_point) & kStrip)) break;
    end = before;
  }
  return end;
}

size_t strip_right(std::string_view text, size_t at) {
  const CharClasses& classes = CharClasses::get();
  while (at < text.size()) {
    const Char c = read_char(text, at);
    if (!(classes.of(c.code_point) & kStrip)) break;
    at += c.bytes;
  }
  return at;
}

bool stands_alone(std::string_view text, size_t begin, size_t end) {
  const auto is_word = [&](size_t at) {
    return (CharClasses::get().of(read_char(text, at).code_point) & kWord) != 0;
  };
  return !(begin > 0 && is_word(previous_char(text, begin))) &&
         !(end < text.size() && is_word(end));
}

}  // namespace

base::Result<AddedTokens> AddedTokens::make(std::vector<AddedToken> tokens,
                                            const Normalizer& normalizer) {
  if (tokens.size() > kMaxAddedTokens) {
    return fail(Code::kBadInput, "too many added tokens (" + std::to_string(tokens.size()) +
                                     ", limit " + std::to_string(kMaxAddedTokens) + ")");
  }
  AddedTokens added;
  added.tokens_ = std::move(tokens);
  size_t bytes = 0;
  for (const bool normalized : {false, true}) {
    Group& group = normalized ? added.normalized_ : added.raw_;
    std::vector<std::string> strings;
    std::vector<int32_t> values;
    std::unordered_set<std::string> seen;
    for (size_t i = 0; i < added.tokens_.size(); ++i) {
      const AddedToken& token = added.tokens_[i];
      if (token.normalized != normalized) continue;
      OCELLI_ASSIGN(std::string string,
                    normalized ? normalizer.apply(token.content) : token.content);
      bytes += string.size();
      if (bytes > kMaxAddedBytes) {
        return fail(Code::kBadInput, "the added tokens together are too long (limit " +
                                         std::to_string(kMaxAddedBytes) + " bytes)");
      }
      if (string.empty() || !seen.insert(string).second) {
        return fail(Code::kBadInput, "the added token \"" + base::printable(token.content, 80) +
                                         "\" is empty or the same as another one");
      }
      strings.push_back(std::move(string));
      values.push_back(static_cast<int32_t>(i));
    }
    group.matcher = TokenMatcher({strings.begin(), strings.end()}, values);
    group.lengths.resize(added.tokens_.size());
    for (size_t i = 0; i < values.size(); ++i)
      group.lengths[static_cast<size_t>(values[i])] = static_cast<uint32_t>(strings[i].size());
  }
  return added;
}

// The order of the tests is that of Hugging Face tokenizers: a match that is refused still ends the
// search for others that overlap it, and white space goes to the token that asks for it first.
void AddedTokens::split(std::string_view text, bool normalized, bool parse_special,
                        std::span<const size_t> literal_at, std::vector<TextPiece>& out) const {
  const Group& group = normalized ? normalized_ : raw_;
  std::vector<TokenMatcher::Hit> hits;
  group.matcher.find_backwards(text, hits);
  size_t done = 0, searched = 0;
  size_t run_begin = 1, run_end = 0;  // the white space last stripped, so that it is read once
  for (size_t i = hits.size(); i-- > 0;) {
    if (hits[i].begin < searched) continue;
    const size_t index = static_cast<size_t>(hits[i].value);
    const AddedToken& token = tokens_[index];
    size_t begin = hits[i].begin, end = begin + group.lengths[index];
    searched = end;
    if (token.special && !parse_special) continue;
    if (std::binary_search(literal_at.begin(), literal_at.end(), begin)) continue;
    if (token.single_word && !stands_alone(text, begin, end)) continue;
    if (token.lstrip) begin = std::max(strip_left(text, std::min(done, begin), begin), done);
    if (token.rstrip) {
      if (end < run_begin || end > run_end) run_begin = end, run_end = strip_right(text, end);
      end = run_end;
    }
    if (done < begin) out.push_back({text.substr(done, begin - done)});
    out.push_back({text.substr(begin, end - begin), token.id});
    done = end;
  }
  if (done < text.size()) out.push_back({text.substr(done)});
}

}  // namespace ocelli::text
