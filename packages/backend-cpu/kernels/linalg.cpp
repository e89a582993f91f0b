#include "linalg.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <mutex>
#include <string>
#include <type_traits>

#include "blas.h"
#include "pool.h"
#include "scratch.h"

namespace monel {
namespace {

template <class T>
struct RealOf {
  using type = T;
};
template <>
struct RealOf<complex64> {
  using type = float;
};
template <class T>
using Real = typename RealOf<T>::type;

template <class T>
using RealGeev = int (*)(int, char, char, int, T*, int, T*, T*, T*, int, T*, int);
template <class T>
using ComplexGeev = int (*)(int, char, char, int, T*, int, T*, T*, int, T*, int);

// LAPACKE for one element type; complex numbers pass as pointers to pairs.
template <class T>
struct Lapack {
  int (*potrf)(int, char, int, T*, int) = nullptr;
  int (*geqrf)(int, int, int, T*, int, T*) = nullptr;
  int (*orgqr)(int, int, int, int, T*, int, const T*) = nullptr;
  int (*gesdd)(int, char, int, int, T*, int, Real<T>*, T*, int, T*, int) = nullptr;
  int (*syevd)(int, char, char, int, T*, int, Real<T>*) = nullptr;
  std::conditional_t<std::is_same_v<T, complex64>, ComplexGeev<T>, RealGeev<T>> geev = nullptr;
  int (*getrf)(int, int, int, T*, int, int*) = nullptr;
  int (*getri)(int, int, T*, int, const int*) = nullptr;
  int (*gesv)(int, int, int, T*, int, int*, T*, int) = nullptr;
  int (*trtrs)(int, char, char, char, int, int, const T*, int, T*, int) = nullptr;
  bool complete = false;

  Lapack() {
    const bool complex = std::is_same_v<T, complex64>;
    const char letter = complex ? 'c' : std::is_same_v<T, double> ? 'd' : 's';
    complete = find(potrf, letter, "potrf") && find(geqrf, letter, "geqrf") &&
               find(orgqr, letter, complex ? "ungqr" : "orgqr") && find(gesdd, letter, "gesdd") &&
               find(syevd, letter, complex ? "heevd" : "syevd") && find(geev, letter, "geev") &&
               find(getrf, letter, "getrf") &&
               find(getri, letter, "getri") && find(gesv, letter, "gesv") &&
               find(trtrs, letter, "trtrs");
  }

 private:
  template <class F>
  static bool find(F& slot, char letter, const char* name) {
    const std::string symbol = std::string("LAPACKE_") + letter + name;
    slot = reinterpret_cast<F>(blas_symbol(symbol.c_str()));
    return slot != nullptr;
  }
};

template <class T>
const Lapack<T>& lapack() {
  static const Lapack<T> table;
  return table;
}

template <class F>
Info with_type(Dtype dtype, F&& f) {
  if (dtype == Dtype::float64) return f(double{});
  if (dtype == Dtype::complex64) return f(complex64{});
  return f(float{});
}

// The first failure in the order of the batch, from whichever thread.
class Failure {
 public:
  void report(int64_t matrix, int info) {
    const std::lock_guard lock(mutex_);
    if (matrix < matrix_) matrix_ = matrix, info_ = info;
  }
  Info info() const { return info_; }

 private:
  std::mutex mutex_;
  int64_t matrix_ = std::numeric_limits<int64_t>::max();
  int info_ = 0;
};

template <class T>
bool is_nan(T x) {
  if constexpr (std::is_same_v<T, complex64>)
    return std::isnan(x.re) || std::isnan(x.im);
  else
    return std::isnan(x);
}

template <class T>
bool holds_nan(const T* a, int64_t n) {
  return std::any_of(a, a + n, [](T x) { return is_nan(x); });
}

// Whether any element is NaN or infinite.
template <class T>
bool holds_strange(const T* a, int64_t n) {
  return std::any_of(a, a + n, [](T x) {
    if constexpr (std::is_same_v<T, complex64>)
      return !std::isfinite(x.re) || !std::isfinite(x.im);
    else
      return !std::isfinite(x);
  });
}

template <class T>
void fill_nan(T* a, int64_t n) {
  constexpr Real<T> nan = std::numeric_limits<Real<T>>::quiet_NaN();
  if constexpr (std::is_same_v<T, complex64>)
    std::fill_n(a, n, complex64{nan, nan});
  else
    std::fill_n(a, n, nan);
}

// The matrices of a batch.
struct Batch {
  int64_t count = 1, rows, cols, each;

  explicit Batch(const View& a)
      : rows(a.shape[a.rank - 2]), cols(a.shape[a.rank - 1]), each(rows * cols) {
    for (int d = 0; d + 2 < a.rank; ++d) count *= a.shape[d];
  }

  // body(i) returns the code of matrix i.
  template <class F>
  Info run(F&& body) const {
    Failure failure;
    const int64_t work = std::max<int64_t>(1, each * std::min(rows, cols));
    parallel_for(count, std::max<int64_t>(1, (1 << 16) / work), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i)
        if (const int info = body(i)) failure.report(i, info);
    });
    return failure.info();
  }
};

