#include "media/heif_layout.h"

#include <algorithm>
#include <map>
#include <optional>
#include <vector>

#include "media/codecs.h"

namespace ocelli::media {

using base::Result;

namespace {

struct Box {
  std::string_view type;
  Bytes content;
};

// Boxes one after another; nothing at the end or where one lies outside.
class Boxes {
 public:
  explicit Boxes(Bytes bytes) : left_(bytes) {}

  std::optional<Box> next() {
    if (left_.size() < 8) return std::nullopt;
    uint64_t size = big32(left_, 0), head = 8;
    const std::string_view type = text_of(left_).substr(4, 4);
    if (size == 1) {
      if (left_.size() < 16) return std::nullopt;
      size = uint64_t{big32(left_, 8)} << 32 | big32(left_, 12);
      head = 16;
    } else if (size == 0) {
      size = left_.size();
    }
    if (size < head || size > left_.size()) return std::nullopt;
    const Bytes content = left_.subspan(head, size - head);
    left_ = left_.subspan(size);
    return Box{type, content};
  }

 private:
  Bytes left_;
};

std::optional<Bytes> find(Bytes bytes, std::string_view type) {
  Boxes boxes(bytes);
  while (const auto box = boxes.next())
    if (box->type == type) return box->content;
  return std::nullopt;
}

size_t count(Bytes bytes, std::string_view type) {
  size_t found = 0;
  Boxes boxes(bytes);
  while (const auto box = boxes.next()) found += box->type == type;
  return found;
}

std::optional<uint32_t> primary_item(Bytes pitm) {
  if (pitm.size() < 6) return std::nullopt;
  if (byte_at(pitm, 0) == 0) return big16(pitm, 4);
  return pitm.size() < 8 ? std::nullopt : std::optional<uint32_t>(big32(pitm, 4));
}

// Numbers (from 1) of the properties of an item, in their order.
std::vector<uint32_t> properties_of(Bytes ipma, uint32_t wanted) {
  std::vector<uint32_t> out;
  if (ipma.size() < 8) return out;
  const size_t id_bytes = byte_at(ipma, 0) == 0 ? 2 : 4;
  const size_t index_bytes = (byte_at(ipma, 3) & 1) != 0 ? 2 : 1;
  size_t at = 8;
  for (uint32_t entry = big32(ipma, 4); entry > 0 && ipma.size() - at > id_bytes; --entry) {
    const uint32_t id = id_bytes == 2 ? big16(ipma, at) : big32(ipma, at);
    const size_t count = byte_at(ipma, at + id_bytes);
    at += id_bytes + 1;
    if (ipma.size() - at < count * index_bytes) break;
    for (size_t i = 0; i < count && id == wanted; ++i) {
      out.push_back(index_bytes == 2 ? big16(ipma, at + 2 * i) & 0x7FFF
                                     : byte_at(ipma, at + i) & 0x7F);
    }
    at += count * index_bytes;
  }
  return out;
}

// A clean aperture's side: numerator / denominator, rounded; the full side where it makes no sense.
uint32_t cropped(Bytes clap, size_t at, uint32_t full) {
  const uint64_t numerator = big32(clap, at), denominator = big32(clap, at + 4);
  if (denominator == 0) return full;
  const uint64_t side = (2 * numerator + denominator) / (2 * denominator);
  return side == 0 || side > full ? full : uint32_t(side);
}

// Which pictures a derived one (a grid, say) is made of: the "dimg" references. Nothing where a
// reference's size is not that of its list: libheif reads the list and skips the size.
std::optional<std::map<uint32_t, std::vector<uint32_t>>> parts_of_items(Bytes meta) {
  std::map<uint32_t, std::vector<uint32_t>> out;
  Boxes boxes(meta);
  while (const auto box = boxes.next()) {
    if (box->type != "iref" || box->content.size() < 4) continue;
    const size_t id_bytes = byte_at(box->content, 0) == 0 ? 2 : 4;
    const auto id_at = [&](Bytes c, size_t at) {
      return id_bytes == 2 ? big16(c, at) : big32(c, at);
    };
    Boxes references(box->content.subspan(4));
    size_t read = 4;
    while (const auto reference = references.next()) {
      const Bytes c = reference->content;
      if (c.size() < id_bytes + 2) return std::nullopt;
      const size_t count = big16(c, id_bytes);
      if (c.size() != id_bytes + 2 + count * id_bytes) return std::nullopt;
      read += 8 + c.size();
      if (reference->type != "dimg") continue;
      std::vector<uint32_t>& parts = out[id_at(c, 0)];
      for (size_t i = 0; i < count; ++i) parts.push_back(id_at(c, (i + 1) * id_bytes + 2));
    }
    if (read != box->content.size()) return std::nullopt;
  }
  return out;
}

// How many pictures would be decoded, each as often as others are made of it; nothing where
// references are broken or one is made of itself, which libheif would follow until its stack ends.
// At most `most` + 1.
std::optional<uint64_t> pictures_to_decode(Bytes meta, uint64_t most) {
  const auto known = parts_of_items(meta);
  if (!known) return std::nullopt;
  const auto& parts = *known;
  std::map<uint32_t, size_t> users;  // of each item that is waiting for them
  for (const auto& [item, of] : parts) {
    users.try_emplace(item, 0);
    for (const uint32_t part : of) ++users[part];
  }
  std::vector<uint32_t> ready;
  std::map<uint32_t, uint64_t> times;
  for (const auto& [item, count] : users)
    if (count == 0) ready.push_back(item), times[item] = 1;
  uint64_t sum = 0;
  size_t done = 0;
  for (; done < ready.size(); ++done) {
    const uint32_t item = ready[done];
    sum = std::min(sum + times[item], most + 1);
    const auto of = parts.find(item);
    if (of == parts.end()) continue;
    for (const uint32_t part : of->second) {
      times[part] = std::min(times[part] + times[item], most + 1);
      if (--users[part] == 0) ready.push_back(part);
    }
  }
  return done == users.size() ? std::optional(sum) : std::nullopt;
}

void apply(const Box& property, HeifLayout& out) {
  const Bytes c = property.content;
  if (property.type == "ispe" && c.size() >= 12) {
    out.width = big32(c, 4);
    out.height = big32(c, 8);
  } else if (property.type == "clap" && c.size() >= 32) {
    out.width = cropped(c, 0, out.width);
    out.height = cropped(c, 8, out.height);
  } else if (property.type == "irot" && !c.empty() && (byte_at(c, 0) & 1) != 0) {
    std::swap(out.width, out.height);
  }
}

}  // namespace

Format heif_format(Bytes bytes) {
  Boxes boxes(bytes);
  const auto first = boxes.next();
  if (!first || first->type != "ftyp" || first->content.size() < 8) return Format::kUnknown;
  const std::string_view brands = text_of(first->content);
  Format format = Format::kUnknown;
  for (size_t at = 0; at + 4 <= brands.size(); at += at == 0 ? 8 : 4) {  // major, version, others
    const std::string_view brand = brands.substr(at, 4);
    if (brand == "avif" || brand == "avis") return Format::kAvif;
    const bool heic = brand == "heic" || brand == "heix" || brand == "heim" || brand == "heis" ||
                      brand == "hevc" || brand == "hevx";
    if (heic || (at == 0 && (brand == "mif1" || brand == "msf1"))) format = Format::kHeic;
    if (at == 0 && format == Format::kUnknown) return format;  // a video, perhaps with a still
  }
  return format;
}

Result<HeifLayout> read_heif_layout(Format format, Bytes bytes) {
  const auto broken = [&](std::string_view why) { return broken_file(format, why); };
  const auto meta = find(bytes, "meta");
  if (!meta || meta->size() < 4) return broken("it ends before the picture or has none");
  // libheif would take the last one.
  if (count(bytes, "meta") > 1) return broken("it describes its pictures twice");
  const Bytes inside = meta->subspan(4);  // behind version and flags
  const auto pitm = find(inside, "pitm");
  const auto item = pitm ? primary_item(*pitm) : std::nullopt;
  if (!item) return broken("it names no primary picture");
  const auto iprp = find(inside, "iprp");
  const auto ipco = iprp ? find(*iprp, "ipco") : std::nullopt;
  if (!ipco) return broken("it has no properties");
  std::vector<Box> properties;
  Boxes all(*ipco);
  while (const auto box = all.next()) properties.push_back(*box);
  HeifLayout out;
  Boxes parts(*iprp);
  while (const auto part = parts.next()) {
    if (part->type != "ipma") continue;
    for (const uint32_t number : properties_of(part->content, *item))
      if (number >= 1 && number <= properties.size()) apply(properties[number - 1], out);
  }
  if (out.width == 0 || out.height == 0) return broken("its primary picture has no size");
  const auto pictures = pictures_to_decode(inside, kMaxHeifParts);
  if (!pictures) return broken("a picture in it is made of itself, or its references are broken");
  if (*pictures > kMaxHeifParts) {
    return broken("it is made of more than " + std::to_string(kMaxHeifParts) + " pictures");
  }
  out.animated = find(bytes, "moov").has_value();
  return out;
}

}  // namespace ocelli::media
