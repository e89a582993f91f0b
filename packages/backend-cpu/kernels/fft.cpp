// Lines are transformed sixteen at a time, as lanes of vectors, by Stockham's algorithm with radices 8, 4, 2, 3, 5 and
// odd primes to 31. A long line is a matrix whose columns and rows are such lines (D. Bailey, "FFTs in external or
// hierarchical memory"). A length with a greater prime factor is a convolution of a length that has none (L. Bluestein).
#include "fft.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <mutex>
#include <numbers>
#include <unordered_map>
#include <vector>

#include "fft_stages.h"
#include "isa.h"
#include "pool.h"
#include "scratch.h"

namespace monel {

MONEL_CHOOSE_TABLE(FftTable, fft_stages)

namespace {

constexpr int64_t kLanes = kFftLanes;
constexpr int64_t kLongestDirect = 4096;  // numbers of a line whose lanes stay in the second cache

// exp(-2 pi i k / n), rounded once.
void put_root(int64_t k, int64_t n, float* to) {
  const double angle = -2 * std::numbers::pi * static_cast<double>(k) / static_cast<double>(n);
  to[0] = static_cast<float>(std::cos(angle));
  to[1] = static_cast<float>(std::sin(angle));
}

// Radices of n, without those beyond the greatest that has code; what is left over is not 1 then.
std::vector<int> radices_of(int64_t n, int64_t& rest) {
  std::vector<int> found;
  int twos = 0;
  for (; n % 2 == 0; n /= 2) ++twos;
  for (; twos >= 3 && twos != 4; twos -= 3) found.push_back(8);
  for (; twos >= 2; twos -= 2) found.push_back(4);
  if (twos) found.push_back(2);
  for (int p = 3; p <= kLargestRadix; p += 2)
    for (; n % p == 0; n /= p) found.push_back(p);
  rest = n;
  return found;
}

struct Plan;
using PlanPtr = std::shared_ptr<const Plan>;
PlanPtr plan_for(int64_t n);

// What transforms of one length have in common.
struct Plan {
  int64_t n;
  bool direct = false;
  std::vector<FftStage> stages;        // of lanes
  std::vector<float> twiddles, roots;  // their tables
  int64_t n1 = 0, n2 = 0;              // sides of the matrix that a long line is
  PlanPtr columns, rows;
  std::vector<float> turns;            // exp(-2 pi i k1 j2 / n), row by row
  PlanPtr around;                      // of the length of Bluestein's convolution
  std::vector<float> chirp, filter;

  explicit Plan(int64_t length) : n(length) {
    int64_t rest;
    const std::vector<int> radices = radices_of(n, rest);
    if (rest != 1) {
      make_chirp();
      return;
    }
    direct = true;
    make_stages(radices);
    if (n >= 256) split();
  }

 private:
  void make_stages(const std::vector<int>& radices) {
    int64_t left = n, s = kLanes;
    std::vector<size_t> at, roots_at;
    for (const int r : radices) {
      const int64_t m = left / r;
      at.push_back(twiddles.size());
      roots_at.push_back(roots.size());
      for (int64_t p = 0; p < m; ++p)
        for (int k = 1; k < r; ++k) {
          twiddles.resize(twiddles.size() + 2);
          put_root(p * k, left, twiddles.data() + twiddles.size() - 2);
        }
      for (int part = 0; part < 2 && r > 5 && r != 8; ++part)
        for (int j = 0; j < r; ++j) {
          const double angle = 2 * std::numbers::pi * j / r;
          roots.push_back(static_cast<float>(part ? std::sin(angle) : std::cos(angle)));
        }
      stages.push_back({r, m, s, nullptr, nullptr});
      left = m, s *= r;
    }
    for (size_t i = 0; i < stages.size(); ++i) {
      stages[i].twiddles = twiddles.data() + at[i];
      stages[i].roots = roots.data() + roots_at[i];
    }
  }

  void split() {
    for (int64_t a = 2; a * a <= n; ++a)
      if (n % a == 0) n1 = a;
    if (n1 < 8) return;
    n2 = n / n1;
    columns = plan_for(n1);
    rows = plan_for(n2);
    turns.resize(2 * n);
    for (int64_t k = 0; k < n1; ++k)
      for (int64_t j = 0; j < n2; ++j) put_root(k * j, n, turns.data() + 2 * (k * n2 + j));
  }

