// Runs kernels that were compiled for the CPU as Metal would: thread groups of fibers, with real
// barriers and SIMD-group operations, and watches every access to memory.
//
// Accesses arrive through the hooks of clang's thread sanitizer, which this file defines itself;
// nothing here is instrumented. One dispatch runs at a time; the caller holds a lock.

#include "abi.h"

#include <link.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <vector>

namespace {

constexpr unsigned kLanes = 32;
constexpr unsigned kSlot = 64;
constexpr size_t kStack = 256 << 10;
constexpr size_t kThreadgroupLimit = 32768;
constexpr size_t kRedZone = 64;
constexpr size_t kArena = 128 << 10;
constexpr size_t kMostFindings = 64;
constexpr unsigned kMemDevice = 1, kMemThreadgroup = 2;

// -- fibers -------------------------------------------------------------------------------------

extern "C" void monel_switch(void** save, void* load);

#if defined(__x86_64__)
asm(R"(
.text
.globl monel_switch
.hidden monel_switch
.type monel_switch, @function
monel_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size monel_switch, .-monel_switch
)");
constexpr size_t kSaved = 6;

void* first_frame(char* top, void (*start)()) {
  void** frame = reinterpret_cast<void**>(top) - 2;
  *frame = reinterpret_cast<void*>(start);
  return frame - kSaved;
}
#elif defined(__aarch64__)
asm(R"(
.text
.globl monel_switch
.hidden monel_switch
.type monel_switch, %function
monel_switch:
  sub sp, sp, #160
  stp x19, x20, [sp, #0]
  stp x21, x22, [sp, #16]
  stp x23, x24, [sp, #32]
  stp x25, x26, [sp, #48]
  stp x27, x28, [sp, #64]
  stp x29, x30, [sp, #80]
  stp d8, d9, [sp, #96]
  stp d10, d11, [sp, #112]
  stp d12, d13, [sp, #128]
  stp d14, d15, [sp, #144]
  mov x9, sp
  str x9, [x0]
  mov sp, x1
  ldp x19, x20, [sp, #0]
  ldp x21, x22, [sp, #16]
  ldp x23, x24, [sp, #32]
  ldp x25, x26, [sp, #48]
  ldp x27, x28, [sp, #64]
  ldp x29, x30, [sp, #80]
  ldp d8, d9, [sp, #96]
  ldp d10, d11, [sp, #112]
  ldp d12, d13, [sp, #128]
  ldp d14, d15, [sp, #144]
  add sp, sp, #160
  ret
.size monel_switch, .-monel_switch
)");

void* first_frame(char* top, void (*start)()) {
  char* frame = top - 160;
  std::memset(frame, 0, 160);
  reinterpret_cast<void**>(frame)[11] = reinterpret_cast<void*>(start);
  return frame;
}
#else
#error "the emulator knows x86-64 and aarch64"
#endif

// -- state --------------------------------------------------------------------------------------

enum class State : uint8_t { ready, exchange, product, barrier, simd_barrier, done };

struct Fiber {
  MonelThread thread;
  State state;
  bool started;
  char* stack;
  void* sp;
  const void* site;   // where it waits
  const char* what;   // for which operation
  unsigned size, flags;
};

struct Exchange {
  alignas(64) char slots[2][kLanes][kSlot];
  float inputs[kLanes][6];
  float results[kLanes][2];
  unsigned mask[2];
  unsigned turn;
  unsigned epoch[2];  // barriers passed, for device and for threadgroup memory
};

// The latest write and reads of a piece of memory.
struct Cell {
  uint32_t write_group, write_epoch, write_simd_epoch, write_pc;
  uint32_t read_group, read_epoch, read_simd_epoch, read_pc;
  uint16_t write_thread, read_thread;
  bool written, write_atomic, read, read_atomic, many_threads, many_simdgroups, many_groups;
};

enum class Space : uint8_t { device, threadgroup };

struct Region {
  char* base;
  size_t size;
  std::string name;
  Space space;
  unsigned granule;
  std::vector<Cell> cells;
  std::vector<uint8_t> initialised;
};

const MonelLaunch* launch;
std::vector<Fiber> fibers;
std::vector<Exchange> exchanges;
std::vector<char*> stacks;
std::vector<char*> free_stacks;
std::vector<Region> regions;  // device memory first, then threadgroup memory
size_t device_regions;
std::map<const void*, void*> shared;
std::vector<void*> parameter_memory;
alignas(64) char arena[kArena];
size_t arena_used, threadgroup_bytes;
unsigned group_epoch[2];
uint32_t group_serial;
Fiber* current;
void* scheduler_sp;
bool aborted;
uint64_t random_state;
uintptr_t image_low, image_high;
std::set<std::tuple<std::string, uint32_t, uint32_t, std::string>> known_findings;
size_t report_length, finding_count;

uint64_t next_random() {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  random_state ^= random_state << 17;
  return random_state;
}

// -- findings -----------------------------------------------------------------------------------

uint32_t relative(const void* pc) {
  const uintptr_t at = reinterpret_cast<uintptr_t>(pc);
  return at >= image_low && at < image_high ? static_cast<uint32_t>(at - image_low) : 0;
}

// A line: kind, name, detail, group, thread, pc, other group, other thread, other pc.
void finding(const char* kind, const std::string& name, const std::string& detail, uint32_t pc,
             int64_t other_group = -1, int64_t other_thread = -1, uint32_t other_pc = 0) {
  if (finding_count >= kMostFindings) return;
  if (!known_findings.emplace(kind, pc, other_pc, name).second) return;
  char line[512];
  const int n = std::snprintf(
      line, sizeof line, "%s\t%s\t%s\t%u\t%u\t%u\t%lld\t%lld\t%u\n", kind, name.c_str(),
      detail.c_str(), group_serial, current ? current->thread.index_in_group : 0, pc,
      static_cast<long long>(other_group), static_cast<long long>(other_thread), other_pc);
  if (n <= 0 || n >= static_cast<int>(sizeof line)) return;
  if (report_length + n + 1 > launch->report_size) return;
  std::memcpy(launch->report + report_length, line, n + 1);
  report_length += n;
  ++finding_count;
}

std::string text(const char* format, ...) {
  char buffer[256];
  va_list args;
  va_start(args, format);
  std::vsnprintf(buffer, sizeof buffer, format, args);
  va_end(args);
  return buffer;
}

void yield() { monel_switch(&current->sp, scheduler_sp); }

// The thread cannot go on: its next access would be outside of its memory.
void abandon() {
  aborted = true;
  current->state = State::done;
  yield();
  std::abort();
}

// -- watching memory ----------------------------------------------------------------------------

Region* region_of(uintptr_t at, size_t size) {
  static size_t latest;
  if (latest < regions.size()) {
    Region& r = regions[latest];
    const uintptr_t base = reinterpret_cast<uintptr_t>(r.base);
    if (at >= base && at + size <= base + r.size) return &r;
  }
  for (size_t i = 0; i < regions.size(); ++i) {
    const uintptr_t base = reinterpret_cast<uintptr_t>(regions[i].base);
    if (at >= base && at + size <= base + regions[i].size) {
      latest = i;
      return &regions[i];
    }
  }
  return nullptr;
}

// Which variable an address outside of all of them most likely meant.
std::string nearest(uintptr_t at, std::string* name) {
  const Region* best = nullptr;
  int64_t distance = INT64_MAX;
  for (const Region& r : regions) {
    const int64_t offset = static_cast<int64_t>(at - reinterpret_cast<uintptr_t>(r.base));
    const int64_t away = offset < 0 ? -offset : offset - static_cast<int64_t>(r.size);
    if (away < distance) distance = away, best = &r;
  }
  if (best == nullptr || distance > (1 << 20)) {
    *name = "?";
    return "an address far from every buffer";
  }
  *name = best->name;
  return text("byte %lld of %zu",
              static_cast<long long>(at - reinterpret_cast<uintptr_t>(best->base)), best->size);
}

// Threads share the region out in smaller pieces than its type says: watch each byte.
void split(Region& r) {
  std::vector<Cell> cells(r.size + 1);
  for (size_t i = 0; i < r.size; ++i) cells[i] = r.cells[i / r.granule];
  r.cells.swap(cells);
  r.granule = 1;
}

struct Place {
  uint32_t group, epoch, simd_epoch;
  uint16_t thread;
};

// Whether an earlier access by another thread is known to have happened before this one.
bool ordered(uint32_t group, uint16_t thread, uint32_t epoch, uint32_t simd_epoch,
             const Place& now) {
  if (group != now.group) return false;
  if (thread == now.thread || epoch != now.epoch) return true;
  return thread / kLanes == now.thread / kLanes && simd_epoch != now.simd_epoch;
}

bool reads_ordered(const Cell& c, const Place& now) {
  if (c.many_groups || c.read_group != now.group) return false;
  if (c.read_epoch != now.epoch) return true;
  if (c.many_simdgroups) return false;
  if (c.read_thread / kLanes == now.thread / kLanes && c.read_simd_epoch != now.simd_epoch) {
    return true;
  }
  return !c.many_threads && c.read_thread == now.thread;
}

void note_read(Cell& c, const Place& now, bool atomic, uint32_t pc) {
  const bool replaces = !c.read || (!c.many_groups && c.read_group == now.group &&
                                    reads_ordered(c, now));
  if (replaces) {
    c.read = true;
    c.read_group = now.group, c.read_thread = now.thread, c.read_pc = pc;
    c.read_epoch = now.epoch, c.read_simd_epoch = now.simd_epoch, c.read_atomic = atomic;
    c.many_threads = c.many_simdgroups = c.many_groups = false;
    return;
  }
  c.read_atomic &= atomic;
  c.many_groups |= c.read_group != now.group;
  c.many_threads |= c.read_thread != now.thread;
  c.many_simdgroups |= c.read_thread / kLanes != now.thread / kLanes;
}

void race(const Region& r, size_t cell, const char* now, const char* before, uint32_t pc,
          uint32_t group, uint16_t thread, uint32_t other_pc) {
  finding("race", r.name, text("%s at byte %zu after %s", now, cell * r.granule, before), pc, group,
          thread, other_pc);
}

void check_order(Region& r, size_t offset, size_t size, bool writes, bool atomic, uint32_t pc) {
  if (r.granule > 1 && (offset % r.granule != 0 || size % r.granule != 0)) split(r);
  const unsigned memory = r.space == Space::device ? 0 : 1;
  const unsigned simdgroup = current->thread.simdgroup;
  const Place now{group_serial, group_epoch[memory], exchanges[simdgroup].epoch[memory],
                  static_cast<uint16_t>(current->thread.index_in_group)};
  const size_t last = (offset + size - 1) / r.granule;
  for (size_t i = offset / r.granule; i <= last; ++i) {
    Cell& c = r.cells[i];
    const bool both_atomic = atomic && c.write_atomic;
    if (c.written && !both_atomic &&
        !ordered(c.write_group, c.write_thread, c.write_epoch, c.write_simd_epoch, now)) {
      race(r, i, writes ? "write" : "read", "a write", pc, c.write_group, c.write_thread,
           c.write_pc);
    }
    if (writes && c.read && !(atomic && c.read_atomic) && !reads_ordered(c, now)) {
      race(r, i, "write", "a read", pc, c.read_group, c.read_thread, c.read_pc);
    }
    if (!writes || atomic) note_read(c, now, atomic, pc);
    if (writes) {
      c.written = true, c.write_atomic = atomic, c.write_pc = pc;
      c.write_group = now.group, c.write_thread = now.thread;
      c.write_epoch = now.epoch, c.write_simd_epoch = now.simd_epoch;
    }
  }
}

void check_initialised(Region& r, size_t offset, size_t size, bool writes, uint32_t pc) {
  for (size_t i = offset; i < offset + size; ++i) {
    if (!writes && !r.initialised[i]) {
      finding("uninitialised", r.name, text("read of byte %zu of %zu", i, r.size), pc);
      break;
    }
  }
  if (writes) std::memset(r.initialised.data() + offset, 1, size);
}

void access(const void* address, size_t size, bool writes, bool atomic, const void* caller) {
  if (current == nullptr || size == 0) return;
  const uintptr_t at = reinterpret_cast<uintptr_t>(address);
  if (at - reinterpret_cast<uintptr_t>(current->stack) < kStack) return;
  const uint32_t pc = relative(caller);
  Region* r = region_of(at, size);
  if (r == nullptr) {
    if (at >= image_low && at + size <= image_high && !writes) return;
    std::string name;
    const std::string where = nearest(at, &name);
    finding("bounds", name, text("%s of %zu bytes at ", writes ? "write" : "read", size) + where,
            pc);
    abandon();
  }
  const size_t offset = at - reinterpret_cast<uintptr_t>(r->base);
  if (r->space == Space::threadgroup) check_initialised(*r, offset, size, writes, pc);
  check_order(*r, offset, size, writes, atomic, pc);
}

// -- one thread group ---------------------------------------------------------------------------

char* take_stack() {
  if (free_stacks.empty()) {
    void* made = mmap(nullptr, kStack, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (made == MAP_FAILED) {
      std::fputs("monel emulator: no memory for the stack of a thread\n", stderr);
      std::abort();
    }
    stacks.push_back(static_cast<char*>(made));
    free_stacks.push_back(stacks.back());
  }
  char* stack = free_stacks.back();
  free_stacks.pop_back();
  return stack;
}

void start_fiber() {
  launch->entry();
  current->state = State::done;
  yield();
}

void resume(Fiber& fiber) {
  if (!fiber.started) {
    fiber.started = true;
    fiber.stack = take_stack();
    fiber.sp = first_frame(fiber.stack + kStack - 64, start_fiber);
  }
  current = &fiber;
  monel_thread = &fiber.thread;
  monel_switch(&scheduler_sp, fiber.sp);
  current = nullptr;
  if (fiber.state == State::done) free_stacks.push_back(fiber.stack);
}

// Calls f(i) for i below n, in the order of this launch.
template <class F>
void in_order(unsigned n, F f) {
  if (launch->order == MONEL_FORWARD) {
    for (unsigned i = 0; i < n && !aborted; ++i) f(i);
  } else if (launch->order == MONEL_REVERSE) {
    for (unsigned i = n; i-- > 0 && !aborted;) f(i);
  } else {
    std::vector<unsigned> order(n);
    for (unsigned i = 0; i < n; ++i) order[i] = i;
    for (unsigned i = n; i > 1; --i) std::swap(order[i - 1], order[next_random() % i]);
    for (unsigned i = 0; i < n && !aborted; ++i) f(order[i]);
  }
}

void multiply(Exchange& e) {
  float a[8][8], b[8][8], c[8][8];
  for (unsigned lane = 0; lane < kLanes; ++lane) {
    const unsigned row = (lane / 4 & 4) + lane / 2 % 4, column = (lane / 4 & 2) * 2 + lane % 2 * 2;
    for (unsigned k = 0; k < 2; ++k) {
      a[row][column + k] = e.inputs[lane][k];
      b[row][column + k] = e.inputs[lane][2 + k];
      c[row][column + k] = e.inputs[lane][4 + k];
    }
  }
  for (unsigned i = 0; i < 8; ++i) {
    for (unsigned k = 0; k < 8; ++k) {
      for (unsigned j = 0; j < 8; ++j) c[i][j] += a[i][k] * b[k][j];
    }
  }
  for (unsigned lane = 0; lane < kLanes; ++lane) {
    const unsigned row = (lane / 4 & 4) + lane / 2 % 4, column = (lane / 4 & 2) * 2 + lane % 2 * 2;
    e.results[lane][0] = c[row][column];
    e.results[lane][1] = c[row][column + 1];
  }
}

// Threads that wait at different places, or have returned: the flow was not uniform.
void diverged(Fiber& waiting, const Fiber& other) {
  current = &waiting;
  const std::string how = other.state == State::done
                              ? std::string("has returned")
                              : std::string("waits at ") + other.what;
  finding("divergent", waiting.what,
          text("thread %u %s", other.thread.index_in_group, how.c_str()),
          relative(waiting.site), group_serial, other.thread.index_in_group,
          other.state == State::done ? 0 : relative(other.site));
  current = nullptr;
  aborted = true;
}

// What the lanes of a settled SIMD group wait for is done if all of them do; whether they go on.
bool release_simdgroup(unsigned s, unsigned first, unsigned count) {
  Fiber* waiting = nullptr;
  for (unsigned i = 0; i < count; ++i) {
    Fiber& f = fibers[first + i];
    if (f.state != State::done && f.state != State::barrier) waiting = &f;
  }
  if (waiting == nullptr) return false;
  for (unsigned i = 0; i < count; ++i) {
    const Fiber& f = fibers[first + i];
    if (f.state != waiting->state || f.site != waiting->site || f.size != waiting->size ||
        f.flags != waiting->flags) {
      diverged(*waiting, f);
      return false;
    }
  }
  Exchange& e = exchanges[s];
  if (waiting->state == State::exchange) {
    e.mask[e.turn] = count == kLanes ? ~0u : (1u << count) - 1;
    e.turn ^= 1;
  } else if (waiting->state == State::product) {
    multiply(e);
  } else {
    e.epoch[0] += (waiting->flags & kMemDevice) != 0;
    e.epoch[1] += (waiting->flags & kMemThreadgroup) != 0;
  }
  for (unsigned i = 0; i < count; ++i) fibers[first + i].state = State::ready;
  return true;
}

void run_simdgroup(unsigned s, unsigned total) {
  const unsigned first = s * kLanes, count = std::min(kLanes, total - first);
  do {
    in_order(count, [&](unsigned lane) {
      Fiber& f = fibers[first + lane];
      if (f.state == State::ready) resume(f);
    });
  } while (!aborted && release_simdgroup(s, first, count));
}

// All SIMD groups have settled. Whether a barrier was passed and there is more to run.
bool release_group(unsigned total) {
  Fiber* waiting = nullptr;
  for (unsigned i = 0; i < total; ++i) {
    if (fibers[i].state == State::barrier) waiting = &fibers[i];
  }
  if (waiting == nullptr) return false;
  for (unsigned i = 0; i < total; ++i) {
    const Fiber& f = fibers[i];
    if (f.state != State::barrier || f.site != waiting->site || f.flags != waiting->flags) {
      diverged(*waiting, f);
      return false;
    }
  }
  group_epoch[0] += (waiting->flags & kMemDevice) != 0;
  group_epoch[1] += (waiting->flags & kMemThreadgroup) != 0;
  for (unsigned i = 0; i < total; ++i) fibers[i].state = State::ready;
  return true;
}

void clear_group() {
  for (Fiber& f : fibers) {
    if (f.started && f.state != State::done) free_stacks.push_back(f.stack);
  }
  fibers.clear();
  regions.resize(device_regions);
  shared.clear();
  parameter_memory.clear();
  arena_used = kRedZone;
  threadgroup_bytes = 0;
}

void* add_threadgroup_region(size_t size, unsigned granule, const std::string& name) {
  threadgroup_bytes += (size + 15) / 16 * 16;
  const size_t at = arena_used;
  arena_used = (at + size + kRedZone + 15) / 16 * 16;
  if (threadgroup_bytes > kThreadgroupLimit || arena_used > kArena) {
    finding("threadgroup-memory", name,
            text("%zu bytes of threadgroup memory, of %zu", threadgroup_bytes, kThreadgroupLimit),
            0);
    aborted = true;
    return arena + kRedZone;
  }
  if (launch->checked) {
    std::memset(arena + at, 0xA5, size);
    Region r{arena + at, size, name, Space::threadgroup, granule, {}, {}};
    r.cells.resize(size / granule + 1);
    r.initialised.resize(size);
    regions.push_back(std::move(r));
  }
  return arena + at;
}

void set(unsigned (&to)[3], unsigned x, unsigned y, unsigned z) { to[0] = x, to[1] = y, to[2] = z; }

void run_group(unsigned gx, unsigned gy, unsigned gz, const unsigned (&groups)[3]) {
  clear_group();
  const unsigned at[3] = {gx, gy, gz};
  unsigned size[3];
  for (int d = 0; d < 3; ++d) {
    size[d] = std::min(launch->group[d], launch->grid[d] - at[d] * launch->group[d]);
  }
  const unsigned total = size[0] * size[1] * size[2];
  const unsigned simdgroups = (total + kLanes - 1) / kLanes;
  fibers.resize(total);
  exchanges.assign(simdgroups, Exchange{});
  group_epoch[0] = group_epoch[1] = 0;
  for (unsigned i = 0; i < total; ++i) {
    MonelThread& t = fibers[i].thread;
    const unsigned x = i % size[0], y = i / size[0] % size[1], z = i / size[0] / size[1];
    set(t.position_in_group, x, y, z);
    set(t.group_in_grid, gx, gy, gz);
    set(t.position_in_grid, gx * launch->group[0] + x, gy * launch->group[1] + y,
        gz * launch->group[2] + z);
    set(t.threads_per_group, size[0], size[1], size[2]);
    set(t.dispatch_threads_per_group, launch->group[0], launch->group[1], launch->group[2]);
    set(t.threads_per_grid, launch->grid[0], launch->grid[1], launch->grid[2]);
    set(t.groups_per_grid, groups[0], groups[1], groups[2]);
    t.index_in_group = i, t.lane = i % kLanes, t.simdgroup = i / kLanes, t.simdgroups = simdgroups;
  }
  for (unsigned i = 0; i < launch->threadgroup_count; ++i) {
    parameter_memory.push_back(
        add_threadgroup_region(launch->threadgroup_lengths[i], 1, text("threadgroup(%u)", i)));
  }
  do {
    in_order(simdgroups, [&](unsigned s) { run_simdgroup(s, total); });
  } while (!aborted && release_group(total));
}

int find_image(dl_phdr_info* info, size_t, void* data) {
  const uintptr_t entry = *static_cast<uintptr_t*>(data);
  uintptr_t low = UINTPTR_MAX, high = 0;
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    if (info->dlpi_phdr[i].p_type != PT_LOAD) continue;
    const uintptr_t at = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
    low = std::min(low, at);
    high = std::max(high, at + info->dlpi_phdr[i].p_memsz);
  }
  if (entry < low || entry >= high) return 0;
  image_low = info->dlpi_addr, image_high = high;
  return 1;
}

void wait(State state, const char* what, unsigned size, unsigned flags, const void* site) {
  current->state = state, current->what = what, current->site = site;
  current->size = size, current->flags = flags;
  yield();
}

}  // namespace

// -- called by kernels --------------------------------------------------------------------------

#define CALLER __builtin_return_address(0)

extern "C" {

MonelThread* monel_thread;

void* monel_buffer(unsigned index) { return launch->buffers[index]; }
void* monel_threadgroup_parameter(unsigned index) { return parameter_memory[index]; }

void* monel_shared(const void* key, monel_size size, unsigned granule, const char* name) {
  void*& memory = shared[key];
  if (memory == nullptr) {
    memory = add_threadgroup_region(size, granule, name);
    if (aborted) abandon();
  }
  return memory;
}

const char* monel_exchange(const void* value, unsigned size, const char* what, unsigned* mask) {
  Exchange& e = exchanges[current->thread.simdgroup];
  const unsigned turn = e.turn;
  std::memcpy(e.slots[turn][current->thread.lane], value, size);
  wait(State::exchange, what, size, 0, CALLER);
  *mask = e.mask[turn];
  return e.slots[turn][0];
}

void monel_matrix_product(const float* elements, float* result) {
  Exchange& e = exchanges[current->thread.simdgroup];
  const unsigned lane = current->thread.lane;
  std::memcpy(e.inputs[lane], elements, sizeof e.inputs[lane]);
  wait(State::product, "simdgroup_multiply_accumulate", 0, 0, CALLER);
  std::memcpy(result, e.results[lane], sizeof e.results[lane]);
}

void monel_threadgroup_barrier(unsigned flags) {
  wait(State::barrier, "threadgroup_barrier", 0, flags, CALLER);
}

void monel_simdgroup_barrier(unsigned flags) {
  wait(State::simd_barrier, "simdgroup_barrier", 0, flags, CALLER);
}

void monel_atomic(void* address, unsigned size, unsigned writes) {
  if (launch->checked) access(address, size, writes != 0, true, CALLER);
}

int monel_spurious_failure() {
  return launch->order == MONEL_RANDOM && next_random() % 8 == 0;
}

void monel_absent_lane(const char* what, unsigned lane) {
  if (launch->checked) finding("absent-lane", what, text("reads lane %u", lane), relative(CALLER));
}

int monel_launch(const MonelLaunch* with) {
  launch = with;
  regions.clear();
  known_findings.clear();
  report_length = finding_count = 0;
  group_serial = 0;
  aborted = false;
  current = nullptr;
  random_state = with->seed * 0x9E3779B97F4A7C15ull | 1;
  with->report[0] = 0;
  uintptr_t entry = reinterpret_cast<uintptr_t>(with->entry);
  dl_iterate_phdr(find_image, &entry);
  if (with->checked) {
    for (unsigned i = 0; i < with->buffer_count; ++i) {
      const unsigned granule = with->sizes[i] % with->granules[i] == 0 ? with->granules[i] : 1;
      Region r{static_cast<char*>(with->buffers[i]), with->sizes[i], with->names[i], Space::device,
               granule, {}, {}};
      r.cells.resize(with->sizes[i] / granule + 1);
      regions.push_back(std::move(r));
    }
  }
  device_regions = regions.size();
  unsigned groups[3];
  for (int d = 0; d < 3; ++d) groups[d] = (with->grid[d] + with->group[d] - 1) / with->group[d];
  in_order(groups[0] * groups[1] * groups[2], [&](unsigned i) {
    group_serial = i;
    run_group(i % groups[0], i / groups[0] % groups[1], i / groups[0] / groups[1], groups);
  });
  clear_group();
  regions.clear();
  return static_cast<int>(finding_count);
}

// -- hooks of the sanitizers --------------------------------------------------------------------

#define ACCESS(bytes)                                                                     \
  void __tsan_read##bytes(void* p) { access(p, bytes, false, false, CALLER); }            \
  void __tsan_write##bytes(void* p) { access(p, bytes, true, false, CALLER); }            \
  void __tsan_unaligned_read##bytes(void* p) { access(p, bytes, false, false, CALLER); }  \
  void __tsan_unaligned_write##bytes(void* p) { access(p, bytes, true, false, CALLER); }  \
  void __tsan_volatile_read##bytes(void* p) { access(p, bytes, false, false, CALLER); }   \
  void __tsan_volatile_write##bytes(void* p) { access(p, bytes, true, false, CALLER); }   \
  void __tsan_read_write##bytes(void* p) {                                                \
    access(p, bytes, false, false, CALLER);                                               \
    access(p, bytes, true, false, CALLER);                                                \
  }
ACCESS(1) ACCESS(2) ACCESS(4) ACCESS(8) ACCESS(16)
#undef ACCESS

void __tsan_read_range(void* p, size_t n) { access(p, n, false, false, CALLER); }
void __tsan_write_range(void* p, size_t n) { access(p, n, true, false, CALLER); }
void __tsan_init() {}
void __tsan_func_entry(void*) {}
void __tsan_func_exit() {}
void __tsan_vptr_read(void**) {}
void __tsan_vptr_update(void**, void*) {}

void* __tsan_memcpy(void* to, const void* from, size_t n) {
  access(from, n, false, false, CALLER);
  access(to, n, true, false, CALLER);
  return std::memcpy(to, from, n);
}
void* __tsan_memmove(void* to, const void* from, size_t n) {
  access(from, n, false, false, CALLER);
  access(to, n, true, false, CALLER);
  return std::memmove(to, from, n);
}
void* __tsan_memset(void* to, int value, size_t n) {
  access(to, n, true, false, CALLER);
  return std::memset(to, value, n);
}

void __ubsan_handle_out_of_bounds(void*, uint64_t index) {
  finding("bounds", "array", text("index %lld", static_cast<long long>(index)), relative(CALLER));
  abandon();
}
void __ubsan_handle_divrem_overflow(void*, uint64_t, uint64_t) {
  finding("division", "integer", "division by zero, or of the least by -1", relative(CALLER));
  abandon();
}

// Conversions that older libgcc lacks: to bfloat16, to nearest even.
static uint16_t to_bfloat(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, 4);
  if ((bits & 0x7FFFFFFF) > 0x7F800000) return static_cast<uint16_t>(bits >> 16 | 0x40);
  return static_cast<uint16_t>((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}
__attribute__((weak)) __bf16 __truncsfbf2(float value) {
  const uint16_t bits = to_bfloat(value);
  return __builtin_bit_cast(__bf16, bits);
}
__attribute__((weak)) __bf16 __truncdfbf2(double value) {
  const uint16_t bits = to_bfloat(static_cast<float>(value));
  return __builtin_bit_cast(__bf16, bits);
}
}
