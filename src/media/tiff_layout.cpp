#include "media/tiff_layout.h"

#include <algorithm>
#include <array>
#include <string>

#include "media/codecs.h"

namespace ocelli::media {

using base::Code;
using base::fail;
using base::Result;
using base::Status;

namespace {

enum Tag : uint32_t {
  kWidth = 256,
  kHeight = 257,
  kBits = 258,
  kCompression = 259,
  kColours = 262,
  kStripOffsets = 273,
  kOrientation = 274,
  kSamples = 277,
  kRowsPerStrip = 278,
  kPlanes = 284,
  kColourMap = 320,
  kTileWidth = 322,
  kTileHeight = 323,
  kTileOffsets = 324,
  kExtraSamples = 338,
  kSampleFormat = 339,
  kXmp = 700,
};

base::Error unsupported(const char* what, uint64_t value) {
  return fail(Code::kBadInput, std::string("unsupported: TIFF with ") + what + " (" +
                                   std::to_string(value) + "); save it as PNG");
}

base::Error too_short() {
  return broken_file(Format::kTiff, "its directory lies outside");
}

struct Entry {
  uint32_t type = 0;
  Bytes data = {};  // `count` values
};

// The first directory. Entries whose values lie outside the file count as missing.
class Directory {
 public:
  Directory(Bytes file, bool big_endian, bool wide) : file_(file), big_(big_endian), wide_(wide) {}

  Status read() {
    const size_t word = wide_ ? 8 : 4, count_bytes = wide_ ? 8 : 2;
    if (file_.size() < 2 * word) return too_short();
    const uint64_t at = number(file_, word, word);
    if (at > file_.size() || file_.size() - at < count_bytes) return too_short();
    entries_ = number(file_, size_t(at), count_bytes);
    first_ = size_t(at) + count_bytes;
    if (entries_ > (file_.size() - first_) / entry_bytes()) return too_short();
    const size_t next = first_ + size_t(entries_) * entry_bytes();
    has_next = file_.size() - next >= word && number(file_, next, word) != 0;
    return {};
  }

  std::optional<Entry> find(Tag tag) const {
    constexpr std::array<uint8_t, 19> kSizes = {0, 1, 1, 2, 4, 8, 1, 1, 2, 4,
                                                8, 4, 8, 4, 0, 0, 8, 8, 8};
    const size_t word = wide_ ? 8 : 4;
    for (uint64_t i = 0; i < entries_; ++i) {
      const size_t at = first_ + size_t(i) * entry_bytes();
      if (number(file_, at, 2) != tag) continue;
      Entry entry{uint32_t(number(file_, at + 2, 2))};
      const uint64_t count = number(file_, at + 4, word);
      const uint64_t size = entry.type < kSizes.size() ? kSizes[entry.type] : 0;
      if (size == 0 || count > file_.size() / size) return std::nullopt;
      const size_t value = at + 4 + word;
      const uint64_t from = count * size <= word ? value : number(file_, value, word);
      if (from > file_.size() || file_.size() - from < count * size) return std::nullopt;
      entry.data = file_.subspan(size_t(from), size_t(count * size));
      return entry;
    }
    return std::nullopt;
  }

  // Unsigned values of an entry, at most `most` of them; none where they are of another type.
  std::vector<uint64_t> values(Tag tag, size_t most) const {
    const auto entry = find(tag);
    const size_t size = !entry                                   ? 0
                        : entry->type == 1                       ? 1
                        : entry->type == 3                       ? 2
                        : entry->type == 4 || entry->type == 13  ? 4
                        : entry->type == 16 || entry->type == 18 ? 8
                                                                 : 0;
    std::vector<uint64_t> out;
    if (size == 0) return out;
    for (size_t at = 0; at < entry->data.size() && out.size() < most; at += size)
      out.push_back(number(entry->data, at, size));
    return out;
  }

  uint32_t value(Tag tag, uint32_t otherwise) const {
    const auto all = values(tag, 1);
    return all.empty() ? otherwise : uint32_t(std::min<uint64_t>(all[0], UINT32_MAX));
  }

  bool has_next = false;

