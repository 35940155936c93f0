// The two hashes by which the Hub names a file's content, and so the blobs of its cache.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace ocelli::hub {

// Large files (git-lfs): SHA-256 of the bytes, 64 digits. Others: git's name of a blob, SHA-1 of
// "blob SIZE\0" and the bytes, 40 digits.
enum class HashKind { kSha256, kGitSha1 };

// By the number of its lower-case hexadecimal digits; nothing else is a name of a content.
bool is_content_name(std::string_view name);
HashKind kind_of_name(std::string_view name);  // requires is_content_name()

class ContentHash {
 public:
  // `size`: bytes to come in all (git's form needs to know before).
  ContentHash(HashKind kind, int64_t size);
  void update(std::span<const std::byte> bytes);
  // Lower-case hexadecimal digits; once.
  std::string finish();

 private:
  struct Free {
    void operator()(void* context) const;
  };
  std::unique_ptr<void, Free> context_;
};

}  // namespace ocelli::hub
