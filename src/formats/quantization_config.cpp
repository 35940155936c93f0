#include "formats/quantization_config.h"

#include "formats/safetensors.h"

namespace ocelli::formats {

using base::Code;
using base::fail;
using base::Json;
using base::Result;

namespace {

constexpr size_t kMaxEncodedDims = 4;

Result<EncodedTensor> read_entry(const Json& entry) {
  EncodedTensor out;
  OCELLI_ASSIGN(const std::string name, entry.get_string("encoding"));
  const auto encoding = encoding::from_name(name);
  if (!encoding) {
    return fail(Code::kBadInput,
                "encoding \"" + base::printable(name, 40) +
                    "\" is not known here; a newer version of the program may have written it");
  }
  out.encoding = *encoding;
  const Json* shape = entry.find("shape");
  const bool list = shape && shape->is_array();
  if (!list || shape->size() < 2 || shape->size() > kMaxEncodedDims)
    return fail(Code::kBadInput, "\"shape\" must list two to four dimensions");
  int64_t cols = 1;
  for (size_t i = 0; i < shape->size(); ++i) {
    const Json& n = shape->items()[i];
    const int64_t limit = i == 0 ? kMaxEncodedSide : kMaxEncodedSide / cols;
    if (!n.is_int() || n.as_int() < 1 || n.as_int() > limit) {
      return fail(Code::kBadInput, "\"shape\" holds a dimension out of range (" +
                                       base::printable(n.dump(), 40) + ")");
    }
    if (i > 0) cols *= n.as_int();
    out.shape.push_back(n.as_int());
  }
  if (const Json* layout = entry.find("layout")) {
    if (!layout->is_string() || layout->as_string() != encoding::kStripsName ||
        !encoding::has_strips(out.encoding)) {
      return fail(Code::kBadInput, "layout " + base::printable(layout->dump(), 40) + " of " + name +
                                       " is not known here; a newer version of the program may "
                                       "have written it");
    }
    out.layout = encoding::Layout::kPacked;
  }
  return out;
}

}  // namespace

std::vector<int64_t> EncodedTensor::stored_shape() const {
  if (layout == encoding::Layout::kPacked)
    return {encoding::strip_shape(encoding, rows(), cols()).bytes()};
  return {rows(), encoding::row_bytes(encoding, cols())};
}

Json quantization_config(const EncodedTensors& tensors) {
  Json weights = Json::object();
  int64_t version = 1;
  for (const auto& [name, tensor] : tensors) {
    Json shape = Json::array();
    for (const int64_t n : tensor.shape) shape.push_back(n);
    Json entry =
        Json::object({{"encoding", encoding::name(tensor.encoding)}, {"shape", std::move(shape)}});
    if (tensor.layout == encoding::Layout::kPacked) {
      entry.set("layout", encoding::kStripsName);
      version = 2;
    }
    weights.set(name, std::move(entry));
  }
  return Json::object(
      {{"quant_method", kQuantMethod}, {"version", version}, {"weights", std::move(weights)}});
}

Result<EncodedTensors> read_quantization_config(const Json& config) {
  EncodedTensors out;
  const Json* part = config.find(kQuantizationKey);
  if (!part || !part->is_object()) return out;
  const auto read = [&]() -> base::Status {
    OCELLI_ASSIGN(const std::string method, part->get_string("quant_method", std::string()));
    if (method != kQuantMethod) return {};
    OCELLI_ASSIGN(const int64_t version, part->get_int("version", {1, INT32_MAX}));
    if (version > kQuantVersion) {
      return fail(Code::kBadInput,
                  "version " + std::to_string(version) + " is newer than this program; update it");
    }
    const Json* weights = part->find("weights");
    if (!weights || !weights->is_object())
      return fail(Code::kBadInput, "\"weights\" is missing; it says how tensors are encoded");
    if (weights->size() > kMaxTensors)
      return fail(Code::kBadInput, "\"weights\" names too many tensors");
    for (const auto& [name, entry] : weights->members()) {
      OCELLI_ASSIGN(out[name], read_entry(entry).in(base::printable(name, 100)));
    }
    return {};
  };
  OCELLI_TRY(read().in(kQuantizationKey));
  return out;
}

Json without_quantization_config(const Json& config) {
  Json out = Json::object();
  for (const auto& [key, value] : config.members())
    if (key != kQuantizationKey) out.set(key, value);
  return out;
}

}  // namespace ocelli::formats
