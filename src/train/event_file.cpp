#include "train/event_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <bit>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <filesystem>

#include "base/file.h"

namespace ocelli::train {

using base::Result;
using base::Status;

namespace {

constexpr std::array<uint32_t, 256> crc_table() {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t c = i;
    for (int bit = 0; bit < 8; ++bit) c = (c >> 1) ^ (c & 1 ? 0x82F63B78u : 0u);
    table[i] = c;
  }
  return table;
}

// --- the few forms of a protocol buffer that an Event needs ---

void put_varint(std::string& out, uint64_t value) {
  for (; value >= 0x80; value >>= 7) out += char(value | 0x80);
  out += char(value);
}

template <class T>
void put_little_endian(std::string& out, T bits) {
  for (size_t i = 0; i < sizeof bits; ++i) out += char(bits >> 8 * i);
}

enum class Wire : uint8_t { kVarint = 0, kDouble = 1, kBytes = 2, kFloat = 5 };

void put_key(std::string& out, int field, Wire wire) {
  put_varint(out, uint64_t(field) << 3 | uint64_t(wire));
}

void put_bytes(std::string& out, int field, std::string_view bytes) {
  put_key(out, field, Wire::kBytes);
  put_varint(out, bytes.size());
  out += bytes;
}

// Event.wall_time = 1, Event.step = 2
std::string event_head(int64_t step) {
  const std::chrono::duration<double> now = std::chrono::system_clock::now().time_since_epoch();
  std::string event;
  put_key(event, 1, Wire::kDouble);
  put_little_endian(event, std::bit_cast<uint64_t>(now.count()));
  put_key(event, 2, Wire::kVarint);
  put_varint(event, uint64_t(step));
  return event;
}

}  // namespace

uint32_t masked_crc32c(std::string_view bytes) {
  static constexpr std::array<uint32_t, 256> kTable = crc_table();
  uint32_t c = ~0u;
  for (const char byte : bytes) c = kTable[(c ^ uint8_t(byte)) & 0xFF] ^ (c >> 8);
  return std::rotr(~c, 15) + 0xA282EAD8u;
}

Result<EventFile> EventFile::create(const std::string& folder, int64_t resumed_step) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) return base::errno_error(error.value(), "make", folder);
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  char name[96];
  std::snprintf(
      name, sizeof name, "/events.out.tfevents.%010lld.ocelli.%d.%lld",
      static_cast<long long>(std::chrono::duration_cast<std::chrono::seconds>(now).count()),
      int(getpid()), static_cast<long long>(resumed_step));
  EventFile file;
  file.path_ = folder + name;
  file.fd_ = open(file.path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (file.fd_ < 0) return base::errno_error(errno, "write", file.path_);
  std::string version = event_head(0);
  put_bytes(version, 3, "brain.Event:2");  // Event.file_version
  OCELLI_TRY(file.write(version));
  if (resumed_step > 0) {
    std::string start = event_head(resumed_step + 1);
    put_bytes(start, 7, std::string("\x08\x01", 2));  // Event.session_log {status: START}
    OCELLI_TRY(file.write(start));
  }
  return file;
}

EventFile& EventFile::operator=(EventFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(fd_, other.fd_);
  return *this;
}

EventFile::~EventFile() {
  if (fd_ >= 0) close(fd_);
}

Status EventFile::add(int64_t step, std::span<const std::pair<std::string, double>> values) {
  std::string summary;
  for (const auto& [tag, value] : values) {
    std::string one;
    put_bytes(one, 1, tag);         // Summary.Value.tag
    put_key(one, 2, Wire::kFloat);  // Summary.Value.simple_value
    put_little_endian(one, std::bit_cast<uint32_t>(float(value)));
    put_bytes(summary, 1, one);
  }
  std::string event = event_head(step);
  put_bytes(event, 5, summary);  // Event.summary
  return write(event);
}

Status EventFile::write(std::string_view event) {
  std::string record;
  put_little_endian(record, uint64_t(event.size()));
  put_little_endian(record, masked_crc32c(record));
  record += event;
  put_little_endian(record, masked_crc32c(event));
  for (size_t done = 0; done < record.size();) {
    const ssize_t n = ::write(fd_, record.data() + done, record.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return base::errno_error(errno, "write", path_);
    done += size_t(n);
  }
  return {};
}

}  // namespace ocelli::train