 private:
  size_t entry_bytes() const { return wide_ ? 20 : 12; }
  uint64_t number(Bytes from, size_t at, size_t bytes) const {
    uint64_t out = 0;
    for (size_t i = 0; i < bytes; ++i)
      out = out << 8 | byte_at(from, big_ ? at + i : at + bytes - 1 - i);
    return out;
  }

  const Bytes file_;
  const bool big_, wide_;
  uint64_t entries_ = 0;
  size_t first_ = 0;
};

// How many colour samples a pixel has before extra ones; 0 for kinds that are not read.
uint32_t colour_samples(uint32_t colours) {
  switch (colours) {
    case 0:
    case 1:
    case 3:
      return 1;
    case 2:
    case 6:
      return 3;
    case 5:
      return 4;
    default:
      return 0;
  }
}

Status read_samples(const Directory& in, TiffLayout& out) {
  constexpr size_t kMostSamples = 6;  // as in Pillow
  out.samples = in.value(kSamples, 1);
  if (out.samples == 0 || out.samples > kMostSamples)
    return unsupported("this many samples per pixel", out.samples);
  const std::vector<uint64_t> bits = in.values(kBits, kMostSamples);
  for (const uint64_t b : bits)
    if (b != bits[0]) return unsupported("samples of several depths", b);
  if (bits.size() > 1 && bits.size() < out.samples)
    return broken_file(Format::kTiff, "fewer depths than samples");
  out.bits = bits.empty() ? 1 : uint32_t(std::min<uint64_t>(bits[0], UINT32_MAX));
  const uint32_t numbers = in.value(kSampleFormat, 1);
  if (numbers < 1 || numbers > 3) return unsupported("this sample format", numbers);
  out.numbers = TiffNumbers(numbers);
  const uint32_t colours = in.value(kColours, 0);
  uint32_t wanted = colour_samples(colours);
  if (wanted == 0) return unsupported("this photometric interpretation", colours);
  out.colours = TiffColours(colours);
  if (out.colours == TiffColours::kYcc && out.samples == 1) {  // luma alone
    out.colours = TiffColours::kBlackIsZero;
    wanted = 1;
  }
  if (out.samples < wanted) return broken_file(Format::kTiff, "too few samples for its colours");
  const std::vector<uint64_t> extra = in.values(kExtraSamples, kMostSamples);
  if (out.samples > wanted && !extra.empty()) {
    constexpr uint64_t kCorelAlpha = 999;
    if (extra[0] > 2 && extra[0] != kCorelAlpha) return unsupported("extra samples", extra[0]);
    out.extra = extra[0] == kCorelAlpha ? TiffExtra::kAlpha : TiffExtra(extra[0]);
  } else if (out.samples > wanted) {
    if (colours != 2 || out.samples != 4)
      return broken_file(Format::kTiff, "unknown extra samples");
    out.extra = TiffExtra::kAlpha;  // as Pillow and everybody takes a missing statement
  }
  return {};
}

// The kinds that Pillow 13 opens (its table of modes), less the rarest.
Status check_kind(const TiffLayout& t) {
  const bool one = t.colours == TiffColours::kWhiteIsZero ||
                   t.colours == TiffColours::kBlackIsZero || t.colours == TiffColours::kPalette;
  const bool plain = t.numbers == TiffNumbers::kUnsigned;
  bool known = false;
  if (t.bits == 8) {
    known = plain || (t.numbers == TiffNumbers::kSigned && t.samples == 1 &&
                      t.colours == TiffColours::kBlackIsZero);
  } else if (t.bits == 16 && !one) {
    known = plain;
  } else if (t.samples == 1 && (t.bits == 1 || t.bits == 2 || t.bits == 4)) {
    known = plain;
  } else if (t.samples == 1 && t.colours != TiffColours::kPalette) {
    known =
        t.bits == 16 ? t.numbers != TiffNumbers::kFloat : (t.bits == 12 && plain) || t.bits == 32;
  }
  if (!known) return unsupported("samples of this many bits in this form", t.bits);
  // Grey and palette pictures know one extra sample; Pillow cannot convert premultiplied grey.
  if (one && (t.samples > 2 || t.extra == TiffExtra::kPremultiplied))
    return unsupported("extra samples", uint64_t(t.extra));
  if (t.colours == TiffColours::kYcc &&
      (t.compression != 7 || t.separate_planes || t.samples != 3 || t.bits != 8))
    return unsupported("YCbCr colours and this compression", t.compression);
  if (t.separate_planes && t.samples > 1 && t.bits != 8)
    return unsupported("separate planes of this many bits", t.bits);
  return {};
}

Status read_blocks(const Directory& in, TiffLayout& out) {
  out.tiled = !in.find(kStripOffsets) && in.find(kTileOffsets);
  if (!out.tiled && !in.find(kStripOffsets))
    return broken_file(Format::kTiff, "neither strips nor tiles");
  out.block_width = out.tiled ? in.value(kTileWidth, 0) : out.width;
  out.block_height = out.tiled ? in.value(kTileHeight, 0)
                               : std::min(in.value(kRowsPerStrip, UINT32_MAX), out.height);
  return {};
}

}  // namespace

Result<TiffLayout> read_tiff_layout(Bytes b) {
  if (b.size() < 8) return broken_file(Format::kTiff, "it ends too early");
  TiffLayout out;
  out.big_endian = text_of(b)[0] == 'M';
  const bool wide = text_of(b).substr(2, 2).find('+') != std::string_view::npos;
  Directory in(b, out.big_endian, wide);
  OCELLI_TRY(in.read());
  out.width = in.value(kWidth, 0);
  out.height = in.value(kHeight, 0);
  out.animated = in.has_next;
  out.compression = in.value(kCompression, 1);
  // None, CCITT 2-4, LZW, JPEG, Deflate (both numbers), PackBits.
  constexpr uint32_t kKnown[] = {1, 2, 3, 4, 5, 7, 8, 32773, 32946};
  if (std::find(std::begin(kKnown), std::end(kKnown), out.compression) == std::end(kKnown))
    return unsupported("this compression", out.compression);
  out.separate_planes = in.value(kPlanes, 1) == 2;
  OCELLI_TRY(read_samples(in, out));
  OCELLI_TRY(check_kind(out));
  OCELLI_TRY(read_blocks(in, out));
  if (out.colours == TiffColours::kPalette) {
    const size_t most = size_t{3} << out.bits;
    for (const uint64_t value : in.values(kColourMap, most))
      out.palette.push_back(uint8_t(value >> 8));
    if (out.palette.size() != most) return broken_file(Format::kTiff, "its palette is cut short");
  }
  const auto orientation = in.values(kOrientation, 2);
  if (orientation.size() == 1) out.orientation = int64_t(orientation[0]);
  if (const auto xmp = in.find(kXmp)) out.xmp = xmp->data;
  return out;
}

Status check_tiff_blocks(const TiffLayout& t, const DecodeLimits& limits) {
  if (t.block_width == 0 || t.block_height == 0)
    return broken_file(Format::kTiff, "its tiles or strips have no pixels");
  const uint64_t across = (uint64_t{t.width} + t.block_width - 1) / t.block_width;
  const uint64_t down = (uint64_t{t.height} + t.block_height - 1) / t.block_height;
  const uint64_t side = uint64_t(limits.max_side);
  constexpr uint64_t kSmallTile = 256 * 256;  // a little padding is nothing
  const uint64_t most = 2 * uint64_t(limits.max_pixels) + kSmallTile;
  if (t.block_width > side || t.block_height > side ||
      across * t.block_width * down * t.block_height > most) {
    return fail(Code::kBadInput, "the picture's tiles have too many pixels (" +
                                     std::to_string(t.block_width) + " x " +
                                     std::to_string(t.block_height) + ", limit " +
                                     std::to_string(most) + " in all); save it as PNG");
  }
  const uint64_t bytes = (uint64_t{t.block_width} * t.bits * t.samples + 7) / 8 * t.block_height;
  if (bytes > limits.max_codec_bytes) {
    return fail(Code::kBadInput, "the TIFF file needs too much memory to decode (" +
                                     std::to_string(bytes) + " bytes, limit " +
                                     std::to_string(limits.max_codec_bytes) +
                                     "); scale it down first");
  }
  return {};
}

}  // namespace ocelli::media
