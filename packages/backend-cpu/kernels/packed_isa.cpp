// Compiled once per instruction set (isa.h): packing, unpacking and products of quantized rows.
#include "packed.h"

#include "isa.h"
#include "vector.h"

namespace monel {
namespace {

constexpr int64_t kSegment = 4096;                // numbers of a row whose factors lie on the stack
constexpr int64_t kFactors = kSegment / 16 + kLanes;  // vectors of them may be read beyond the end

template <class T>
MONEL_INLINE const T* at(const char* p, int64_t i) {
  return reinterpret_cast<const T*>(p) + i;
}

// ---- Narrow floats -----------------------------------------------------------

MONEL_INLINE float from_e8m0(uint8_t code) {
  return bits_float(code ? static_cast<uint32_t>(code) << 23 : 1u << 22);
}

// The biased exponent of the least power of two that is not below `ratio`; 1 for zero.
MONEL_INLINE uint8_t to_e8m0(float ratio) {
  const uint32_t code = ((float_bits(ratio) & 0x7fffffffu) + 0x7fffffu) >> 23;
  const uint32_t bounded = code > 255 ? 255 : code;
  return static_cast<uint8_t>(ratio == 0 ? 127 : bounded);
}

MONEL_INLINE float from_e4m3(uint8_t code) {
  const uint32_t size = code & 0x7fu, sign = static_cast<uint32_t>(code & 0x80) << 24;
  const float normal = bits_float((size << 20) + (120u << 23));
  const float small = static_cast<float>(static_cast<int32_t>(size)) * 0x1p-9f;
  const float found = size < 8 ? small : normal;
  return bits_float((size == 0x7f ? 0x7fc00000u : float_bits(found)) | sign);
}

MONEL_INLINE uint8_t to_e4m3(float x) {
  const uint32_t bits = float_bits(x), magnitude = bits & 0x7fffffffu;
  const uint32_t bounded = magnitude < 0x43e00000u ? magnitude : 0x43e00000u;  // 448
  const uint32_t exponent = (bounded >> 23) < 121 ? 121 : bounded >> 23;
  const float steps = bits_float(bounded) * bits_float((257 - exponent) << 23);
  const uint32_t code =
      ((exponent - 121) << 3) + static_cast<uint32_t>(static_cast<int32_t>(__builtin_rintf(steps)));
  const uint32_t known = magnitude > 0x7f800000u ? 0x7fu : code;
  return static_cast<uint8_t>(known | ((bits >> 24) & 0x80));
}

MONEL_INLINE float from_fp4(uint8_t code) {
  const uint32_t size = code & 7u, sign = static_cast<uint32_t>(code & 8) << 28;
  const float normal = bits_float((size << 22) + (126u << 23));
  const float small = static_cast<float>(static_cast<int32_t>(size)) * 0.5f;
  return bits_float(float_bits(size < 2 ? small : normal) | sign);
}

MONEL_INLINE uint8_t to_fp4(float y) {
  const float size = __builtin_fabsf(y);
  const int code = (size > 0.25f) + (size > 0.75f) + (size > 1.25f) + (size > 1.75f) +
                   (size > 2.5f) + (size > 3.5f) + (size > 5.0f);
  const int finite = size < __builtin_inff() ? code : 0;
  return static_cast<uint8_t>(finite + (y < 0 && finite > 0 ? 8 : 0));
}

MONEL_INLINE float number(Codes codes, uint8_t code) {
  if (codes == Codes::fp4) return from_fp4(code);
  return codes == Codes::fp8 ? from_e4m3(code) : static_cast<float>(code);
}

MONEL_INLINE float factor(Factors kind, Dtype dtype, const char* p, int64_t i) {
  if (kind == Factors::e8m0) return from_e8m0(*at<uint8_t>(p, i));
  if (kind == Factors::e4m3) return from_e4m3(*at<uint8_t>(p, i));
  if (dtype == Dtype::float16) return widen(*at<float16>(p, i));
  return dtype == Dtype::bfloat16 ? widen(*at<bfloat16>(p, i)) : *at<float>(p, i);
}

void factors(const Packing& p, const char* from, int64_t first, int64_t n, float* out) {
  for (int64_t i = 0; i < n; ++i) out[i] = factor(p.factors, p.dtype, from, first + i);
}

// ---- Bits --------------------------------------------------------------------

// n codes from a stream of bits that begins at a byte; n is a multiple of 8.
void read_codes(int bits, const char* src, int64_t n, uint8_t* out) {
  const uint8_t* bytes = reinterpret_cast<const uint8_t*>(src);
  if (bits == 8) {
    __builtin_memcpy(out, bytes, static_cast<size_t>(n));
  } else if (bits == 4) {
    for (int64_t i = 0; i < n / 2; ++i) {
      out[2 * i] = bytes[i] & 15;
      out[2 * i + 1] = static_cast<uint8_t>(bytes[i] >> 4);
    }
  } else {
    const uint64_t mask = (1u << bits) - 1;
    for (int64_t i = 0; i < n; i += 8, bytes += bits) {
      uint64_t eight = 0;
      for (int j = 0; j < bits; ++j) eight |= static_cast<uint64_t>(bytes[j]) << (8 * j);
      for (int j = 0; j < 8; ++j) out[i + j] = static_cast<uint8_t>(eight >> (bits * j) & mask);
    }
  }
}

void write_codes(int bits, const uint8_t* codes, int64_t n, char* out) {
  for (int64_t i = 0; i < n; i += 8, out += bits) {
    uint64_t eight = 0;
    for (int j = 0; j < 8; ++j) eight |= static_cast<uint64_t>(codes[i + j]) << (bits * j);
    for (int j = 0; j < bits; ++j) out[j] = static_cast<char>(eight >> (8 * j));
  }
}

// ---- Numbers of a vector of codes, each in the lowest bits of its lane ---------

using Words = uint32_t __attribute__((vector_size(kLanes * 4)));
using Select = int32_t __attribute__((vector_size(kLanes * 4)));

MONEL_INLINE Words load_words(const char* p) {
  using Loose = uint32_t __attribute__((vector_size(kLanes * 4), aligned(1), may_alias));
  return *reinterpret_cast<const Loose*>(p);
}

MONEL_INLINE Reg to_float(Words w) {
  return __builtin_convertvector(reinterpret_cast<Select>(w), Reg);
}

template <int B>
struct Integer {
  static constexpr int kBits = B;
  static constexpr bool kBiased = true;
  MONEL_INLINE Reg number(Words code) { return to_float(code & ((1u << B) - 1)); }
};

struct Fp4 {
  static constexpr int kBits = 4;
  static constexpr bool kBiased = false;
  MONEL_INLINE Reg number(Words code) {
#if defined(__AVX512F__)
    const __m512 table = _mm512_setr_ps(0.0f, 0.5f, 1.0f, 1.5f, 2.0f, 3.0f, 4.0f, 6.0f, -0.0f, -0.5f,
                                        -1.0f, -1.5f, -2.0f, -3.0f, -4.0f, -6.0f);
    return _mm512_permutexvar_ps(reinterpret_cast<__m512i>(code), table);
#elif defined(__AVX2__)
    const __m256 table = _mm256_setr_ps(0.0f, 0.5f, 1.0f, 1.5f, 2.0f, 3.0f, 4.0f, 6.0f);
    const Reg size = _mm256_permutevar8x32_ps(table, reinterpret_cast<__m256i>(code));
    return reinterpret_cast<Reg>(reinterpret_cast<Words>(size) | ((code & 8u) << 28));
#else
    const Words size = code & 7u;
    const Reg normal = reinterpret_cast<Reg>((size << 22) + (126u << 23)), small = to_float(size) * 0.5f;
    const Words low = reinterpret_cast<Words>(size < 2u);
    const Words bits = (low & reinterpret_cast<Words>(small)) | (~low & reinterpret_cast<Words>(normal));
    return reinterpret_cast<Reg>(bits | ((code & 8u) << 28));
#endif
  }
};

struct Fp8 {
  static constexpr int kBits = 8;
  static constexpr bool kBiased = false;
  MONEL_INLINE Reg number(Words code) {
    const Words size = code & 0x7fu;
    const Reg normal = reinterpret_cast<Reg>((size << 20) + (120u << 23)), small = to_float(size) * 0x1p-9f;
    const Words low = reinterpret_cast<Words>(size < 8u), bad = reinterpret_cast<Words>(size == 0x7fu);
    const Words bits = (low & reinterpret_cast<Words>(small)) | (~low & reinterpret_cast<Words>(normal));
    return reinterpret_cast<Reg>(bits | (bad & 0x7fc00000u) | ((code & 0x80u) << 24));
  }
};

// ---- Unpacking ---------------------------------------------------------------

template <class F>
MONEL_INLINE void each_group(const Packing& p, const PackedRows& w, int64_t row, int64_t first,
                             int64_t n, F&& body) {
  uint8_t codes[kLargestGroup];
  const char* words = w.words + row * w.row_bytes;
  const char* scales = w.scales + row * w.scale_bytes;
  const char* biases = w.biases ? w.biases + row * w.scale_bytes : nullptr;
  for (int64_t i = 0; i < n; i += p.group) {
    const int64_t g = (first + i) / p.group;
    read_codes(p.bits, words + (first + i) * p.bits / 8, p.group, codes);
    body(i, codes, scales, biases, g);
  }
}

// Vector c of a block of kLanes words: its codes shifted to the bottom of the lanes.
template <int B, int C, int... I>
MONEL_INLINE Words codes_at(Words w, Lanes<I...>) {
  const Words own = __builtin_shufflevector(w, w, ((C * kLanes + I) * B / 32)...);
  return own >> Words{(static_cast<uint32_t>((C * kLanes + I) * B % 32))...};
}

template <class D, int C>
MONEL_INLINE void expand_block(Words w, const float* s, const float* b, int64_t group, float* out) {
  if constexpr (C < 32 / D::kBits) {
    const int64_t g = C * kLanes / group;
    const Reg scaled = D::number(codes_at<D::kBits, C>(w, AllLanes())) * splat(s[g]);
    store(out + C * kLanes, D::kBiased ? scaled + splat(b[g]) : scaled);  // -0 + 0 were 0
    expand_block<D, C + 1>(w, s, b, group, out);
  }
}

// Blocks of kLanes words, then the groups that are left.
template <class D>
void expand_words(const Packing& p, const PackedRows& w, int64_t row, int64_t first, int64_t n,
                  float share, float* out) {
  constexpr int64_t kBlock = kLanes * (32 / D::kBits);
  const char* words = w.words + row * w.row_bytes + first * p.bits / 8;
  const char* scales = w.scales + row * w.scale_bytes;
  const char* biases = w.biases ? w.biases + row * w.scale_bytes : nullptr;
  for (int64_t i = 0; i < n; i += kBlock) {
    const int64_t count = n - i < kBlock ? n - i : kBlock, g = (first + i) / p.group;
    float s[kBlock / 16], b[kBlock / 16] = {}, part[kBlock];
    const int64_t groups = (count + p.group - 1) / p.group;
    for (int64_t j = 0; j < groups; ++j) s[j] = factor(p.factors, p.dtype, scales, g + j) * share;
    for (int64_t j = 0; biases && j < groups; ++j) b[j] = factor(p.factors, p.dtype, biases, g + j);
    if (count == kBlock) {
      expand_block<D, 0>(load_words(words + i * p.bits / 8), s, b, p.group, out + i);
      continue;
    }
    uint32_t tail[kLanes] = {};
    __builtin_memcpy(tail, words + i * p.bits / 8, static_cast<size_t>(count * p.bits / 8));
    for (int64_t j = groups; j < kBlock / 16; ++j) s[j] = 0;
    expand_block<D, 0>(load_words(reinterpret_cast<const char*>(tail)), s, b, p.group, part);
    __builtin_memcpy(out + i, part, static_cast<size_t>(count) * sizeof(float));
  }
}

// Other widths: group by group through bytes.
void expand_any(const Packing& p, const PackedRows& w, int64_t row, int64_t first, int64_t n,
                float* out) {
  each_group(p, w, row, first, n,
             [&](int64_t i, const uint8_t* codes, const char* scales, const char* biases, int64_t g) {
               const float s = factor(p.factors, p.dtype, scales, g);
               const float b = factor(p.factors, p.dtype, biases, g);
               float* to = out + i;
               for (int64_t j = 0; j < p.group; ++j) to[j] = static_cast<float>(codes[j]) * s + b;
             });
}

void expand_shared(const Packing& p, const PackedRows& w, int64_t row, int64_t first, int64_t n,
                   float share, float* out) {
  if (p.codes == Codes::fp8) return expand_words<Fp8>(p, w, row, first, n, share, out);
  if (p.codes == Codes::fp4) return expand_words<Fp4>(p, w, row, first, n, share, out);
  if (p.bits == 4) return expand_words<Integer<4>>(p, w, row, first, n, share, out);
  if (p.bits == 8) return expand_words<Integer<8>>(p, w, row, first, n, share, out);
  expand_any(p, w, row, first, n, out);
}

void expand(const Packing& p, const PackedRows& w, int64_t row, int64_t first, int64_t n,
            float* out) {
  expand_shared(p, w, row, first, n, 1.0f, out);
}

template <class T, class S>
void unpack_of(const Packing& p, const PackedRows& w, int64_t row, int64_t k, float share, T* out) {
  using C = typename Compute<T>::type;
  each_group(p, w, row, 0, k,
             [&](int64_t i, const uint8_t* codes, const char* scales, const char* biases, int64_t g) {
               T* to = out + i;
               if (p.codes == Codes::integers) {
                 const C s = widen(*at<S>(scales, g)), b = widen(*at<S>(biases, g));
                 for (int64_t j = 0; j < p.group; ++j)
                   to[j] = narrow<T>(widen(narrow<T>(static_cast<C>(codes[j]) * s)) + b);
                 return;
               }
               const float own = factor(p.factors, p.dtype, scales, g) * share;
               const C s = widen(narrow<T>(static_cast<C>(own)));
               for (int64_t j = 0; j < p.group; ++j)
                 to[j] = narrow<T>(static_cast<C>(number(p.codes, codes[j])) * s);
             });
}

void unpack(const Packing& p, const PackedRows& w, int64_t row, int64_t k, float share, Dtype dtype,
            void* out) {
  switch (dtype) {
    case Dtype::float16:
      return unpack_of<float16, float16>(p, w, row, k, share, static_cast<float16*>(out));
    case Dtype::bfloat16:
      return unpack_of<bfloat16, bfloat16>(p, w, row, k, share, static_cast<bfloat16*>(out));
    case Dtype::float64:
      return unpack_of<double, double>(p, w, row, k, share, static_cast<double*>(out));
    default: return expand_shared(p, w, row, 0, k, share, static_cast<float*>(out));
  }
}

// ---- Packing -----------------------------------------------------------------

// Codes of one group of integers, with its scale and bias.
void affine_group(const Packing& p, const float* x, uint8_t* codes, float* scale, float* bias) {
  const float top = static_cast<float>((1 << p.bits) - 1);
  float high = -__builtin_inff(), low = __builtin_inff();
  for (int64_t j = 0; j < p.group; ++j) {
    high = x[j] > high ? x[j] : high;
    low = x[j] < low ? x[j] : low;
  }
  float s = (high - low) / top, b = low;
  s = s > 1e-7f ? s : (s == s ? 1e-7f : s);
  if (p.bits > 1) {
    const bool below = __builtin_fabsf(low) > __builtin_fabsf(high);
    s = below ? s : -s;
    const float edge = below ? low : high, steps = __builtin_rintf(edge / s);
    b = steps != 0 ? edge : 0.0f;
    s = steps != 0 ? edge / steps : s;
  }
  for (int64_t j = 0; j < p.group; ++j) {
    const float code = __builtin_rintf((x[j] - b) / s);
    codes[j] = static_cast<uint8_t>(
        static_cast<int32_t>(code > 0 ? (code < top ? code : top) : 0.0f));
  }
  *scale = s;
  *bias = b;
}

// Codes of one group of floats of type T, and the code of its scale.
template <class T>
void float_group(const Packing& p, const T* x, float spread, uint8_t* codes, uint8_t* scale) {
  const float largest = p.codes == Codes::fp8 ? 448.0f : 6.0f;
  uint32_t most = 0;  // magnitudes as integers: nan counts as the greatest
  for (int64_t j = 0; j < p.group; ++j) {
    const uint32_t size = float_bits(widen(x[j])) & 0x7fffffffu;
    most = size > most ? size : most;
  }
  const float ratio = widen(narrow<T>(bits_float(most) / largest));
  const bool shared = p.factors == Factors::e8m0;
  *scale = shared ? to_e8m0(ratio) : to_e4m3(ratio * spread);
  const float s = shared ? from_e8m0(*scale) : from_e4m3(*scale);
  float y[kLargestGroup];
  if (shared)
    for (int64_t j = 0; j < p.group; ++j) y[j] = widen(x[j]) / s;
  else
    for (int64_t j = 0; j < p.group; ++j) y[j] = widen(narrow<T>(widen(x[j]) / s)) * spread;
  if (p.codes == Codes::fp8)
    for (int64_t j = 0; j < p.group; ++j) codes[j] = to_e4m3(y[j]);
  else
    for (int64_t j = 0; j < p.group; ++j) codes[j] = to_fp4(y[j]);
}

template <class T>
void pack_of(const Packing& p, const T* x, int64_t n, float spread, char* words, char* scales,
             char* biases) {
  uint8_t codes[kLargestGroup];
  for (int64_t g = 0; g < n / p.group; ++g) {
    const T* from = x + g * p.group;
    if (p.codes == Codes::integers) {
      float wide[kLargestGroup], s, b;
      for (int64_t j = 0; j < p.group; ++j) wide[j] = widen(from[j]);
      affine_group(p, wide, codes, &s, &b);
      reinterpret_cast<T*>(scales)[g] = narrow<T>(s);
      reinterpret_cast<T*>(biases)[g] = narrow<T>(b);
    } else {
      float_group(p, from, spread, codes, reinterpret_cast<uint8_t*>(scales) + g);
    }
    write_codes(p.bits, codes, p.group, words + g * p.group * p.bits / 8);
  }
}

void pack(const Packing& p, Dtype dtype, const void* x, int64_t n, float spread, char* words,
          char* scales, char* biases) {
  if (dtype == Dtype::float16)
    return pack_of(p, static_cast<const float16*>(x), n, spread, words, scales, biases);
  if (dtype == Dtype::bfloat16)
    return pack_of(p, static_cast<const bfloat16*>(x), n, spread, words, scales, biases);
  pack_of(p, static_cast<const float*>(x), n, spread, words, scales, biases);
}

template <class T>
void to_fp8_of(const T* x, int64_t n, uint8_t* out) {
  for (int64_t i = 0; i < n; ++i) out[i] = to_e4m3(static_cast<float>(widen(x[i])));
}

void to_fp8(Dtype dtype, const void* x, int64_t n, uint8_t* out) {
  switch (dtype) {
    case Dtype::float16: return to_fp8_of(static_cast<const float16*>(x), n, out);
    case Dtype::bfloat16: return to_fp8_of(static_cast<const bfloat16*>(x), n, out);
    case Dtype::float64: return to_fp8_of(static_cast<const double*>(x), n, out);
    default: return to_fp8_of(static_cast<const float*>(x), n, out);
  }
}

template <class T>
void from_fp8_of(const uint8_t* x, int64_t n, T* out) {
  using C = typename Compute<T>::type;
  for (int64_t i = 0; i < n; ++i) out[i] = narrow<T>(static_cast<C>(from_e4m3(x[i])));
}

void from_fp8(const uint8_t* x, int64_t n, Dtype dtype, void* out) {
  switch (dtype) {
    case Dtype::float16: return from_fp8_of(x, n, static_cast<float16*>(out));
    case Dtype::bfloat16: return from_fp8_of(x, n, static_cast<bfloat16*>(out));
    case Dtype::float64: return from_fp8_of(x, n, static_cast<double*>(out));
    default: return from_fp8_of(x, n, static_cast<float*>(out));
  }
}

// ---- Products with few rows --------------------------------------------------
//
// One word lies in each lane, so that shifting a vector of words brings code i of every word to the
// bottom: x is arranged in that order, and a lane belongs to one group. The products of codes and x
// are summed before the scale is applied; the biases multiply the sums of x over the groups.

// One factor for each word of n numbers, so that it meets the lanes of the words.
void word_factors(const Packing& p, const char* from, int64_t first, int64_t n, float* out) {
  const int64_t words = p.group * p.bits / 32;
  for (int64_t g = 0; g < n / p.group; ++g) {
    const float s = factor(p.factors, p.dtype, from, first + g);
    for (int64_t i = 0; i < words; ++i) *out++ = s;
  }
}

// R rows of words against X vectors, `blocks` whole blocks.
template <class D, int R, int X>
void blocks_of(const char* words, int64_t row_bytes, const float* s, int64_t s_ld, const float* x,
               int64_t x_ld, int64_t blocks, Reg (&sums)[R][X]) {
  constexpr int kEach = 32 / D::kBits;
  Reg acc[R][X];
  for (int j = 0; j < R; ++j)
    for (int r = 0; r < X; ++r) acc[j][r] = sums[j][r];
  for (int64_t i = 0; i < blocks; ++i) {
    Words word[R];
    Reg part[R][X] = {};
    for (int j = 0; j < R; ++j) word[j] = load_words(words + j * row_bytes + i * kLanes * 4);
    for (int c = 0; c < kEach; ++c) {
      Reg right[X];
      for (int r = 0; r < X; ++r) right[r] = load(x + r * x_ld + (i * kEach + c) * kLanes);
      for (int j = 0; j < R; ++j) {
        const Reg left = D::number(word[j] >> (D::kBits * c));
        for (int r = 0; r < X; ++r) part[j][r] = fma(left, right[r], part[j][r]);
      }
    }
    for (int j = 0; j < R; ++j) {
      const Reg scale = load(s + j * s_ld + i * kLanes);
      for (int r = 0; r < X; ++r) acc[j][r] = fma(scale, part[j][r], acc[j][r]);
    }
  }
  for (int j = 0; j < R; ++j)
    for (int r = 0; r < X; ++r) sums[j][r] = acc[j][r];
}

template <class D, int R, int X>
void dots_of(const Packing& p, const PackedRows& w, int64_t k, int64_t row, const float* x,
             int64_t x_ld, const float* sums, int64_t sums_ld, float* out, int64_t out_ld) {
  constexpr int64_t kBlock = kLanes * (32 / D::kBits), kWords = kSegment * D::kBits / 32 + kLanes;
  float s[R][kWords], b[R][kFactors];
  Reg acc[R][X] = {}, offset[R][X] = {};
  for (int64_t begin = 0; begin < k; begin += kSegment) {
    const int64_t n = k - begin < kSegment ? k - begin : kSegment, groups = n / p.group;
    const int64_t whole = n / kBlock, words = n * p.bits / 32, first = begin / p.group;
    const char* from = w.words + row * w.row_bytes + begin * p.bits / 8;
    for (int j = 0; j < R; ++j) {
      word_factors(p, w.scales + (row + j) * w.scale_bytes, first, n, s[j]);
      for (int64_t i = words; i < words + kLanes; ++i) s[j][i] = 0;
    }
    blocks_of<D, R, X>(from, w.row_bytes, s[0], kWords, x + begin, x_ld, whole, acc);
    if (words > whole * kLanes) {
      uint32_t tail[R][kLanes] = {};
      const int64_t done = whole * kLanes;
      for (int j = 0; j < R; ++j)
        __builtin_memcpy(tail[j], from + j * w.row_bytes + done * 4,
                         static_cast<size_t>((words - done) * 4));
      blocks_of<D, R, X>(reinterpret_cast<const char*>(tail), kLanes * 4, s[0] + done, kWords,
                         x + begin + whole * kBlock, x_ld, 1, acc);
    }
    if (!w.biases) continue;
    for (int j = 0; j < R; ++j) {
      for (int64_t g = groups; g < groups + kLanes; ++g) b[j][g] = 0;
      factors(p, w.biases + (row + j) * w.scale_bytes, first, groups, b[j]);
    }
    for (int64_t g = 0; g < groups; g += kLanes)
      for (int j = 0; j < R; ++j)
        for (int r = 0; r < X; ++r)
          offset[j][r] = fma(load(b[j] + g), load(sums + r * sums_ld + first + g), offset[j][r]);
  }
  for (int j = 0; j < R; ++j)
    for (int r = 0; r < X; ++r) out[r * out_ld + row + j] = total(acc[j][r]) + total(offset[j][r]);
}

template <class D, int X>
void dots_rows(const Packing& p, const PackedRows& w, int64_t k, int64_t begin, int64_t end,
               const float* x, int64_t x_ld, const float* sums, int64_t sums_ld, float* out,
               int64_t out_ld) {
  constexpr int R = X == 1 ? 4 : 2;
  int64_t i = begin;
  for (; i + R <= end; i += R)
    dots_of<D, R, X>(p, w, k, i, x, x_ld, sums, sums_ld, out, out_ld);
  for (; i < end; ++i) dots_of<D, 1, X>(p, w, k, i, x, x_ld, sums, sums_ld, out, out_ld);
}

template <class D>
void dots_x(const Packing& p, const PackedRows& w, int64_t k, int64_t begin, int64_t end,
            const float* x, int64_t x_ld, const float* sums, int64_t sums_ld, int nx, float* out,
            int64_t out_ld) {
  int r = 0;
  for (; r + 4 <= nx; r += 4)
    dots_rows<D, 4>(p, w, k, begin, end, x + r * x_ld, x_ld, sums + r * sums_ld, sums_ld,
                       out + r * out_ld, out_ld);
  for (; r < nx; ++r)
    dots_rows<D, 1>(p, w, k, begin, end, x + r * x_ld, x_ld, sums + r * sums_ld, sums_ld,
                       out + r * out_ld, out_ld);
}

bool has_dots(const Packing& p) {
  return p.codes != Codes::integers || p.bits == 4 || p.bits == 8;
}

void dots(const Packing& p, const PackedRows& w, int64_t k, int64_t begin, int64_t end,
          const float* x, int64_t x_ld, const float* sums, int64_t sums_ld, int nx, float* out,
          int64_t out_ld) {
  const auto run = p.codes == Codes::fp8   ? dots_x<Fp8>
                   : p.codes == Codes::fp4 ? dots_x<Fp4>
                   : p.bits == 4           ? dots_x<Integer<4>>
                                           : dots_x<Integer<8>>;
  run(p, w, k, begin, end, x, x_ld, sums, sums_ld, nx, out, out_ld);
}

int64_t block(const Packing& p) { return kLanes * (32 / p.bits); }

void arrange(const Packing& p, const float* x, int64_t k, float* out, float* sums) {
  const int64_t each = 32 / p.bits, span = kLanes * each;
  for (int64_t first = 0; first < k; first += span, out += span)
    for (int64_t lane = 0; lane < kLanes; ++lane)
      for (int64_t c = 0; c < each; ++c) {
        const int64_t i = first + lane * each + c;
        out[c * kLanes + lane] = i < k ? x[i] : 0.0f;
      }
  for (int64_t g = 0; g < k / p.group; ++g) {
    float sum = 0;
    for (int64_t j = 0; j < p.group; ++j) sum += x[g * p.group + j];
    sums[g] = sum;
  }
  for (int64_t g = k / p.group; g < k / p.group + kLanes; ++g) sums[g] = 0;
}

}  // namespace

MONEL_DEFINE_TABLE(PackedTable, packed) = {block, has_dots, arrange, dots,   expand,
                                           unpack, pack,    to_fp8,  from_fp8};

}  // namespace monel
