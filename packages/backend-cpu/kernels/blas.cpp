#include "blas.h"

#include <mutex>

#if defined(_WIN32)
#include <windows.h>
#else
#include <dlfcn.h>
#endif

namespace monel {
namespace {

std::string library_path, symbol_prefix;
std::once_flag once;
Blas table;

void* open_library(const char* path) {
#if defined(_WIN32)
  return reinterpret_cast<void*>(LoadLibraryA(path));
#else
  return dlopen(path, RTLD_NOW | RTLD_LOCAL);
#endif
}

void* find_symbol(const char* name) {
#if defined(_WIN32)
  return reinterpret_cast<void*>(GetProcAddress(static_cast<HMODULE>(table.library), name));
#else
  return dlsym(table.library, name);
#endif
}

template <class F>
void resolve(F& slot, const char* name) {
  slot = reinterpret_cast<F>(find_symbol((symbol_prefix + name).c_str()));
}

void load() {
  if (library_path.empty()) return;
  table.library = open_library(library_path.c_str());
  if (!table.library) return;
  // Its own threads and ours would fight for the same cores; work is split on our pool.
  void (*set_threads)(int) = nullptr;
  resolve(set_threads, "openblas_set_num_threads");
  if (set_threads) set_threads(1);
  // NaN is looked for by the callers, who give NaN for it rather than an error.
  void (*set_nan_check)(int) = nullptr;
  resolve(set_nan_check, "LAPACKE_set_nancheck");
  if (set_nan_check) set_nan_check(0);
  resolve(table.dgemm, "cblas_dgemm");
  resolve(table.cgemm, "cblas_cgemm");
}

}  // namespace

void set_blas_library(const std::string& path, const std::string& prefix) {
  library_path = path;
  symbol_prefix = prefix;
}

const Blas& blas() {
  std::call_once(once, load);
  return table;
}

void* blas_symbol(const char* name) {
  return blas().library ? find_symbol((symbol_prefix + name).c_str()) : nullptr;
}

}  // namespace monel
