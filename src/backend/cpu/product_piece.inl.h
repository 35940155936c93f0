// A piece of a float32 product, kGroupColumns columns at a time, from packed A and packed B.
// Included inside the set's namespace.
//
// A is packed once for all columns of the piece, B once for all its rows. The sums of blocks of
// inner indices are added in order. Where there are several passes over the whole piece, C waits in
// scratch memory.
//
// A Job says where the numbers come from and go to:
//   Numbers: what A and B hold, as tile() takes it
//   int64_t inner() const;
//   pack_a(row, rows, first, width, out): inner indices [first, first + width) of rows of A
//   pack_b(n, columns, first, width, panels): of columns of B; panels lie kPanelFloats apart
//   ask_for(row, n, columns): asks for the memory that finish() will use
//   finish(row, n, columns, sums): has the sums of columns [n, n + columns)

inline constexpr int64_t kGroupColumns = 64;
inline constexpr int64_t kPanelFloats = kPassBlocks * kInner * kTileColumns;
static_assert(kGroupColumns % kTileColumns == 0);
static_assert(kProductBlocks * kAStride + kProductSums +
                  kGroupColumns / kTileColumns * kPanelFloats <=
              kScratchFloats);

template <class Job>
class PieceProduct {
 public:
  PieceProduct(const Job& job, const ProductPiece& piece, float* scratch)
      : job_(job),
        piece_(piece),
        rows_(piece.r1 - piece.r0),
        a_(scratch),
        panels_(a_ + kProductBlocks * kAStride),
        c_(panels_ + kGroupColumns / kTileColumns * kPanelFloats) {}

  void run() {
    const int64_t inner = job_.inner();
    const int64_t blocks = inner > 0 ? (inner + kInner - 1) / kInner : 1;
    passes_ = (blocks + kPassBlocks - 1) / kPassBlocks;
    step_ = ((inner + blocks - 1) / blocks + encoding::kBlock - 1) / encoding::kBlock *
            encoding::kBlock;
    for (int64_t pass = 0; pass < passes_; ++pass) {
      begin_ = blocks * pass / passes_ * step_;
      end_ = pass + 1 < passes_ ? blocks * (pass + 1) / passes_ * step_ : inner;
      ends_ = end_ == inner;
      if (passes_ > 1 || !piece_.same_rows) pack_rows_of_pass();
      for (int64_t n = piece_.n0; n < piece_.n1; n += kGroupColumns) {
        run_group(n, piece_.n1 - n < kGroupColumns ? piece_.n1 - n : kGroupColumns);
      }
    }
  }

 private:
  int64_t width_from(int64_t first) const { return end_ - first < step_ ? end_ - first : step_; }

  void pack_rows_of_pass() {
    float* a = a_;
    for (int64_t first = begin_; first < end_; first += step_, a += rows_ * kAStride) {
      job_.pack_a(piece_.r0, rows_, first, width_from(first), a);
    }
  }

  void run_group(int64_t n, int64_t columns) {
    for (int64_t first = begin_; first < end_; first += step_) {
      job_.pack_b(n, columns, first, width_from(first), panels_ + (first - begin_) * kTileColumns);
    }
    const int64_t parts = (rows_ + kTileRows - 1) / kTileRows;
    for (int64_t part = 0; part < parts; ++part) {
      const int64_t r0 = rows_ * part / parts, r1 = rows_ * (part + 1) / parts;
      const float* const panel_end = panels_ + columns * kPassBlocks * kInner;
      int64_t c = 0;
      for (const float* panel = panels_; panel < panel_end; panel += kPanelFloats) {
        const bool last = panel + kPanelFloats >= panel_end;
        run_tile({r0, r1, n + c, n + columns}, panel, last && part + 1 < parts ? r1 : r0);
        c += kTileColumns;
      }
    }
  }

  // The tile at (at.r0, at.n0); the next one has its rows from `next` on.
  void run_tile(const ProductPiece& at, const float* panel, int64_t next) {
    const int64_t left = at.n1 - at.n0, columns = left < kTileColumns ? left : kTileColumns;
    float* const c = passes_ == 1
                         ? c_
                         : c_ + ((at.n0 - piece_.n0) / kTileColumns * rows_ + at.r0) * kTileColumns;
    if (ends_) {
      for (int64_t r = at.r0; r < at.r1; ++r) job_.ask_for(piece_.r0 + r, at.n0, columns);
    }
    const float* a = a_ + at.r0 * kAStride;
    for (int64_t first = begin_; first < end_ || first == begin_; first += step_) {
      const float* const after = a + rows_ * kAStride;
      const float* const ahead = first + step_ < end_ ? after : a_ + next * kAStride;
      tile_of<false, typename Job::Numbers>(
          at.r1 - at.r0, (columns + kLanes - 1) / kLanes,
          {a, panel + (first - begin_) * kTileColumns, kTileColumns, width_from(first), c,
           kTileColumns, first > 0, ahead});
      a = after;
    }
    if (!ends_) return;
    for (int64_t r = at.r0; r < at.r1; ++r) {
      job_.finish(piece_.r0 + r, at.n0, columns, c + (r - at.r0) * kTileColumns);
    }
  }

  const Job& job_;
  const ProductPiece& piece_;
  int64_t rows_;
  float *a_, *panels_, *c_;
  int64_t passes_ = 1, step_ = 0, begin_ = 0, end_ = 0;  // of blocks; of this pass
  bool ends_ = false;                                    // the last pass
};

template <class Job>
inline void run_product(const Job& job, const ProductPiece& piece, float* scratch) {
  PieceProduct<Job>(job, piece, scratch).run();
}
