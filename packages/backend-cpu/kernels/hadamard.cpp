#include "hadamard.h"

#include <algorithm>
#include <cstring>

#include "isa.h"
#include "pool.h"
#include "products.h"
#include "scratch.h"

namespace monel {

MONEL_CHOOSE_TABLE(HadamardTable, hadamards)

void hadamard(const View& x, double scale, const View& out) {
  const int64_t n = x.shape[x.rank - 1], rows = x.size() / n, item = itemsize(x.dtype);
  const float single = static_cast<float>(scale);
  const bool half = is_half(x.dtype);
  Workspace<float> wide(half ? x.size() : 0);
  parallel_for(rows, std::max<int64_t>(1, (1 << 14) / n), [&](int64_t begin, int64_t end) {
    const int64_t first = begin * n, count = (end - begin) * n;
    const char* from = x.as<char>() + first * item;
    char* to = out.as<char>() + first * item;
    if (half) {
      float* part = wide.data() + first;
      products().widen(x.dtype, from, part, count);
      hadamards().single(part, end - begin, n, single);
      products().narrow(x.dtype, part, to, count);
      return;
    }
    std::memcpy(to, from, static_cast<size_t>(count * item));
    if (x.dtype == Dtype::float64)
      hadamards().twice(reinterpret_cast<double*>(to), end - begin, n, scale);
    else
      hadamards().single(reinterpret_cast<float*>(to), end - begin, n, single);
  });
}

}  // namespace monel
