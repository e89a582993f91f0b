#include "indices.h"

namespace monel::indexing {
namespace {

template <class T>
void read_typed(const void* src, int64_t step, int64_t n, int64_t* out) {
  const T* from = static_cast<const T*>(src);
  for (int64_t i = 0; i < n; ++i) out[i] = static_cast<int64_t>(from[i * step]);
}

}  // namespace

void read_row(Dtype dtype, const void* src, int64_t step, int64_t n, int64_t* out) {
  switch (dtype) {
    case Dtype::bool_:
    case Dtype::uint8: return read_typed<uint8_t>(src, step, n, out);
    case Dtype::uint16: return read_typed<uint16_t>(src, step, n, out);
    case Dtype::uint32: return read_typed<uint32_t>(src, step, n, out);
    case Dtype::int8: return read_typed<int8_t>(src, step, n, out);
    case Dtype::int16: return read_typed<int16_t>(src, step, n, out);
    case Dtype::int32: return read_typed<int32_t>(src, step, n, out);
    default: return read_typed<int64_t>(src, step, n, out);
  }
}

void read_indices(const View& v, int64_t begin, int64_t n, int64_t* out) {
  const char* data = v.as<char>();
  const int64_t item = itemsize(v.dtype);
  if (v.contiguous()) return read_row(v.dtype, data + begin * item, 1, n, out);
  const int64_t row = v.shape[v.rank - 1], step = v.strides[v.rank - 1];
  while (n > 0) {
    int64_t rest = begin / row, offset = begin % row * step;
    for (int d = v.rank - 2; d >= 0; --d) {
      offset += rest % v.shape[d] * v.strides[d];
      rest /= v.shape[d];
    }
    const int64_t count = std::min(n, row - begin % row);
    read_row(v.dtype, data + offset * item, step, count, out);
    begin += count, n -= count, out += count;
  }
}

Walk<2> slice_walk(const View& v, const int64_t* slice) {
  const int64_t item = itemsize(v.dtype);
  int64_t step[kMaxRank];
  int64_t block = 1;
  for (int d = v.rank - 1; d >= 0; --d) {
    step[d] = block;
    block *= slice[d];
  }
  Walk<2> walk;
  for (int d = 0; d < v.rank; ++d) walk.add(slice[d], {v.strides[d] * item, step[d] * item});
  return walk;
}

}  // namespace monel::indexing
