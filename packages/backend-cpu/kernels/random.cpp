#include "random.h"

#include <algorithm>
#include <cstring>

#include "copy.h"
#include "isa.h"
#include "pool.h"
#include "scratch.h"
#include "steps.h"

namespace monel {

MONEL_CHOOSE_TABLE(StepTable, steps)

namespace {

constexpr int64_t kTaskWords = 1 << 13;
constexpr int kLanes = kThreefryLanes;

// The stream of one key: `words` 32-bit words, of which `bytes` bytes are wanted. Counter i < words
// / 2 gives words i and i + ceil(words / 2); an odd count has one more pair (words / 2, 0), whose
// first half is the middle word.
struct Draw {
  uint32_t k0, k1;
  char* out;
  int64_t bytes;
  int64_t words, half;
  decltype(StepTable::threefry) cipher;

  void put(int64_t word, uint32_t value) const {
    const int64_t left = bytes - 4 * word;
    std::memcpy(out + 4 * word, &value, static_cast<size_t>(std::min<int64_t>(4, left)));
  }

  void run(int64_t begin, int64_t end) const {
    const int64_t second = words - half;
    for (int64_t i = begin; i < end; i += kLanes) {
      uint32_t a[kLanes], b[kLanes];
      for (int j = 0; j < kLanes; ++j) {
        a[j] = static_cast<uint32_t>(i + j);
        b[j] = static_cast<uint32_t>(i + j + second);
      }
      const int64_t n = std::min<int64_t>(kLanes, end - i);
      if (i + n > half) b[half - i] = 0;
      cipher(k0, k1, a, b);
      if (n == kLanes && i + n < half) {
        std::memcpy(out + 4 * i, a, sizeof(a));
        std::memcpy(out + 4 * (i + second), b, sizeof(b));
        continue;
      }
      for (int64_t j = 0; j < n; ++j) {
        put(i + j, a[j]);
        if (i + j < half) put(i + j + second, b[j]);
      }
    }
  }
};

}  // namespace

void random_bits(const View& keys, const View& out) {
  const int64_t draws = keys.size() / 2;
  if (draws == 0 || out.size() == 0) return;
  const int64_t bytes = out.size() / draws * itemsize(out.dtype), words = (bytes + 3) / 4;
  const int64_t pairs = (words + 1) / 2;
  Workspace<uint32_t> plain(keys.size());
  copy(keys, plain.data());
  const auto draw = [&](int64_t i) {
    return Draw{plain[2 * i], plain[2 * i + 1], out.as<char>() + i * bytes, bytes, words,
                words / 2,    steps().threefry};
  };
  if (draws < 2 * num_threads()) {
    for (int64_t i = 0; i < draws; ++i) {
      const Draw one = draw(i);
      parallel_for((pairs + kLanes - 1) / kLanes, kTaskWords / kLanes / 2,
                   [&](int64_t begin, int64_t end) {
                     one.run(begin * kLanes, std::min(pairs, end * kLanes));
                   });
    }
    return;
  }
  parallel_for(draws, std::max<int64_t>(1, kTaskWords / words), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) draw(i).run(0, pairs);
  });
}

}  // namespace monel
