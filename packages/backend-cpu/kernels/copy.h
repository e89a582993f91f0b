// Copies of strided memory.
#pragma once
#include "view.h"

namespace monel {

// Writes the elements of `from` to `out` in row-major order, whatever its strides; splits large work over the pool.
void copy(const View& from, void* out);

// Merges axes that neighbour in memory, drops axes of size one, in all views of one shape at once.
void collapse(View* views, int n);

}  // namespace monel
