#include "registry.h"

#include <cstring>
#include <new>
#include <stdexcept>
#include <unordered_map>
#include <vector>

namespace monel {
namespace {

PyTypeObject* kernel_type = nullptr;

using Table = std::unordered_map<std::string_view, Resolve>;
Table& table() {
  static Table* one = new Table;
  return *one;
}

PyObject* translate(const std::exception& error) {
  if (dynamic_cast<const std::bad_alloc*>(&error)) return PyErr_NoMemory();
  PyObject* type = dynamic_cast<const std::invalid_argument*>(&error) ? PyExc_ValueError
                   : dynamic_cast<const std::out_of_range*>(&error)   ? PyExc_IndexError
                                                                      : PyExc_RuntimeError;
  PyErr_SetString(type, error.what());
  return nullptr;
}

PyObject* call_kernel(PyObject* self, PyObject* const* args, size_t nargsf, PyObject*) {
  const auto& k = *reinterpret_cast<Kernel*>(self);
  const Py_ssize_t n = PyVectorcall_NARGS(nargsf) - 2;
  if (n < 0) {
    PyErr_Format(PyExc_TypeError, "%s: a kernel is called as kernel(ctx, primitive, *buffers)", k.name);
    return nullptr;
  }
  if (n != k.operands) {
    PyErr_Format(PyExc_TypeError, "%s: takes %d operands, got %zd", k.name, k.operands, n);
    return nullptr;
  }
  for (Py_ssize_t i = 0; i < n; ++i)
    if (!is_buffer(args[i + 2])) {
      PyErr_Format(PyExc_TypeError, "%s: operand %zd must be a Buffer of the CPU backend, got %s", k.name, i,
                   Py_TYPE(args[i + 2])->tp_name);
      return nullptr;
    }
  try {
    return k.run(k, args[0], args[1], reinterpret_cast<Buffer* const*>(args + 2), static_cast<int>(n));
  } catch (const std::exception& error) {
    return translate(error);
  }
}

void kernel_dealloc(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  PyObject_Free(self);
  Py_DECREF(type);
}

PyObject* kernel_repr(PyObject* self) {
  return PyUnicode_FromFormat("<cpu kernel %s>", reinterpret_cast<Kernel*>(self)->name);
}

PyMemberDef kernel_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(Kernel, vectorcall), READONLY, nullptr},
    {nullptr, 0, 0, 0, nullptr}};

PyType_Slot kernel_slots[] = {{Py_tp_dealloc, reinterpret_cast<void*>(kernel_dealloc)},
                              {Py_tp_repr, reinterpret_cast<void*>(kernel_repr)},
                              {Py_tp_call, reinterpret_cast<void*>(PyVectorcall_Call)},
                              {Py_tp_members, kernel_members},
                              {0, nullptr}};

PyType_Spec kernel_spec = {"monel.backends.cpu._kernels.Kernel", sizeof(Kernel), 0,
                           Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_DISALLOW_INSTANTIATION,
                           kernel_slots};

PyObject* find_kernel(PyObject*, PyObject* const* args, Py_ssize_t n) {
  if (n != 2) {
    PyErr_SetString(PyExc_TypeError, "kernel(name, dtype codes) takes 2 arguments");
    return nullptr;
  }
  const char* name = PyUnicode_AsUTF8(args[0]);
  if (!name) return nullptr;
  const auto found = table().find(name);
  if (found == table().end()) Py_RETURN_NONE;
  const Py_ssize_t arity = PySequence_Size(args[1]);
  if (arity < 0) return nullptr;
  auto* k = PyObject_New(Kernel, kernel_type);
  if (!k) return nullptr;
  k->vectorcall = call_kernel;
  k->run = nullptr;
  k->data = nullptr;
  k->code = 0;
  k->name = found->first.data();
  k->arity = k->operands = static_cast<int>(arity);
  for (Py_ssize_t i = 0; i < arity; ++i) {
    PyObject* item = PySequence_GetItem(args[1], i);
    Dtype dtype{};
    const bool good = item && read_dtype(item, dtype);
    Py_XDECREF(item);
    if (!good) {
      Py_DECREF(k);
      return nullptr;
    }
    if (i < kMaxDtypes) k->dtypes[i] = dtype;
  }
  if (found->second(*k)) return reinterpret_cast<PyObject*>(k);
  Py_DECREF(k);
  if (PyErr_Occurred()) return nullptr;
  Py_RETURN_NONE;
}

PyObject* kernel_names(PyObject*, PyObject*) {
  PyObject* names = PyList_New(0);
  for (const auto& entry : table()) {
    PyObject* name = PyUnicode_FromStringAndSize(entry.first.data(), static_cast<Py_ssize_t>(entry.first.size()));
    if (!name || PyList_Append(names, name) < 0) {
      Py_XDECREF(name);
      Py_DECREF(names);
      return nullptr;
    }
    Py_DECREF(name);
  }
  if (PyList_Sort(names) < 0) Py_CLEAR(names);
  return names;
}

