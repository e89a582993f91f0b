// The Walsh-Hadamard transform of rows whose length is a power of two.
#pragma once
#include "view.h"

namespace monel {

// Rows in place, times the scale.
struct HadamardTable {
  void (*single)(float* x, int64_t rows, int64_t n, float scale);
  void (*twice)(double* x, int64_t rows, int64_t n, double scale);
};

const HadamardTable& hadamards();

// out (contiguous, of the dtype of x) = rows of x, which is contiguous, transformed; halves are
// computed in float32.
void hadamard(const View& x, double scale, const View& out);

}  // namespace monel
