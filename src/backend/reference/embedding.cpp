#include "backend/reference/loops.h"
#include "backend/reference/reference_backend.h"
#include "base/check.h"

namespace ocelli::reference {

void ReferenceBackend::embedding(ThreadPool& pool, std::span<const int32_t> ids, const Weight& w,
                                 const Tensor& y) {
  OCELLI_CHECK(w.layout == encoding::Layout::kPlain,
               "the reference reads weights as files hold them");
  for_each(pool, int64_t(ids.size()), [&](int64_t t) {
    encoding::decode_row(w.encoding, w.row(ids[size_t(t)]), 0, w.cols, row(y, t));
  });
}

// Not cut by rows: the same id may come several times.
void ReferenceBackend::embedding_grad(ThreadPool&, std::span<const int32_t> ids, const Tensor& dy,
                                      const Weight& w) {
  for (size_t t = 0; t < ids.size(); ++t) {
    float* grad = w.grad + int64_t(ids[t]) * w.cols;
    for (int64_t i = 0; i < w.cols; ++i) grad[i] += row(dy, int64_t(t))[i];
  }
}

}  // namespace ocelli::reference
