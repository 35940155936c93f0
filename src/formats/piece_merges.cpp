#include "formats/piece_merges.h"

#include <algorithm>
#include <unordered_map>

#include "base/siphash.h"
#include "base/utf8.h"

namespace ocelli::formats {
namespace {

using base::Code;
using base::fail;
using base::Result;
using base::Status;

__extension__ typedef unsigned __int128 Wide;

constexpr uint64_t kPrime = (uint64_t{1} << 61) - 1;

uint64_t multiply(uint64_t a, uint64_t b) {
  const Wide product = static_cast<Wide>(a) * b;
  const uint64_t sum =
      static_cast<uint64_t>(product & kPrime) + static_cast<uint64_t>(product >> 61);
  return sum >= kPrime ? sum - kPrime : sum;
}

// Pieces by the value of their bytes as a polynomial at a secret point modulo 2^61 - 1. The halves
// of a piece then have their keys in constant time: looking at every cut of every piece costs as
// much as reading the pieces, however long a hostile file makes them.
class PieceTable {
 public:
  PieceTable() : point_(base::process_sip_key().k1 % (kPrime - 256) + 256) {
    powers_[0] = 1;
    for (size_t i = 1; i <= kMaxPieceBytes; ++i) powers_[i] = multiply(powers_[i - 1], point_);
  }

  Status add(std::span<const Piece> pieces) {
    ids_.reserve(pieces.size());
    for (size_t i = 0; i < pieces.size(); ++i) {
      const std::string& text = pieces[i].text;
      const auto name = "piece " + std::to_string(i);
      if (text.empty() || text.size() > kMaxPieceBytes) {
        return fail(Code::kBadInput,
                    "is empty or too long (" + std::to_string(text.size()) + " bytes, limit " +
                        std::to_string(kMaxPieceBytes) + ")",
                    name);
      }
      if (!base::is_valid_utf8(text)) return fail(Code::kBadInput, "is not UTF-8", name);
      uint64_t key = 0;
      for (const char c : text) key = append(key, c);
      const auto [at, is_new] = ids_.emplace(key, static_cast<int32_t>(i));
      if (!is_new) {
        return fail(Code::kBadInput,
                    '"' + base::printable(text, 80) + "\" is piece " + std::to_string(at->second) +
                        " already",
                    name);
      }
    }
    return {};
  }

  uint64_t append(uint64_t key, char c) const {
    const uint64_t sum = multiply(key, point_) + static_cast<uint8_t>(c) + 1;
    return sum >= kPrime ? sum - kPrime : sum;
  }

  // Key of what follows a prefix of key `prefix`, `bytes` long, in a text of key `whole`.
  uint64_t rest(uint64_t whole, uint64_t prefix, size_t bytes) const {
    const uint64_t shifted = multiply(prefix, powers_[bytes]);
    return whole >= shifted ? whole - shifted : whole + kPrime - shifted;
  }

  // The piece of that key, if it is `text`; -1 otherwise.
  int32_t find(uint64_t key, std::string_view text, std::span<const Piece> pieces) const {
    const auto found = ids_.find(key);
    if (found == ids_.end()) return -1;
    return pieces[static_cast<size_t>(found->second)].text == text ? found->second : -1;
  }

 private:
  uint64_t point_;
  uint64_t powers_[kMaxPieceBytes + 1];
  std::unordered_map<uint64_t, int32_t> ids_;
};

// Appends the pairs that spell pieces[id], the shortest left part first.
void split_piece(std::span<const Piece> pieces, const PieceTable& table, size_t id,
                 std::vector<PieceMerge>& out) {
  const std::string_view text = pieces[id].text;
  uint64_t whole = 0;
  size_t chars = 0;
  for (const char c : text) {
    whole = table.append(whole, c);
    chars += (static_cast<uint8_t>(c) & 0xC0) != 0x80;
  }
  uint64_t prefix = 0;
  size_t left_chars = 0;
  for (size_t at = 0; at < text.size(); ++at) {
    if ((static_cast<uint8_t>(text[at]) & 0xC0) != 0x80) {
      if (at > 0) {
        const int32_t left = table.find(prefix, text.substr(0, at), pieces);
        const int32_t right = left < 0 ? -1
                                       : table.find(table.rest(whole, prefix, text.size() - at),
                                                    text.substr(at), pieces);
        if (right >= 0) {
          out.push_back({left, right, static_cast<int32_t>(id), static_cast<uint16_t>(left_chars),
                         static_cast<uint16_t>(chars - left_chars)});
        }
      }
      ++left_chars;
    }
    prefix = table.append(prefix, text[at]);
  }
}

}  // namespace

Result<std::vector<PieceMerge>> piece_merges(std::span<const Piece> pieces, MergeOrder order) {
  PieceTable table;
  OCELLI_TRY(table.add(pieces));
  std::vector<PieceMerge> merges;
  for (size_t id = 0; id < pieces.size(); ++id) {
    const size_t before = merges.size();
    split_piece(pieces, table, id, merges);
    if (merges.size() > kMaxPieceMerges) {
      return fail(Code::kBadInput, "the pieces make too many merges (limit " +
                                       std::to_string(kMaxPieceMerges) + ")");
    }
    if (order == MergeOrder::kByIdLongestFirst)
      std::reverse(merges.begin() + static_cast<ptrdiff_t>(before), merges.end());
  }
  if (order == MergeOrder::kByScore) {
    std::stable_sort(merges.begin(), merges.end(), [&](const PieceMerge& a, const PieceMerge& b) {
      const float x = pieces[static_cast<size_t>(a.id)].score;
      const float y = pieces[static_cast<size_t>(b.id)].score;
      if (x != y) return x > y;
      if (a.left_chars != b.left_chars) return a.left_chars > b.left_chars;
      return a.right_chars > b.right_chars;
    });
  }
  return merges;
}

}  // namespace ocelli::formats
