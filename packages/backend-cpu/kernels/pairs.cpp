#include "pairs.h"

#include <algorithm>

#include "isa.h"
#include "pool.h"
#include "scratch.h"

#if MONEL_AMX && defined(__linux__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace monel {

#if MONEL_AMX && defined(__linux__)
extern const PairTable pairs_amx;

namespace {

// Whether the processor has the unit, and the system lets this process use it.
bool has_amx() {
  if (isa() != Isa::v4 || isa_limited()) return false;
  unsigned a, b, c, d;
  constexpr unsigned kBfloat16 = 1u << 22, kTile = 1u << 24;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(d & kBfloat16) || !(d & kTile)) return false;
  constexpr long kAskForState = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
  return syscall(SYS_arch_prctl, kAskForState, kTileData) == 0;
}

}  // namespace

const PairTable* pairs() {
  static const PairTable* const chosen = has_amx() ? &pairs_amx : nullptr;
  return chosen;
}
#else
const PairTable* pairs() { return nullptr; }
#endif

namespace {

constexpr int64_t kDepth = 512;       // slots that are packed at once
constexpr int64_t kWidth = 1024;      // columns of b that are packed at once
constexpr int64_t kSuperRows = 2048;  // rows of a that are packed at once
constexpr int64_t kGroup = 8;         // blocks of a that stay in the second-level cache
constexpr int64_t kPackElements = 1 << 15;
constexpr int64_t kTaskFlops = 1 << 24;

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

const void* at(const Matrix& m, int64_t row, int64_t col) {
  return static_cast<const char*>(m.data) + (row * m.row_stride + col * m.col_stride) * 2;
}

template <class F>
void run(int64_t n, int64_t grain, bool parallel, F&& body) {
  if (parallel && n > grain)
    parallel_for(n, grain, body);
  else
    body(int64_t{0}, n);
}

}  // namespace

void gemm_pairs(const PairTable& table, const Matrix& a, const Matrix& b, float* out, int64_t ld,
                bool parallel) {
  const int64_t depth = ceil_div(a.cols, 2 * kPairStep) * kPairStep;
  const int64_t most = ceil_div(depth, ceil_div(depth, kDepth) * kPairStep) * kPairStep;
  const int64_t height = std::min(kSuperRows, a.rows), width = std::min(kWidth, b.cols);
  Workspace<uint32_t> left(ceil_div(height, kPairBlock) * kPairBlock * most);
  Workspace<uint32_t> right(ceil_div(width, kPairBlock) * kPairBlock * most);
  for (int64_t c0 = 0; c0 < b.cols; c0 += width)
    for (int64_t i0 = 0; i0 < depth; i0 += most) {
      const int64_t k0 = 2 * i0, slots = std::min(most, depth - i0),
                    k = std::min(2 * slots, a.cols - k0), n = std::min(width, b.cols - c0);
      const int64_t panels = ceil_div(n, kPairBlock), packed = kPairBlock * slots;
      const int64_t grain = std::max<int64_t>(1, kPackElements / packed);
      run(panels, grain, parallel, [&](int64_t begin, int64_t end) {
        for (int64_t p = begin; p < end; ++p) {
          const int64_t col = p * kPairBlock;
          table.right(at(b, k0, c0 + col), b.row_stride, b.col_stride, k,
                      std::min<int64_t>(kPairBlock, n - col), slots, right + p * packed);
        }
      });
      for (int64_t r0 = 0; r0 < a.rows; r0 += height) {
        const int64_t m = std::min(height, a.rows - r0), blocks = ceil_div(m, kPairBlock);
        run(blocks, grain, parallel, [&](int64_t begin, int64_t end) {
          for (int64_t t = begin; t < end; ++t) {
            const int64_t row = t * kPairBlock;
            table.left(at(a, r0 + row, k0), a.row_stride, a.col_stride,
                       std::min<int64_t>(kPairBlock, m - row), k, slots, left + t * packed);
          }
        });
        // Tasks of some rows and all columns, or of all rows and some columns.
        const bool by_rows = blocks >= panels;
        const int64_t lines = by_rows ? blocks : panels, others = by_rows ? panels : blocks;
        const int64_t flops = 2 * packed * kPairBlock * 2 * others;
        run(lines, std::max<int64_t>(1, kTaskFlops / flops), parallel,
            [&](int64_t begin, int64_t end) {
              const int64_t t0 = by_rows ? begin : 0, t1 = by_rows ? end : blocks;
              const int64_t p0 = by_rows ? 0 : begin, p1 = by_rows ? panels : end;
              for (int64_t group = t0; group < t1; group += kGroup)
                for (int64_t p = p0; p < p1; ++p)
                  for (int64_t t = group; t < std::min(t1, group + kGroup); ++t) {
                    const int64_t row = t * kPairBlock, col = p * kPairBlock;
                    table.block(slots, left + t * packed, right + p * packed,
                                out + (r0 + row) * ld + c0 + col, ld,
                                std::min<int64_t>(kPairBlock, m - row),
                                std::min<int64_t>(kPairBlock, n - col), i0 > 0);
                  }
            });
      }
    }
}

}  // namespace monel
