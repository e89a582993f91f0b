"""mx.random: distributions as functions of a key, and the default key of each thread."""

from __future__ import annotations

import math
from typing import Any

from .base.avals import check_shape
from .base.dtypes import (
    Dtype,
    bfloat16,
    complex64,
    finfo,
    float16,
    float32,
    float64,
    int32,
    uint32,
)
from .base.errors import AxisError, DTypeError, ShapeError
from .graph.handle import array
from .graph.operators import broadcast_shapes
from .ops import keys
from .ops.keys import key, random_bits, seed, split
from .primitives.arguments import (
    call_on,
    dtype_or,
    integer,
    integers,
    number,
    operand,
    shape_of,
    speaking_as,
)
from .primitives.combined import softmax
from .primitives.convert import cast
from .primitives.elementwise import add, divide, maximum, minimum, multiply, subtract
from .primitives.exponential import log, log1p
from .primitives.flatten import flatten_axes
from .primitives.operands import to_array
from .primitives.scan import cumsum
from .primitives.sort import searchsorted
from .primitives.special import erf, erfinv
from .primitives.unary import abs, floor, negative, rsqrt, sign

__all__ = [
    "bernoulli",
    "categorical",
    "gumbel",
    "key",
    "laplace",
    "multivariate_normal",
    "normal",
    "permutation",
    "randint",
    "seed",
    "split",
    "truncated_normal",
    "uniform",
]


def __getattr__(name: str) -> Any:
    if name == "state":
        return keys.thread.state
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _shape(function: str, shape: Any) -> tuple[int, ...]:
    dimensions = integers(function, "shape", shape)
    check_shape(function, dimensions)
    return dimensions


def _floating(function: str, dtype: Any) -> Dtype:
    found = dtype_or(function, dtype, float32)
    if not found.floating:
        raise DTypeError(
            f"{function}: Can only generate numbers of real floating point type, got {found.name}"
        )
    return found


def _check_covers(function: str, shape: tuple[int, ...], *operands: Any) -> None:
    """Raise ``ShapeError`` unless ``operands`` broadcast to exactly ``shape``."""
    common: tuple[int, ...] = ()
    for x in operands:
        common = broadcast_shapes(function, common, x.shape)
    if broadcast_shapes(function, shape, common) != shape:
        raise ShapeError(
            f"{function}: Cannot generate random values of shape {shape} from broadcasted shape "
            f"{common}; give shape="
        )


# The greatest number below 1, to which what rounds up to 1 is lowered.
_BELOW_ONE = {
    float16: 1 - 2.0**-11,
    bfloat16: 1 - 2.0**-8,
    float32: 1 - 2.0**-24,
}


def _unit(function: str, shape: tuple[int, ...], dtype: Dtype, key: Any, stream: Any) -> Any:
    """Return uniform numbers from 0 to 1, without 1."""
    if dtype is float64:
        return _unit_of_53_bits(random_bits(function, (*shape, 2), 4, key, stream), stream)
    bits = cast(random_bits(function, shape, 4, key, stream), float32, stream)
    unit = cast(divide(bits, float((1 << 32) - 1), stream), dtype, stream)
    return minimum(unit, _BELOW_ONE[dtype], stream=stream)


def _unit_of_53_bits(pairs: array, stream: Any) -> Any:
    """Return float64 from 0 to 1 made of the upper 27 and 26 bits of pairs of words."""
    last = pairs.ndim - 1
    words = []
    for i, dropped in ((0, 5), (1, 6)):
        word = call_on(stream, "select", pairs, axis=last, index=i)
        shift = cast(to_array("uniform", dropped), uint32, stream)
        words.append(cast(call_on(stream, "shift_right", word, shift), float64, stream))
    whole = add(multiply(words[0], 2.0**26, stream), words[1], stream)
    return multiply(whole, 2.0**-53, stream)


