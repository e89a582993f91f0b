// Random bits from a counter: Threefry-2x32 with 20 rounds.
// Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
#pragma once
#include "view.h"

namespace monel {

// keys: uint32[..., 2] of any strides; out: contiguous, key shape without its last axis + the shape
// of each draw.
void random_bits(const View& keys, const View& out);

}  // namespace monel
