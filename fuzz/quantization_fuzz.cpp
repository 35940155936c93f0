// Any config.json is refused, or names encodings and layouts under which a tensor's bytes can all
// be decoded.
#include <cstdlib>
#include <cstring>

#include "formats/checkpoint.h"

namespace {

using namespace ocelli::formats;

// "w", U8 of this shape, all bytes 1.
std::string file_of(const std::vector<int64_t>& shape) {
  std::string dims;
  int64_t count = 1;
  for (const int64_t n : shape) {
    dims += (dims.empty() ? "" : ",") + std::to_string(n);
    count *= n;
  }
  const std::string header = R"({"w":{"dtype":"U8","shape":[)" + dims + R"(],"data_offsets":[0,)" +
                             std::to_string(count) + "]}}";
  std::string out(8, '\0');
  const uint64_t length = header.size();
  std::memcpy(out.data(), &length, 8);
  return out + header + std::string(size_t(count), '\1');
}

void decode_all(const TensorInfo& t, const EncodedTensor& e) {
  const int64_t row_bytes = ocelli::encoding::row_bytes(*t.encoding, e.cols());
  std::vector<float> row(size_t(e.cols()));
  if (t.layout == ocelli::encoding::Layout::kPacked) {
    const ocelli::encoding::Weight w{*t.encoding, t.layout, e.rows(), e.cols(), t.bytes.data()};
    std::vector<std::byte> plain(static_cast<size_t>(row_bytes));
    std::vector<float> same(row);
    for (int64_t r = 0; r < e.rows(); ++r) {
      ocelli::encoding::plain_row(w, r, plain.data());
      ocelli::encoding::decode_row(w.encoding, plain.data(), 0, w.cols, row.data());
      ocelli::encoding::unpack_row(w, r, same.data());
      if (row != same) std::abort();
    }
    return;
  }
  if (t.bytes.size() != size_t(e.rows() * row_bytes)) std::abort();
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
    const std::vector<int64_t> shape = e.stored_shape();
    if (shape.back() < 1) std::abort();
    if (shape.back() > kMost || shape.front() > kMost / (shape.size() > 1 ? shape.back() : 1))
      continue;
    // The right number of bytes is taken, one more or less is not.
    for (const int64_t more : {0, 1}) {
      std::vector<int64_t> stored = shape;
      stored.back() += more;
      const std::string file = file_of(stored);
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