def uniform(
    low: Any = 0,
    high: Any = 1,
    shape: Any = (),
    dtype: Any = float32,
    key: array | None = None,
    stream: Any = None,
) -> array:
    """Return uniform random numbers from ``low`` up to, without, ``high``.

    Args:
      low, high: Scalars or arrays that broadcast to ``shape``.
      shape: Of the result.
      dtype: A floating dtype.
      key: Of ``key`` or ``split``; by default the thread's next one.
    Returns:
      Array of ``shape`` and ``dtype``.
    Raises:
      ValueError: The dtype is not floating, or the bounds do not fit the shape.
    Example:
      >>> import monel.core as mx
      >>> mx.random.uniform(shape=(3,), key=mx.random.key(0))
      array([0.965321, 0.314682, 0.63303], dtype=float32)
    """
    out, dims = _floating("uniform", dtype), _shape("uniform", shape)
    first, last = (cast(to_array("uniform", x), out, stream) for x in (low, high))
    _check_covers("uniform", dims, first, last)
    unit = _unit("uniform", dims, out, key, stream)
    return add(multiply(unit, subtract(last, first, stream), stream), first, stream)


def _symmetric(function: str, shape: Any, dtype: Dtype, key: Any, stream: Any) -> Any:
    """Return uniform numbers between -1 and 1, without both."""
    low = math.nextafter(-1.0, 0.0) if dtype is float64 else -_BELOW_ONE[float32]
    wide = float64 if dtype is float64 else float32
    with speaking_as(function):
        return uniform(low, 1.0, _shape(function, shape), wide, key, stream)


def normal(
    shape: Any = (),
    dtype: Any = float32,
    loc: Any = None,
    scale: Any = None,
    key: array | None = None,
    stream: Any = None,
) -> array:
    """Return normally distributed random numbers.

    Args:
      shape: Of the result.
      dtype: A floating dtype or complex64, whose parts have variance 1/2.
      loc: The mean, a scalar or an array; 0 by default.
      scale: The standard deviation, a scalar or an array; 1 by default.
      key: Of ``key`` or ``split``; by default the thread's next one.
    Returns:
      Array of ``shape`` and ``dtype``.
    Raises:
      ValueError: The dtype is an integer or bool.
    Example:
      >>> import monel.core as mx
      >>> mx.random.normal(shape=(3,), key=mx.random.key(0))
      array([1.81609, -0.482623, 0.339889], dtype=float32)
    """
    out, dims = dtype_or("normal", dtype, float32), _shape("normal", shape)
    if not out.inexact:
        raise DTypeError(
            f"normal: Only floating point and complex64 types are supported, got {out.name}"
        )
    if out is complex64:
        parts = normal((*dims, 2), float32, key=key, stream=stream)
        pair = multiply(parts, math.sqrt(0.5), stream)
        joined = call_on(stream, "bitcast", pair, dtype=complex64)
        made = call_on(stream, "squeeze", joined, axes=(len(dims),))
    else:
        unit = _symmetric("normal", dims, out, key, stream)
        made = cast(multiply(erfinv(unit, stream=stream), math.sqrt(2), stream), out, stream)
    if scale is not None:
        made = multiply(made, cast(to_array("normal", scale), out, stream), stream)
    if loc is not None:
        made = add(made, cast(to_array("normal", loc), out, stream), stream)
    return made


def bernoulli(
    p: Any = 0.5, shape: Any = None, key: array | None = None, stream: Any = None
) -> array:
    """Return random bools that are True with probability ``p``.

    Args:
      p: A float or a floating array.
      shape: Of the result, to which ``p`` broadcasts; by default that of ``p``.
      key: Of ``key`` or ``split``; by default the thread's next one.
    Returns:
      Bool array of ``shape``.
    Raises:
      ValueError: ``p`` is not floating or does not broadcast to ``shape``.
    Example:
      >>> import monel.core as mx
      >>> mx.random.bernoulli(0.3, (5,), mx.random.key(0))
      array([False, True, False, False, False], dtype=bool)
    """
    chance = to_array("bernoulli", p)
    if not chance.dtype.floating:
        raise DTypeError(
            f"bernoulli: bernoulli probability `p` must be a float type, got {chance.value}"
        )
    dims = chance.shape if shape is None else _shape("bernoulli", shape)
    _check_covers("bernoulli", dims, chance)
    unit = _unit("bernoulli", dims, float32, key, stream)
    return call_on(stream, "less", unit, cast(chance, float32, stream))


