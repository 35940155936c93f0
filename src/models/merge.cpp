#include "models/merge.h"

#include <algorithm>

#include "encoding/strips.h"
#include "models/adapter_modules.h"

namespace ocelli::models {

using base::Result;
using encoding::Encoding;

namespace {

constexpr size_t kLine = 64;

// The parameter's numbers, edited.
void fill(const ParameterRef& p, const RowEdit& edit, base::ThreadPool& pool, float* out) {
  if (p.vector) {
    std::copy_n(p.vector->f32(), p.count(), out);
    edit(0, {out, size_t(p.count())});
    return;
  }
  const int64_t cols = p.shape[1];
  pool.parallel_for(
      p.shape[0],
      [&](int64_t begin, int64_t end) {
        for (int64_t r = begin; r < end; ++r) {
          float* row = out + r * cols;
          if (p.weight->data) encoding::read_row(*p.weight, r, row);
          edit(r, {row, size_t(cols)});
        }
      },
      16);
}

}  // namespace

Result<std::unique_ptr<MergedInMemory>> MergedInMemory::create(LoadedModel& loaded,
                                                               base::ThreadPool& pool,
                                                               const SaveOptions& edits) {
  std::unique_ptr<MergedInMemory> out(new MergedInMemory());
  const ModelMap map(*loaded.model);
  std::vector<Changed> changes;  // made at the end, so that a head can read the embedding before
  for (const ParameterRef& p : map.parameters()) {
    const auto found = edits.edits.find(p.name);
    const RowEdit* edit = p.tied_head                  ? &edits.untied_head
                          : found == edits.edits.end() ? nullptr
                                                       : &found->second;
    if (!edit || !*edit) continue;
    const size_t size = (size_t(p.count()) * sizeof(float) + kLine) / kLine * kLine;
    out->memory_.emplace_back(static_cast<std::byte*>(std::aligned_alloc(kLine, size)));
    auto* numbers = reinterpret_cast<float*>(out->memory_.back().get());
    if (!numbers) {
      return base::fail(base::Code::kDoesNotFit, "not enough memory for a merged copy in float32");
    }
    fill(p, *edit, pool, numbers);
    Changed c;
    if (p.vector) {
      c.vector = p.vector;
      c.vector_before = *p.vector;
      c.vector_before.data = numbers;  // exchanged below
    } else {
      c.weight = p.weight;
      c.before = {Encoding::kF32, encoding::Layout::kPlain,  p.shape[0],
                  p.shape[1],     out->memory_.back().get(), nullptr};
    }
    changes.push_back(c);
  }
  for (Changed& c : changes) {
    if (c.vector) std::swap(*c.vector, c.vector_before);
    if (c.weight) std::swap(*c.weight, c.before);
  }
  out->changed_ = std::move(changes);
  return out;
}

MergedInMemory::~MergedInMemory() {
  for (Changed& c : changed_) {
    if (c.vector) *c.vector = c.vector_before;
    if (c.weight) *c.weight = c.before;
  }
}

}  // namespace ocelli::models
