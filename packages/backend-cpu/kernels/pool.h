// One pool of threads for all kernels. The caller works too; helpers spin for 50 us, then sleep.
#pragma once
#include <cstdint>
#include <memory>
#include <type_traits>

namespace monel {

using ChunkBody = void (*)(void* context, int64_t begin, int64_t end);

// Runs body over [0, n) in chunks that depend only on n, grain and the configured number of threads, so
// results cannot depend on load. A chunk has at least `grain` items; below two grains, or inside another
// parallel_for, all runs on the calling thread in one call. A body must not throw.
void parallel_run(int64_t n, int64_t grain, ChunkBody body, void* context);

template <class F>
void parallel_for(int64_t n, int64_t grain, F&& body) {
  using Body = std::remove_reference_t<F>;
  parallel_run(
      n, grain, [](void* c, int64_t begin, int64_t end) { (*static_cast<Body*>(c))(begin, end); },
      const_cast<void*>(static_cast<const void*>(std::addressof(body))));
}

int num_threads();
int set_num_threads(int n);  // returns the old number; the default is MONEL_NUM_THREADS or the processors allowed

}  // namespace monel
