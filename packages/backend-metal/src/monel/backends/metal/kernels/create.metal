// Arrays out of nothing.
#include "common.h"

template <typename T>
[[kernel]] void iota(device T* out [[buffer(0)]], uint i [[thread_position_in_grid]]) {
  out[i] = convert<T>(i);
}
