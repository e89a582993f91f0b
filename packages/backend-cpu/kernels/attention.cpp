#include "attention.h"

#include <algorithm>
#include <limits>

#include "products.h"
#include "pool.h"
#include "scratch.h"
#include "steps.h"
#include "strided.h"

namespace monel {
namespace {

constexpr int64_t kBlockRows = 96;          // queries at once
constexpr int64_t kBlockKeys = 256;         // keys at once
constexpr int64_t kFewRows = 8;             // up to here keys and values are read where they lie
constexpr int64_t kPackedBytes = 64 << 20;  // keys and values packed at once
constexpr int kMostRows = 8;                // of a tile
constexpr float kLowest = -std::numeric_limits<float>::max();

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

const char* at(const View& v, int64_t i, int64_t j, int64_t k) {
  return v.as<char>() +
         (i * v.strides[0] + j * v.strides[1] + k * v.strides[2]) * itemsize(v.dtype);
}

template <class T>
void add_mask(const char* data, int64_t step, int64_t n, float* s) {
  const T* m = reinterpret_cast<const T*>(data);
  for (int64_t j = 0; j < n; ++j) s[j] += static_cast<float>(widen(m[j * step]));
}

// Working memory of one task.
struct Room {
  float *q, *scores, *out, *max, *sum;
  static int64_t size(int64_t depth, int64_t width) {
    return kBlockRows * (depth + kBlockKeys + width + 2);
  }
  Room(float* memory, int64_t depth, int64_t width)
      : q(memory),
        scores(q + kBlockRows * depth),
        out(scores + kBlockRows * kBlockKeys),
        max(out + kBlockRows * width),
        sum(max + kBlockRows) {}
};

// All queries of the heads that share keys and values are the rows of one product: row r is query r
// % length of head group * heads + r / length.
struct Attention {
  const View &q, &k, &v;
  const View* mask;
  float scale;
  bool causal;
  const View& out;
  int64_t heads = q.shape[1] / k.shape[1], length = q.shape[2], keys = k.shape[2],
          depth = q.shape[3], width = v.shape[3];
  int64_t rows = heads * length, groups = q.shape[0] * k.shape[1];
  int64_t cols = products().cols, key_panels = ceil_div(keys, cols),
          value_panels = ceil_div(width, cols);
  bool packed = rows > kFewRows;

  int64_t key_floats() const { return key_panels * depth * cols; }
  int64_t value_floats() const { return value_panels * keys * cols; }
  const char* key(int64_t group, int64_t s) const {
    return at(k, group / k.shape[1], group % k.shape[1], s);
  }
  const char* value(int64_t group, int64_t s) const {
    return at(v, group / v.shape[1], group % v.shape[1], s);
  }

  void pack_keys(int64_t group, int64_t panel, float* to) const {
    const int n = static_cast<int>(std::min(cols, keys - panel * cols));
    products().pack(k.dtype, key(group, panel * cols), k.strides[3], k.strides[2], depth, n,
                    to + panel * depth * cols);
  }

  void pack_values(int64_t group, int64_t panel, float* to) const {
    const int n = static_cast<int>(std::min(cols, width - panel * cols));
    const char* from = value(group, 0) + panel * cols * v.strides[3] * itemsize(v.dtype);
    products().pack(v.dtype, from, v.strides[2], v.strides[3], keys, n, to + panel * keys * cols);
  }

  void load_queries(int64_t group, int64_t first, int64_t n, float* to) const {
    for (int64_t i = 0; i < n; ++i, to += depth) {
      const int64_t r = first + i, head = group % k.shape[1] * heads + r / length;
      const char* from = at(q, group / k.shape[1], head, r % length);
      if (q.strides[3] == 1)
        products().widen(q.dtype, from, to, depth);
      else
        for (int64_t d = 0; d < depth; ++d)
          products().widen(q.dtype, from + d * q.strides[3] * itemsize(q.dtype), to + d, 1);
      steps().scale_row(to, depth, scale);
    }
  }

  // scores[i, 0:n] = queries @ keys[s0 : s0 + n]^T.
  void multiply_keys(int64_t group, const float* panels, const Room& room, int64_t m, int64_t s0,
                     int64_t n) const {
    const ProductTable& isa = products();
    if (!packed) {
      for (int64_t r = 0; r < m; r += 4)
        isa.dot_rows(k.dtype, key(group, s0), k.strides[2], room.q + r * depth, depth,
                     static_cast<int>(std::min<int64_t>(4, m - r)), depth, 0, n,
                     room.scores + r * kBlockKeys, kBlockKeys);
      return;
    }
    for (int64_t c = 0; c < n; c += cols)
      tiles(room.q, depth, depth, panels + (s0 + c) / cols * depth * cols, room.scores + c,
            kBlockKeys, m, std::min(cols, n - c), false);
  }

  // out[i, :] += scores[i, 0:n] @ values[s0 : s0 + n].
  void multiply_values(int64_t group, const float* panels, const Room& room, int64_t m, int64_t s0,
                       int64_t n) const {
    const ProductTable& isa = products();
    if (!packed) {
      for (int64_t r = 0; r < m; r += 4)
        isa.add_rows(v.dtype, value(group, s0), v.strides[2], room.scores + r * kBlockKeys,
                     kBlockKeys, static_cast<int>(std::min<int64_t>(4, m - r)), n, width,
                     room.out + r * width, width, true);
      return;
    }
    for (int64_t c = 0; c < width; c += cols)
      tiles(room.scores, kBlockKeys, n, panels + (c / cols * keys + s0) * cols, room.out + c, width,
            m, std::min(cols, width - c), true);
  }

