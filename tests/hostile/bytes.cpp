#include "bytes.h"

#include <gtest/gtest.h>

#include "../cli/process.h"

namespace ocelli::hostile {
namespace {

std::string little(uint64_t n, int bytes) {
  std::string out;
  for (int i = 0; i < bytes; ++i) out += char(n >> (8 * i));
  return out;
}

// Of zlib's stream format, over `count` zeros or over the bytes.
uint32_t adler_of_zeros(uint64_t count) {
  return uint32_t(count % 65521) << 16 | 1;
}
uint32_t adler(const std::string& bytes) {
  uint32_t a = 1, b = 0;
  for (const char c : bytes) {
    a = (a + static_cast<unsigned char>(c)) % 65521;
    b = (b + a) % 65521;
  }
  return b << 16 | a;
}

uint32_t crc(const std::string& bytes) {
  uint32_t value = 0xffffffff;
  for (const char c : bytes) {
    value ^= static_cast<unsigned char>(c);
    for (int bit = 0; bit < 8; ++bit) value = value >> 1 ^ (value & 1 ? 0xedb88320u : 0);
  }
  return ~value;
}

// Deflate fills bytes from the lowest bit.
class BitWriter {
 public:
  void put(uint32_t bits, int count) {
    held_ |= bits << used_;
    used_ += count;
    for (; used_ >= 8; used_ -= 8, held_ >>= 8) out_ += char(held_);
  }
  std::string finish() {
    if (used_ > 0) out_ += char(held_);
    return std::move(out_);
  }

 private:
  std::string out_;
  uint32_t held_ = 0;
  int used_ = 0;
};

}  // namespace

std::string le16(uint16_t n) {
  return little(n, 2);
}
std::string le32(uint32_t n) {
  return little(n, 4);
}
std::string le64(uint64_t n) {
  return little(n, 8);
}
std::string be32(uint32_t n) {
  const std::string turned = le32(n);
  return {turned.rbegin(), turned.rend()};
}

std::string read_fixture(const std::string& name) {
  const std::string bytes = test::read_all(test::fixture(name));
  EXPECT_FALSE(bytes.empty()) << name << " is missing";
  return bytes;
}

std::string zlib_zeros(uint64_t count) {
  // One block with the fixed codes (RFC 1951, 3.2.6): the literal 0, then copies of 258 bytes from
  // one back. Codes are written from their highest bit.
  BitWriter out;
  out.put(1 | 1 << 1, 3);
  const auto literal = [&] { out.put(0x0c, 8); };  // 00110000
  uint64_t done = 0;
  if (count > 0) literal(), ++done;
  for (; done + 258 <= count; done += 258) {
    out.put(0xa3, 8);  // 285 is 11000101
    out.put(0, 5);     // distance 1
  }
  for (; done < count; ++done) literal();
  out.put(0, 7);  // the end
  return "\x78\x01" + out.finish() + be32(adler_of_zeros(count));
}

std::string zlib_stored(const std::string& bytes) {
  const auto length = uint16_t(bytes.size());
  return "\x78\x01" + std::string(1, '\x01') + le16(length) + le16(uint16_t(~length)) + bytes +
         be32(adler(bytes));
}

std::string png_chunk(const std::string& kind, const std::string& data) {
  return be32(uint32_t(data.size())) + kind + data + be32(crc(kind + data));
}

std::string png_header(uint32_t width, uint32_t height) {
  return kPngMagic + png_chunk("IHDR", be32(width) + be32(height) + std::string("\x08\0\0\0\0", 5));
}

std::string png(uint32_t width, uint32_t height) {
  return png_header(width, height) + png_chunk("IDAT", zlib_zeros((uint64_t{width} + 1) * height)) +
         png_chunk("IEND", "");
}

}  // namespace ocelli::hostile