def gumbel(
    shape: Any = (), dtype: Any = float32, key: array | None = None, stream: Any = None
) -> array:
    """Return random numbers with the distribution function ``exp(-exp(-x))``.

    Args:
      shape: Of the result.
      dtype: A floating dtype.
      key: Of ``key`` or ``split``; by default the thread's next one.
    Returns:
      Array of ``shape`` and ``dtype``.
    Raises:
      ValueError: The dtype is not floating.
    Example:
      >>> import monel.core as mx
      >>> mx.random.gumbel((3,), key=mx.random.key(0))
      array([3.34404, -0.145133, 0.782552], dtype=float32)
    """
    out = _floating("gumbel", dtype)
    wide = float64 if out is float64 else float32
    unit = _unit("gumbel", _shape("gumbel", shape), wide, key, stream)
    inner = negative(log(unit, stream=stream), stream=stream)
    return cast(negative(log(inner, stream=stream), stream=stream), out, stream)


def categorical(
    logits: array,
    axis: int = -1,
    shape: Any = None,
    num_samples: int | None = None,
    key: array | None = None,
    stream: Any = None,
) -> array:
    """Return random categories, given the logarithms of their relative frequencies.

    Args:
      logits: Array with the categories along ``axis``.
      axis: Which axis.
      shape: Of the result; the shape of ``logits`` without ``axis`` must broadcast to it.
      num_samples: How many draws of each distribution, along a new last axis.
      key: Of ``key`` or ``split``; by default the thread's next one.
    Returns:
      uint32 array; its shape is that of ``logits`` without ``axis`` where nothing else is asked.
    Raises:
      ValueError: Both ``shape`` and ``num_samples`` are given, or ``shape`` does not fit.
      AxisError: ``axis`` is out of bounds.
    Example:
      >>> import monel.core as mx
      >>> mx.random.categorical(mx.zeros((2, 3)), key=mx.random.key(0))
      array([2, 0], dtype=uint32)

    Source: the Gumbel-max trick; Maddison, Tarlow and Minka, "A* Sampling", arXiv:1411.0030.
    """
    x, place = operand("categorical", logits), integer("categorical", "axis", axis)
    if not -x.ndim <= place < x.ndim:
        raise AxisError(f"categorical: Invalid axis {place} for logits {x.value}")
    if shape is not None and num_samples is not None:
        raise ShapeError("categorical: At most one of shape or num_samples can be specified")
    place %= x.ndim
    reduced = x.shape[:place] + x.shape[place + 1 :]
    dims = reduced
    if shape is not None:
        dims = _shape("categorical", shape)
        if broadcast_shapes("categorical", dims, reduced) != dims:
            raise ShapeError(
                f"categorical: Requested shape {dims} is not broadcast compatible with {reduced}, "
                f"the shape of the logits without axis {place}"
            )
    elif num_samples is not None:
        count = integer("categorical", "num_samples", num_samples)
        dims = shape_of("categorical", (*reduced, count))
        x = call_on(stream, "expand_dims", x, axes=(x.ndim,))
    categories = x.shape[place]
    if dims is not reduced and categories == x.size != 0:
        return _looked_up(x, dims, key, stream)
    place += len(dims) - x.ndim + 1
    with speaking_as("categorical"):
        noise = gumbel((*dims[:place], categories, *dims[place:]), float32, key, stream)
        return call_on(stream, "argmax", add(noise, x, stream), axis=place)


def _looked_up(logits: Any, dims: tuple[int, ...], key: Any, stream: Any) -> Any:
    """Return many draws of one distribution: a uniform number each among sums of probabilities."""
    row = cast(flatten_axes(logits, 0, logits.ndim - 1, stream), float32, stream)
    sums = cumsum(softmax(row, stream=stream), stream=stream)
    unit = _unit("categorical", dims, float32, key, stream)
    found = searchsorted(sums, unit, side="right", stream=stream)
    last = cast(to_array("categorical", row.size - 1), uint32, stream)
    return minimum(found, last, stream=stream)


def randint(
    low: Any,
    high: Any,
    shape: Any = (),
    dtype: Any = int32,
    key: array | None = None,
    stream: Any = None,
) -> array:
    """Return random integers from ``low`` up to, without, ``high``.

    They are rounded from uniform float32, so that ranges beyond 2**24 have gaps.

    Args:
      low, high: Scalars or arrays that broadcast to ``shape``.
      shape: Of the result.
      dtype: An integer dtype or bool; int32 by default.
      key: Of ``key`` or ``split``; by default the thread's next one.
    Returns:
      Array of ``shape`` and ``dtype``.
    Raises:
      ValueError: The dtype is floating, or the bounds do not fit the shape.
    Example:
      >>> import monel.core as mx
      >>> mx.random.randint(0, 10, (3,), key=mx.random.key(0))
      array([9, 3, 6], dtype=int32)
    """
    out = dtype_or("randint", dtype, int32)
    if out.inexact:
        raise DTypeError(f"randint: randint only accepts integer dtypes and bool, got {out.name}")
    dims = _shape("randint", shape)
    low, high = (cast(to_array("randint", x), out, stream) for x in (low, high))
    with speaking_as("randint"):
        drawn = uniform(low, high, dims, float32, key, stream)
    drawn = maximum(drawn, cast(low, float32, stream), stream=stream)
    return cast(floor(drawn, stream=stream), out, stream)


