// Python's Buffer type: a typed, strided window on counted storage.
#pragma once
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "../kernels/storage.h"
#include "../kernels/view.h"

namespace monel {

inline constexpr int kInlineRank = 4;

struct Buffer {
  PyObject_HEAD
  Storage* storage;
  char* data;        // element (0, ..., 0)
  int64_t size;
  int64_t* shape;    // into `dims` up to kInlineRank, else on the heap with the strides behind it
  int64_t* strides;  // in elements
  Dtype dtype;
  uint8_t rank;
  bool contiguous;
  int64_t dims[2 * kInlineRank];
};

extern PyTypeObject* buffer_type;

inline bool is_buffer(PyObject* o) { return Py_TYPE(o) == buffer_type; }
inline View view_of(const Buffer* b) {
  View v;
  v.data = b->data;
  v.dtype = b->dtype;
  v.rank = b->rank;
  for (int i = 0; i < b->rank; ++i) {
    v.shape[i] = b->shape[i];
    v.strides[i] = b->strides[i];
  }
  return v;
}

// A fresh contiguous buffer; null with MemoryError or ValueError (too many axes) set.
Buffer* new_buffer(Dtype dtype, int rank, const int64_t* shape);
// A window on the storage of `base` with the shape, strides and data of `v`.
Buffer* new_view(const Buffer* base, const View& v);
// The result for a kernel whose output has `dtype` and `shape`: the memory of operand `i` if that dies here
// (`ctx.dying`), nothing else shares its storage, it is contiguous and has as many bytes; otherwise fresh memory.
// Only for kernels where element j of the output reads nothing but element j of that operand.
Buffer* reuse_or_new(PyObject* ctx, Buffer* const* operands, int n, Dtype dtype, int rank, const int64_t* shape);
// `b` itself (new reference) when contiguous, else a contiguous copy.
Buffer* contiguous(Buffer* b);

// A buffer that is dropped unless it is given away, so that nothing leaks when a kernel throws.
class Owned {
 public:
  explicit Owned(Buffer* b) : buffer_(b) {}
  ~Owned() { Py_XDECREF(buffer_); }
  Owned(const Owned&) = delete;
  Owned& operator=(const Owned&) = delete;
  explicit operator bool() const { return buffer_ != nullptr; }
  Buffer* operator->() const { return buffer_; }
  Buffer* get() const { return buffer_; }
  PyObject* give() {
    Buffer* given = buffer_;
    buffer_ = nullptr;
    return reinterpret_cast<PyObject*>(given);
  }

 private:
  Buffer* buffer_;
};

PyObject* shape_tuple(int rank, const int64_t* values);

}  // namespace monel
