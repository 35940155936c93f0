// CpuBackend: cuts each operation into pieces for the threads of a pool and calls the kernels of
// one instruction set. What it has no kernel for falls back on the reference.
#pragma once

#include "backend/cpu/cpu_backend.h"
#include "backend/cpu/kernels.h"
#include "backend/reference/reference_backend.h"

namespace ocelli::cpu {

using encoding::Weight;
using tensor::Activation;
using tensor::Tensor;
using tensor::ThreadPool;

class CpuBackend : public reference::ReferenceBackend {
 public:
  explicit CpuBackend(const Kernels& kernels) : kernels_(kernels) {}
  std::string_view name() const override { return kernels_.name; }

  int64_t packed_bytes(const Weight& plain) const override;
  void pack(ThreadPool& pool, const Weight& plain, std::byte* memory) const override;

  void linear(ThreadPool& pool, std::span<const tensor::LinearJob> jobs) override;
  bool takes_norm(const Weight& w) const override;
  bool feed_forward(ThreadPool& pool, const tensor::FeedForwardJob& job) override;
  void linear_grad_input(ThreadPool& pool, const Tensor& dy, const Weight& w,
                         const Tensor& dx) override;
  void linear_grad_weight(ThreadPool& pool, const Tensor& dy, const Tensor& x,
                          const Weight& w) override;
  void embedding(ThreadPool& pool, std::span<const int32_t> ids, const Weight& w,
                 const Tensor& y) override;
  void embedding_grad(ThreadPool& pool, std::span<const int32_t> ids, const Tensor& dy,
                      const Weight& w) override;

  void rms_norm(ThreadPool& pool, const Tensor& x, const float* w, float eps,
                const Tensor& y) override;
  void layer_norm(ThreadPool& pool, const Tensor& x, const float* w, const float* b, float eps,
                  const Tensor& y) override;
  void rms_norm_grad(ThreadPool& pool, const Tensor& x, const float* w, float eps, const Tensor& dy,
                     const Tensor& dx, float* dw) override;
  void layer_norm_grad(ThreadPool& pool, const Tensor& x, const float* w, float eps,
                       const Tensor& dy, const Tensor& dx, float* dw, float* db) override;

  void rope(ThreadPool& pool, const Tensor& x, const Tensor& table, float sign,
            const Tensor& y) override;
  void attention(ThreadPool& pool, const tensor::AttentionJob& job) override;
  void attention_grad(ThreadPool& pool, const tensor::AttentionGradJob& job) override;

  void activation(ThreadPool& pool, Activation f, const Tensor& x, const Tensor& y) override;
  void silu_mul(ThreadPool& pool, const Tensor& gate, const Tensor& up, const Tensor& y) override;
  void add(ThreadPool& pool, const Tensor& a, const Tensor& b, float scale,
           const Tensor& y) override;
  void activation_grad(ThreadPool& pool, Activation f, const Tensor& x, const Tensor& dy,
                       const Tensor& dx) override;
  void silu_mul_grad(ThreadPool& pool, const Tensor& gate, const Tensor& up, const Tensor& dy,
                     const Tensor& dgate, const Tensor& dup) override;
  void accumulate(ThreadPool& pool, const Tensor& src, float scale, const Tensor& dst) override;
  void scale_columns(ThreadPool& pool, const Tensor& x, const float* s, const Tensor& y) override;
  void scale_columns_grad(ThreadPool& pool, const Tensor& x, const float* s, const Tensor& dy,
                          const Tensor& dx, float* ds) override;
  void dropout(ThreadPool& pool, const Tensor& x, const tensor::Dropout& d,
               const Tensor& y) override;
  void dropout_grad(ThreadPool& pool, const Tensor& dy, const tensor::Dropout& d,
                    const Tensor& dx) override;

  void gather_rows(ThreadPool& pool, const Tensor& x, std::span<const int32_t> rows,
                   const Tensor& y) override;
  void scatter_rows(ThreadPool& pool, const Tensor& x, std::span<const int32_t> rows, bool add,
                    const Tensor& y) override;

  void cross_entropy(ThreadPool& pool, const Tensor& logits, std::span<const int32_t> targets,
                     float scale, const Tensor& loss) override;
  void cross_entropy_grad(ThreadPool& pool, const Tensor& logits, std::span<const int32_t> targets,
                          float scale, const Tensor& dloss, const Tensor& dlogits) override;
  void token_log_probs(ThreadPool& pool, const Tensor& logits, std::span<const int32_t> targets,
                       float* log_probs) override;
  void token_log_probs_grad(ThreadPool& pool, const Tensor& logits,
                            std::span<const int32_t> targets, const float* dlog_probs,
                            const Tensor& dlogits) override;
  void top_k_divergence(ThreadPool& pool, const tensor::TopKJob& job, const Tensor& loss) override;
  void top_k_divergence_grad(ThreadPool& pool, const tensor::TopKJob& job, const Tensor& dloss,
                             const Tensor& dlogits) override;

 private:
  // Up to kJobs of linear()'s jobs, handed out together.
  static constexpr size_t kJobs = 8;
  void linear_together(ThreadPool& pool, std::span<const tensor::LinearJob> jobs);
  void linear_in_parts(ThreadPool& pool, const tensor::LinearJob& job);
  void product(ThreadPool& pool, const ProductArgs& args);
  void column_sums(ThreadPool& pool, const ColumnSumArgs& args);
  void norm_grad(ThreadPool& pool, NormGradArgs args, float* dw, float* db);
  void drop(ThreadPool& pool, const Tensor& x, const tensor::Dropout& d, const Tensor& y, bool add);

  const Kernels& kernels_;
};

// Scratch memory of the calling thread: kScratchFloats numbers, taken on its first call and kept
// until the thread ends.
float* thread_scratch();

// At least `bytes` more of the calling thread, aligned to 64 and kept until it ends: rows of x in 8
// bits, kRecordBytes at most but for very long rows.
std::byte* thread_records(int64_t bytes);
inline constexpr int64_t kRecordBytes = int64_t{8} << 20;

// The kernels of a set; null where this machine does not run it.
const Kernels* native_kernels(InstructionSet set);

// Emulations of sets that this machine may lack, for tests: make_cpu_backend() then hands them out.
// Call it before anything else of this room.
void offer_emulated(std::span<const Kernels* const> tables);

}  // namespace ocelli::cpu
