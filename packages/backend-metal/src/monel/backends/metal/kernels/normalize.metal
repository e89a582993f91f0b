// Rows brought to a scale: softmax, its logarithm, and norms. A thread group to a row.
#include "simd.h"

// The combination over the group, in every thread. Each use has its own `partial`.
template <typename Op>
inline float group_total(float x, threadgroup float* partial, uint lane, uint simd, uint simds) {
  return simd_broadcast(group_combine<Op>(x, partial, lane, simd, simds), 0);
}

// The greatest element so far and the sum of exponentials below it, in one pass over the row.
struct Online {
  float high;
  float sum;
};
inline Online online(Online o, float x) {
  if (x == -INFINITY) return o;
  if (x > o.high) return Online{x, o.sum * precise::exp(o.high - x) + precise::exp(x - x)};
  return Online{o.high, o.sum + precise::exp(x - o.high)};
}
// The same for the whole group. Rows of -inf keep the sum 0, and nan stays nan.
inline Online group_online(Online o, threadgroup float* highs, threadgroup float* sums, uint lane,
                           uint simd, uint simds) {
  const float high = group_total<Max<float>>(o.high, highs, lane, simd, simds);
  const float scaled = o.high == -INFINITY ? o.sum : o.sum * precise::exp(o.high - high);
  return Online{high, group_total<Sum<float>>(scaled, sums, lane, simd, simds)};
}

template <typename T>
[[kernel]] void softmax_rows(constant Norm& p [[buffer(0)]],
                             device const T* x [[buffer(1)]],
                             device T* y [[buffer(2)]],
                             uint row [[threadgroup_position_in_grid]],
                             uint tid [[thread_index_in_threadgroup]],
                             uint threads [[threads_per_threadgroup]],
                             uint lane [[thread_index_in_simdgroup]],
                             uint simd [[simdgroup_index_in_threadgroup]],
                             uint simds [[simdgroups_per_threadgroup]]) {
  threadgroup float highs[32];
  threadgroup float sums[32];
  x += ulong(row) * p.n;
  y += ulong(row) * p.n;
  Online own = Online{-INFINITY, 0.0f};
  for (uint i = tid; i < p.n; i += threads) own = online(own, float(x[i]));
  own = group_online(own, &highs[0], &sums[0], lane, simd, simds);
  for (uint i = tid; i < p.n; i += threads) {
    y[i] = T(precise::exp(float(x[i]) - own.high) / own.sum);
  }
}

template <typename T>
[[kernel]] void logsumexp_rows(constant Norm& p [[buffer(0)]],
                               device const T* x [[buffer(1)]],
                               device T* y [[buffer(2)]],
                               uint row [[threadgroup_position_in_grid]],
                               uint tid [[thread_index_in_threadgroup]],
                               uint threads [[threads_per_threadgroup]],
                               uint lane [[thread_index_in_simdgroup]],
                               uint simd [[simdgroup_index_in_threadgroup]],
                               uint simds [[simdgroups_per_threadgroup]]) {
  threadgroup float highs[32];
  threadgroup float sums[32];
  x += ulong(row) * p.n;
  Online own = Online{-INFINITY, 0.0f};
  for (uint i = tid; i < p.n; i += threads) {
    const float v = float(x[i]);
    if (v == INFINITY) {
      own = Online{v, 1.0f};
    } else {
      own = online(own, v);
    }
  }
  own = group_online(own, &highs[0], &sums[0], lane, simd, simds);
  const bool flat = own.high == INFINITY || own.high == -INFINITY;
  if (tid == 0) y[row] = T(flat ? own.high : precise::log(own.sum) + own.high);
}

template <typename T, typename W, typename R>
[[kernel]] void rms_norm_rows(constant Norm& p [[buffer(0)]],
                              device const T* x [[buffer(1)]],
                              device const W* w [[buffer(2)]],
                              device R* y [[buffer(3)]],
                              uint row [[threadgroup_position_in_grid]],
                              uint tid [[thread_index_in_threadgroup]],
                              uint threads [[threads_per_threadgroup]],
                              uint lane [[thread_index_in_simdgroup]],
                              uint simd [[simdgroup_index_in_threadgroup]],
                              uint simds [[simdgroups_per_threadgroup]]) {
  threadgroup float squares[32];
  x += ulong(row) * p.n;
  y += ulong(row) * p.n;
  float sum = 0.0f;
  for (uint i = tid; i < p.n; i += threads) sum += float(x[i]) * float(x[i]);
  sum = group_total<Sum<float>>(sum, &squares[0], lane, simd, simds);
  const float scale = 1.0f / precise::sqrt(sum / float(p.n) + p.eps);
  for (uint i = tid; i < p.n; i += threads) y[i] = R(float(x[i]) * scale * float(w[i]));
}

template <typename T, typename W, typename B, typename R>
[[kernel]] void layer_norm_rows(constant Norm& p [[buffer(0)]],
                                device const T* x [[buffer(1)]],
                                device const W* w [[buffer(2)]],
                                device const B* b [[buffer(3)]],
                                device R* y [[buffer(4)]],
                                uint row [[threadgroup_position_in_grid]],
                                uint tid [[thread_index_in_threadgroup]],
                                uint threads [[threads_per_threadgroup]],
                                uint lane [[thread_index_in_simdgroup]],
                                uint simd [[simdgroup_index_in_threadgroup]],
                                uint simds [[simdgroups_per_threadgroup]]) {
  threadgroup float sums[32];
  threadgroup float squares[32];
  x += ulong(row) * p.n;
  y += ulong(row) * p.n;
  float sum = 0.0f;
  for (uint i = tid; i < p.n; i += threads) sum += float(x[i]);
  const float mean = group_total<Sum<float>>(sum, &sums[0], lane, simd, simds) / float(p.n);
  float square = 0.0f;
  for (uint i = tid; i < p.n; i += threads) {
    const float centred = float(x[i]) - mean;
    square += centred * centred;
  }
  square = group_total<Sum<float>>(square, &squares[0], lane, simd, simds);
  const float scale = 1.0f / precise::sqrt(square / float(p.n) + p.eps);
  for (uint i = tid; i < p.n; i += threads) {
    y[i] = R((float(x[i]) - mean) * scale * float(w[i]) + float(b[i]));
  }
}
