// Stable sorting along one axis; NaN last.
#pragma once
#include "view.h"

namespace monel {

void sort_axis(const View& x, const View& out, int axis);
// out is uint32; equal elements (-0 and 0 too) keep their order.
void argsort_axis(const View& x, const View& out, int axis);

}  // namespace monel
