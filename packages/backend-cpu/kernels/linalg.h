// Factorisations and solutions of matrices through LAPACK, one matrix of a batch after another on
// the pool.
#pragma once
#include "view.h"

namespace monel {

// False where no LAPACK is found: the caller then computes elsewhere.
bool has_lapack();

// Each kernel takes contiguous views of one dtype (float32, float64 or complex64) with equal batch
// axes; `a` may be overwritten. The result is 0, or the code of the first matrix that failed:
// singular, not positive definite, or not converged. Matrices that hold NaN give NaN; so do, where
// LAPACK iterates (svd, eigh, eig), those that hold infinities.
using Info = int64_t;

// a (..., n, n) becomes its Cholesky factor: lower, or upper.
Info cholesky(const View& a, bool upper);
// a (..., m, n) is the product of q (..., m, k) and r (..., k, n), k the smaller of m and n, or m.
Info qr(const View& a, const View& q, const View& r);
// a (..., m, n) is u diag(s (..., k)) vt, with u (..., m, k) and vt (..., k, n), or both square; u and
// vt null: s alone.
Info svd(const View& a, const View& s, const View* u, const View* vt);
// a (..., n, n), of which the lower or upper triangle is read, becomes its eigenvectors, in
// columns, if wanted; w (..., n), real, the eigenvalues in ascending order.
Info eigh(const View& a, bool lower, bool vectors, const View& w);
// w (..., n) become the eigenvalues of a (..., n, n), and v (..., n, n), unless null, the
// eigenvectors in columns; both are complex64.
Info eig(const View& a, const View& w, const View* v);
// a (..., m, n) becomes its packed factors: row i was swapped with row pivots[..., i], so that row
// i of their product is row order[..., i] of a; pivots (..., k) and order (..., m) are uint32. A
// singular matrix is no failure.
Info lu(const View& a, const View& pivots, const View& order);
// a (..., n, n) becomes its inverse.
Info inverse(const View& a);
// b (..., n, k) becomes the solution x of a x = b.
Info solve(const View& a, const View& b);
// The same for a triangular matrix.
Info solve_triangular(const View& a, bool upper, const View& b);

}  // namespace monel
