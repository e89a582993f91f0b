#pragma once
#include "view.h"

namespace monel {

// out[..., m, n] = x[..., m, k] @ y[..., k, n]: batch axes broadcast, operands of any strides, out
// contiguous, all of one dtype. Integers wrap; bool is "or" of "and".
void matmul(const View& x, const View& y, const View& out);

}  // namespace monel