def permutation(x: Any, axis: int = 0, key: array | None = None, stream: Any = None) -> array:
    """Return the numbers below ``x``, or the entries of an array, in random order.

    Args:
      x: An int, or an array.
      axis: Along which entries of the array are moved.
      key: Of ``key`` or ``split``; by default the thread's next one.
    Returns:
      uint32 array of shape (x,), or an array like ``x``.
    Raises:
      AxisError: ``axis`` is out of bounds.
      ValueError: The int is negative.
    Example:
      >>> import monel.core as mx
      >>> mx.random.permutation(4, key=mx.random.key(0))
      array([1, 3, 2, 0], dtype=uint32)
    """
    if not isinstance(x, array):
        count = integer("permutation", "x", x)
        if count < 0:
            raise ShapeError(f"permutation: x must not be negative, got {count}")
        return _order(count, key, stream)
    place = integer("permutation", "axis", axis)
    if not -x.ndim <= place < x.ndim:
        raise AxisError(f"permutation: axis {place} is out of bounds for {x.value}")
    place %= x.ndim
    order = _order(x.shape[place], key, stream)
    sizes = tuple([1 if i == place else n for i, n in enumerate(x.shape)])
    taken = call_on(stream, "gather", x, order, axes=(place,), slice_sizes=sizes)
    # The gather puts the order first and leaves length 1 in its place.
    rows = call_on(stream, "squeeze", taken, axes=(place + 1,))
    back = (*range(1, place + 1), 0, *range(place + 1, x.ndim))
    return call_on(stream, "transpose", rows, axes=back) if place else rows


def _order(count: int, key: Any, stream: Any) -> Any:
    return call_on(stream, "argsort", random_bits("permutation", (count,), 4, key, stream), axis=0)


def laplace(
    shape: Any = (),
    dtype: Any = float32,
    loc: float = 0.0,
    scale: float = 1.0,
    key: array | None = None,
    stream: Any = None,
) -> array:
    """Return random numbers with density ``exp(-abs(x - loc) / scale) / (2 * scale)``.

    Args:
      shape: Of the result.
      dtype: A floating dtype.
      loc: The mean.
      scale: The mean distance from it.
      key: Of ``key`` or ``split``; by default the thread's next one.
    Returns:
      Array of ``shape`` and ``dtype``.
    Raises:
      ValueError: The dtype is not floating.
    Example:
      >>> import monel.core as mx
      >>> mx.random.laplace((3,), key=mx.random.key(0))
      array([-2.66849, 0.463046, -0.309328], dtype=float32)
    """
    out = _floating("laplace", dtype)
    shift, factor = number("laplace", "loc", loc), number("laplace", "scale", scale)
    u = _symmetric("laplace", shape, out, key, stream)
    depth = log1p(negative(abs(u, stream=stream), stream=stream), stream=stream)
    made = cast(multiply(sign(u, stream=stream), depth, stream), out, stream)
    made = multiply(made, factor, stream) if factor != 1 else made
    return add(made, shift, stream) if shift != 0 else made


