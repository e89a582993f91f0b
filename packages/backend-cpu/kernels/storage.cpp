#include "storage.h"

#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include <bit>
#include <cstdlib>
#include <new>

namespace monel {
namespace {

// A block is a 64-byte header (Storage) and the data behind it, both aligned to 64 bytes. Classes are four to an
// octave from 64 bytes on, so that at most a fifth of a block is unused (and untouched).
constexpr size_t kAlign = 64;
constexpr int kClasses = 4 * 40;
static_assert(sizeof(Storage) <= kAlign);

constexpr size_t class_bytes(int c) { return (size_t{4} + (c & 3)) << ((c >> 2) + 4); }

constexpr int class_of(size_t bytes) {
  if (bytes <= 64) return 0;
  const int octave = std::bit_width(bytes - 1) - 1;  // 2^octave <= bytes - 1
  const int quarter = static_cast<int>((bytes - 1) >> (octave - 2)) & 3;
  return 4 * (octave - 6) + quarter + 1;
}
static_assert(class_of(64) == 0 && class_of(65) == 1 && class_of(80) == 1 && class_of(81) == 2);
static_assert(class_bytes(0) == 64 && class_bytes(1) == 80 && class_bytes(class_of(4097)) >= 4097);

class SpinLock {
 public:
  void lock() {
    for (int i = 0; flag_.exchange(true, std::memory_order_acquire); ++i)
      if (i > 100) sched_yield();
  }
  void unlock() { flag_.store(false, std::memory_order_release); }

 private:
  std::atomic<bool> flag_{false};
};

struct Free {
  Free* next;
};

size_t physical_memory() {
  return static_cast<size_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<size_t>(sysconf(_SC_PAGE_SIZE));
}

struct Cache {
  SpinLock lock;
  size_t active = 0, peak = 0, cached = 0;
  size_t memory_limit = physical_memory() / 20 * 19;
  size_t cache_limit = physical_memory() / 8;
  Free* lists[kClasses] = {};

  void count(size_t bytes) {
    active += bytes;
    if (active > peak) peak = active;
  }

  // Gives blocks back to the system, the largest first, until at most `keep` bytes are cached.
  void trim(size_t keep) {
    for (int c = kClasses - 1; c >= 0 && cached > keep; --c)
      while (lists[c] && cached > keep) {
        Free* block = lists[c];
        lists[c] = block->next;
        cached -= class_bytes(c);
        std::free(block);
      }
  }
};

Cache& cache() {
  static Cache* one = [] {
    auto* made = new Cache;  // never destroyed: buffers may outlive static destructors
    pthread_atfork([] { cache().lock.lock(); }, [] { cache().lock.unlock(); }, [] { cache().lock.unlock(); });
    return made;
  }();
  return *one;
}
Cache& the_cache = cache();

struct Guard {
  Guard() { the_cache.lock.lock(); }
  ~Guard() { the_cache.lock.unlock(); }
};

void* from_system(int size_class) {
  const size_t bytes = class_bytes(size_class) + kAlign;
  return std::aligned_alloc(kAlign, (bytes + kAlign - 1) / kAlign * kAlign);
}

}  // namespace

Storage* allocate(size_t bytes) {
  if (bytes > (size_t{1} << 44)) return nullptr;
  const int size_class = class_of(bytes);
  void* block = nullptr;
  {
    Guard guard;
    Cache& c = the_cache;
    if (Free* found = c.lists[size_class]) {
      c.lists[size_class] = found->next;
      c.cached -= class_bytes(size_class);
      block = found;
    } else if (c.active + c.cached + bytes > c.memory_limit) {
      c.trim(c.active + bytes > c.memory_limit ? 0 : c.memory_limit - c.active - bytes);
    }
    c.count(bytes);
  }
  if (!block) block = from_system(size_class);
  if (!block) {
    clear_cache();
    block = from_system(size_class);
  }
  if (!block) {
    Guard guard;
    the_cache.active -= bytes;
    return nullptr;
  }
  auto* s = new (block) Storage;
  s->count.store(1, std::memory_order_relaxed);
  s->size_class = size_class;
  s->data = static_cast<char*>(block) + kAlign;
  s->bytes = bytes;
  s->release = nullptr;
  s->owner = nullptr;
  return s;
}

Storage* adopt(void* data, size_t bytes, void (*release)(void*), void* owner) {
  auto* s = new (std::nothrow) Storage;
  if (!s) return nullptr;
  s->count.store(1, std::memory_order_relaxed);
  s->size_class = -1;
  s->data = data;
  s->bytes = bytes;
  s->release = release;
  s->owner = owner;
  Guard guard;
  the_cache.count(bytes);
  return s;
}

void destroy(Storage* s) {
  if (s->size_class < 0) {
    {
      Guard guard;
      the_cache.active -= s->bytes;
    }
    if (s->release) s->release(s->owner);
    delete s;
    return;
  }
  const int size_class = s->size_class;
  const size_t bytes = s->bytes, block = class_bytes(size_class);
  Guard guard;
  Cache& c = the_cache;
  c.active -= bytes;
  auto* free_block = reinterpret_cast<Free*>(s);
  free_block->next = c.lists[size_class];
  c.lists[size_class] = free_block;
  c.cached += block;
  if (c.cached > c.cache_limit) c.trim(c.cache_limit);
}

MemoryInfo memory_info() {
  Guard guard;
  const Cache& c = the_cache;
  return {c.active, c.peak, c.cached, c.memory_limit, c.cache_limit};
}

void reset_peak() {
  Guard guard;
  the_cache.peak = 0;
}

size_t set_memory_limit(size_t bytes) {
  Guard guard;
  const size_t old = the_cache.memory_limit;
  the_cache.memory_limit = bytes;
  return old;
}

size_t set_cache_limit(size_t bytes) {
  Guard guard;
  const size_t old = the_cache.cache_limit;
  the_cache.cache_limit = bytes;
  the_cache.trim(bytes);
  return old;
}

void clear_cache() {
  Guard guard;
  the_cache.trim(0);
}

Scratch::Scratch(size_t bytes) : storage_(allocate(bytes)) {
  if (!storage_) throw std::bad_alloc();
}

}  // namespace monel