  void make_chirp();
};

// Numbers of lines in memory: parts, steps between the numbers of a line and between lines, all in floats.
struct Lines {
  float *re, *im;
  int64_t step, outer_step, inner_step;
  Lines at(int64_t outer, int64_t inner) const {
    const int64_t by = outer * outer_step + inner * inner_step;
    return {re + by, im + by, step, outer_step, inner_step};
  }
  Lines swapped() const { return {im, re, step, outer_step, inner_step}; }
};

Lines complex_lines(void* data, int64_t n, int64_t inner) {
  auto* p = static_cast<float*>(data);
  return {p, p + 1, 2 * inner, 2 * inner * n, 2};
}

// Rows of lanes from and to lines that are `lane_step` apart, in blocks that stay in the first cache.
void gather(const Lines& x, int64_t lane_step, int64_t lanes, int64_t n, float* re, float* im) {
  for (int64_t first = 0; first < n; first += 16) {
    const int64_t last = std::min(n, first + 16);
    for (int64_t lane = 0; lane < kLanes; ++lane)
      for (int64_t j = first; j < last; ++j) {
        const int64_t from = j * x.step + lane * lane_step;
        re[j * kLanes + lane] = lane < lanes ? x.re[from] : 0;
        im[j * kLanes + lane] = lane < lanes ? x.im[from] : 0;
      }
  }
}

void scatter(const float* re, const float* im, const Lines& y, int64_t lane_step, int64_t lanes, int64_t n,
             float scale) {
  for (int64_t first = 0; first < n; first += 16) {
    const int64_t last = std::min(n, first + 16);
    for (int64_t lane = 0; lane < lanes; ++lane)
      for (int64_t j = first; j < last; ++j) {
        const int64_t to = j * y.step + lane * lane_step;
        y.re[to] = re[j * kLanes + lane] * scale;
        y.im[to] = im[j * kLanes + lane] * scale;
      }
  }
}

// Four planes of rows of lanes.
constexpr int64_t room(int64_t n) { return 4 * n * kLanes; }

// Transforms up to kLanes lines; `turns`, if given, are factors of row k and line `lane`, 2 n2 floats a row.
void transform_lanes(const Plan& plan, const Lines& x, int64_t x_lane, const Lines& y, int64_t y_lane, int64_t lanes,
                     float scale, float* space, const float* turns = nullptr, int64_t n2 = 0) {
  const int64_t n = plan.n, plane = n * kLanes;
  float *ar = space, *ai = ar + plane, *br = ai + plane, *bi = br + plane;
  gather(x, x_lane, lanes, n, ar, ai);
  for (const FftStage& stage : plan.stages) {
    fft_stages().stage(stage, ar, ai, br, bi);
    std::swap(ar, br), std::swap(ai, bi);
  }
  if (turns)
    for (int64_t k = 0; k < n; ++k)
      for (int64_t lane = 0; lane < lanes; ++lane) {
        const float *w = turns + 2 * (k * n2 + lane), r = ar[k * kLanes + lane], i = ai[k * kLanes + lane];
        ar[k * kLanes + lane] = r * w[0] - i * w[1];
        ai[k * kLanes + lane] = r * w[1] + i * w[0];
      }
  scatter(ar, ai, y, y_lane, lanes, n, scale);
}

// Runs body(task, space) for tasks that need `each` floats of space.
template <class F>
void run_tasks(int64_t tasks, int64_t each, F&& body) {
  const int64_t parts = std::min<int64_t>(tasks, 4 * num_threads());
  Workspace<float> space(parts * each);
  parallel_for(parts, std::max<int64_t>(1, parts * (1 << 15) / std::max<int64_t>(1, tasks * each)),
               [&](int64_t begin, int64_t end) {
                 for (int64_t part = begin; part < end; ++part)
                   for (int64_t task = tasks * part / parts; task < tasks * (part + 1) / parts; ++task)
                     body(task, space + part * each);
               });
}

constexpr int64_t blocks(int64_t n) { return (n + kLanes - 1) / kLanes; }

// A line as a matrix n1 x n2: its columns, turned, then its rows, whose results lie side by side.
void transform_long(const Plan& plan, const Lines& x, const Lines& y, float scale) {
  const int64_t n1 = plan.n1, n2 = plan.n2;
  Workspace<float> middle(2 * plan.n);
  const Lines columns{x.re, x.im, x.step * n2, 0, x.step};
  const Lines between{middle, middle + 1, 2 * n2, 0, 2}, rows{middle, middle + 1, 2, 0, 2 * n2};
  const Lines out{y.re, y.im, y.step * n1, 0, y.step};
  run_tasks(blocks(n2), room(n1), [&](int64_t task, float* space) {
    const int64_t first = task * kLanes;
    transform_lanes(*plan.columns, columns.at(0, first), columns.inner_step, between.at(0, first), between.inner_step,
                    std::min(kLanes, n2 - first), 1, space, plan.turns.data() + 2 * first, n2);
  });
  run_tasks(blocks(n1), room(n2), [&](int64_t task, float* space) {
    const int64_t first = task * kLanes;
    transform_lanes(*plan.rows, rows.at(0, first), rows.inner_step, out.at(0, first), out.inner_step,
                    std::min(kLanes, n1 - first), scale, space);
  });
}

void transform(const Plan& plan, const Lines& x, const Lines& y, int64_t outer, int64_t inner, float scale);

// (a + b i) (c + d i) into `to`.
void put_product(float a, float b, float c, float d, float* to) {
  to[0] = a * c - b * d;
  to[1] = a * d + b * c;
}

void transform_chirp(const Plan& plan, const Lines& x, const Lines& y, int64_t outer, int64_t inner, float scale) {
  const int64_t n = plan.n, m = plan.around->n, lines = outer * inner;
  const int64_t group = std::min(lines, std::max<int64_t>(1, (1 << 20) / m));
  Workspace<float> a(2 * m * group), b(2 * m * group);
  const Lines one = complex_lines(a.data(), m, 1), two = complex_lines(b.data(), m, 1);
  const float *chirp = plan.chirp.data(), *filter = plan.filter.data();
  for (int64_t start = 0; start < lines; start += group) {
    const int64_t count = std::min(group, lines - start);
    parallel_for(count, std::max<int64_t>(1, (1 << 14) / m), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const Lines from = x.at((start + i) / inner, (start + i) % inner);
        float* to = a + 2 * m * i;
        for (int64_t j = 0; j < n; ++j)
          put_product(from.re[j * from.step], from.im[j * from.step], chirp[2 * j], chirp[2 * j + 1], to + 2 * j);
        std::fill(to + 2 * n, to + 2 * m, 0.0f);
      }
    });
    transform(*plan.around, one, two, count, 1, 1);
    parallel_for(count * m, 1 << 14, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const float* f = filter + 2 * (i % m);
        put_product(b[2 * i], b[2 * i + 1], f[0], f[1], b + 2 * i);
      }
    });
    transform(*plan.around, two.swapped(), one.swapped(), count, 1, scale / static_cast<float>(m));
    parallel_for(count, std::max<int64_t>(1, (1 << 14) / n), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const Lines to = y.at((start + i) / inner, (start + i) % inner);
        const float* from = a + 2 * m * i;
        for (int64_t k = 0; k < n; ++k) {
          float pair[2];
          put_product(from[2 * k], from[2 * k + 1], chirp[2 * k], chirp[2 * k + 1], pair);
          to.re[k * to.step] = pair[0];
          to.im[k * to.step] = pair[1];
        }
      }
    });
  }
}

