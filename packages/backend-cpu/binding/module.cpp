// The extension module: threads and memory here, by nanobind; the Buffer type and what each family binds for
// itself, which are called for every operation, by the C API directly (buffer.cpp, registry.h).
#include <nanobind/nanobind.h>

#include "../kernels/isa.h"
#include "../kernels/pool.h"
#include "registry.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace monel {
namespace {

int set_threads(int n) {
  if (n < 1) throw nb::value_error("set_num_threads: at least 1 thread is needed");
  return set_num_threads(n > 256 ? 256 : n);
}

nb::dict memory() {
  const MemoryInfo info = memory_info();
  nb::dict counts;
  counts["active"] = info.active;
  counts["peak"] = info.peak;
  counts["cached"] = info.cached;
  counts["memory_limit"] = info.memory_limit;
  counts["cache_limit"] = info.cache_limit;
  return counts;
}

}  // namespace
}  // namespace monel

NB_MODULE(_kernels, m) {
  m.doc() = "Buffers and kernels of the CPU backend.";
  m.def("num_threads", &monel::num_threads, "Return how many threads kernels may use.");
  m.def("set_num_threads", &monel::set_threads, "n"_a, "Set how many threads kernels may use; return the old number.");
  m.def("isa", &monel::isa_name, "Return the instruction set of the vector code: v2, v3, v4 or native.");
  m.def("memory", &monel::memory, "Return a dict of active, peak and cached bytes and of the limits.");
  m.def("reset_peak_memory", &monel::reset_peak, "Set the peak to 0.");
  m.def("set_memory_limit", &monel::set_memory_limit, "bytes"_a, "Set the limit; return the old one.");
  m.def("set_cache_limit", &monel::set_cache_limit, "bytes"_a, "Set the limit; return the old one.");
  m.def("clear_cache", &monel::clear_cache, "Give unused blocks back to the system.");
  if (!monel::bind_buffer(m.ptr()) || !monel::bind_registry(m.ptr())) throw nb::python_error();
}
