// The table of one set. Included inside the set's namespace, last.

inline void linear_block(const LinearArgs& p, int64_t t0, int64_t t1, int64_t n0, int64_t n1,
                         float* scratch) {
  p.rows ? linear_block_packed(p, t0, t1, n0, n1, scratch)
         : linear_block_groups(p, t0, t1, n0, n1, scratch);
}

inline void linear_few(const LinearArgs& p, int64_t n0, int64_t n1, float* scratch) {
  if (p.rows) {
    for (int64_t n = n0; n < n1; n += kMaxPieceCols) {
      linear_few_packed(p, n, n1 - n < kMaxPieceCols ? n1 : n + kMaxPieceCols, scratch);
    }
    return;
  }
  float* const sums = scratch;
  const FewRows x = p.integer ? quantize_few(p, scratch + kFewRows * kMaxPieceCols) : FewRows{};
  for (int64_t n = n0; n < n1; n += kMaxPieceCols) {
    const int64_t end = n1 - n < kMaxPieceCols ? n1 : n + kMaxPieceCols;
    p.integer ? linear_few_groups(p, x, n, end, sums) : linear_few_f32(p, n, end, sums);
    for (int64_t t = 0; t < p.tokens; ++t) finish_row(p, sums + t * kMaxPieceCols, t, n, end);
  }
}

inline constexpr Kernels table(const char* name) {
  return {name,
          kTileColumns,
          kWideStrips * kStrip,
          sizeof(CodeX),
          linear_block,
          linear_few,
          hidden_block,
          linear_f32,
          nullptr,  // linear_bf16
          product_block,
          kScoreRows,
          kAttentionRows,
          attention_block,
          {kCodedRows, coded_bytes, encode_keys, attention_coded},
          {},
          attention_grad_mean,
          attention_grad_block,
          rms_norm,
          layer_norm,
          activation,
          silu_mul,
          add_rows,
          rope,
          norm_grad,
          column_sums,
          activation_grad,
          silu_mul_grad,
          scale_columns,
          dropout,
          exp_sum,
          add_exp,
          decode,
          to_f16,
          to_bf16,
          quantize_row,
          quantize_record,
          fma_loop,
          dot_loop,
          nullptr,  // bf16_loop
          read_loop};
}
