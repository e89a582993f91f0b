// Padding and concatenation: rows are copied whole.
#pragma once
#include "view.h"

namespace monel {

// out (contiguous) holds x, with `interior` values between neighbours, `low` before and `high`
// after; `value` points at one element.
void pad(const View& x, const void* value, const int64_t* low, const int64_t* interior,
         const View& out);

// out (contiguous) is the n operands one after another along axis.
void concatenate(const View* operands, int n, int axis, const View& out);

}  // namespace monel
