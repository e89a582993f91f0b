// The extension module: the Buffer type, and what each family binds for itself (registry.h).
#include "../kernels/isa.h"
#include "../kernels/pool.h"
#include "registry.h"

namespace monel {
namespace {

PyObject* get_threads(PyObject*, PyObject*) { return PyLong_FromLong(num_threads()); }

PyObject* set_threads(PyObject*, PyObject* n) {
  const long wanted = PyLong_AsLong(n);
  if (wanted == -1 && PyErr_Occurred()) return nullptr;
  if (wanted < 1) {
    PyErr_Format(PyExc_ValueError, "set_num_threads: at least 1 thread is needed, got %ld", wanted);
    return nullptr;
  }
  return PyLong_FromLong(set_num_threads(wanted > 256 ? 256 : static_cast<int>(wanted)));
}

PyObject* get_isa(PyObject*, PyObject*) { return PyUnicode_FromString(isa_name()); }

PyObject* get_memory(PyObject*, PyObject*) {
  const MemoryInfo m = memory_info();
  return Py_BuildValue("{s:n,s:n,s:n,s:n,s:n}", "active", m.active, "peak", m.peak, "cached", m.cached, "memory_limit",
                       m.memory_limit, "cache_limit", m.cache_limit);
}

template <size_t (*Set)(size_t)>
PyObject* set_limit(PyObject*, PyObject* bytes) {
  const size_t wanted = PyLong_AsSize_t(bytes);
  if (wanted == static_cast<size_t>(-1) && PyErr_Occurred()) return nullptr;
  return PyLong_FromSize_t(Set(wanted));
}

PyObject* reset_peak_memory(PyObject*, PyObject*) {
  reset_peak();
  Py_RETURN_NONE;
}

PyObject* empty_cache(PyObject*, PyObject*) {
  clear_cache();
  Py_RETURN_NONE;
}

PyMethodDef functions[] = {
    {"num_threads", get_threads, METH_NOARGS, "num_threads() -> threads that kernels may use."},
    {"set_num_threads", set_threads, METH_O, "set_num_threads(n) -> the old number."},
    {"isa", get_isa, METH_NOARGS, "isa() -> the instruction set of the vector code: v2, v3, v4 or native."},
    {"memory", get_memory, METH_NOARGS, "memory() -> dict of active, peak and cached bytes and of the limits."},
    {"reset_peak_memory", reset_peak_memory, METH_NOARGS, "reset_peak_memory() sets the peak to 0."},
    {"set_memory_limit", set_limit<set_memory_limit>, METH_O, "set_memory_limit(bytes) -> the old limit."},
    {"set_cache_limit", set_limit<set_cache_limit>, METH_O, "set_cache_limit(bytes) -> the old limit."},
    {"clear_cache", empty_cache, METH_NOARGS, "clear_cache() gives unused blocks back to the system."},
    {nullptr, nullptr, 0, nullptr}};

PyModuleDef definition = {PyModuleDef_HEAD_INIT, "_kernels", "Buffers and kernels of the CPU backend.", -1, functions,
                          nullptr, nullptr, nullptr, nullptr};

}  // namespace
}  // namespace monel

PyMODINIT_FUNC PyInit__kernels() {
  PyObject* module = PyModule_Create(&monel::definition);
  if (module && !(monel::bind_buffer(module) && monel::bind_registry(module))) Py_CLEAR(module);
  return module;
}
