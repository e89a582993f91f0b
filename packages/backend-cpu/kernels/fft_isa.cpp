// Stockham passes for one instruction set. Numbers are combined lane by lane, so all sets give the same bits.
#include "fft_stages.h"

#include "isa.h"

namespace monel {
namespace {

#define MONEL_OP static inline __attribute__((always_inline))

#if defined(__AVX512F__)
constexpr int kWidth = 16;
#elif defined(__AVX__)
constexpr int kWidth = 8;
#else
constexpr int kWidth = 4;
#endif
typedef float V __attribute__((vector_size(kWidth * sizeof(float)), aligned(4), may_alias));

MONEL_OP V load(const float* p) { return *reinterpret_cast<const V*>(p); }
MONEL_OP void store(float* p, V v) { *reinterpret_cast<V*>(p) = v; }

template <int R>
struct Butterfly;

template <>
struct Butterfly<2> {
  MONEL_OP void run(V* re, V* im) {
    const V r = re[0] - re[1], i = im[0] - im[1];
    re[0] += re[1], im[0] += im[1];
    re[1] = r, im[1] = i;
  }
};

template <>
struct Butterfly<3> {
  MONEL_OP void run(V* re, V* im) {
    constexpr float half_root = 0.866025403784438647f;
    const V tr = re[1] + re[2], ti = im[1] + im[2];
    const V vr = half_root * (re[1] - re[2]), vi = half_root * (im[1] - im[2]);
    const V ur = re[0] - 0.5f * tr, ui = im[0] - 0.5f * ti;
    re[0] += tr, im[0] += ti;
    re[1] = ur + vi, im[1] = ui - vr;
    re[2] = ur - vi, im[2] = ui + vr;
  }
};

template <>
struct Butterfly<4> {
  MONEL_OP void run(V* re, V* im) {
    const V ar = re[0] + re[2], ai = im[0] + im[2], br = re[0] - re[2], bi = im[0] - im[2];
    const V cr = re[1] + re[3], ci = im[1] + im[3], dr = re[1] - re[3], di = im[1] - im[3];
    re[0] = ar + cr, im[0] = ai + ci;
    re[1] = br + di, im[1] = bi - dr;
    re[2] = ar - cr, im[2] = ai - ci;
    re[3] = br - di, im[3] = bi + dr;
  }
};

template <>
struct Butterfly<5> {
  MONEL_OP void run(V* re, V* im) {
    constexpr float c1 = 0.309016994374947424f, c2 = -0.809016994374947424f;
    constexpr float s1 = 0.951056516295153572f, s2 = 0.587785252292473129f;
    const V ar = re[1] + re[4], ai = im[1] + im[4], br = re[2] + re[3], bi = im[2] + im[3];
    const V cr = re[1] - re[4], ci = im[1] - im[4], dr = re[2] - re[3], di = im[2] - im[3];
    const V ur = re[0] + c1 * ar + c2 * br, ui = im[0] + c1 * ai + c2 * bi;
    const V wr = re[0] + c2 * ar + c1 * br, wi = im[0] + c2 * ai + c1 * bi;
    const V pr = s1 * cr + s2 * dr, pi = s1 * ci + s2 * di;
    const V qr = s2 * cr - s1 * dr, qi = s2 * ci - s1 * di;
    re[0] += ar + br, im[0] += ai + bi;
    re[1] = ur + pi, im[1] = ui - pr;
    re[2] = wr + qi, im[2] = wi - qr;
    re[3] = wr - qi, im[3] = wi + qr;
    re[4] = ur - pi, im[4] = ui + pr;
  }
};

template <>
struct Butterfly<8> {
  MONEL_OP void run(V* re, V* im) {
    constexpr float root = 0.707106781186547524f;
    V er[4] = {re[0], re[2], re[4], re[6]}, ei[4] = {im[0], im[2], im[4], im[6]};
    V or_[4] = {re[1], re[3], re[5], re[7]}, oi[4] = {im[1], im[3], im[5], im[7]};
    Butterfly<4>::run(er, ei);
    Butterfly<4>::run(or_, oi);
    const V r1 = root * (or_[1] + oi[1]), i1 = root * (oi[1] - or_[1]);
    const V r3 = root * (oi[3] - or_[3]), i3 = -root * (oi[3] + or_[3]);
    const V tr[4] = {or_[0], r1, oi[2], r3}, ti[4] = {oi[0], i1, -or_[2], i3};
    for (int k = 0; k < 4; ++k) {
      re[k] = er[k] + tr[k], im[k] = ei[k] + ti[k];
      re[k + 4] = er[k] - tr[k], im[k + 4] = ei[k] - ti[k];
    }
  }
};

// The twiddles of row p; none where all are 1.
template <int R, bool turned>
MONEL_OP void row(const FftStage& g, int64_t p, const float* xr, const float* xi, float* yr, float* yi) {
  const int64_t s = g.s, in = s * p, step = s * g.m, out = s * R * p;
  const float* w = g.twiddles + 2 * (R - 1) * p;
  for (int64_t q = 0; q < s; q += kWidth) {
    V re[R], im[R];
    for (int k = 0; k < R; ++k) re[k] = load(xr + in + q + step * k), im[k] = load(xi + in + q + step * k);
    Butterfly<R>::run(re, im);
    store(yr + out + q, re[0]), store(yi + out + q, im[0]);
    for (int k = 1; k < R; ++k) {
      V r = re[k], i = im[k];
      if constexpr (turned) {
        const float c = w[2 * k - 2], d = w[2 * k - 1];
        const V t = r * c - i * d;
        i = r * d + i * c, r = t;
      }
      store(yr + out + q + s * k, r), store(yi + out + q + s * k, i);
    }
  }
}

template <int R>
void fixed(const FftStage& g, const float* xr, const float* xi, float* yr, float* yi) {
  row<R, false>(g, 0, xr, xi, yr, yi);
  for (int64_t p = 1; p < g.m; ++p) row<R, true>(g, p, xr, xi, yr, yi);
}

// Any odd radix, by sums over pairs of mirrored terms.
void odd(const FftStage& g, const float* xr, const float* xi, float* yr, float* yi) {
  const int radix = g.radix, half = radix / 2;
  const float *cosines = g.roots, *sines = g.roots + radix;
  const int64_t s = g.s, step = s * g.m;
  for (int64_t p = 0; p < g.m; ++p) {
    const int64_t in = s * p, out = s * radix * p;
    const float* w = g.twiddles + 2 * (radix - 1) * p;
    for (int64_t q = 0; q < s; q += kWidth) {
      V sr[kLargestRadix / 2 + 1], si[kLargestRadix / 2 + 1], dr[kLargestRadix / 2 + 1], di[kLargestRadix / 2 + 1];
      const V zr = load(xr + in + q), zi = load(xi + in + q);
      V tr = zr, ti = zi;
      for (int j = 1; j <= half; ++j) {
        const int64_t a = in + q + step * j, b = in + q + step * (radix - j);
        sr[j] = load(xr + a) + load(xr + b), si[j] = load(xi + a) + load(xi + b);
        dr[j] = load(xr + a) - load(xr + b), di[j] = load(xi + a) - load(xi + b);
        tr += sr[j], ti += si[j];
      }
      store(yr + out + q, tr), store(yi + out + q, ti);
      for (int k = 1; k <= half; ++k) {
        V ur = zr, ui = zi, vr = zr - zr, vi = vr;
        for (int j = 1, at = k; j <= half; ++j, at = (at + k) % radix) {
          ur += cosines[at] * sr[j], ui += cosines[at] * si[j];
          vr += sines[at] * dr[j], vi += sines[at] * di[j];
        }
        const V ar = ur + vi, ai = ui - vr, br = ur - vi, bi = ui + vr;
        const float *c = w + 2 * k - 2, *d = w + 2 * (radix - k) - 2;
        const int64_t first = out + q + s * k, second = out + q + s * (radix - k);
        store(yr + first, ar * c[0] - ai * c[1]), store(yi + first, ar * c[1] + ai * c[0]);
        store(yr + second, br * d[0] - bi * d[1]), store(yi + second, br * d[1] + bi * d[0]);
      }
    }
  }
}

void stage(const FftStage& g, const float* xr, const float* xi, float* yr, float* yi) {
  switch (g.radix) {
    case 2: return fixed<2>(g, xr, xi, yr, yi);
    case 3: return fixed<3>(g, xr, xi, yr, yi);
    case 4: return fixed<4>(g, xr, xi, yr, yi);
    case 5: return fixed<5>(g, xr, xi, yr, yi);
    case 8: return fixed<8>(g, xr, xi, yr, yi);
    default: return odd(g, xr, xi, yr, yi);
  }
}

}  // namespace

MONEL_DEFINE_TABLE(FftTable, fft_stages) = {stage};

}  // namespace monel
