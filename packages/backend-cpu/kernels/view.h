// A strided window on memory: what every kernel takes.
#pragma once
#include <cstddef>
#include <cstdint>

#include "half.h"

namespace monel {

enum class Dtype : uint8_t {
  bool_, uint8, uint16, uint32, uint64, int8, int16, int32, int64, float16, bfloat16, float32,
  float64, complex64
};
inline constexpr int kDtypes = 14;
inline constexpr int kMaxRank = 16;

struct complex64 {
  float re, im;
};

constexpr int64_t itemsize(Dtype d) {
  constexpr int8_t sizes[kDtypes] = {1, 1, 2, 4, 8, 1, 2, 4, 8, 2, 2, 4, 8, 8};
  return sizes[static_cast<int>(d)];
}

constexpr const char* dtype_name(Dtype d) {
  constexpr const char* names[kDtypes] = {
      "bool", "uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64",
      "float16", "bfloat16", "float32", "float64", "complex64"};
  return names[static_cast<int>(d)];
}

constexpr bool is_half(Dtype d) { return d == Dtype::float16 || d == Dtype::bfloat16; }
constexpr bool is_floating(Dtype d) { return d >= Dtype::float16 && d <= Dtype::float64; }
constexpr bool is_integer(Dtype d) { return d >= Dtype::uint8 && d <= Dtype::int64; }
constexpr bool is_unsigned(Dtype d) { return d >= Dtype::uint8 && d <= Dtype::uint64; }

template <class T> struct DtypeOf;
template <> struct DtypeOf<bool> { static constexpr Dtype value = Dtype::bool_; };
template <> struct DtypeOf<uint8_t> { static constexpr Dtype value = Dtype::uint8; };
template <> struct DtypeOf<uint16_t> { static constexpr Dtype value = Dtype::uint16; };
template <> struct DtypeOf<uint32_t> { static constexpr Dtype value = Dtype::uint32; };
template <> struct DtypeOf<uint64_t> { static constexpr Dtype value = Dtype::uint64; };
template <> struct DtypeOf<int8_t> { static constexpr Dtype value = Dtype::int8; };
template <> struct DtypeOf<int16_t> { static constexpr Dtype value = Dtype::int16; };
template <> struct DtypeOf<int32_t> { static constexpr Dtype value = Dtype::int32; };
template <> struct DtypeOf<int64_t> { static constexpr Dtype value = Dtype::int64; };
template <> struct DtypeOf<float16> { static constexpr Dtype value = Dtype::float16; };
template <> struct DtypeOf<bfloat16> { static constexpr Dtype value = Dtype::bfloat16; };
template <> struct DtypeOf<float> { static constexpr Dtype value = Dtype::float32; };
template <> struct DtypeOf<double> { static constexpr Dtype value = Dtype::float64; };
template <> struct DtypeOf<complex64> { static constexpr Dtype value = Dtype::complex64; };

// Any strides, in elements (zero and negative included); data points at element (0, ..., 0).
struct View {
  void* data = nullptr;
  Dtype dtype = Dtype::float32;
  int rank = 0;
  int64_t shape[kMaxRank];
  int64_t strides[kMaxRank];

  int64_t size() const {
    int64_t n = 1;
    for (int i = 0; i < rank; ++i) n *= shape[i];
    return n;
  }

  bool contiguous() const {
    int64_t expected = 1;
    for (int i = rank - 1; i >= 0; --i) {
      if (shape[i] == 0) return true;
      if (shape[i] != 1 && strides[i] != expected) return false;
      expected *= shape[i];
    }
    return true;
  }

  template <class T> T* as() const { return static_cast<T*>(data); }
};

// Row-major strides of a shape.
inline void fill_strides(View& v) {
  int64_t step = 1;
  for (int i = v.rank - 1; i >= 0; --i) {
    v.strides[i] = step;
    step *= v.shape[i];
  }
}

}  // namespace monel