// Transforms outer x inner lines; x and y may not overlap.
void transform(const Plan& plan, const Lines& x, const Lines& y, int64_t outer, int64_t inner, float scale) {
  if (!plan.direct) return transform_chirp(plan, x, y, outer, inner, scale);
  if (plan.n1 >= 8 && (plan.n > kLongestDirect || outer * inner < 4)) {
    for (int64_t i = 0; i < outer * inner; ++i)
      transform_long(plan, x.at(i / inner, i % inner), y.at(i / inner, i % inner), scale);
    return;
  }
  // Lanes are lines of whichever direction has more of them.
  const bool across = inner >= std::min(kLanes, outer);
  const int64_t lines = across ? inner : outer, sets = across ? outer : inner, parts = blocks(lines);
  const int64_t x_lane = across ? x.inner_step : x.outer_step, y_lane = across ? y.inner_step : y.outer_step;
  run_tasks(sets * parts, room(plan.n), [&](int64_t task, float* space) {
    const int64_t set = task / parts, first = task % parts * kLanes;
    const int64_t o = across ? set : first, i = across ? first : set;
    transform_lanes(plan, x.at(o, i), x_lane, y.at(o, i), y_lane, std::min(kLanes, lines - first), scale, space);
  });
}

void Plan::make_chirp() {
  int64_t m = 1;
  while (m < 2 * n - 1) m *= 2;
  around = plan_for(m);
  chirp.resize(2 * n);
  filter.resize(2 * m);
  std::vector<float> mirror(2 * m);
  int64_t square = 0;  // j * j modulo 2 n
  for (int64_t j = 0; j < n; ++j) {
    float* w = chirp.data() + 2 * j;
    put_root(square, 2 * n, w);
    for (const int64_t at : {j, (m - j) % m}) mirror[2 * at] = w[0], mirror[2 * at + 1] = -w[1];
    square = (square + 2 * j + 1) % (2 * n);
  }
  transform(*around, complex_lines(mirror.data(), m, 1), complex_lines(filter.data(), m, 1), 1, 1, 1);
}

