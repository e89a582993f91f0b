// How kernels reach Python. A file `binding/<family>.cpp` binds itself; there is no central list:
//
//   static PyObject* sort(const Kernel& k, PyObject* ctx, PyObject* p, Buffer* const* in, int n) {
//     static Name axis_("axis");                       // an interned attribute name
//     int64_t axis;
//     if (!get(p, axis_, axis)) return nullptr;        // int64_t, bool, double, Ints (tuples), std::string_view
//     Buffer* out = new_buffer(in[0]->dtype, in[0]->rank, in[0]->shape);
//     if (!out) return nullptr;
//     {
//       Unlocked gil(in[0]->size > 20000, in, n);      // releases the GIL if worth it; operands count as in flight
//       sort_axis(view_of(in[0]), view_of(out), axis); // kernels/sort.cpp, free of Python
//     }
//     return (PyObject*)out;
//   }
//   MONEL_KERNELS(sort) {
//     registry.kernel("sort", [](Kernel& k) {          // asked once per tuple of operand dtypes
//       k.run = sort;
//       return k.arity == 1 && k.dtypes[0] != Dtype::complex64;
//     });
//     registry.function("sort_threshold", c_function, METH_FASTCALL, "doc");   // plain module functions
//   }
//
// A kernel returns a new reference, null with an exception set, or Py_NewRef(Py_NotImplemented). C++ exceptions
// are caught by the caller: std::bad_alloc becomes MemoryError, others RuntimeError (ValueError for
// std::invalid_argument, IndexError for std::out_of_range).
#pragma once
#include "buffer.h"

#include <structmember.h>

#include <string>
#include <string_view>

namespace monel {

struct Kernel;
using KernelFunction = PyObject* (*)(const Kernel& k, PyObject* ctx, PyObject* p, Buffer* const* operands, int n);

inline constexpr int kMaxDtypes = 32;

// The vectorcall object that core calls as kernel(ctx, p, *operands).
struct Kernel {
  PyObject_HEAD
  vectorcallfunc vectorcall;
  KernelFunction run;
  const void* data;           // for the family: a table entry found once
  int64_t code;               // for the family
  const char* name;
  int arity;                  // number of dtypes asked for
  int operands;               // that a call takes: `arity`, unless resolve says otherwise (0: full, iota)
  Dtype dtypes[kMaxDtypes];   // of the operands (of the output where there are none)
};

using Resolve = bool (*)(Kernel& k);  // fills run, data, code; false: not these dtypes

class Registry {
 public:
  PyObject* module;
  void kernel(const char* name, Resolve resolve);
  void function(const char* name, PyCFunction f, int flags, const char* doc);
  template <class F>
  void function(const char* name, F f, int flags, const char* doc) {
    function(name, reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(f)), flags, doc);
  }
};

bool bind_registry(PyObject* module);
bool bind_buffer(PyObject* module);

struct Family {
  void (*bind)(Registry&);
  Family* next;
  static Family*& first();
  explicit Family(void (*f)(Registry&)) : bind(f), next(first()) { first() = this; }
};

#define MONEL_KERNELS(family)                                        \
  static void bind_##family(::monel::Registry& registry);            \
  static ::monel::Family family_##family(bind_##family);             \
  static void bind_##family([[maybe_unused]] ::monel::Registry& registry)

// An interned string, made at first use.
class Name {
 public:
  explicit Name(const char* text) : object_(PyUnicode_InternFromString(text)) {}
  operator PyObject*() const { return object_; }

 private:
  PyObject* object_;
};

struct Ints {
  int size = 0;
  int64_t values[2 * kMaxRank];
  int64_t operator[](int i) const { return values[i]; }
};

// Read an attribute of a primitive (or of ctx); false with an exception set.
bool get(PyObject* object, PyObject* name, int64_t& out);
bool get(PyObject* object, PyObject* name, bool& out);
bool get(PyObject* object, PyObject* name, double& out);
bool get(PyObject* object, PyObject* name, Ints& out);         // a tuple of ints, or a single int
bool get(PyObject* object, PyObject* name, Dtype& out);        // a Dtype (its .code) or an int
bool get(PyObject* object, PyObject* name, std::string_view& out);  // valid while the primitive lives
bool read_dtype(PyObject* dtype, Dtype& out);
bool read_ints(PyObject* tuple, Ints& out);

// Releases the GIL while it lives, if `worth` it (about 20 us of work), and keeps the operands' storage from donation.
class Unlocked {
 public:
  Unlocked(bool worth, Buffer* const* operands, int n) : operands_(operands), n_(n), state_(nullptr) {
    if (!worth) return;
    for (int i = 0; i < n_; ++i) retain(operands_[i]->storage);
    state_ = PyEval_SaveThread();
  }
  ~Unlocked() {
    if (!state_) return;
    PyEval_RestoreThread(state_);
    for (int i = 0; i < n_; ++i) release(operands_[i]->storage);
  }
  Unlocked(const Unlocked&) = delete;
  Unlocked& operator=(const Unlocked&) = delete;

 private:
  Buffer* const* operands_;
  int n_;
  PyThreadState* state_;
};

}  // namespace monel