int narrow_int(int64_t n) { return static_cast<int>(n); }

template <class T>
int cholesky_one(T* a, int n, bool upper) {
  if (holds_nan(a, int64_t{n} * n)) return fill_nan(a, int64_t{n} * n), 0;
  const int info = lapack<T>().potrf(kRowMajor, upper ? 'U' : 'L', n, a, n);
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = upper ? 0 : i + 1; j < (upper ? i : n); ++j) a[i * n + j] = T{};
  return info;
}

// q has `columns` columns: the smaller of m and n, or m.
template <class T>
int qr_one(T* a, int m, int n, int columns, T* q, T* r, T* tau) {
  const int k = std::min(m, n);
  int info = lapack<T>().geqrf(kRowMajor, m, n, a, n, tau);
  if (info == 0) {
    for (int64_t i = 0; i < columns; ++i)
      for (int64_t j = 0; j < n; ++j) r[i * n + j] = j < i ? T{} : a[i * n + j];
    for (int64_t i = 0; i < m; ++i) std::copy_n(a + i * n, k, q + i * columns);
    info = lapack<T>().orgqr(kRowMajor, m, columns, k, q, columns, tau);
  }
  return info;
}

complex64 complex_of(double re, double im) {
  return {static_cast<float>(re), static_cast<float>(im)};
}

// LAPACK gives the vectors of a pair of conjugate eigenvalues as two columns: real and imaginary.
template <class T>
void unpack_vectors(const T* packed, const T* wi, int64_t n, complex64* v) {
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = 0; j < n; ++j) {
      const T* at = packed + i * n + j;
      if (wi[j] == 0) {
        v[i * n + j] = complex_of(*at, 0);
      } else {
        v[i * n + j] = complex_of(at[0], at[1]);
        v[i * n + j + 1] = complex_of(at[0], -at[1]);
        ++j;
      }
    }
}

// `space` holds n * n + 2 * n elements, for the vectors and both parts of the values.
template <class T>
int eig_one(T* a, int n, complex64* w, complex64* v, T* space) {
  const char vectors = v ? 'V' : 'N';
  if constexpr (std::is_same_v<T, complex64>) {
    return lapack<T>().geev(kRowMajor, 'N', vectors, n, a, n, w, nullptr, n, v, n);
  } else {
    T *wr = space, *wi = wr + n, *packed = wi + n;
    const int info = lapack<T>().geev(kRowMajor, 'N', vectors, n, a, n, wr, wi, nullptr, n, packed, n);
    if (info) return info;
    for (int i = 0; i < n; ++i) w[i] = complex_of(wr[i], wi[i]);
    if (v) unpack_vectors(packed, wi, n, v);
    return 0;
  }
}

template <class T>
int inverse_one(T* a, int n, int* pivots) {
  const int info = lapack<T>().getrf(kRowMajor, n, n, a, n, pivots);
  return info ? info : lapack<T>().getri(kRowMajor, n, a, n, pivots);
}

}  // namespace

bool has_lapack() {
  return lapack<float>().complete && lapack<double>().complete && lapack<complex64>().complete;
}

Info cholesky(const View& a, bool upper) {
  const Batch batch(a);
  return with_type(a.dtype, [&](auto zero) {
    using T = decltype(zero);
    return batch.run([&](int64_t i) {
      return cholesky_one(a.as<T>() + i * batch.each, narrow_int(batch.rows), upper);
    });
  });
}

Info qr(const View& a, const View& q, const View& r) {
  const Batch batch(a), left(q), right(r);
  return with_type(a.dtype, [&](auto zero) {
    using T = decltype(zero);
    const int64_t k = std::min(batch.rows, batch.cols);
    Workspace<T> tau(batch.count * k);
    return batch.run([&](int64_t i) {
      T *one = a.as<T>() + i * batch.each, *to_q = q.as<T>() + i * left.each,
        *to_r = r.as<T>() + i * right.each;
      if (holds_nan(one, batch.each)) {
        fill_nan(to_q, left.each);
        fill_nan(to_r, right.each);
        return 0;
      }
      return qr_one(one, narrow_int(batch.rows), narrow_int(batch.cols), narrow_int(left.cols),
                    to_q, to_r, tau + i * k);
    });
  });
}

Info svd(const View& a, const View& s, const View* u, const View* vt) {
  const Batch batch(a);
  const int64_t m = batch.rows, n = batch.cols, k = std::min(m, n);
  const int64_t columns = u ? u->shape[u->rank - 1] : 0, rows = vt ? vt->shape[vt->rank - 2] : 0;
  const char job = !u ? 'N' : columns == m && rows == n ? 'A' : 'S';
  return with_type(a.dtype, [&](auto zero) {
    using T = decltype(zero);
    return batch.run([&](int64_t i) {
      T* one = a.as<T>() + i * batch.each;
      T* left = u ? u->as<T>() + i * m * columns : nullptr;
      T* right = vt ? vt->as<T>() + i * rows * n : nullptr;
      Real<T>* values = s.as<Real<T>>() + i * k;
      if (holds_strange(one, batch.each)) {
        fill_nan(values, k);
        if (u) fill_nan(left, m * columns), fill_nan(right, rows * n);
        return 0;
      }
      return lapack<T>().gesdd(kRowMajor, job, narrow_int(m), narrow_int(n), one, narrow_int(n),
                               values, left, narrow_int(u ? columns : m), right, narrow_int(n));
    });
  });
}

