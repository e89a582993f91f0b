#include "strided.h"

#include "copy.h"
#include "pool.h"

namespace monel {
namespace {

constexpr int64_t kTaskBytes = 1 << 16;

template <class T>
void copy_rows(const Walk<2>& walk, const char* src, char* dst) {
  const int64_t n = walk.row_length(), from = walk.row_step(0), to = walk.row_step(1);
  const bool whole = from == sizeof(T) && to == sizeof(T);
  const auto copy_row = [&](const char* s, char* d, int64_t count) {
    if (whole) {
      std::memcpy(d, s, static_cast<size_t>(count) * sizeof(T));
    } else {
      for (int64_t i = 0; i < count; ++i)
        *reinterpret_cast<T*>(d + i * to) = *reinterpret_cast<const T*>(s + i * from);
    }
  };
  const int64_t task = kTaskBytes / static_cast<int64_t>(sizeof(T));
  if (walk.rows() == 1) {
    parallel_for(n, task, [&](int64_t begin, int64_t end) {
      copy_row(src + begin * from, dst + begin * to, end - begin);
    });
    return;
  }
  parallel_for(walk.rows(), std::max<int64_t>(1, task / n), [&](int64_t begin, int64_t end) {
    walk.each_row(begin, end, [&](const int64_t* at) { copy_row(src + at[0], dst + at[1], n); });
  });
}

}  // namespace

void copy_elements(const View& src, const View& dst) {
  if (dst.contiguous()) return copy(src, dst.data);
  const int64_t item = itemsize(src.dtype);
  Walk<2> walk;
  for (int d = 0; d < src.rank; ++d)
    walk.add(src.shape[d], {src.strides[d] * item, dst.strides[d] * item});
  if (walk.size == 0) return;
  with_bits(src.dtype,
            [&](auto zero) { copy_rows<decltype(zero)>(walk, src.as<char>(), dst.as<char>()); });
}

}  // namespace monel