// Plans of the lengths used lately, emptied when their tables grow beyond some megabytes.
PlanPtr plan_for(int64_t n) {
  static std::mutex mutex;
  static auto* plans = new std::unordered_map<int64_t, PlanPtr>;
  static int64_t held = 0;
  {
    const std::lock_guard lock(mutex);
    if (const auto found = plans->find(n); found != plans->end()) return found->second;
  }
  const auto made = std::make_shared<const Plan>(n);
  const std::lock_guard lock(mutex);
  held += n;
  if (held > (1 << 22)) plans->clear(), held = n;
  return plans->emplace(n, made).first->second;
}

struct Geometry {
  int64_t outer = 1, inner = 1;
  Geometry(const View& x, int axis) {
    for (int d = 0; d < x.rank; ++d) (d < axis ? outer : inner) *= d == axis ? 1 : x.shape[d];
  }
};

// The spectrum of a real line from that of its even and odd entries, taken as real and imaginary parts, or back.
struct Halves {
  int64_t n, h, inner;
  std::vector<float> roots;
  Halves(int64_t length, int64_t lines) : n(length), h(length / 2), inner(lines), roots(2 * (h + 1)) {
    for (int64_t k = 0; k <= h; ++k) put_root(k, n, roots.data() + 2 * k);
  }

  // z: h numbers a line; x: h + 1.
  void forth(const float* z, float* x, int64_t k, float scale) const {
    const float *a = z + 2 * inner * (k % h), *b = z + 2 * inner * ((h - k) % h), *w = roots.data() + 2 * k;
    float* to = x + 2 * inner * k;
    for (int64_t i = 0; i < 2 * inner; i += 2) {
      const float er = a[i] + b[i], ei = a[i + 1] - b[i + 1], dr = a[i] - b[i], di = a[i + 1] + b[i + 1];
      to[i] = 0.5f * scale * (er + di * w[0] + dr * w[1]);
      to[i + 1] = 0.5f * scale * (ei + di * w[1] - dr * w[0]);
    }
  }

  void back(const float* x, float* z, int64_t k) const {
    const float *a = x + 2 * inner * k, *b = x + 2 * inner * (h - k), *w = roots.data() + 2 * k;
    float* to = z + 2 * inner * k;
    for (int64_t i = 0; i < 2 * inner; i += 2) {
      const float ai = k ? a[i + 1] : 0.0f, bi = k ? b[i + 1] : 0.0f;  // the ends are real
      const float er = a[i] + b[i], ei = ai - bi, dr = a[i] - b[i], di = ai + bi;
      // i (d conj(w)), w being exp(-2 pi i k / n)
      to[i] = er - (di * w[0] - dr * w[1]);
      to[i + 1] = ei + (dr * w[0] + di * w[1]);
    }
  }
};

