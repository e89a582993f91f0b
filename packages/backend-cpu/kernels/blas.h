// OpenBLAS (or another CBLAS and LAPACK) loaded at first use; every pointer is null where it is
// missing.
#pragma once
#include <cstdint>
#include <string>

namespace monel {

enum { kRowMajor = 101, kNoTrans = 111, kTrans = 112 };

struct Blas {
  void (*dgemm)(int order, int ta, int tb, int m, int n, int k, double alpha, const double* a,
                int lda, const double* b, int ldb, double beta, double* c, int ldc) = nullptr;
  void (*cgemm)(int order, int ta, int tb, int m, int n, int k, const void* alpha, const void* a,
                int lda, const void* b, int ldb, const void* beta, void* c, int ldc) = nullptr;
  void* library = nullptr;
};

// Where the library lies and how its symbols begin ("scipy_"); to be called before the first use.
void set_blas_library(const std::string& path, const std::string& prefix);
const Blas& blas();
// A symbol of the library without its prefix, or null.
void* blas_symbol(const char* name);

}  // namespace monel
