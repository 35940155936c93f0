// Files for tests: folders that disappear, and safetensors put together by hand, right or wrong.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <string>

#include "base/file.h"

namespace ocelli::formats {

class TempFolder {
 public:
  TempFolder() {
    std::string pattern =
        (std::filesystem::temp_directory_path() / "ocelli-formats-XXXXXX").string();
    if (!mkdtemp(pattern.data())) ADD_FAILURE() << "no temporary folder";
    path_ = pattern;
  }
  ~TempFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  std::string path(const std::string& name = "") const {
    return name.empty() ? path_ : path_ + "/" + name;
  }
  void write(const std::string& name, std::string_view content) const {
    ASSERT_TRUE(base::write_file_atomically(path(name), content).ok());
  }

 private:
  std::string path_;
};

inline std::string little_endian(uint64_t number) {
  std::string bytes(8, '\0');
  std::memcpy(bytes.data(), &number, 8);
  return bytes;
}

// A file with this header, its true length before it, and `data` zeros after it.
inline std::string safetensors(const std::string& header, size_t data) {
  return little_endian(header.size()) + header + std::string(data, '\0');
}

// `"name":{"dtype":...,"shape":...,"data_offsets":...}`
inline std::string entry(const std::string& name, const std::string& dtype,
                         const std::string& shape, const std::string& offsets) {
  return "\"" + name + "\":{\"dtype\":\"" + dtype + "\",\"shape\":" + shape +
         ",\"data_offsets\":" + offsets + "}";
}

inline std::span<const std::byte> as_bytes(std::string_view text) {
  return std::as_bytes(std::span(text));
}

}  // namespace ocelli::formats
