// Any config.json is refused, or names encodings under which a tensor's bytes can all be decoded.
#include <cstdlib>
#include <cstring>

#include "formats/checkpoint.h"

namespace {

using namespace ocelli::formats;

// "w", U8 [rows, bytes of a row], zeros.
std::string file_of(int64_t rows, int64_t row_bytes) {
  const std::string size = std::to_string(rows * row_bytes);
  const std::string header = R"({"w":{"dtype":"U8","shape":[)" + std::to_string(rows) + "," +
                             std::to_string(row_bytes) + R"(],"data_offsets":[0,)" + size + "]}}";
  std::string out(8, '\0');
  const uint64_t length = header.size();
  std::memcpy(out.data(), &length, 8);
  return out + header + std::string(size_t(rows * row_bytes), '\1');
}

void decode_all(const TensorInfo& t, const EncodedTensor& e) {
  const int64_t row_bytes = ocelli::encoding::row_bytes(*t.encoding, e.cols());
  if (t.bytes.size() != size_t(e.rows() * row_bytes)) std::abort();
  std::vector<float> row(size_t(e.cols()));
  for (int64_t r = 0; r < e.rows(); ++r)
    ocelli::encoding::decode_row(*t.encoding, t.bytes.data() + r * row_bytes, 0, e.cols(),
                                 row.data());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto json = ocelli::base::Json::parse(text, {.max_bytes = 1 << 20});
  if (!json.ok()) return 0;
  const auto encoded = read_quantization_config(*json);
  if (!encoded.ok()) return 0;
  constexpr int64_t kMost = 1 << 16;
  for (const auto& [name, e] : *encoded) {
    if (e.rows() < 1 || e.cols() < 1 || e.rows() > kMaxEncodedSide || e.cols() > kMaxEncodedSide)
      std::abort();
    const int64_t row_bytes = ocelli::encoding::row_bytes(e.encoding, e.cols());
    if (row_bytes < 1) std::abort();
    if (row_bytes > kMost || e.rows() > kMost / row_bytes) continue;
    // The right number of bytes is taken, one more or less is not.
    for (const int64_t more : {0, 1}) {
      const std::string file = file_of(e.rows(), row_bytes + more);
      Checkpoint checkpoint = Checkpoint::from_memory(std::as_bytes(std::span(file))).value();
      const bool taken = checkpoint.take_encoded({{"w", e}}).ok();
      if (taken != (more == 0)) std::abort();
      if (taken) decode_all(*checkpoint.find("w"), e);
    }
  }
  const auto again = read_quantization_config(
      ocelli::base::Json::object({{kQuantizationKey, quantization_config(*encoded)}}));
  if (!again.ok() || again->size() != encoded->size()) std::abort();
  return 0;
}
