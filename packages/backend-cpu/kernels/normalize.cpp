#include "normalize.h"

#include <cmath>
#include <vector>

#include "ops.h"
#include "pool.h"

namespace monel {
namespace {

constexpr int64_t kGrain = 8192;

int64_t grain(int64_t n) { return kGrain / (n + 1) + 1; }

// Calls f(row of floats, result of floats) for each row: in place for float32, by way of float tiles for halves.
template <class F>
void each_row(Dtype dtype, const void* x, void* out, int64_t count, int64_t n, int64_t results, F f) {
  if (dtype == Dtype::float32) {
    parallel_for(count, grain(n), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i)
        f(static_cast<const float*>(x) + i * n, static_cast<float*>(out) + i * results);
    });
    return;
  }
  const Tile widen_tile = find_cast(dtype, Dtype::float32), narrow_tile = find_cast(Dtype::float32, dtype);
  parallel_for(count, grain(n), [&](int64_t begin, int64_t end) {
    thread_local std::vector<float> row;
    if (static_cast<int64_t>(row.size()) < n + 1) row.resize(static_cast<size_t>(n) + 1);
    for (int64_t i = begin; i < end; ++i) {
      widen_tile(static_cast<const char*>(x) + i * n * 2, nullptr, nullptr, row.data(), n);
      f(row.data(), row.data());
      narrow_tile(row.data(), nullptr, nullptr, static_cast<char*>(out) + i * results * 2, results);
    }
  });
}

std::vector<float> widened(Dtype dtype, const void* x, int64_t n) {
  std::vector<float> out(x ? static_cast<size_t>(n) : 0);
  if (x) find_cast(dtype, Dtype::float32)(x, nullptr, nullptr, out.data(), n);
  return out;
}

double top_of(const double* x, int64_t n) {
  double top = -HUGE_VAL;
  for (int64_t i = 0; i < n; ++i) top = x[i] > top || x[i] != x[i] ? x[i] : top;
  return top;
}

template <class F>
void each_row_double(const void* x, void* out, int64_t count, int64_t n, int64_t results, F f) {
  parallel_for(count, grain(n), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      f(static_cast<const double*>(x) + i * n, static_cast<double*>(out) + i * results);
  });
}

}  // namespace

void softmax_rows(Dtype dtype, const void* x, void* out, int64_t count, int64_t n) {
  if (dtype != Dtype::float64)
    return each_row(dtype, x, out, count, n, n, [n](const float* row, float* to) { rows().softmax(row, to, n); });
  each_row_double(x, out, count, n, n, [n](const double* row, double* to) {
    const double top = top_of(row, n), shift = top == -HUGE_VAL ? 0.0 : top;
    double sum = 0;
    for (int64_t i = 0; i < n; ++i) sum += to[i] = std::exp(row[i] - shift);
    for (int64_t i = 0; i < n; ++i) to[i] /= sum;
  });
}

void logsumexp_rows(Dtype dtype, const void* x, void* out, int64_t count, int64_t n) {
  if (dtype != Dtype::float64)
    return each_row(dtype, x, out, count, n, 1, [n](const float* row, float* to) { *to = rows().logsumexp(row, n); });
  each_row_double(x, out, count, n, 1, [n](const double* row, double* to) {
    const double top = top_of(row, n);
    double sum = 0;
    for (int64_t i = 0; i < n; ++i) sum += std::exp(row[i] - top);
    *to = std::isinf(top) ? top : top + std::log(sum);
  });
}

void layer_norm_rows(Dtype dtype, const void* x, const void* w, const void* b, double eps, void* out, int64_t count,
                     int64_t n) {
  if (dtype == Dtype::float64) {
    each_row_double(x, out, count, n, n, [=](const double* row, double* to) {
      double mean = 0, variance = 0;
      for (int64_t i = 0; i < n; ++i) mean += row[i];
      mean /= static_cast<double>(n);
      for (int64_t i = 0; i < n; ++i) variance += (row[i] - mean) * (row[i] - mean);
      const double scale = 1 / std::sqrt(variance / static_cast<double>(n) + eps);
      for (int64_t i = 0; i < n; ++i)
        to[i] = (row[i] - mean) * scale * (w ? static_cast<const double*>(w)[i] : 1.0) +
                (b ? static_cast<const double*>(b)[i] : 0.0);
    });
    return;
  }
  const auto wide_w = widened(dtype, w, n), wide_b = widened(dtype, b, n);
  const float *weight = w ? wide_w.data() : nullptr, *bias = b ? wide_b.data() : nullptr;
  each_row(dtype, x, out, count, n, n, [=](const float* row, float* to) {
    rows().layer_norm(row, weight, bias, static_cast<float>(eps), to, n);
  });
}

void rms_norm_rows(Dtype dtype, const void* x, const void* w, double eps, void* out, int64_t count, int64_t n) {
  if (dtype == Dtype::float64) {
    each_row_double(x, out, count, n, n, [=](const double* row, double* to) {
      double mean = 0;
      for (int64_t i = 0; i < n; ++i) mean += row[i] * row[i];
      const double scale = 1 / std::sqrt(mean / static_cast<double>(n) + eps);
      for (int64_t i = 0; i < n; ++i) to[i] = row[i] * scale * (w ? static_cast<const double*>(w)[i] : 1.0);
    });
    return;
  }
  const auto wide = widened(dtype, w, n);
  const float* weight = w ? wide.data() : nullptr;
  each_row(dtype, x, out, count, n, n, [=](const float* row, float* to) {
    rows().rms_norm(row, weight, static_cast<float>(eps), to, n);
  });
}

}  // namespace monel
