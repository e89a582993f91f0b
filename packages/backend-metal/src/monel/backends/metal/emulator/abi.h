// What the stand-in metal_stdlib and the emulator's runtime agree on.
#pragma once

typedef unsigned long monel_size;

// One thread of the grid, as its kernel sees it. Three-component values are x, y, z.
struct MonelThread {
  unsigned position_in_grid[3];
  unsigned position_in_group[3];
  unsigned group_in_grid[3];
  unsigned threads_per_group[3];
  unsigned dispatch_threads_per_group[3];
  unsigned threads_per_grid[3];
  unsigned groups_per_grid[3];
  unsigned index_in_group;
  unsigned lane;
  unsigned simdgroup;
  unsigned simdgroups;
};

enum MonelOrder { MONEL_FORWARD = 0, MONEL_REVERSE = 1, MONEL_RANDOM = 2 };

// A dispatch. Sizes are in bytes; grid and group are in threads.
struct MonelLaunch {
  void (*entry)();
  void** buffers;
  const monel_size* sizes;
  const char* const* names;
  const unsigned* granules;  // the smallest piece of a buffer that threads share out
  unsigned buffer_count;
  const unsigned* threadgroup_lengths;
  unsigned threadgroup_count;
  unsigned grid[3];
  unsigned group[3];
  unsigned order;
  unsigned checked;
  monel_size seed;
  char* report;
  monel_size report_size;
};

extern "C" {
// The thread that runs now.
extern MonelThread* monel_thread;

// Run a dispatch; the number of findings, each a line of the report.
int monel_launch(const MonelLaunch* launch);

// Memory of parameter `index`, and of `[[threadgroup(index)]]`.
void* monel_buffer(unsigned index);
void* monel_threadgroup_parameter(unsigned index);

// A threadgroup variable: the same memory for each thread of the group. `key` names the variable.
void* monel_shared(const void* key, monel_size size, unsigned granule, const char* name);

// Every lane of the SIMD group calls it with `size` bytes. The answer holds 32 slots of 64 bytes,
// one a lane, and `mask` the lanes that took part; it stays valid until the second call from here.
const char* monel_exchange(const void* value, unsigned size, const char* what, unsigned* mask);

// The same for an 8x8 product: two elements a lane of a, b and c; two of the result come back.
void monel_matrix_product(const float* elements, float* result);

void monel_threadgroup_barrier(unsigned flags);
void monel_simdgroup_barrier(unsigned flags);

// An atomic operation is about to touch memory.
void monel_atomic(void* address, unsigned size, unsigned writes);

// Whether compare-and-exchange, which may fail for no reason, is to fail now.
int monel_spurious_failure();

// A read of a lane that is not there; what it reads is undefined.
void monel_absent_lane(const char* what, unsigned lane);
}
