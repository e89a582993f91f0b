// Arrays from nothing: full and iota.
#include <cmath>
#include <cstring>

#include "../kernels/ops.h"
#include "../kernels/pool.h"
#include "registry.h"

namespace monel {
namespace {

PyObject* as_object(Buffer* b) { return reinterpret_cast<PyObject*>(b); }

constexpr int64_t kWorth = 65536;

template <class T>
void fill(T value, T* out, int64_t n) {
  parallel_for(n, kWorth, [=](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) out[i] = value;
  });
}

// The bytes of a Python scalar as an element of `dtype`, on its way through the widest type of its kind.
bool element(PyObject* value, Dtype dtype, char (&out)[8]) {
  if (dtype == Dtype::complex64) {
    const Py_complex c = PyComplex_AsCComplex(value);
    if (PyErr_Occurred()) return false;
    const complex64 z{static_cast<float>(c.real), static_cast<float>(c.imag)};
    std::memcpy(out, &z, sizeof z);
    return true;
  }
  if (PyLong_Check(value) && (is_integer(dtype) || dtype == Dtype::bool_)) {
    uint64_t bits = PyLong_AsUnsignedLongLongMask(value);
    if (PyErr_Occurred()) return false;
    if (dtype == Dtype::bool_) bits = PyObject_IsTrue(value) == 1;
    std::memcpy(out, &bits, sizeof bits);  // two's complement, little end first: the low bytes are the element
    return true;
  }
  const double x = PyFloat_AsDouble(value);
  if (x == -1.0 && PyErr_Occurred()) return false;
  find_cast(Dtype::float64, dtype)(&x, nullptr, nullptr, out, 1);
  return true;
}

PyObject* full(const Kernel& k, PyObject*, PyObject* p, Buffer* const*, int) {
  static Name shape_("shape"), value_("value"), dtype_("dtype");
  Ints shape;
  Dtype dtype = k.dtypes[0];
  if (!get(p, shape_, shape) || !get(p, dtype_, dtype)) return nullptr;
  PyObject* value = PyObject_GetAttr(p, value_);
  if (!value) return nullptr;
  char bits[8] = {};
  const bool good = element(value, dtype, bits);
  Py_DECREF(value);
  if (!good) return nullptr;
  Buffer* out = new_buffer(dtype, shape.size, shape.values);
  if (!out) return nullptr;
  Unlocked gil(out->size > kWorth, &out, 1);
  switch (itemsize(dtype)) {
    case 1: fill(*bits, out->data, out->size); break;
    case 2: fill(*reinterpret_cast<uint16_t*>(bits), reinterpret_cast<uint16_t*>(out->data), out->size); break;
    case 4: fill(*reinterpret_cast<uint32_t*>(bits), reinterpret_cast<uint32_t*>(out->data), out->size); break;
    default: fill(*reinterpret_cast<uint64_t*>(bits), reinterpret_cast<uint64_t*>(out->data), out->size);
  }
  return as_object(out);
}

// The index along `axis`, counted in int64 and cast.
PyObject* iota(const Kernel& k, PyObject*, PyObject* p, Buffer* const*, int) {
  static Name shape_("shape"), axis_("axis"), dtype_("dtype");
  Ints shape;
  int64_t axis;
  Dtype dtype = k.dtypes[0];
  if (!get(p, shape_, shape) || !get(p, axis_, axis) || !get(p, dtype_, dtype)) return nullptr;
  if (axis < 0 || axis >= shape.size) {
    PyErr_Format(PyExc_ValueError, "iota: axis %lld is out of bounds for %d axes", static_cast<long long>(axis),
                 shape.size);
    return nullptr;
  }
  Buffer* out = new_buffer(dtype, shape.size, shape.values);
  if (!out) return nullptr;
  int64_t inner = 1;
  for (int i = static_cast<int>(axis) + 1; i < shape.size; ++i) inner *= shape[i];
  const int64_t n = shape[static_cast<int>(axis)], item = itemsize(dtype);
  const Tile cast = find_cast(Dtype::int64, dtype);
  char* data = out->data;
  Unlocked gil(out->size > kWorth, &out, 1);
  parallel_for(out->size, kWorth, [=](int64_t begin, int64_t end) {
    int64_t tile[256];
    for (int64_t at = begin; at < end; at += 256) {
      const int64_t m = end - at < 256 ? end - at : 256;
      if (inner == 1 && n >= at + m)
        for (int64_t i = 0; i < m; ++i) tile[i] = at + i;
      else
        for (int64_t i = 0; i < m; ++i) tile[i] = (at + i) / inner % n;
      cast(tile, nullptr, nullptr, data + at * item, m);
    }
  });
  return as_object(out);
}

template <KernelFunction run>
bool resolve(Kernel& k) {
  k.run = run;
  k.operands = 0;
  return k.arity == 1;
}

}  // namespace

MONEL_KERNELS(create) {
  registry.kernel("full", resolve<full>);
  registry.kernel("iota", resolve<iota>);
}

}  // namespace monel
