#include "buffer.h"

#include <cstring>
#include <string>

#include "../kernels/copy.h"
#include "registry.h"

namespace monel {

PyTypeObject* buffer_type = nullptr;

namespace {

constexpr int kFreeBuffers = 256;
Buffer* free_buffers[kFreeBuffers];
int free_count = 0;

Buffer* blank(int rank) {
  if (rank > kMaxRank) {
    PyErr_Format(PyExc_ValueError, "an array has at most %d axes, got %d", kMaxRank, rank);
    return nullptr;
  }
  Buffer* b;
  if (free_count > 0) {
    b = free_buffers[--free_count];
    PyObject_Init(reinterpret_cast<PyObject*>(b), buffer_type);
  } else {
    b = PyObject_New(Buffer, buffer_type);
    if (!b) return nullptr;
  }
  b->storage = nullptr;
  b->rank = static_cast<uint8_t>(rank);
  if (rank <= kInlineRank) {
    b->shape = b->dims;
    b->strides = b->dims + kInlineRank;
  } else {
    b->shape = static_cast<int64_t*>(PyMem_Malloc(2 * static_cast<size_t>(rank) * sizeof(int64_t)));
    if (!b->shape) {
      b->rank = 0;
      b->shape = b->dims;
      Py_DECREF(b);
      PyErr_NoMemory();
      return nullptr;
    }
    b->strides = b->shape + rank;
  }
  return b;
}

void buffer_dealloc(PyObject* self) {
  auto* b = reinterpret_cast<Buffer*>(self);
  if (b->storage) release(b->storage);
  if (b->shape != b->dims) PyMem_Free(b->shape);
  PyTypeObject* type = Py_TYPE(self);
  if (free_count < kFreeBuffers)
    free_buffers[free_count++] = b;
  else
    PyObject_Free(b);
  Py_DECREF(type);
}

bool checked_size(Dtype dtype, int rank, const int64_t* shape, int64_t& size) {
  size = 1;
  for (int i = 0; i < rank; ++i) {
    if (shape[i] < 0) {
      PyErr_Format(PyExc_ValueError, "a dimension must not be negative, got %lld", static_cast<long long>(shape[i]));
      return false;
    }
    if (__builtin_mul_overflow(size, shape[i], &size)) {
      PyErr_SetString(PyExc_MemoryError, "an array of this shape is larger than the address space");
      return false;
    }
  }
  int64_t bytes;
  if (__builtin_mul_overflow(size, itemsize(dtype), &bytes)) {
    PyErr_SetString(PyExc_MemoryError, "an array of this shape is larger than the address space");
    return false;
  }
  return true;
}

void set_shape(Buffer* b, Dtype dtype, int rank, const int64_t* shape) {
  int64_t step = 1;
  for (int i = rank - 1; i >= 0; --i) {
    b->shape[i] = shape[i];
    b->strides[i] = step;
    step *= shape[i];
  }
  b->size = step;
  b->dtype = dtype;
  b->contiguous = true;
}

}  // namespace

Buffer* new_buffer(Dtype dtype, int rank, const int64_t* shape) {
  int64_t size;
  if (!checked_size(dtype, rank, shape, size)) return nullptr;
  Buffer* b = blank(rank);
  if (!b) return nullptr;
  set_shape(b, dtype, rank, shape);
  b->storage = allocate(static_cast<size_t>(size * itemsize(dtype)));
  if (!b->storage) {
    Py_DECREF(b);
    PyErr_Format(PyExc_MemoryError, "the system has no %lld bytes left for an array",
                 static_cast<long long>(size * itemsize(dtype)));
    return nullptr;
  }
  b->data = static_cast<char*>(b->storage->data);
  return b;
}

Buffer* new_view(const Buffer* base, const View& v) {
  Buffer* b = blank(v.rank);
  if (!b) return nullptr;
  int64_t size = 1;
  for (int i = 0; i < v.rank; ++i) {
    b->shape[i] = v.shape[i];
    b->strides[i] = v.strides[i];
    size *= v.shape[i];
  }
  b->size = size;
  b->dtype = v.dtype;
  b->contiguous = v.contiguous();
  b->data = static_cast<char*>(v.data);
  b->storage = base->storage;
  retain(b->storage);
  return b;
}

Buffer* reuse_or_new(PyObject* ctx, Buffer* const* operands, int n, Dtype dtype, int rank, const int64_t* shape) {
  int64_t size = 1;
  for (int i = 0; i < rank; ++i) size *= shape[i];
  const int64_t bytes = size * itemsize(dtype);
  if (bytes < 4096) return new_buffer(dtype, rank, shape);
  bool possible = false;
  for (int i = 0; i < n; ++i) {
    const Buffer* b = operands[i];
    possible |= b->contiguous && b->size * itemsize(b->dtype) == bytes &&
                b->storage->count.load(std::memory_order_acquire) == 1 && b->storage->size_class >= 0;
  }
  if (!possible || ctx == Py_None) return new_buffer(dtype, rank, shape);
  static Name dying_("dying");
  int64_t dying;
  if (!get(ctx, dying_, dying)) return nullptr;
  for (int i = 0; i < n; ++i) {
    const Buffer* b = operands[i];
    if (!(dying >> i & 1) || !b->contiguous || b->size * itemsize(b->dtype) != bytes || b->storage->size_class < 0 ||
        b->storage->count.load(std::memory_order_acquire) != 1)
      continue;
    // A second operand on the same memory would have raised the count.
    Buffer* out = blank(rank);
    if (!out) return nullptr;
    set_shape(out, dtype, rank, shape);
    out->data = b->data;
    out->storage = b->storage;
    retain(out->storage);
    return out;
  }
  return new_buffer(dtype, rank, shape);
}

Buffer* contiguous(Buffer* b) {
  if (b->contiguous) {
    Py_INCREF(b);
    return b;
  }
  Buffer* out = new_buffer(b->dtype, b->rank, b->shape);
  if (!out) return nullptr;
  Unlocked gil(b->size > 65536, &b, 1);
  copy(view_of(b), out->data);
  return out;
}

PyObject* shape_tuple(int rank, const int64_t* values) {
  PyObject* t = PyTuple_New(rank);
  if (!t) return nullptr;
  for (int i = 0; i < rank; ++i) {
    PyObject* n = PyLong_FromLongLong(values[i]);
    if (!n) {
      Py_DECREF(t);
      return nullptr;
    }
    PyTuple_SET_ITEM(t, i, n);
  }
  return t;
}

namespace {

const Buffer* as_buffer(PyObject* o) { return reinterpret_cast<Buffer*>(o); }

PyObject* get_shape(PyObject* o, void*) { return shape_tuple(as_buffer(o)->rank, as_buffer(o)->shape); }
PyObject* get_strides(PyObject* o, void*) { return shape_tuple(as_buffer(o)->rank, as_buffer(o)->strides); }
PyObject* get_dtype(PyObject* o, void*) { return PyLong_FromLong(static_cast<long>(as_buffer(o)->dtype)); }
PyObject* get_size(PyObject* o, void*) { return PyLong_FromLongLong(as_buffer(o)->size); }
PyObject* get_contiguous(PyObject* o, void*) { return PyBool_FromLong(as_buffer(o)->contiguous); }
PyObject* get_shared(PyObject* o, void*) { return PyBool_FromLong(as_buffer(o)->storage->count.load() > 1); }
PyObject* get_address(PyObject* o, void*) { return PyLong_FromVoidPtr(as_buffer(o)->data); }

constexpr const char* kFormats[kDtypes] = {"?", "B", "H", "I", "Q", "b", "h", "i", "q", "e", "H", "f", "d", "Zf"};

int export_buffer(PyObject* self, Py_buffer* view, int flags) {
  auto* b = reinterpret_cast<Buffer*>(self);
  const bool wants_strides = (flags & PyBUF_STRIDES) == PyBUF_STRIDES;
  const bool wants_c = (flags & PyBUF_C_CONTIGUOUS) == PyBUF_C_CONTIGUOUS;
  if (!b->contiguous && (!wants_strides || wants_c)) {
    PyErr_SetString(PyExc_BufferError, "the buffer is not contiguous");
    return -1;
  }
  const int rank = b->rank;
  auto* dims = static_cast<Py_ssize_t*>(PyMem_Malloc((2 * static_cast<size_t>(rank) + 1) * sizeof(Py_ssize_t)));
  if (!dims) {
    PyErr_NoMemory();
    return -1;
  }
  const int64_t item = itemsize(b->dtype);
  for (int i = 0; i < rank; ++i) {
    dims[i] = b->shape[i];
    dims[rank + i] = b->strides[i] * item;
  }
  view->buf = b->data;
  view->obj = Py_NewRef(self);
  view->len = b->size * item;
  view->itemsize = item;
  view->readonly = 0;
  view->ndim = rank;
  view->format = (flags & PyBUF_FORMAT) ? const_cast<char*>(kFormats[static_cast<int>(b->dtype)]) : nullptr;
  view->shape = (flags & PyBUF_ND) ? dims : nullptr;
  view->strides = wants_strides ? dims + rank : nullptr;
  view->suboffsets = nullptr;
  view->internal = dims;
  retain(b->storage);
  return 0;
}

void release_export(PyObject* self, Py_buffer* view) {
  PyMem_Free(view->internal);
  release(as_buffer(self)->storage);
}

PyObject* item(PyObject* self, PyObject*) {
  const Buffer* b = as_buffer(self);
  if (b->size != 1) {
    PyErr_Format(PyExc_ValueError, "item: only an array of one element converts to a scalar, got %lld elements",
                 static_cast<long long>(b->size));
    return nullptr;
  }
  const void* d = b->data;
  switch (b->dtype) {
    case Dtype::bool_: return PyBool_FromLong(*static_cast<const uint8_t*>(d) != 0);
    case Dtype::uint8: return PyLong_FromLong(*static_cast<const uint8_t*>(d));
    case Dtype::uint16: return PyLong_FromLong(*static_cast<const uint16_t*>(d));
    case Dtype::uint32: return PyLong_FromUnsignedLong(*static_cast<const uint32_t*>(d));
    case Dtype::uint64: return PyLong_FromUnsignedLongLong(*static_cast<const uint64_t*>(d));
    case Dtype::int8: return PyLong_FromLong(*static_cast<const int8_t*>(d));
    case Dtype::int16: return PyLong_FromLong(*static_cast<const int16_t*>(d));
    case Dtype::int32: return PyLong_FromLong(*static_cast<const int32_t*>(d));
    case Dtype::int64: return PyLong_FromLongLong(*static_cast<const int64_t*>(d));
    case Dtype::float16: return PyFloat_FromDouble(static_cast<double>(widen(*static_cast<const float16*>(d))));
    case Dtype::bfloat16: return PyFloat_FromDouble(static_cast<double>(widen(*static_cast<const bfloat16*>(d))));
    case Dtype::float32: return PyFloat_FromDouble(static_cast<double>(*static_cast<const float*>(d)));
    case Dtype::float64: return PyFloat_FromDouble(*static_cast<const double*>(d));
    case Dtype::complex64: {
      const auto c = *static_cast<const complex64*>(d);
      return PyComplex_FromDoubles(static_cast<double>(c.re), static_cast<double>(c.im));
    }
  }
  Py_UNREACHABLE();
}

PyObject* tobytes(PyObject* self, PyObject*) {
  auto* b = reinterpret_cast<Buffer*>(self);
  PyObject* out = PyBytes_FromStringAndSize(nullptr, b->size * itemsize(b->dtype));
  if (out) copy(view_of(b), PyBytes_AS_STRING(out));
  return out;
}

PyObject* buffer_repr(PyObject* self) {
  PyObject* shape = get_shape(self, nullptr);
  if (!shape) return nullptr;
  PyObject* text = PyUnicode_FromFormat("<cpu buffer %s%R>", dtype_name(as_buffer(self)->dtype), shape);
  Py_DECREF(shape);
  return text;
}

PyGetSetDef getters[] = {{"shape", get_shape, nullptr, "Sizes of the axes.", nullptr},
                         {"strides", get_strides, nullptr, "Steps between neighbours, in elements.", nullptr},
                         {"dtype", get_dtype, nullptr, "Code of the dtype.", nullptr},
                         {"size", get_size, nullptr, "Number of elements.", nullptr},
                         {"contiguous", get_contiguous, nullptr, "Whether elements lie in C order, gapless.", nullptr},
                         {"shared", get_shared, nullptr, "Whether others use the same storage.", nullptr},
                         {"address", get_address, nullptr, "Address of the first element.", nullptr},
                         {nullptr, nullptr, nullptr, nullptr, nullptr}};
PyMethodDef methods[] = {{"item", item, METH_NOARGS, "item() -> the Python scalar of a one-element buffer."},
                         {"tobytes", tobytes, METH_NOARGS, "tobytes() -> the elements in C order."},
                         {nullptr, nullptr, 0, nullptr}};
PyType_Slot slots[] = {{Py_tp_dealloc, reinterpret_cast<void*>(buffer_dealloc)},
                       {Py_tp_repr, reinterpret_cast<void*>(buffer_repr)},
                       {Py_tp_getset, getters},
                       {Py_tp_methods, methods},
                       {Py_bf_getbuffer, reinterpret_cast<void*>(export_buffer)},
                       {Py_bf_releasebuffer, reinterpret_cast<void*>(release_export)},
                       {0, nullptr}};
PyType_Spec spec = {"monel.backends.cpu._kernels.Buffer", sizeof(Buffer), 0,
                    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, slots};

bool read_shape_and_dtype(PyObject* shape, PyObject* code, Ints& dims, Dtype& dtype) {
  return read_ints(shape, dims) && read_dtype(code, dtype);
}

bool wrong_count(Py_ssize_t n, Py_ssize_t expected, const char* signature) {
  if (n == expected) return false;
  PyErr_Format(PyExc_TypeError, "%s takes %zd arguments, got %zd", signature, expected, n);
  return true;
}

PyObject* empty(PyObject*, PyObject* const* args, Py_ssize_t n) {
  Ints dims;
  Dtype dtype;
  if (wrong_count(n, 2, "empty(shape, code)") || !read_shape_and_dtype(args[0], args[1], dims, dtype)) return nullptr;
  return reinterpret_cast<PyObject*>(new_buffer(dtype, dims.size, dims.values));
}

PyObject* from_bytes(PyObject*, PyObject* const* args, Py_ssize_t n) {
  Ints dims;
  Dtype dtype;
  if (wrong_count(n, 3, "from_bytes(data, shape, code)") || !read_shape_and_dtype(args[1], args[2], dims, dtype))
    return nullptr;
  Py_buffer data;
  if (PyObject_GetBuffer(args[0], &data, PyBUF_C_CONTIGUOUS) < 0) return nullptr;
  Buffer* out = new_buffer(dtype, dims.size, dims.values);
  if (out && data.len != out->size * itemsize(dtype)) {
    PyErr_Format(PyExc_ValueError, "from_bytes: the shape takes %lld bytes, the data has %zd",
                 static_cast<long long>(out->size * itemsize(dtype)), data.len);
    Py_CLEAR(out);
  }
  if (out) {
    Unlocked gil(data.len > (1 << 20), &out, 1);
    std::memcpy(out->data, data.buf, static_cast<size_t>(data.len));
  }
  PyBuffer_Release(&data);
  return reinterpret_cast<PyObject*>(out);
}

void release_owner(void* owner) {
  auto* view = static_cast<Py_buffer*>(owner);
  PyBuffer_Release(view);
  PyMem_Free(view);
}

// The storage ends where the owner's memory does; a writable owner is asked for, since arrays are writable.
PyObject* from_external(PyObject*, PyObject* const* args, Py_ssize_t n) {
  Dtype dtype;
  if (wrong_count(n, 2, "from_external(data, code)") || !read_dtype(args[1], dtype)) return nullptr;
  auto* view = static_cast<Py_buffer*>(PyMem_Malloc(sizeof(Py_buffer)));
  if (!view) return PyErr_NoMemory();
  if (PyObject_GetBuffer(args[0], view, PyBUF_FULL_RO) < 0) {
    PyMem_Free(view);
    return nullptr;
  }
  const int64_t item = itemsize(dtype);
  bool good = view->itemsize == item && view->ndim <= kMaxRank && !view->suboffsets;
  View v;
  v.data = view->buf;
  v.dtype = dtype;
  v.rank = good ? view->ndim : 0;
  for (int i = 0; i < v.rank; ++i) {
    v.shape[i] = view->shape[i];
    v.strides[i] = view->strides[i] / item;
    good &= view->strides[i] % item == 0 || view->shape[i] <= 1;
  }
  Storage* s = good ? adopt(view->buf, static_cast<size_t>(view->len), release_owner, view) : nullptr;
  if (!s) {
    const Py_ssize_t bytes = view->itemsize;
    release_owner(view);
    if (good) return PyErr_NoMemory();
    PyErr_Format(PyExc_ValueError, "from_external: memory of items of %zd bytes cannot be viewed as %s", bytes,
                 dtype_name(dtype));
    return nullptr;
  }
  Buffer base{};
  base.storage = s;
  Buffer* out = new_view(&base, v);
  release(s);
  return reinterpret_cast<PyObject*>(out);
}

PyMethodDef functions[] = {
    {"empty", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(empty)), METH_FASTCALL,
     "empty(shape, code) -> Buffer with undefined contents."},
    {"from_bytes", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(from_bytes)), METH_FASTCALL,
     "from_bytes(data, shape, code) -> Buffer with a copy of C-contiguous bytes."},
    {"from_external", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(from_external)), METH_FASTCALL,
     "from_external(data, code) -> Buffer on the memory of an object with the buffer protocol, which it keeps alive."},
    {nullptr, nullptr, 0, nullptr}};

}  // namespace

bool bind_buffer(PyObject* module) {
  buffer_type = reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&spec));
  return buffer_type && PyModule_AddObjectRef(module, "Buffer", reinterpret_cast<PyObject*>(buffer_type)) == 0 &&
         PyModule_AddFunctions(module, functions) == 0;
}

}  // namespace monel
