// Bytes of files, written by hand: numbers, PNG chunks, zlib streams that unpack to much.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace ocelli::hostile {

std::string le16(uint16_t n);
std::string le32(uint32_t n);
std::string le64(uint64_t n);
std::string be32(uint32_t n);

// A file of tests/fixtures.
std::string read_fixture(const std::string& name);

// zlib streams: of `count` zeros in about count / 158 bytes, and of `bytes` as they are.
std::string zlib_zeros(uint64_t count);
std::string zlib_stored(const std::string& bytes);

inline const std::string kPngMagic{"\x89PNG\r\n\x1a\n"};
std::string png_chunk(const std::string& kind, const std::string& data);
// Magic and IHDR of a grey picture of 8 bits.
std::string png_header(uint32_t width, uint32_t height);
// A whole black picture.
std::string png(uint32_t width, uint32_t height);
}  // namespace ocelli::hostile
