// Gather and scatter, and their along-one-axis forms.
#pragma once
#include "view.h"

namespace monel {

enum class Mode { set, add, mul, max, min };

// The first index out of bounds; axis is -1 where all were good.
struct IndexFault {
  int64_t index = 0;
  int axis = -1;
  int64_t size = 0;
};

// Index operands, broadcast to one shape; operand i indexes axis axes[i].
struct Indices {
  int count;
  const View* views;
  const int64_t* axes;
};

// out[i..., s...] = x[start(i...) + s...]: out has shape I + slice, slice of the rank of x. A
// negative index counts from the end. Nothing useful is in out after a fault.
IndexFault gather(const View& x, const Indices& indices, const int64_t* slice, const View& out);

// out[start(i...) + s...] op= updates[i..., s...] in the order of i. out is contiguous and holds x
// already; it is unchanged after a fault.
IndexFault scatter(const View& out, const View& updates, const Indices& indices, Mode mode);

// out[..., j, ...] = x[..., indices[..., j, ...], ...] along axis.
IndexFault take_along_axis(const View& x, const View& indices, int axis, const View& out);

// out[..., indices[..., j, ...], ...] op= values[..., j, ...] along axis; out holds x already.
IndexFault put_along_axis(const View& out, const View& indices, const View& values, int axis,
                          Mode mode);

}  // namespace monel