Info eigh(const View& a, bool lower, bool vectors, const View& w) {
  const Batch batch(a);
  const int n = narrow_int(batch.rows);
  return with_type(a.dtype, [&](auto zero) {
    using T = decltype(zero);
    return batch.run([&](int64_t i) {
      T* one = a.as<T>() + i * batch.each;
      Real<T>* values = w.as<Real<T>>() + i * n;
      if (holds_strange(one, batch.each)) {
        fill_nan(values, n);
        if (vectors) fill_nan(one, batch.each);
        return 0;
      }
      return lapack<T>().syevd(kRowMajor, vectors ? 'V' : 'N', lower ? 'L' : 'U', n, one, n,
                               values);
    });
  });
}

Info eig(const View& a, const View& w, const View* v) {
  const Batch batch(a);
  const int64_t n = batch.rows, space = n * n + 2 * n;
  return with_type(a.dtype, [&](auto zero) {
    using T = decltype(zero);
    Workspace<T> spaces(std::is_same_v<T, complex64> ? 0 : batch.count * space);
    return batch.run([&](int64_t i) {
      T* one = a.as<T>() + i * batch.each;
      complex64 *values = w.as<complex64>() + i * n,
                *vectors = v ? v->as<complex64>() + i * n * n : nullptr;
      if (holds_strange(one, batch.each)) {
        fill_nan(values, n);
        if (vectors) fill_nan(vectors, n * n);
        return 0;
      }
      return eig_one(one, narrow_int(n), values, vectors, spaces + i * space);
    });
  });
}

Info lu(const View& a, const View& pivots, const View& order) {
  const Batch batch(a);
  const int64_t m = batch.rows, n = batch.cols, k = std::min(m, n);
  return with_type(a.dtype, [&](auto zero) {
    using T = decltype(zero);
    return batch.run([&](int64_t i) {
      T* one = a.as<T>() + i * batch.each;
      int* places = pivots.as<int>() + i * k;
      int info = 0;
      if (holds_nan(one, batch.each)) {
        fill_nan(one, batch.each);
        for (int64_t j = 0; j < k; ++j) places[j] = narrow_int(j + 1);
      } else {  // a positive code names a zero on the diagonal, which is no failure here
        info = std::min(0, lapack<T>().getrf(kRowMajor, narrow_int(m), narrow_int(n), one,
                                             narrow_int(n), places));
      }
      uint32_t* rows = order.as<uint32_t>() + i * m;
      for (int64_t j = 0; j < m; ++j) rows[j] = static_cast<uint32_t>(j);
      for (int64_t j = 0; j < k; ++j) std::swap(rows[j], rows[--places[j]]);
      return info;
    });
  });
}

Info inverse(const View& a) {
  const Batch batch(a);
  const int n = narrow_int(batch.rows);
  Workspace<int> pivots(batch.count * n);
  return with_type(a.dtype, [&](auto zero) {
    using T = decltype(zero);
    return batch.run([&](int64_t i) {
      T* one = a.as<T>() + i * batch.each;
      if (holds_nan(one, batch.each)) return fill_nan(one, batch.each), 0;
      return inverse_one(one, n, pivots + i * n);
    });
  });
}

Info solve(const View& a, const View& b) {
  const Batch batch(a), right(b);
  const int n = narrow_int(batch.rows), columns = narrow_int(right.cols);
  Workspace<int> pivots(batch.count * n);
  return with_type(a.dtype, [&](auto zero) {
    using T = decltype(zero);
    return batch.run([&](int64_t i) {
      T *one = a.as<T>() + i * batch.each, *x = b.as<T>() + i * right.each;
      if (holds_nan(one, batch.each)) return fill_nan(x, right.each), 0;
      return lapack<T>().gesv(kRowMajor, n, columns, one, n, pivots + i * n, x, columns);
    });
  });
}

Info solve_triangular(const View& a, bool upper, const View& b) {
  const Batch batch(a), right(b);
  const int n = narrow_int(batch.rows), columns = narrow_int(right.cols);
  return with_type(a.dtype, [&](auto zero) {
    using T = decltype(zero);
    return batch.run([&](int64_t i) {
      const T* one = a.as<T>() + i * batch.each;
      T* x = b.as<T>() + i * right.each;
      if (holds_nan(one, batch.each)) return fill_nan(x, right.each), 0;
      return lapack<T>().trtrs(kRowMajor, upper ? 'U' : 'L', 'N', 'N', n, columns, one, n, x,
                               columns);
    });
  });
}

}  // namespace monel
