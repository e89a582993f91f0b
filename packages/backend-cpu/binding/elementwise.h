// Broadcasting of operands, for kernels that take several shapes.
#pragma once
#include "registry.h"

namespace monel {

// The common shape of the operands; false with ValueError set (`name` is the operation) where there is none.
bool broadcast_shape(const char* name, Buffer* const* in, int n, int& rank, int64_t* shape);
// The buffer seen in that shape: stride 0 where it is repeated.
View broadcast_view(const Buffer* b, int rank, const int64_t* shape);

}  // namespace monel