template <class F>
void each_row(int64_t outer, int64_t rows, int64_t inner, F&& body) {
  parallel_for(outer * rows, std::max<int64_t>(1, (1 << 13) / inner), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) body(i / rows, i % rows);
  });
}

}  // namespace

void fft(const View& x, const View& out, int axis, bool inverse, float scale) {
  if (!x.size()) return;
  const Geometry g(x, axis);
  const int64_t n = x.shape[axis];
  const Lines from = complex_lines(x.data, n, g.inner), to = complex_lines(out.data, n, g.inner);
  const PlanPtr plan = plan_for(n);
  if (inverse)
    transform(*plan, from.swapped(), to.swapped(), g.outer, g.inner, scale);
  else
    transform(*plan, from, to, g.outer, g.inner, scale);
}

void rfft(const View& x, const View& out, int axis, float scale) {
  if (!x.size()) return;
  const Geometry g(x, axis);
  const int64_t n = x.shape[axis], rows = n / 2 + 1, inner = g.inner;
  auto *from = x.as<float>(), *to = out.as<float>();
  if (n % 2 == 0) {
    const int64_t h = n / 2;
    Workspace<float> z(2 * g.outer * h * inner);
    const Lines pairs{from, from + inner, 2 * inner, n * inner, 1};
    transform(*plan_for(h), pairs, complex_lines(z.data(), h, inner), g.outer, inner, 1);
    const Halves halves(n, inner);
    each_row(g.outer, rows, inner, [&](int64_t o, int64_t k) {
      halves.forth(z + 2 * o * h * inner, to + 2 * o * rows * inner, k, scale);
    });
    return;
  }
  Workspace<float> whole(2 * g.outer * n * inner), spectrum(2 * g.outer * n * inner);
  for (int64_t i = 0; i < g.outer * n * inner; ++i) whole[2 * i] = from[i], whole[2 * i + 1] = 0;
  transform(*plan_for(n), complex_lines(whole.data(), n, inner), complex_lines(spectrum.data(), n, inner), g.outer,
            inner, scale);
  for (int64_t o = 0; o < g.outer; ++o)
    std::copy_n(spectrum + 2 * o * n * inner, 2 * rows * inner, to + 2 * o * rows * inner);
}

void irfft(const View& x, const View& out, int axis, float scale) {
  if (!out.size()) return;
  const Geometry g(x, axis);
  const int64_t n = out.shape[axis], rows = n / 2 + 1, inner = g.inner;
  auto *from = x.as<float>(), *to = out.as<float>();
  if (n % 2 == 0) {
    const int64_t h = n / 2;
    Workspace<float> z(2 * g.outer * h * inner);
    const Halves halves(n, inner);
    each_row(g.outer, h, inner, [&](int64_t o, int64_t k) {
      halves.back(from + 2 * o * rows * inner, z + 2 * o * h * inner, k);
    });
    const Lines pairs{to, to + inner, 2 * inner, n * inner, 1};
    transform(*plan_for(h), complex_lines(z.data(), h, inner).swapped(), pairs.swapped(), g.outer, inner, scale);
    return;
  }
  Workspace<float> whole(2 * g.outer * n * inner), line(2 * g.outer * n * inner);
  for (int64_t o = 0; o < g.outer; ++o) {
    const float* half = from + 2 * o * rows * inner;
    float* all = whole + 2 * o * n * inner;
    for (int64_t k = 0; k < n; ++k)
      for (int64_t i = 0; i < 2 * inner; i += 2) {
        const float* a = half + 2 * inner * (k < rows ? k : n - k) + i;
        all[2 * inner * k + i] = a[0];
        all[2 * inner * k + i + 1] = k == 0 ? 0 : k < rows ? a[1] : -a[1];
      }
  }
  transform(*plan_for(n), complex_lines(whole.data(), n, inner).swapped(), complex_lines(line.data(), n, inner).swapped(),
            g.outer, inner, scale);
  for (int64_t i = 0; i < g.outer * n * inner; ++i) to[i] = line[2 * i];
}

}  // namespace monel
