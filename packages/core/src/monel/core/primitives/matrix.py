"""What the primitives of linear algebra share: checks, batching, NumPy's view of odd matrices."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from ..base import dtypes, errors
from ..base.dtypes import Dtype
from ..base.errors import DTypeError, ShapeError
from ..graph.primitive import Primitive
from .arguments import operand
from .kinds import move_axis

if TYPE_CHECKING:
    import numpy as np

__all__: list[str] = []


class Factorization(Primitive):
    """Works on the matrices in the last two axes of its first operand.

    Class attributes:
      square: Only square matrices are taken.
      iterative: LAPACK iterates and may not end on infinities, which then count as NaN.
      failure: What is wrong with a matrix that is refused when the operation runs.

    A matrix that holds NaN gives NaN and is no failure.
    """

    host: ClassVar[bool] = True
    square: ClassVar[bool] = True
    iterative: ClassVar[bool] = False
    failure: ClassVar[str] = "the iteration did not converge"

    def check(self, a: Any) -> None:
        """Raise unless ``a`` holds matrices of a dtype that LAPACK takes."""
        check_matrices(self.name, a, self.square)

    def batch(self, operands: Any, dims: Any) -> Any:
        made = self.bind(move_axis(operands[0], dims[0], 0))
        return made, (0 if self.outputs == 1 else (0,) * self.outputs)

    def compute(self, function: Callable[..., Any], a: np.ndarray, *others: np.ndarray) -> Any:
        """Call ``function`` of NumPy on matrices without NaN; refuse what it refuses."""
        import numpy as np

        strange = (~np.isfinite(a) if self.iterative else np.isnan(a)).any((-2, -1))
        identity = np.eye(*a.shape[-2:], dtype=a.dtype)
        clean = np.where(strange[..., None, None], identity, a)
        try:
            with np.errstate(all="ignore"):
                made = function(clean, *others)
        except np.linalg.LinAlgError:
            raise errors.LinAlgError(f"{self.name}: {self.failure}") from None
        lead = max(x.ndim for x in (a, *others)) - 2
        outs = made if isinstance(made, tuple) else (made,)
        marked = tuple([_marked(np.asarray(out), strange, lead) for out in outs])
        return marked if isinstance(made, tuple) else marked[0]


def _marked(out: np.ndarray, strange: np.ndarray, lead: int) -> np.ndarray:
    """Return ``out``, which has ``lead`` batch axes, with NaN for the matrices ``strange``."""
    import numpy as np

    if out.dtype.kind not in "fc" or not strange.any():
        return out
    mask = strange.reshape(strange.shape + (1,) * (out.ndim - lead))
    return np.where(mask, np.asarray(np.nan, out.dtype), out)


LAPACK_DTYPES = (dtypes.float32, dtypes.float64, dtypes.complex64)


def check_matrices(function: str, a: Any, square: bool) -> None:
    """Raise unless ``a`` has at least two axes, square at the end if asked, and a LAPACK dtype."""
    if a.dtype not in LAPACK_DTYPES:
        raise DTypeError(
            f"{function}: Arrays must have type float32, float64 or complex64, got {a}; "
            f"convert with astype"
        )
    if a.ndim < 2:
        raise ShapeError(f"{function}: Arrays must have >= 2 dimensions, got {a}")
    if square and a.shape[-1] != a.shape[-2]:
        raise ShapeError(f"{function}: only defined for square matrices, got {a}")


def matrices(function: str, a: Any, square: bool) -> Any:
    """Return ``a``, an array of matrices that LAPACK takes."""
    x = operand(function, a)
    check_matrices(function, x.value, square)
    return x


def real_dtype(dtype: Dtype) -> Dtype:
    """Return the dtype of the absolute values of numbers of ``dtype``."""
    return dtypes.float32 if dtype is dtypes.complex64 else dtype


def numbers(rng: np.random.Generator, shape: tuple[int, ...], dtype: str = "float32") -> Any:
    """Return random numbers for samples; complex ones have both parts."""
    x = rng.standard_normal(shape)
    if dtype == "complex64":
        x = x + 1j * rng.standard_normal(shape)
    return x.astype(dtype)


def well_conditioned(rng: np.random.Generator, shape: tuple[int, ...], dtype: str) -> Any:
    """Return random Hermitian positive definite matrices for samples."""
    import numpy as np

    x = numbers(rng, shape, dtype)
    product = np.matmul(x, np.conj(np.swapaxes(x, -1, -2)))
    return (product + shape[-1] * np.eye(shape[-1])).astype(dtype)