bool wrong(PyObject* name, const char* expected) {
  PyErr_Format(PyExc_TypeError, "parameter %R must be %s", name, expected);
  return false;
}

}  // namespace

Family*& Family::first() {
  static Family* head = nullptr;
  return head;
}

void Registry::kernel(const char* name, Resolve resolve) {
  if (!table().emplace(name, resolve).second)
    throw std::invalid_argument(std::string("a kernel named ") + name + " is registered twice");
}

void Registry::function(const char* name, PyCFunction f, int flags, const char* doc) {
  auto* def = new PyMethodDef{name, f, flags, doc};  // must live as long as the function
  PyObject* made = PyCFunction_NewEx(def, nullptr, nullptr);
  if (!made || PyModule_AddObject(module, name, made) < 0) throw std::bad_alloc();
}

bool bind_registry(PyObject* module) {
  kernel_type = reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&kernel_spec));
  if (!kernel_type) return false;
  if (PyModule_AddObjectRef(module, "Kernel", reinterpret_cast<PyObject*>(kernel_type)) < 0) return false;
  Registry registry{module};
  try {
    registry.function("kernel", find_kernel, METH_FASTCALL,
                      "kernel(name, codes) -> callable or None: the kernel for operands of these dtypes.");
    registry.function("kernel_names", kernel_names, METH_NOARGS, "kernel_names() -> list of primitive names.");
    for (Family* f = Family::first(); f; f = f->next) f->bind(registry);
  } catch (const std::exception& error) {
    if (!PyErr_Occurred()) translate(error);
    return false;
  }
  return true;
}

bool read_dtype(PyObject* object, Dtype& out) {
  static Name code_("code");
  long code = -1;
  if (PyLong_Check(object)) {
    code = PyLong_AsLong(object);
  } else {
    PyObject* value = PyObject_GetAttr(object, code_);
    if (!value) return false;
    code = PyLong_AsLong(value);
    Py_DECREF(value);
  }
  if (code == -1 && PyErr_Occurred()) return false;
  if (code < 0 || code >= kDtypes) {
    PyErr_Format(PyExc_ValueError, "a dtype code is 0 to %d, got %ld", kDtypes - 1, code);
    return false;
  }
  out = static_cast<Dtype>(code);
  return true;
}

bool read_ints(PyObject* object, Ints& out) {
  if (PyLong_Check(object)) {
    out.size = 1;
    out.values[0] = PyLong_AsLongLong(object);
    return out.values[0] != -1 || !PyErr_Occurred();
  }
  PyObject* items = PySequence_Fast(object, "expected a tuple of ints");
  if (!items) return false;
  const Py_ssize_t n = PySequence_Fast_GET_SIZE(items);
  bool good = n <= 2 * kMaxRank;
  if (!good) PyErr_Format(PyExc_ValueError, "at most %d axes are possible, got %zd", 2 * kMaxRank, n);
  out.size = static_cast<int>(good ? n : 0);
  for (Py_ssize_t i = 0; good && i < n; ++i) {
    out.values[i] = PyLong_AsLongLong(PySequence_Fast_GET_ITEM(items, i));
    good = out.values[i] != -1 || !PyErr_Occurred();
  }
  Py_DECREF(items);
  return good;
}

bool get(PyObject* object, PyObject* name, int64_t& out) {
  PyObject* value = PyObject_GetAttr(object, name);
  if (!value) return false;
  out = PyLong_AsLongLong(value);
  Py_DECREF(value);
  return out != -1 || !PyErr_Occurred();
}

bool get(PyObject* object, PyObject* name, bool& out) {
  PyObject* value = PyObject_GetAttr(object, name);
  if (!value) return false;
  const int truth = PyObject_IsTrue(value);
  Py_DECREF(value);
  out = truth == 1;
  return truth >= 0;
}

bool get(PyObject* object, PyObject* name, double& out) {
  PyObject* value = PyObject_GetAttr(object, name);
  if (!value) return false;
  out = PyFloat_AsDouble(value);
  Py_DECREF(value);
  return out != -1.0 || !PyErr_Occurred();
}

bool get(PyObject* object, PyObject* name, Ints& out) {
  PyObject* value = PyObject_GetAttr(object, name);
  if (!value) return false;
  const bool good = read_ints(value, out);
  Py_DECREF(value);
  return good;
}

bool get(PyObject* object, PyObject* name, Dtype& out) {
  PyObject* value = PyObject_GetAttr(object, name);
  if (!value) return false;
  const bool good = read_dtype(value, out);
  Py_DECREF(value);
  return good;
}

bool get(PyObject* object, PyObject* name, std::string_view& out) {
  PyObject* value = PyObject_GetAttr(object, name);
  if (!value) return false;
  Py_ssize_t n = 0;
  const char* text = PyUnicode_Check(value) ? PyUnicode_AsUTF8AndSize(value, &n) : nullptr;
  Py_DECREF(value);  // the primitive keeps it
  if (!text) return PyErr_Occurred() ? false : wrong(name, "a string");
  out = std::string_view(text, static_cast<size_t>(n));
  return true;
}

}  // namespace monel
