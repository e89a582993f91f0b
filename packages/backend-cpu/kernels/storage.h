// Counted, 64-byte aligned memory from a caching allocator with exact counters.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace monel {

struct Storage {
  std::atomic<int32_t> count;    // buffers, exports and kernels in flight
  int32_t size_class;            // -1: memory of somebody else
  void* data;
  size_t bytes;                  // as asked for; the block may be larger
  void (*release)(void* owner);  // of foreign memory
  void* owner;
};

// A storage of count 1 with undefined contents; null when the system has no memory left.
Storage* allocate(size_t bytes);
// Wraps foreign memory; `release(owner)` runs when the count falls to zero.
Storage* adopt(void* data, size_t bytes, void (*release)(void*), void* owner);
void destroy(Storage* s);

inline void retain(Storage* s) { s->count.fetch_add(1, std::memory_order_relaxed); }
inline void release(Storage* s) {
  // A count of one means that no other owner exists that could raise it: no locked instruction needed.
  if (s->count.load(std::memory_order_acquire) == 1 || s->count.fetch_sub(1, std::memory_order_acq_rel) == 1)
    destroy(s);
}

struct MemoryInfo {
  size_t active, peak, cached, memory_limit, cache_limit;
};
MemoryInfo memory_info();
void reset_peak();
size_t set_memory_limit(size_t bytes);  // both return the old limit
size_t set_cache_limit(size_t bytes);
void clear_cache();

// Scratch memory of a kernel; throws std::bad_alloc.
class Scratch {
 public:
  explicit Scratch(size_t bytes);
  ~Scratch() { release(storage_); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  template <class T> T* as() const { return static_cast<T*>(storage_->data); }

 private:
  Storage* storage_;
};

}  // namespace monel
