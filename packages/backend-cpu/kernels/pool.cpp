#include "pool.h"

#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <thread>

namespace monel {
namespace {

constexpr int kMaxThreads = 256;
constexpr int kChunksPerThread = 4;
constexpr uint64_t kRemaining = 0xffff;

void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// One job at a time. `ticket` holds an epoch above and the number of unclaimed chunks in its low 16 bits: a claim
// is one compare-and-swap, and a claimed chunk keeps the job alive, so its fields may be read without a lock.
class Pool {
 public:
  explicit Pool(int helpers) : helpers_(helpers) {
    for (int i = 0; i < helpers; ++i) {
      try {
        std::thread([this] { help(); }).detach();
      } catch (const std::system_error&) {
        break;  // fewer helpers: the caller does the rest
      }
    }
  }

  int helpers() const { return helpers_; }
  bool try_begin() { return !busy_.exchange(true, std::memory_order_acquire); }
  void end() { busy_.store(false, std::memory_order_release); }

  void run(int64_t n, int64_t chunks, ChunkBody body, void* context) {
    body_ = body;
    context_ = context;
    n_ = n;
    chunks_ = chunks;
    pending_.store(chunks, std::memory_order_relaxed);
    ++epoch_;
    ticket_.store(epoch_ << 16 | static_cast<uint64_t>(chunks), std::memory_order_seq_cst);
    if (sleepers_.load(std::memory_order_seq_cst) > 0) {
      std::lock_guard<std::mutex> guard(mutex_);
      wake_.notify_all();
    }
    while (work_on_one()) {
    }
    for (int spins = 0; pending_.load(std::memory_order_acquire) > 0; ++spins) {
      relax();
      if (spins > 2000) sched_yield();
    }
  }

 private:
  bool work_on_one() {
    uint64_t seen = ticket_.load(std::memory_order_acquire);
    do {
      if ((seen & kRemaining) == 0) return false;
    } while (!ticket_.compare_exchange_weak(seen, seen - 1, std::memory_order_acq_rel));
    const int64_t chunk = static_cast<int64_t>(seen & kRemaining) - 1;
    body_(context_, n_ * chunk / chunks_, n_ * (chunk + 1) / chunks_);
    pending_.fetch_sub(1, std::memory_order_release);
    return true;
  }

  [[noreturn]] void help();

  bool has_work() const { return (ticket_.load(std::memory_order_seq_cst) & kRemaining) != 0; }

  bool spin() const {
    const auto until = std::chrono::steady_clock::now() + std::chrono::microseconds(50);
    do {
      for (int i = 0; i < 64; ++i) {
        if (has_work()) return true;
        relax();
      }
    } while (std::chrono::steady_clock::now() < until);
    return false;
  }

  void sleep() {
    std::unique_lock<std::mutex> guard(mutex_);
    sleepers_.fetch_add(1, std::memory_order_seq_cst);
    wake_.wait(guard, [this] { return has_work(); });
    sleepers_.fetch_sub(1, std::memory_order_seq_cst);
  }

  alignas(64) std::atomic<uint64_t> ticket_{0};
  alignas(64) std::atomic<int64_t> pending_{0};
  alignas(64) std::atomic<bool> busy_{false};
  std::atomic<int> sleepers_{0};
  ChunkBody body_ = nullptr;
  void* context_ = nullptr;
  int64_t n_ = 0, chunks_ = 1;
  uint64_t epoch_ = 0;
  int helpers_;
  std::mutex mutex_;
  std::condition_variable wake_;
};

thread_local bool inside = false;

void Pool::help() {
  inside = true;
  for (;;) {
    if (!spin()) sleep();
    while (work_on_one()) {
    }
  }
}

int default_threads() {
  if (const char* text = std::getenv("MONEL_NUM_THREADS")) {
    const int n = std::atoi(text);
    if (n >= 1) return n < kMaxThreads ? n : kMaxThreads;
  }
#if defined(__linux__)
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
#endif
  const long n = sysconf(_SC_NPROCESSORS_ONLN);
  return n < 1 ? 1 : static_cast<int>(n);
}

std::atomic<int> configured{0};
std::atomic<Pool*> current{nullptr};
std::mutex* making = new std::mutex;

// Threads do not survive a fork: the child leaves the parent's pool alone and makes its own when it needs one.
void forget_pool() {
  current.store(nullptr);
  making = new std::mutex;
  inside = false;
}

Pool* pool(int helpers) {
  Pool* p = current.load(std::memory_order_acquire);
  if (p && p->helpers() >= helpers) return p;
  std::lock_guard<std::mutex> guard(*making);
  static const int registered = pthread_atfork(nullptr, nullptr, forget_pool);
  (void)registered;
  p = current.load();
  if (!p || p->helpers() < helpers) {
    p = new Pool(helpers);  // an outgrown pool's helpers sleep for good
    current.store(p, std::memory_order_release);
  }
  return p;
}

}  // namespace

int num_threads() {
  int n = configured.load(std::memory_order_relaxed);
  if (n == 0) {
    n = default_threads();
    configured.store(n);
  }
  return n;
}

int set_num_threads(int n) {
  const int old = num_threads();
  configured.store(n < 1 ? 1 : n > kMaxThreads ? kMaxThreads : n);
  return old;
}

void parallel_run(int64_t n, int64_t grain, ChunkBody body, void* context) {
  if (n <= 0) return;
  const int threads = num_threads();
  const int64_t most = n / (grain < 1 ? 1 : grain);
  if (most < 2 || threads < 2 || inside) return body(context, 0, n);
  const int64_t limit = static_cast<int64_t>(threads) * kChunksPerThread;
  Pool* p = pool(threads - 1);
  if (!p->try_begin()) return body(context, 0, n);  // another thread of the program has the pool
  inside = true;
  p->run(n, most < limit ? most : limit, body, context);
  inside = false;
  p->end();
}

}  // namespace monel
