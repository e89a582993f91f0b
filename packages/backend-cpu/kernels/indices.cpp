#include "indices.h"

namespace monel::indexing {

int64_t read_index(Dtype dtype, const void* src) {
  switch (dtype) {
    case Dtype::bool_:
    case Dtype::uint8: return *static_cast<const uint8_t*>(src);
    case Dtype::uint16: return *static_cast<const uint16_t*>(src);
    case Dtype::uint32: return *static_cast<const uint32_t*>(src);
    case Dtype::int8: return *static_cast<const int8_t*>(src);
    case Dtype::int16: return *static_cast<const int16_t*>(src);
    case Dtype::int32: return *static_cast<const int32_t*>(src);
    default: return *static_cast<const int64_t*>(src);
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