def truncated_normal(
    lower: Any,
    upper: Any,
    shape: Any = None,
    dtype: Any = float32,
    key: array | None = None,
    stream: Any = None,
) -> array:
    """Return standard normal random numbers between ``lower`` and ``upper``.

    Args:
      lower, upper: Scalars or arrays.
      shape: Of the result; by default the one that the bounds broadcast to.
      dtype: A floating dtype.
      key: Of ``key`` or ``split``; by default the thread's next one.
    Returns:
      Array of ``shape`` and ``dtype``.
    Raises:
      ValueError: The dtype is not floating, or the bounds do not fit the shape.
    Example:
      >>> import monel.core as mx
      >>> x = mx.random.truncated_normal(-1, 1, (3,), key=mx.random.key(0))
      >>> mx.abs(x) <= 1
      array([True, True, True], dtype=bool)
    """
    out = _floating("truncated_normal", dtype)
    wide = float64 if out is float64 else float32
    low, high = (cast(to_array("truncated_normal", x), wide, stream) for x in (lower, upper))
    common = broadcast_shapes("truncated_normal", low.shape, high.shape)
    dims = common if shape is None else _shape("truncated_normal", shape)
    _check_covers("truncated_normal", dims, low, high)
    root = math.sqrt(2)
    first, last = (erf(divide(x, root, stream), stream=stream) for x in (low, high))
    with speaking_as("truncated_normal"):
        drawn = erfinv(uniform(first, last, dims, wide, key, stream), stream=stream)
    made = multiply(drawn, root, stream)
    return cast(maximum(minimum(made, high, stream=stream), low, stream=stream), out, stream)


def multivariate_normal(
    mean: array,
    cov: array,
    shape: Any = (),
    dtype: Any = float32,
    key: array | None = None,
    stream: Any = None,
) -> array:
    """Return normally distributed random vectors with a given covariance.

    Args:
      mean: Array of shape (..., n).
      cov: Positive semi-definite array of shape (..., n, n).
      shape: Of the batch of vectors, to which the leading axes of both broadcast.
      dtype: float32.
      key: Of ``key`` or ``split``; by default the thread's next one.
    Returns:
      float32 array of shape (*shape, n).
    Raises:
      ValueError: The dtype is another, or the shapes do not fit.
    Example:
      >>> import monel.core as mx
      >>> cov = mx.array([[2.0, 0.5], [0.5, 1.0]])
      >>> mx.random.multivariate_normal(mx.zeros(2), cov, (3,), key=mx.random.key(0)).shape
      (3, 2)
    """
    name = "multivariate_normal"
    if dtype_or(name, dtype, float32) is not float32:
        raise DTypeError(f"{name}: dtype must be float32, got {dtype}")
    centre, spread = (cast(operand(name, x), float32, stream) for x in (mean, cov))
    if not centre.shape or spread.ndim < 2:
        raise ShapeError(
            f"{name}: expected a mean of shape (..., n) and a cov of shape (..., n, n), "
            f"got {centre.value} and {spread.value}"
        )
    n = centre.shape[-1]
    if spread.shape[-2:] != (n, n):
        raise ShapeError(
            f"{name}: mean and cov must have compatible shapes, got {centre.value} and "
            f"{spread.value}"
        )
    common = broadcast_shapes(name, centre.shape[:-1], spread.shape[:-2])
    dims = _shape(name, shape) or common
    if broadcast_shapes(name, dims, common) != dims:
        raise ShapeError(f"{name}: shape {dims} does not fit the batch {common} of mean and cov")
    with speaking_as(name):
        draws = normal((*dims, 1, n), float32, key=key, stream=stream)
    turned = call_on(stream, "matmul", draws, _factor(spread, stream))
    return add(call_on(stream, "squeeze", turned, axes=(len(dims),)), centre, stream)


def _factor(cov: Any, stream: Any) -> Any:
    """Return an upper triangular u with u^T u = ``cov``, which may be singular.

    Cholesky's method by rank-one downdates; a pivot lost in rounding errors ends its row in zeros.
    """
    n, last = cov.shape[-1], cov.ndim - 1
    if not n:
        return cov
    diagonal = call_on(stream, "max", abs(cov, stream=stream), axes=(last - 1, last))
    noise = multiply(diagonal, n * finfo(float32).eps, stream)
    zero = cast(to_array("multivariate_normal", 0.0), float32, stream)
    rows = []
    for j in range(n):
        column = call_on(stream, "select", cov, axis=last, index=j)
        pivot = call_on(stream, "select", column, axis=last - 1, index=j)
        kept = call_on(stream, "greater", pivot, noise)
        scale = call_on(stream, "where", kept, rsqrt(pivot, stream=stream), zero)
        row = multiply(column, call_on(stream, "expand_dims", scale, axes=(last - 1,)), stream)
        across = call_on(stream, "expand_dims", row, axes=(last - 1,))
        down = call_on(stream, "expand_dims", row, axes=(last,))
        cov = subtract(cov, multiply(across, down, stream), stream)
        rows.append(across)
    return call_on(stream, "concatenate", *rows, axis=last - 1)
