// Rounding with a view to what a weight is multiplied with: the codes of a row are chosen one after
// the other, each making up for what those before it lost, so that products with the inputs that
// were measured change least.
//
// Source: E. Frantar et al., "GPTQ", arXiv 2210.17323; in the form of Babai's nearest plane
// (J. Chen et al., "The Geometry of LLM Quantization", arXiv 2507.18553), which needs no inverse.
#pragma once

#include <optional>
#include <vector>

#include "encoding/weight.h"
#include "tensor/backend.h"

namespace ocelli::quantize {

// Sums of x x^T over the inputs x of a product: [width, width], row by row.
struct Moments {
  int64_t width = 0;
  std::vector<float> sums;
};

// L with H = L^T L for the sums H, their diagonal raised a little, columns in `order`: column
// order[j] of the inputs is column j of L [width, width], a lower triangle. The columns with the
// largest inputs come first, so that the others can make up for them: (w - q) H (w - q)^T is the
// squared length of (w - q) L^T, of which number j sees only codes up to j.
struct Factor {
  int64_t width = 0;
  std::vector<int64_t> order;
  std::vector<float> l;
};
// Nothing where the sums hold numbers that are not finite.
std::optional<Factor> factor(tensor::Backend& backend, base::ThreadPool& pool,
                             const Moments& moments);

// `rows` are the rows of `weight` in `encoding` as encode_row() writes them (can_recode()); their
// codes are chosen anew, their scales stay. `f` is of the inputs of this weight.
void round_rows(tensor::Backend& backend, base::ThreadPool& pool, const Factor& f,
                const encoding::Weight& weight, encoding::Encoding encoding, std::byte* rows);

}  // namespace ocelli::quantize
