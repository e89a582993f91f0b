#include "../kernels/fft.h"

#include <algorithm>
#include <cmath>

#include "outcome.h"

namespace monel {
namespace {

enum class Kind { complex, from_real, to_real };

// What the parameter `scaling` stands for at length n.
bool read_scale(PyObject* p, int64_t n, float& scale) {
  static Name scaling_name("scaling");
  std::string_view scaling;
  if (!get(p, scaling_name, scaling)) return false;
  const double length = static_cast<double>(n);
  scale = static_cast<float>(scaling == "full" ? 1 / length : scaling == "root" ? 1 / std::sqrt(length) : 1.0);
  return true;
}

template <Kind kind>
PyObject* run(const Kernel& k, PyObject*, PyObject* p, Buffer* const* in, int count) {
  static Name axis_name("axis"), inverse_name("inverse"), odd_name("odd");
  const Buffer* b = in[0];
  int64_t axis;
  bool inverse = false, odd = false;
  if (!get(p, axis_name, axis)) return nullptr;
  if (kind == Kind::complex && !get(p, inverse_name, inverse)) return nullptr;
  if (kind == Kind::to_real && !get(p, odd_name, odd)) return nullptr;
  if (axis < 0 || axis >= b->rank) {
    PyErr_Format(PyExc_ValueError, "%s: axis %lld is out of bounds for %d axes", k.name, static_cast<long long>(axis),
                 b->rank);
    return nullptr;
  }
  const int64_t m = b->shape[axis], n = kind == Kind::to_real ? 2 * (m - 1) + odd : m;
  if (n < 1) {
    PyErr_Format(PyExc_ValueError, "%s: a length of %lld has no transform", k.name, static_cast<long long>(n));
    return nullptr;
  }
  float scale;
  if (!read_scale(p, n, scale)) return nullptr;
  int64_t shape[kMaxRank];
  std::copy_n(b->shape, b->rank, shape);
  shape[axis] = kind == Kind::from_real ? n / 2 + 1 : n;
  Outcome x(contiguous(in[0])), out(kind == Kind::to_real ? Dtype::float32 : Dtype::complex64, b->rank, shape);
  if (!x || !out) return nullptr;
  const Unlocked gil(b->size > (1 << 11), in, count);
  const int place = static_cast<int>(axis);
  if (kind == Kind::complex) fft(x.view(), out.view(), place, inverse, scale);
  if (kind == Kind::from_real) rfft(x.view(), out.view(), place, scale);
  if (kind == Kind::to_real) irfft(x.view(), out.view(), place, scale);
  return out.give();
}

template <Kind kind>
bool resolve(Kernel& k) {
  k.run = run<kind>;
  return k.arity == 1 && k.dtypes[0] == (kind == Kind::from_real ? Dtype::float32 : Dtype::complex64);
}

}  // namespace

MONEL_KERNELS(fft) {
  registry.kernel("fft", resolve<Kind::complex>);
  registry.kernel("rfft", resolve<Kind::from_real>);
  registry.kernel("irfft", resolve<Kind::to_real>);
}

}  // namespace monel
