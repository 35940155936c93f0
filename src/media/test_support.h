// What the tests of this room share: fixtures, hashes, small pictures.
#pragma once

#include <cstddef>
#include <fstream>
#include <iterator>
#include <span>
#include <sstream>
#include <string>
#include <vector>

#include "base/hash.h"

namespace ocelli::media {

inline std::string sha256_hex(std::span<const uint8_t> bytes) {
  return base::sha256(std::as_bytes(bytes)).hex();
}

inline std::vector<std::byte> read_fixture(const std::string& name) {
  std::ifstream in(OCELLI_FIXTURES "/media/" + name, std::ios::binary);
  std::vector<char> chars{std::istreambuf_iterator<char>(in), {}};
  const auto* data = reinterpret_cast<const std::byte*>(chars.data());
  return {data, data + chars.size()};
}

// The rows of a table of tab-separated words; lines that start with # are comments.
inline std::vector<std::vector<std::string>> read_table(const std::string& name) {
  std::ifstream in(OCELLI_FIXTURES "/media/" + name);
  std::vector<std::vector<std::string>> rows;
  for (std::string line; std::getline(in, line);) {
    if (line.empty() || line[0] == '#') continue;
    std::istringstream words(line);
    rows.emplace_back();
    for (std::string word; std::getline(words, word, '\t');) rows.back().push_back(word);
  }
  return rows;
}

// What Pillow says about every picture here: file, width, height, mode, orientation, has alpha,
// SHA-256 of the pixels, SHA-256 over white or "-".
inline std::vector<std::vector<std::string>> picture_rows() {
  auto rows = read_table("decode.tsv");
  for (auto& row : read_table("decode_more.tsv")) rows.push_back(std::move(row));
  return rows;
}

}  // namespace ocelli::media
