// Compiled for x86-64-v4 with AMX: packing of bfloat16 by pairs, and the product of two blocks.
//
// Source: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 1, chapter 18.
#include "pairs.h"

#include <cstring>

#include "vector.h"

namespace monel {
namespace {

using Wide = uint32_t __attribute__((vector_size(kLanes * 4)));

MONEL_INLINE uint32_t slot(bfloat16 first, bfloat16 second) {
  return first.bits | static_cast<uint32_t>(second.bits) << 16;
}

// The slots of kLanes neighbours, whose elements lie in two rows.
MONEL_INLINE Reg interleaved(const bfloat16* first, const bfloat16* second) {
  const Wide low = __builtin_convertvector(*reinterpret_cast<const VecH*>(first), Wide);
  const Wide high = __builtin_convertvector(*reinterpret_cast<const VecH*>(second), Wide);
  return reinterpret_cast<Reg>(low | high << 16);
}

// kLanes slots that lie one after the other.
MONEL_INLINE Reg adjacent(const bfloat16* pairs) {
  Reg r;
  std::memcpy(&r, pairs, sizeof r);
  return r;
}

MONEL_INLINE float* floats(uint32_t* slots) { return reinterpret_cast<float*>(slots); }

// Slots [i0, i1) of lines [j0, j1), one by one: slot i of line j to out[i * by_slot + j * by_line].
void pack_each(const bfloat16* src, int64_t along, int64_t across, int64_t k, int64_t i0, int64_t i1,
               int64_t j0, int64_t j1, int64_t by_slot, int64_t by_line, uint32_t* out) {
  for (int64_t j = j0; j < j1; ++j)
    for (int64_t i = i0; i < i1; ++i) {
      const bfloat16* at = src + 2 * i * along + j * across;
      out[i * by_slot + j * by_line] = slot(at[0], 2 * i + 1 < k ? at[along] : bfloat16{});
    }
}

void left(const void* source, int64_t row_stride, int64_t col_stride, int64_t m, int64_t k,
          int64_t slots, uint32_t* out) {
  const bfloat16* src = static_cast<const bfloat16*>(source);
  const int64_t whole = k / 2;
  int64_t i = 0, r = 0;  // what is packed in vectors
  std::memset(out, 0, kPairBlock * slots * sizeof *out);
  if (col_stride == 1) {
    for (r = 0; r < m; ++r) std::memcpy(out + r * slots, src + r * row_stride, k * sizeof *src);
    return;
  }
  if (row_stride == 1)
    for (; r + kLanes <= m; r += kLanes) {
      for (i = 0; i + kLanes <= whole; i += kLanes)
        transpose_square(
            [&](int s) {
              const bfloat16* at = src + 2 * (i + s) * col_stride + r;
              return interleaved(at, at + col_stride);
            },
            floats(out) + r * slots + i, slots);
      pack_each(src, col_stride, 1, k, i, (k + 1) / 2, r, r + kLanes, 1, slots, out);
    }
  pack_each(src, col_stride, row_stride, k, 0, (k + 1) / 2, r, m, 1, slots, out);
}

void right(const void* source, int64_t row_stride, int64_t col_stride, int64_t k, int64_t n,
           int64_t slots, uint32_t* out) {
  const bfloat16* src = static_cast<const bfloat16*>(source);
  const int64_t whole = k / 2;
  int64_t i = 0, j = 0;  // what is packed in vectors
  if (n < kPairBlock || 2 * slots > k) std::memset(out, 0, kPairBlock * slots * sizeof *out);
  if (col_stride == 1)
    for (; j + kLanes <= n; j += kLanes) {
      for (i = 0; i < whole; ++i) {
        const bfloat16* at = src + 2 * i * row_stride + j;
        store(floats(out) + i * kPairBlock + j, interleaved(at, at + row_stride));
      }
      pack_each(src, row_stride, 1, k, whole, (k + 1) / 2, j, j + kLanes, kPairBlock, 1, out);
    }
  else if (row_stride == 1)
    for (; j + kLanes <= n; j += kLanes) {
      for (i = 0; i + kLanes <= whole; i += kLanes)
        transpose_square([&](int c) { return adjacent(src + 2 * i + (j + c) * col_stride); },
                         floats(out) + i * kPairBlock + j, kPairBlock);
      pack_each(src, 1, col_stride, k, i, (k + 1) / 2, j, j + kLanes, kPairBlock, 1, out);
    }
  pack_each(src, row_stride, col_stride, k, 0, (k + 1) / 2, j, n, kPairBlock, 1, out);
}

// The shapes of the unit's eight registers: 16 rows of 64 bytes each.
struct Shapes {
  uint8_t palette = 1, start = 0, reserved[14] = {};
  uint16_t bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};

void block(int64_t slots, const uint32_t* left, const uint32_t* right, float* c, int64_t ld,
           int64_t m, int64_t n, bool accumulate) {
  const Shapes shapes;
  _tile_loadconfig(&shapes);
  float part[kPairBlock * kPairBlock];
  const bool whole = m == kPairBlock && n == kPairBlock;
  float* to = whole ? c : part;
  const int64_t step = (whole ? ld : kPairBlock) * sizeof(float);
  constexpr int64_t half = kPairBlock / 2;
  if (whole && accumulate) {
    _tile_loadd(0, to, step);
    _tile_loadd(1, to + half, step);
    _tile_loadd(2, to + half * ld, step);
    _tile_loadd(3, to + half * ld + half, step);
  } else {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
  }
  for (int64_t i = 0; i < slots; i += kPairStep) {
    const uint32_t* b = right + i * kPairBlock;
    _tile_loadd(4, left + i, slots * sizeof *left);
    _tile_loadd(5, left + half * slots + i, slots * sizeof *left);
    _tile_loadd(6, b, kPairBlock * sizeof *b);
    _tile_loadd(7, b + half, kPairBlock * sizeof *b);
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
  const int64_t rows = step / sizeof(float);
  _tile_stored(0, to, step);
  _tile_stored(1, to + half, step);
  _tile_stored(2, to + half * rows, step);
  _tile_stored(3, to + half * rows + half, step);
  _tile_release();
  if (!whole)
    for (int64_t r = 0; r < m; ++r)
      for (int64_t j = 0; j < n; ++j) {
        const float sum = part[r * kPairBlock + j];
        c[r * ld + j] = accumulate ? c[r * ld + j] + sum : sum;
      }
}

}  // namespace

extern const PairTable pairs_amx;
const PairTable pairs_amx = {left, right, block};

}  // namespace monel