  void tiles(const float* a, int64_t a_ld, int64_t k_size, const float* b, float* c, int64_t ld,
             int64_t m, int64_t n, bool accumulate) const {
    const ProductTable& isa = products();
    for (int64_t i = 0; i < m; i += isa.rows) {
      const int count = static_cast<int>(std::min<int64_t>(isa.rows, m - i));
      const float* left[kMostRows];
      for (int r = 0; r < isa.rows; ++r) left[r] = a + (i + std::min(r, count - 1)) * a_ld;
      isa.tile(1, k_size, left, 1, b, cols, c + i * ld, ld, count, static_cast<int>(n), accumulate);
    }
  }

  void apply_mask(int64_t group, int64_t r, int64_t s0, int64_t n, float* s) const {
    if (causal)
      for (int64_t j = std::max<int64_t>(0, last_key(r % length) + 1 - s0); j < n; ++j)
        s[j] = kLowest;
    if (mask) {
      const int64_t step = mask->strides[3];
      const char* m =
          at(*mask, group / k.shape[1], group % k.shape[1] * heads + r / length, r % length) +
          s0 * step * itemsize(mask->dtype);
      switch (mask->dtype) {
        case Dtype::bool_:
          for (int64_t j = 0; j < n; ++j) s[j] = m[j * step] ? s[j] : kLowest;
          break;
        case Dtype::float16: add_mask<float16>(m, step, n, s); break;
        case Dtype::bfloat16: add_mask<bfloat16>(m, step, n, s); break;
        case Dtype::float64: add_mask<double>(m, step, n, s); break;
        default: add_mask<float>(m, step, n, s);
      }
    }
  }

  int64_t last_key(int64_t query) const { return query + keys - length; }

  // Keys that rows [first, first + m) may see. A row that sees none gives all the same weight, so
  // where that can happen none is left out.
  int64_t visible(int64_t first, int64_t m) const {
    if (!causal || mask || last_key(0) < 0) return keys;
    const bool one_head = first / length == (first + m - 1) / length;
    return std::min(keys, last_key(one_head ? (first + m - 1) % length : length - 1) + 1);
  }

  void block(int64_t group, int64_t first, int64_t m, const float* key_panels_of,
             const float* value_panels_of, const Room& room) const {
    load_queries(group, first, m, room.q);
    std::fill_n(room.out, m * width, 0.0f);
    std::fill_n(room.max, m, -std::numeric_limits<float>::infinity());
    std::fill_n(room.sum, m, 0.0f);
    const int64_t seen = visible(first, m);
    for (int64_t s0 = 0; s0 < seen; s0 += kBlockKeys) {
      const int64_t n = std::min(kBlockKeys, seen - s0);
      multiply_keys(group, key_panels_of, room, m, s0, n);
      for (int64_t i = 0; i < m; ++i) {
        float* s = room.scores + i * kBlockKeys;
        apply_mask(group, first + i, s0, n, s);
        const float factor = steps().softmax_row(s, n, room.max + i, room.sum + i);
        if (s0 > 0 && factor != 1) steps().scale_row(room.out + i * width, width, factor);
      }
      multiply_values(group, value_panels_of, room, m, s0, n);
    }
    for (int64_t i = 0; i < m; ++i) {
      steps().scale_row(room.out + i * width, width, 1 / room.sum[i]);
      products().narrow(out.dtype, room.out + i * width,
                        out.as<char>() + ((group * rows + first + i) * width) * itemsize(out.dtype),
                        width);
    }
  }

  void run() const {
    const int64_t each = packed ? key_floats() + value_floats() : 1;
    const int64_t at_once = std::clamp<int64_t>(kPackedBytes / 4 / each, 1, groups);
    const int64_t blocks = ceil_div(rows, kBlockRows), jobs = at_once * blocks;
    const int64_t flops = 4 * std::min(rows, kBlockRows) * keys * (depth + width);
    const int64_t tasks =
        std::clamp<int64_t>(jobs * flops >> 18, 1, std::min<int64_t>(jobs, 8 * num_threads()));
    Workspace<float> panels(packed ? at_once * each : 0), memory(tasks * Room::size(depth, width));
    for (int64_t g0 = 0; g0 < groups; g0 += at_once) {
      const int64_t count = std::min(at_once, groups - g0), total = count * blocks;
      if (packed) pack_groups(g0, count, panels, each);
      parallel_for(tasks, 1, [&](int64_t begin, int64_t end) {
        for (int64_t t = begin; t < end; ++t) {
          const Room room(memory + t * Room::size(depth, width), depth, width);
          for (int64_t job = t; job < total;
               job += tasks) {  // dealt out: causal blocks differ in work
            const int64_t g = job / blocks, first = job % blocks * kBlockRows;
            const float* own = panels + (packed ? g * each : 0);
            block(g0 + g, first, std::min(kBlockRows, rows - first), own, own + key_floats(), room);
          }
        }
      });
    }
  }

  void pack_groups(int64_t g0, int64_t count, float* panels, int64_t each) const {
    const int64_t per_group = key_panels + value_panels;
    parallel_for(count * per_group, 2, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t g = i / per_group, panel = i % per_group;
        if (panel < key_panels)
          pack_keys(g0 + g, panel, panels + g * each);
        else
          pack_values(g0 + g, panel - key_panels, panels + g * each + key_floats());
      }
    });
  }
};

// dot_rows and add_rows want rows of unit stride.
bool unit_rows(const View& v) { return v.strides[3] == 1 || v.shape[3] == 1; }

}  // namespace

void attention(const View& q, const View& k, const View& v, const View* mask, double scale,
               bool causal, const View& out) {
  if (out.size() == 0) return;
  Attention a = {q, k, v, mask, static_cast<float>(scale), causal, out};
  if (!unit_rows(k) || !unit_rows(v)) a.packed = true;
  a.run();
}

}  // namespace monel
