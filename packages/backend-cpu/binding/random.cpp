#include "../kernels/random.h"

#include <algorithm>

#include "outcome.h"

namespace monel {
namespace {

PyObject* run_random_bits(const Kernel&, PyObject*, PyObject* p, Buffer* const* in, int n) {
  static Name shape_name("shape"), width_name("width");
  const Buffer* keys = in[0];
  Ints shape;
  int64_t width;
  if (!get(p, shape_name, shape) || !get(p, width_name, width)) return nullptr;
  const int rank = keys->rank - 1 + shape.size;
  if (keys->rank < 1 || keys->shape[keys->rank - 1] != 2 || rank > kMaxRank ||
      (width != 1 && width != 2 && width != 4)) {
    PyErr_SetString(PyExc_ValueError,
                    "random_bits: expected keys of shape (..., 2), a width of 1, 2 or 4 bytes and "
                    "at most 16 axes");
    return nullptr;
  }
  int64_t full[2 * kMaxRank];
  std::copy_n(shape.values, shape.size, std::copy_n(keys->shape, keys->rank - 1, full));
  Outcome out(width == 1 ? Dtype::uint8 : width == 2 ? Dtype::uint16 : Dtype::uint32, rank, full);
  if (!out) return nullptr;
  const Unlocked gil(out->size > (1 << 13), in, n);
  random_bits(view_of(keys), out.view());
  return out.give();
}

}  // namespace

MONEL_KERNELS(random) {
  registry.kernel("random_bits", [](Kernel& k) {
    k.run = run_random_bits;
    return k.arity == 1 && k.dtypes[0] == Dtype::uint32;
  });
}

}  // namespace monel
