// Compiled once per instruction set (isa.h): butterflies of the Walsh-Hadamard transform.
#include "hadamard.h"

#include "isa.h"

namespace monel {
namespace {

template <class T>
void transform(T* x, int64_t rows, int64_t n, T scale) {
  for (int64_t r = 0; r < rows; ++r, x += n) {
    for (int64_t h = 1; h < n; h *= 2)
      for (int64_t i = 0; i < n; i += 2 * h)
        for (int64_t j = i; j < i + h; ++j) {
          const T a = x[j], b = x[j + h];
          x[j] = a + b;
          x[j + h] = a - b;
        }
    for (int64_t j = 0; j < n; ++j) x[j] *= scale;
  }
}

}  // namespace

MONEL_DEFINE_TABLE(HadamardTable, hadamards) = {transform<float>, transform<double>};

}  // namespace monel
