// Threefry-2x32 in 20 rounds (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3").
#include "common.h"

constant uint rotations[8] = {13, 15, 26, 6, 17, 29, 16, 24};

// Thread (i, key): counter i gives the words i and i + half + odd of its key.
[[kernel]] void threefry(constant Threefry& p [[buffer(0)]],
                         device const uint* keys [[buffer(1)]],
                         device uint* words [[buffer(2)]],
                         uint2 at [[thread_position_in_grid]]) {
  const uint half_count = p.words / 2, first = p.words - half_count;
  uint schedule[3] = {keys[at.y * 2], keys[at.y * 2 + 1], 0};
  schedule[2] = schedule[0] ^ schedule[1] ^ 0x1BD11BDAu;
  uint a = at.x + schedule[0];
  uint b = (at.x < half_count ? at.x + first : 0u) + schedule[1];
  for (uint round = 0; round < 20; ++round) {
    const uint turn = rotations[round % 8];
    a += b;
    b = ((b << turn) | (b >> (32 - turn))) ^ a;
    if (round % 4 == 3) {
      const uint step = round / 4 + 1;
      a += schedule[step % 3];
      b += schedule[(step + 1) % 3] + step;
    }
  }
  device uint* out = words + ulong(at.y) * p.words;
  out[at.x] = a;
  if (at.x < half_count) out[at.x + first] = b;
}
