// Rows I01 to I09, I12: pictures. Each is given to the built-in model; --show-prompt decodes and
// cuts it without asking the model anything.
#include <gtest/gtest.h>

#include "bytes.h"
#include "harness.h"

namespace ocelli::hostile {
namespace {

class Pictures : public Table {
 public:
  Case& picture(std::string what, const std::string& name, std::function<std::string()> make,
                const std::string& says) {
    Case& c = add(
        std::move(what), [=](const Folder& f) { f.write(name, make()); },
        "^error: .*" + name + ".*" + says);
    c.words = {"run", "-q", "--image", name, "-p", "x", "--show-prompt"};
    c.fixture = "";
    return c;
  }
  Case& picture(std::string what, const std::string& name, std::string bytes,
                const std::string& says) {
    return picture(
        std::move(what), name, [bytes = std::move(bytes)] { return bytes; }, says);
  }
  // One that must be taken.
  void fine(std::string what, const std::string& name, std::function<std::string()> make) {
    Case& c = picture(std::move(what), name, std::move(make), "");
    c.status = 0;
    c.says = "<image>";
  }
};

std::string fixture(const std::string& name) {
  return read_fixture("media/" + name);
}

std::string cut(std::string bytes, size_t length) {
  return bytes.substr(0, length);
}

// JPEG: the value of the frame header's field at this offset behind the marker.
std::string jpeg_frame(std::string bytes, size_t field, std::string_view value) {
  for (size_t i = 2; i + 4 < bytes.size();) {
    const auto marker = static_cast<unsigned char>(bytes[i + 1]);
    if (marker >= 0xC0 && marker <= 0xC2) return bytes.replace(i + 2 + field, value.size(), value);
    i += 2 + size_t(static_cast<unsigned char>(bytes[i + 2])) * 256 +
         static_cast<unsigned char>(bytes[i + 3]);
  }
  ADD_FAILURE() << "no frame header";
  return bytes;
}

std::string gif(const std::string& width, const std::string& height, const std::string& rest) {
  return "GIF89a" + width + height + std::string("\xf0\0\0", 3) + std::string(6, '\x7f') + rest;
}
std::string gif_frame(const std::string& width, const std::string& height) {
  return "," + std::string(4, '\0') + width + height + std::string("\0\x02\x02\x4c\x01\0;", 7);
}

std::string bmp(int32_t width, int32_t height, int bits, uint32_t compression = 0,
                uint32_t colours = 0) {
  return "BM" + le32(54) + le32(0) + le32(54) + le32(40) + le32(uint32_t(width)) +
         le32(uint32_t(height)) + le16(1) + le16(uint16_t(bits)) + le32(compression) + le32(0) +
         le32(0) + le32(0) + le32(colours) + le32(0);
}

std::string tiff_entry(uint16_t tag, uint16_t type, uint32_t count, uint32_t value) {
  return le16(tag) + le16(type) + le32(count) + le32(value);
}
// A grey picture of this size whose one strip lies at `strip`.
std::string tiff(uint32_t width, uint32_t height, uint32_t strip, uint32_t bytes,
                 uint32_t compression = 1, uint32_t next = 0) {
  const std::string entries =
      tiff_entry(256, 4, 1, width) + tiff_entry(257, 4, 1, height) + tiff_entry(258, 3, 1, 8) +
      tiff_entry(259, 3, 1, compression) + tiff_entry(262, 3, 1, 1) + tiff_entry(273, 4, 1, strip) +
      tiff_entry(277, 3, 1, 1) + tiff_entry(278, 4, 1, height) + tiff_entry(279, 4, 1, bytes);
  return std::string("II*\0", 4) + le32(8) + le16(9) + entries + le32(next) + std::string(64, 'x');
}

void odd_sizes(Pictures& t) {
  t.row("I01");
  for (const auto& [w, h] : {std::pair(1u, 1u), {1u, 2u}, {2u, 1u}, {3u, 1u}, {1u, 3u}})
    t.fine("a picture of " + std::to_string(w) + " x " + std::to_string(h), "a.png",
           [=] { return png(w, h); });
  t.row("I02");
  for (const auto& [w, h] : {std::pair(20'000u, 1u), {1u, 20'000u}, {32'768u, 1u}, {1u, 32'768u}})
    t.fine("a picture of " + std::to_string(w) + " x " + std::to_string(h), "a.png",
           [=] { return png(w, h); });
  t.picture(
      "one of 32769 x 1", "a.png", [] { return png(32'769, 1); }, "(side|pixels|wide|large)");

  t.row("I03");
  for (const auto& [w, h] : {std::pair(0u, 0u),
                             {0u, 5u},
                             {5u, 0u},
                             {65'535u, 65'535u},
                             {0x7fffffffu, 1u},
                             {0x7fffffffu, 0x7fffffffu},
                             {0x80000000u, 1u},
                             {0xffffffffu, 0xffffffffu}}) {
    Case& c = t.picture("a PNG header of " + std::to_string(w) + " x " + std::to_string(h), "a.png",
                        png_header(w, h), "PNG");
    c.megabytes = 60;
    c.says = "^error: .*a\\.png";
  }
  const std::string jpeg = fixture("420.jpg");
  for (const char* size : {"\0\0\0\x05", "\0\x05\0\0", "\0\0\0\0"})
    t.picture("a JPEG header of no " + std::to_string(size[1]) + " " + std::to_string(size[3]),
              "a.jpg", jpeg_frame(jpeg, 3, std::string_view(size, 4)), "");
  t.picture("a GIF of 0 x 0", "a.gif", gif(le16(0), le16(0), ";"), "");
  t.picture("a GIF frame of 0 x 0", "a.gif", gif(le16(1), le16(1), gif_frame(le16(0), le16(0))),
            "");
  t.picture("a BMP of 0 x 0", "a.bmp", bmp(0, 0, 24), "");
  t.picture("a BMP of 1 x 0", "a.bmp", bmp(1, 0, 24), "");
  t.picture("a BMP of -1 x 1", "a.bmp", bmp(-1, 1, 24) + "abcd", "");
  t.picture("a TIFF of 0 x 0", "a.tiff", tiff(0, 0, 122, 0), "");

  t.row("I04");
  const size_t first = t.cases.size();
  const std::string big = "(pixels|large|wide|side)";
  t.picture(
      "a PNG of 400 million pixels that is there", "a.png", [] { return png(20'000, 20'000); },
      big);
  t.picture("a PNG of 1600 million pixels", "a.png", png_header(40'000, 40'000), big);
  t.picture("a JPEG of 65500 x 65500", "a.jpg", jpeg_frame(jpeg, 3, "\xff\xdc\xff\xdc"), big);
  t.picture("a GIF of 65535 x 65535", "a.gif",
            gif("\xff\xff", "\xff\xff", gif_frame("\xff\xff", "\xff\xff")), big);
  t.picture("a WebP of 16384 x 16384", "a.webp",
            "RIFF" + le32(22) + "WEBPVP8X" + le32(10) + le32(0) + "\xff\x3f" +
                std::string(1, '\0') + "\xff\x3f" + std::string(1, '\0'),
            "");
  t.picture(
      "a lossless WebP of 16384 x 16384", "a.webp",
      "RIFF" + le32(30) + "WEBPVP8L" + le32(17) + "\x2f\xff\xff\xff\x0f" + std::string(13, '\0'),
      "");
  for (const int32_t side : {INT32_MAX, INT32_MIN, 46'341, 1 << 20})
    t.picture("a BMP of side " + std::to_string(side), "a.bmp", bmp(side, side, 24), "");
  t.picture("a TIFF of 4294967295 x 4294967295", "a.tiff", tiff(UINT32_MAX, UINT32_MAX, 122, 64),
            "");
  t.picture("a TIFF of 30000 x 30000", "a.tiff", tiff(30'000, 30'000, 122, 64), "");
  for (size_t i = first; i < t.cases.size(); ++i) t.cases[i].megabytes = 60, t.cases[i].seconds = 1;
  t.add(
       "a file of 21 MiB",
       [](const Folder& f) { f.write_hole("a.png", png_header(8, 8), 21u << 20); },
       "^error: .*a\\.png.*too large.*limit")
      .words = {"run", "-q", "--image", "a.png", "-p", "x", "--show-prompt"};
  t.add(
       "a file of 1 TiB",
       [](const Folder& f) { f.write_hole("a.png", png_header(8, 8), uint64_t{1} << 40); },
       "^error: .*a\\.png.*too large.*limit")
      .words = {"run", "-q", "--image", "a.png", "-p", "x", "--show-prompt"};
}

void truncated(Pictures& t) {
  t.row("I05");
  for (const char* name :
       {"420.jpg", "progressive.jpg", "rgb8.png", "palette8.png", "lossy.webp", "lossless.webp",
        "plain.gif", "palette8.bmp", "rgb_raw.tiff", "lzw_predictor.tiff"}) {
    const std::string ending = std::string(name).substr(std::string(name).find('.') + 1);
    for (const int part : {1, 10, 50, 90}) {
      t.picture(
          std::string(name) + " cut at " + std::to_string(part) + " percent", "a." + ending,
          [=] {
            const std::string whole = fixture(name);
            EXPECT_FALSE(whole.empty()) << name;
            return cut(whole, std::max<size_t>(whole.size() * size_t(part) / 100, 1));
          },
          "");
    }
  }
}

void jpegs(Pictures& t) {
  t.row("I06");
  t.picture(
       "a JPEG of 10000 scans", "a.jpg",
       [] {
         std::string bytes = fixture("progressive_grey.jpg");
         const size_t last = bytes.rfind("\xff\xda");
         const std::string scan = bytes.substr(last, bytes.size() - 2 - last);
         bytes.resize(bytes.size() - 2);
         for (int i = 0; i < 10'000; ++i) bytes += scan;
         return bytes + "\xff\xd9";
       },
       "(scan)")
      .seconds = 1;
  t.row("I08");
  const std::string jpeg = fixture("420.jpg");
  t.picture("12 bits", "a.jpg", jpeg_frame(jpeg, 2, "\x0c"), "");
  t.picture("no components", "a.jpg", jpeg_frame(jpeg, 7, std::string_view("\0", 1)), "");
  t.picture("nine components", "a.jpg", jpeg_frame(jpeg, 7, "\x09"), "");
  t.picture("a sampling factor of 0", "a.jpg", jpeg_frame(jpeg, 9, std::string_view("\0", 1)), "");
  t.picture("a sampling factor of 15", "a.jpg", jpeg_frame(jpeg, 9, "\xff"), "");
  t.picture("a missing quantization table", "a.jpg", jpeg_frame(jpeg, 10, "\x03"), "");
  t.picture("only markers", "a.jpg", "\xff\xd8\xff\xd9", "");
  t.picture("only a start", "a.jpg", "\xff\xd8\xff", "");
  t.picture("a segment of length 0", "a.jpg",
            std::string("\xff\xd8\xff\xe0\0\0", 6) + std::string(64, 'x'), "");
  t.picture(
      "no end of comments", "a.jpg",
      [] {
        std::string bytes = "\xff\xd8";
        for (int i = 0; i < 300; ++i) bytes += "\xff\xfe\xff\xff" + std::string(65'533, 'c');
        return bytes;
      },
      "");
  t.picture(
      "lossless coding", "a.jpg",
      [=] {
        std::string b = jpeg;
        b[b.find("\xff\xc0") + 1] = '\xc3';
        return b;
      },
      "");
  t.picture(
      "no frame", "a.jpg", [=] { return jpeg.substr(0, jpeg.find("\xff\xc0")) + "\xff\xd9"; }, "");
}

void pngs(Pictures& t) {
  t.row("I07");
  const std::string head = png_header(8, 8);
  const std::string ihdr = std::string("\0\0\0\x08\0\0\0\x08", 8);
  const std::string end = png_chunk("IEND", "");
  const std::string data = png_chunk("IDAT", zlib_zeros(8 * 9));
  t.picture(
      "a wrong sum of the header", "a.png",
      [=] {
        std::string b = png(8, 8);
        b[29] ^= 1;
        return b;
      },
      "PNG|");
  t.picture(
      "a wrong sum of the data", "a.png",
      [=] {
        std::string b = png(8, 8);
        b[b.size() - 14] ^= 1;
        return b;
      },
      "");
  t.picture("no data", "a.png", head + end, "");
  t.picture("data of nothing", "a.png", head + png_chunk("IDAT", "") + end, "");
  t.picture("data that is not zlib", "a.png", head + png_chunk("IDAT", "not zlib at all") + end,
            "");
  t.picture("too little data", "a.png", head + png_chunk("IDAT", zlib_zeros(20)) + end, "");
  for (const auto& [what, rest] : {std::pair("depth 3", "\x03\0\0\0\0"),
                                   {"depth 0", "\0\0\0\0"},
                                   {"depth 32", "\x20\0\0\0\0"},
                                   {"colour 1", "\x08\x01\0\0\0"},
                                   {"colour 7", "\x08\x07\0\0\0"},
                                   {"colour 2 of 4 bits", "\x04\x02\0\0\0"},
                                   {"compression 1", "\x08\0\x01\0\0"},
                                   {"filter 1", "\x08\0\0\x01\0"},
                                   {"interlace 2", "\x08\0\0\0\x02"}})
    t.picture(what, "a.png",
              kPngMagic + png_chunk("IHDR", ihdr + std::string(rest, 5)) + data + end, "");
  t.picture("a palette picture without a palette", "a.png",
            kPngMagic + png_chunk("IHDR", ihdr + std::string("\x08\x03\0\0\0", 5)) + data + end,
            "");
  t.picture("a palette of 257 colours", "a.png",
            kPngMagic + png_chunk("IHDR", ihdr + std::string("\x08\x03\0\0\0", 5)) +
                png_chunk("PLTE", std::string(771, 'c')) + data + end,
            "");
  t.picture("a palette of 4 bytes", "a.png",
            kPngMagic + png_chunk("IHDR", ihdr + std::string("\x08\x03\0\0\0", 5)) +
                png_chunk("PLTE", "cccc") + data + end,
            "");
  t.picture("the header twice", "a.png", head + head.substr(8) + data + end, "");
  t.picture("data before the header", "a.png", kPngMagic + data + head.substr(8) + end, "");
  t.picture("a chunk of 2 GiB", "a.png",
            head +
                std::string("\x7f\xff\xff\xff"
                            "tEXt",
                            8) +
                "abc",
            "");
  t.picture("a chunk of 4 GiB", "a.png",
            head +
                std::string("\xff\xff\xff\xff"
                            "tEXt",
                            8) +
                "abc",
            "");
  t.picture("a chunk of no known need", "a.png", head + png_chunk("EVIL", "x") + data + end, "");
  t.picture("a filter that is none", "a.png",
            head + png_chunk("IDAT", zlib_stored(std::string(72, '\x09'))) + end, "");
  t.picture("only the first bytes", "a.png", kPngMagic, "");
  const auto bomb = [&](std::string what, const std::string& kind, const std::string& begin) {
    t.fine(std::move(what), "a.png",
           [=] { return head + png_chunk(kind, begin + zlib_zeros(1'000'000'000)) + data + end; });
  };
  bomb("a text of a GB", "zTXt", std::string("a\0\0", 3));
  bomb("a profile of a GB", "iCCP", std::string("a\0\0", 3));
  bomb("another text of a GB", "iTXt", std::string("a\0\1\0\0\0", 6));
  t.picture(
      "data of a GB", "a.png",
      [=] { return head + png_chunk("IDAT", zlib_zeros(1'000'000'000)) + end; },
      "more data than pixels");
  t.fine("100000 texts", "a.png", [=] {
    std::string b = head;
    for (int i = 0; i < 100'000; ++i) b += png_chunk("tEXt", std::string("k\0v", 3));
    return b + data + end;
  });
  t.fine("a million frames", "a.png", [=] {
    std::string b = head + png_chunk("acTL", std::string("\0\x0f\x42\x40\0\0\0\0", 8));
    return b + data + end;
  });
}

void others(Pictures& t) {
  t.row("I07g");
  const std::string g = fixture("plain.gif");
  t.picture("a GIF without frames", "a.gif", gif(le16(8), le16(8), ";"), "");
  t.picture("a GIF of only a head", "a.gif", "GIF89a", "");
  t.picture("a GIF with an unknown block", "a.gif", gif(le16(8), le16(8), "Xabc"), "");
  t.picture(
      "a GIF with codes of 13 bits", "a.gif",
      gif(le16(8), le16(8),
          "," + std::string(4, '\0') + le16(8) + le16(8) + std::string("\0\x0d\x02\x4c\x01\0;", 7)),
      "");
  t.picture(
      "a GIF with codes of 0 bits", "a.gif",
      gif(le16(8), le16(8),
          "," + std::string(4, '\0') + le16(8) + le16(8) + std::string("\0\0\x02\x4c\x01\0;", 7)),
      "");
  t.picture("a GIF with codes of nothing", "a.gif",
            gif(le16(8), le16(8),
                "," + std::string(4, '\0') + le16(8) + le16(8) +
                    std::string("\0\x02\x08\xff\xff\xff\xff\xff\xff\xff\xff\0;", 13)),
            "");
  t.picture(
      "a GIF of extensions without end", "a.gif",
      [] {
        std::string rest;
        for (int i = 0; i < 70'000; ++i)
          rest += "!\xfe\xff" + std::string(255, 'c') + std::string(1, '\0');
        return gif(le16(8), le16(8), rest);
      },
      "");
  t.row("I07b");
  for (const int bits : {0, 2, 3, 7, 12, 64, 65535})
    t.picture("a BMP of " + std::to_string(bits) + " bits", "a.bmp",
              bmp(8, 8, bits) + std::string(512, 'x'), "");
  for (const uint32_t kind : {4u, 5u, 7u, 99u, UINT32_MAX})
    t.picture("a BMP of compression " + std::to_string(kind), "a.bmp",
              bmp(8, 8, 24, kind) + std::string(512, 'x'), "");
  t.picture("a BMP of 4294967295 colours", "a.bmp",
            bmp(8, 8, 8, 0, UINT32_MAX) + std::string(2048, 'x'), "");
  t.picture("a BMP of only a head", "a.bmp", "BM", "");
  t.picture(
      "a BMP with a header of 4 GiB", "a.bmp",
      [] {
        std::string b = bmp(8, 8, 24);
        b.replace(14, 4, le32(UINT32_MAX));
        return b;
      },
      "");
  t.picture(
      "a BMP with data beyond the file", "a.bmp",
      [] {
        std::string b = bmp(8, 8, 24);
        b.replace(10, 4, le32(UINT32_MAX));
        return b;
      },
      "");
  t.picture("a BMP without data", "a.bmp", bmp(8, 8, 24), "");
  t.row("I07t");
  const std::string head("II*\0", 4);
  t.picture("a TIFF of only a head", "a.tiff", head, "");
  t.picture("a TIFF whose directory is beyond the file", "a.tiff", head + le32(UINT32_MAX), "");
  t.picture("a TIFF whose directory is in its head", "a.tiff",
            head + le32(0) + std::string(64, '\0'), "");
  t.picture("a TIFF of 65535 entries", "a.tiff",
            head + le32(8) + "\xff\xff" + std::string(100, '\0'), "");
  t.picture("a TIFF without entries", "a.tiff", head + le32(8) + std::string(6, '\0'), "");
  t.picture("a TIFF with data beyond the file", "a.tiff", tiff(8, 8, 4'000'000'000u, 64), "");
  t.fine("a TIFF that says too few bytes", "a.tiff", [] { return tiff(8, 8, 122, 3); });
  t.fine("a TIFF that says 4 GiB of data", "a.tiff", [] { return tiff(8, 8, 122, UINT32_MAX); });
  for (const uint32_t kind : {0u, 6u, 9999u, 34712u, 50000u, 50001u})
    t.picture("a TIFF of compression " + std::to_string(kind), "a.tiff", tiff(8, 8, 122, 64, kind),
              "");
  t.picture("a TIFF with broken LZW", "a.tiff", tiff(8, 8, 122, 64, 5), "");
  t.picture("a TIFF with broken Deflate", "a.tiff", tiff(8, 8, 122, 64, 8), "");
  t.picture("a TIFF with a value of 4 GiB", "a.tiff",
            head + le32(8) + le16(1) + tiff_entry(273, 4, UINT32_MAX, 8) + le32(0), "");
  t.row("I07w");
  t.picture("a WebP of only a head", "a.webp", "RIFF" + le32(4) + "WEBP", "");
  t.picture("a WebP with a chunk of 4 GiB", "a.webp",
            "RIFF" + le32(UINT32_MAX) + "WEBPVP8 " + le32(UINT32_MAX) + "abcd", "");
  t.picture("a WebP that is a sound", "a.webp",
            "RIFF" + le32(36) + "WEBPfmt " + std::string(32, '\0'), "");
  t.picture("a WebP without its picture", "a.webp",
            "RIFF" + le32(22) + "WEBPVP8X" + le32(10) + std::string(10, '\0'), "");
  t.row("I12");
  for (uint32_t seed = 1; seed <= 12; ++seed) {
    // Huffman tables of every shape: what CVE-2023-4863 was about.
    t.picture(
        "a lossless WebP of noise " + std::to_string(seed), "a.webp",
        [=] {
          std::string body = "\x2f" + std::string("\x07\xc0\x01\0", 4);
          uint32_t state = seed * 2654435761u;
          for (int i = 0; i < 2000; ++i) {
            state = state * 1664525u + 1013904223u;
            body += char(state >> 24);
          }
          body.resize(body.size() + body.size() % 2);
          return "RIFF" + le32(uint32_t(12 + body.size())) + "WEBPVP8L" +
                 le32(uint32_t(body.size())) + body;
        },
        "");
    t.picture(
        "a GIF of noise " + std::to_string(seed), "a.gif",
        [=] {
          std::string b = gif(le16(64), le16(64), "");
          uint32_t state = seed * 2246822519u;
          for (int i = 0; i < 2000; ++i) {
            state = state * 1664525u + 1013904223u;
            b += char(state >> 24);
          }
          return b;
        },
        "");
  }
  t.row("I09");
  const auto unsupported = [&](const std::string& name, std::string bytes,
                               const std::string& kind) {
    t.picture("a file of " + kind + " as " + name, name, std::move(bytes), "unsupported.*" + kind);
  };
  unsupported(
      "x.svg",
      "<svg xmlns=\"http://www.w3.org/2000/svg\"><image href=\"file:///etc/passwd\"/></svg>",
      "SVG");
  unsupported("x.png", "<?xml version=\"1.0\"?><svg/>", "SVG");
  unsupported("x.jpg", "%PDF-1.7\n%\xe2\xe3", "PDF");
  unsupported("x.png", "<!DOCTYPE html><html></html>", "HTML");
  unsupported("x.ico", std::string("\0\0\1\0\1\0", 6) + std::string(64, '\0'), "ICO");
  unsupported("x.psd", "8BPS" + std::string(60, '\0'), "PSD");
  unsupported("x.zip", "PK\x03\x04" + std::string(60, '\0'), "ZIP");
  unsupported("x.jxl", "\xff\x0a" + std::string(60, '\0'), "JPEG XL");
  t.picture("an empty file", "x.png", "", "empty");
  t.picture("text", "x.png", "hello, I am a picture", "");
  t.picture("one byte", "x.png", "x", "");
  t.picture("zeros", "x.png", std::string(100'000, '\0'), "");
  t.fine("a JPEG that is called PNG", "x.png", [] { return fixture("420.jpg"); });
  Case& gone = t.add(
      "no such picture", [](const Folder&) {}, "^error: .*nothing\\.png: ");
  gone.words = {"run", "-q", "--image", "nothing.png", "-p", "x", "--show-prompt"};
  gone.fixture = "";
}

}  // namespace

std::vector<Case> image_cases() {
  Pictures t;
  odd_sizes(t);
  truncated(t);
  jpegs(t);
  pngs(t);
  others(t);
  return t.cases;
}

}  // namespace ocelli::hostile
